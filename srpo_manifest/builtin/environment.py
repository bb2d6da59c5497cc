"""Stage build-env: the job's variables, its interpreter, and the lines sourced before everything."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable

from srpo_manifest.builtin.resources import gpu_probe, platform_variables
from srpo_manifest.plugin import (
    GPUS,
    Answer,
    Assume,
    Choice,
    Computed,
    Content,
    ControllerProbe,
    EnvVariable,
    Facts,
    Fault,
    Finding,
    Known,
    Piece,
    Probe,
    Proposal,
    Put,
    ReadFile,
    Reference,
    SecretRef,
    StageHandler,
    TargetProbe,
    Unknown,
    Variable,
    Wanted,
    anchors,
    entry_of,
    gpus_per_node,
    hookimpl,
    late,
    listed,
    script_of,
    secret_name,
    ticked,
    word,
)
from srpo_manifest.plugin import Environment as Ask

_NO_TEXT = "variable-not-utf8"
_HARMLESS = frozenset({"HOME", "PATH", "USER", "LOGNAME", "PWD", "SHELL", "TMPDIR", "LANG", "HOSTNAME", "RANDOM", "SECONDS", "UID", "EUID", "PPID", "BASH", "OSTYPE", "PYTHONPATH", "LD_LIBRARY_PATH", "CUDA_HOME", "CONDA_PREFIX", "VIRTUAL_ENV"})  # fmt: skip


@hookimpl
def srpo_build_env(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - every job has an environment
    """The built-in answer; a plugin's variables of the same name win by weight."""
    return Environment()


class Environment:
    """What the job finds in its environment."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        yield TargetProbe(name="target.home", script='printf %s "$HOME"')
        for path in _carried(wanted).values():
            yield ControllerProbe(
                name=f"controller.file.{path}", question=ReadFile(path=path, inside=True), parse=parse_digest
            )
        for name, reference in _secrets(wanted).items():
            question = (
                ReadFile(path=reference.file) if reference.file is not None else Ask(variable=reference.env or "")
            )
            yield ControllerProbe(name=f"secret.{name}", question=question, parse=parse_given)
        if wanted.manifest.resources.gpus_per_node is None and wanted.trainer.needs_gpu:
            yield gpu_probe()
        for name in _inherited(wanted, facts):
            value = "" if secret_name(name) else f"${name}"
            yield TargetProbe(
                name=_inherited_fact(name),
                script=f'[ -z "${{{name}+x}}" ] || printf "=%s" "{value}"',
                parse=parse_inherited,
            )

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        yield from self._of_manifest(wanted, facts)
        yield from self._of_platform(wanted, facts)
        yield from self._of_script(wanted, facts)
        yield from self._given(wanted)
        for key, path in _carried(wanted).items():
            digest = facts.get(f"controller.file.{path}", str)
            if isinstance(digest, Unknown):
                message = f"{ticked(path)}, which the bundle carries, cannot be read: {digest.reason}"
                finding = Finding(
                    code="carried-file-missing", level="deny", message=message, hints=("correct the path",)
                )
                yield Fault(finding=finding, key=key, final=True, observed=True)

        for name in _secrets(wanted):
            given = facts.get(f"secret.{name}", str)
            if isinstance(given, Unknown) and f"secret.{name}" in facts:
                message = f"{ticked(name)} refers to what is not there: {given.reason}"
                finding = Finding(
                    code="secret-missing", level="warn", message=message, hints=("give it a value before `apply`",)
                )
                yield Fault(finding=finding, key=f"env.{name}", observed=True)

    def _of_manifest(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        manifest, here = wanted.manifest, anchors.working_dir(wanted)
        place = anchors.workspace(wanted)
        yield EnvVariable(name="SRPO_WORKSPACE_DIR", value=place)
        if manifest.paths.cache_dir is not None:
            yield EnvVariable(name="SRPO_CACHE_DIR", value=anchors.beneath(place, manifest.paths.cache_dir))
        if manifest.paths.concept_file is not None:
            name = "files/" + posixpath.basename(manifest.paths.concept_file.replace("\\", "/"))
            yield Put(
                id="concept-file",
                name=name,
                content=carried(facts, manifest.paths.concept_file),
                reason="paths.concept_file",
            )
            yield EnvVariable(
                name="SRPO_CONCEPT_FILE", value=place + f"/{anchors.RUNS_FOLDER}/" + late("run.id") + f"/bundle/{name}"
            )
        for name, value in (
            ("SRPO_BASE_MODEL", manifest.model.base),
            ("SRPO_VAE_MODEL", manifest.model.vae),
            ("SRPO_LORA", manifest.model.lora),
        ):
            if value is not None:
                yield EnvVariable(name=name, value=word(value) if is_name(value) else anchors.beneath(here, value))

    def _of_platform(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        roots = [
            late("repo.dir") if root == "." else late("repo.dir") + f"/{root}" for root in wanted.trainer.package_roots
        ]
        given = wanted.manifest.env.get("PYTHONPATH")
        path = roots[0]
        for more in [*roots[1:], *([word(given)] if isinstance(given, str) and given else [])]:
            path = path + ":" + more
        yield EnvVariable(name="PYTHONPATH", value=path, weight=2)
        yield EnvVariable(name="PYTHONDONTWRITEBYTECODE", value=word("1"))
        reads = _reads(wanted, facts)
        for name, value in platform_variables(wanted, facts).items():
            if name not in reads:
                continue
            if isinstance(value, Unknown):
                yield Fault(
                    finding=Finding(
                        code="gpu-count-unknown",
                        level="deny",
                        message=f"the script reads {ticked(name)}, and the target's GPUs are not known: {value.reason}",
                        hints=("set `resources.gpus_per_node`",),
                    ),
                    key="resources.gpus_per_node",
                    observed=True,
                )
            else:
                yield EnvVariable(name=name, value=value)
        if wanted.manifest.resources.gpus_per_node is None and wanted.trainer.needs_gpu:
            count = gpus_per_node(wanted, facts)
            if not isinstance(count, Unknown):
                yield Assume(fact=GPUS, op="at-least", value=count)

    def _of_script(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        """Inherited names that the script reads are pinned: a stray `INDEX=1` would hang for ever."""
        missing: list[str] = []
        unreadable: list[str] = []
        needed = _needed(wanted, facts)
        for name in _inherited(wanted, facts):
            value = facts.get(_inherited_fact(name), str)
            if isinstance(value, Unknown) and value.code == _NO_TEXT:
                unreadable.append(name)
            elif isinstance(value, Unknown):
                missing += [name] if name in needed else []
            elif secret_name(name):
                continue
            else:
                yield EnvVariable(name=name, value=word(value))
        if unreadable:
            message = f"{ticked(script_of(wanted))} reads {listed(unreadable, 'and')}, and what the target gives is not UTF-8: a plan cannot hold it"
            yield Fault(
                finding=Finding(code=_NO_TEXT, level="deny", message=message, hints=("give it a value in `[env]`",)),
                key="env",
                observed=True,
            )
        if missing:
            yield Fault(
                finding=Finding(
                    code="variable-unset",
                    level="deny",
                    message=f"{ticked(script_of(wanted))} reads {listed(missing, 'and')} before setting it, and nothing gives it a value",
                    hints=("give it a value in `[env]`",),
                ),
                key="env",
                observed=True,
            )

    def _given(self, wanted: Wanted) -> Iterable[Proposal]:
        for name, value in wanted.manifest.env.items():
            if isinstance(value, Reference):
                at = value.target_file and str(anchors.beneath(anchors.workspace(wanted), value.target_file))
                yield EnvVariable(name=name, value=SecretRef(env=value.env, file=value.file, target_file=at), weight=1)
            elif name != "PYTHONPATH":
                yield EnvVariable(name=name, value=word(value), weight=1)


def parse_digest(answer: Answer) -> Known | Unknown:
    """The SHA-256 (hex) of a file of the controller: what is in it is nobody's fact, but the plan rests on it."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    return Known(value=hashlib.sha256(answer.output).hexdigest())


