"""Stage pre-launch: what must be there, and be right, before the trainer starts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from srpo_manifest.plugin import (
    Answer,
    Check,
    Facts,
    Fault,
    Finding,
    Known,
    Probe,
    Proposal,
    Sh,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    anchors,
    hookimpl,
    quote,
    shell,
    ticked,
)


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - every job has a place to start in
    """The built-in answer: the working directory, files, and the model."""
    return Preflight()


class Preflight:
    """Checks that need no GPU; the same predicates are asked on the target where the plan could not know."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        for path, sha256 in _files(wanted):
            yield TargetProbe(
                name=_fact(path, sha256), script=_in_working_dir(wanted, _probe(path, sha256)), parse=parse_presence
            )

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        folder = anchors.working_dir(wanted)
        yield Sh(id="working-dir", script=f"mkdir -p -- {shell(folder)}\n", reason=f"the job runs in {folder}")
        yield from _method(wanted)
        given = {file.path: file.sha256 for file in wanted.manifest.files}
        for path, sha256 in _files(wanted):
            why = _why(wanted, path)
            yield Check(
                code="file-missing",
                level="deny",
                fact=_fact(path, sha256),
                op="present",
                value=None,
                message=f"{ticked(path)} is not in the working directory {ticked(folder)}{why}",
                hints=("put it there, or correct the path",),
                probe=_probe(path, sha256),
                key="files" if path in given else "model.base",
            )
            if sha256 is not None:
                yield Check(
                    code="file-differs",
                    level="deny",
                    fact=_fact(path, sha256),
                    op="equals",
                    value=sha256,
                    message=f"{ticked(path)} does not hash to the `sha256` that the manifest gives",
                    hints=("fetch it again: an interrupted download looks like this",),
                    probe=_probe(path, sha256),
                    key="files",
                )


def parse_presence(answer: Answer) -> Known | Unknown:
    """What the probe printed; nothing at all means that the file is not there: that is known, too."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    return Known(value=answer.text)


def _files(wanted: Wanted) -> list[tuple[str, str | None]]:
    """Paths in the working directory, each once, with the digest that is wanted."""
    found: dict[str, str | None] = {file.path: file.sha256 for file in wanted.manifest.files}
    settings = wanted.manifest.entry.set
    for needed in wanted.trainer.files:
        flag, _, value = needed.when.partition("=")
        if flag and str(settings.get(flag, wanted.trainer.defaults.get(flag, ""))) != value:
            continue
        found.setdefault(needed.path, None)
    base = wanted.manifest.model.base
    if base and wanted.trainer.needs_base and base != "builtin" and not base.startswith("hf:"):
        found.setdefault(base, None)
    return list(found.items())


def _method(wanted: Wanted) -> Iterable[Proposal]:
    model = wanted.manifest.model
    if model.method == "lora":
        yield _refusal(
            "method-lora",
            "upstream trains all parameters; it has no LoRA",
            'set `model.method = "full-finetune"`',
            "model.method",
        )
    if wanted.trainer.needs_base and model.base is None:
        yield _refusal(
            "base-missing",
            f"trainer {ticked(wanted.trainer.name)} needs a base model",
            "set `model.base` to the model's folder",
            "model",
        )
    for key, value in (("model.base", model.base), ("model.vae", model.vae)):
        if value and value.startswith("hf:"):
            yield _refusal(
                "hub-unsupported",
                f"{ticked(value)} would have to be downloaded, which this version does not do",
                "download it on the target and give its folder",
                key,
            )


def _refusal(code: str, message: str, hint: str, key: str) -> Fault:
    return Fault(finding=Finding(code=code, level="deny", message=message, hints=(hint,)), key=key)


def _why(wanted: Wanted, path: str) -> str:
    return next((f": {needed.why}" for needed in wanted.trainer.files if needed.path == path and needed.why), "")


def _fact(path: str, sha256: str | None) -> str:
    return f"file.{posixpath.normpath(path)}" if sha256 is None else f"sha256.{posixpath.normpath(path)}"


def _probe(path: str, sha256: str | None) -> str:
    """Prints the size, or the digest, of what is there; nothing where nothing is."""
    at = quote(path) if not path.startswith("~/") else f'"$HOME"/{quote(path[2:])}'
    if sha256 is not None:
        return f"[ ! -e {at} ] || sha256sum -- {at} | cut -c 1-64"
    return f"[ ! -e {at} ] || {{ [ -d {at} ] && echo folder || stat -L -c %s -- {at}; }}"


def _in_working_dir(wanted: Wanted, script: str) -> str:
    return f"cd -- {shell(anchors.working_dir(wanted))} 2>/dev/null || exit 0\n{script}"
