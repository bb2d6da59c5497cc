"""Stage pre-launch: what must be there, and be right, before the trainer starts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from srpo_manifest.builtin.command import finals_of
from srpo_manifest.builtin.repo import writable
from srpo_manifest.plugin import (
    Answer,
    Check,
    Facts,
    Known,
    Probe,
    Proposal,
    Sh,
    StageHandler,
    TargetProbe,
    Unknown,
    Value,
    Wanted,
    anchors,
    arrivals,
    arriving,
    entry_of,
    hookimpl,
    quote,
    replace,
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
        yield TargetProbe(name="target.working_dir", script=writable(shell(anchors.working_dir(wanted))))
        for file in _needed(wanted, facts):
            yield TargetProbe(name=_fact(file), script=_in_working_dir(wanted, _probe(file)), parse=parse_presence)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        folder = anchors.working_dir(wanted)
        yield Check(
            code="working-dir-unwritable",
            level="deny",
            fact="target.working_dir",
            op="equals",
            value="writable",
            message=f"the working directory {ticked(folder)} cannot be written on the target",
            hints=("set `paths.working_dir` to a folder of yours",),
            key="paths.working_dir",
        )
        yield Sh(id="working-dir", script=f"mkdir -p -- {shell(folder)}\n", reason=f"the job runs in {folder}")
        for file in _needed(wanted, facts):
            why = f": {file.why}" if file.why else ""
            yield Check(
                code="file-missing",
                level="deny",
                fact=_fact(file),
                op="present",
                value=None,
                message=f"{ticked(file.path)} is not in the working directory {ticked(folder)}{why}",
                hints=file.hints,
                probe=_probe(file),
                key=file.key,
            )
            if file.sha256 is not None:
                yield Check(
                    code="file-differs",
                    level="deny",
                    fact=_fact(file),
                    op="one-of",
                    value=("", file.sha256),
                    message=f"{ticked(file.path)} does not hash to the `sha256` that the manifest gives",
                    hints=("fetch it again: an interrupted download looks like this",),
                    probe=_probe(file),
                    key="files",
                )


def parse_presence(answer: Answer) -> Known | Unknown:
    """What the probe printed; nothing at all means that the file is not there: that is known, too."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    return Known(value=answer.text)


class _Needed(Value):
    """A path that must be there, what it must hash to, and why."""

    path: str
    key: str
    sha256: str | None = None
    why: str = ""
    hints: tuple[str, ...] = ("put it there, or correct the path",)


def _needed(wanted: Wanted, facts: Facts) -> list[_Needed]:
    """Paths in the working directory, each once: the manifest's, the trainer description's, the base model."""
    found = {file.path: _Needed(path=file.path, key="files", sha256=file.sha256) for file in wanted.manifest.files}
    values = arriving(finals_of(wanted, facts), entry_of(wanted, facts).arguments, wanted.trainer)
    for file in wanted.trainer.files:
        if not all(arrivals.holds(condition, values) for condition in file.when):
            continue
        path = arrivals.filled(file.path, values, {})
        if path and path != "builtin":
            needed = _Needed(path=path, key="model.type", why=file.why)
            found.setdefault(path, replace(needed, hints=(file.hint,)) if file.hint else needed)
    base = wanted.manifest.model.base
    if base and wanted.trainer.needs_base and base != "builtin" and not base.startswith("hf:"):
        found.setdefault(base, _Needed(path=base, key="model.base", why="the base model"))
    return list(found.values())


def _fact(file: _Needed) -> str:
    return f"{'file' if file.sha256 is None else 'sha256'}.{posixpath.normpath(file.path)}"


def _probe(file: _Needed) -> str:
    """Prints the size, or the digest, of what is there; nothing where nothing is."""
    at = quote(file.path) if not file.path.startswith("~/") else f'"$HOME"/{quote(file.path[2:])}'
    if file.sha256 is not None:
        return f"[ ! -e {at} ] || sha256sum -- {at} | cut -c 1-64"
    return f"[ ! -e {at} ] || {{ [ -d {at} ] && echo folder || stat -L -c %s -- {at}; }}"


def _in_working_dir(wanted: Wanted, script: str) -> str:
    return f"cd -- {shell(anchors.working_dir(wanted))} 2>/dev/null || exit 0\n{script}"