def carried(facts: Facts, path: str) -> Content:
    """A file of the controller as the bundle carries it."""
    digest = facts.get(f"controller.file.{path}", str)
    return Content(controller_file=path, digest=digest if isinstance(digest, str) else "")


def parse_given(answer: Answer) -> Known | Unknown:
    """That there is a value: what it is is nobody's fact."""
    return Known(value="given") if answer.status == 0 else Unknown(reason=answer.complaint)


def _secrets(wanted: Wanted) -> dict[str, Reference]:
    """References to values of the controller, by variable."""
    references = {name: value for name, value in wanted.manifest.env.items() if isinstance(value, Reference)}
    return {
        name: one
        for name, one in references.items()
        if one.env is not None or (one.file is not None and not one.file.startswith("~"))
    }


def parse_inherited(answer: Answer) -> Known | Unknown:
    """`=value` when the variable is set, nothing otherwise."""
    try:
        text = answer.output.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return Unknown(reason="its value on the target is not UTF-8", code=_NO_TEXT)
    return Known(value=text[1:]) if text.startswith("=") else Unknown(reason="it is not set on the target")


def is_name(value: str) -> bool:
    """A model that is no path: a hub name, or a word that the trainer knows."""
    return value.startswith("hf:") or value == "builtin"


def _carried(wanted: Wanted) -> dict[str, str]:
    """Files of the controller that travel in the bundle, by manifest key."""
    named = {
        "paths.concept_file": wanted.manifest.paths.concept_file,
        "python.requirements": wanted.manifest.python.requirements,
    }
    return {key: path for key, path in named.items() if path is not None}


def _reads(wanted: Wanted, facts: Facts) -> dict[str, int]:
    script = entry_of(wanted, facts).script
    return script.reads if script else {}


def _needed(wanted: Wanted, facts: Facts) -> set[str]:
    """Names without which a word of the script's would be another: those with a default of its own are not."""
    script = entry_of(wanted, facts).script
    if script is None:
        return set()
    tokens = [*script.makes, *(script.sets[name] for name in script.exported if name in script.sets)]
    for launch in script.launches:
        tokens += [*launch.launcher, launch.entry, *launch.arguments]
    return _without_default(piece for token in tokens for piece in token.pieces)


def _without_default(pieces: Iterable[Piece]) -> set[str]:
    names = set()
    for piece in pieces:
        if isinstance(piece, Choice):
            names |= _without_default(piece.default)
        elif isinstance(piece, Computed):
            names |= _without_default(each for _, pieces in piece.values for each in pieces)
        elif isinstance(piece, Variable) and piece.default is None:
            names.add(piece.name)
    return names


def _inherited(wanted: Wanted, facts: Facts) -> list[str]:
    """Names that the script reads and nobody of ours sets."""
    ours = {"HOST_NUM", "HOST_GPU_NUM", "INDEX", "CHIEF_IP", *wanted.manifest.env}
    return [
        name
        for name in _reads(wanted, facts)
        if name not in ours and name not in _HARMLESS and not name.startswith("SRPO_")
    ]


def _inherited_fact(name: str) -> str:
    """Of a secret only its presence is a fact: facts are saved."""
    return f"target.secret.{name}" if secret_name(name) else f"target.env.{name}"
