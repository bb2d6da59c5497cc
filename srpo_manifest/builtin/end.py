"""Stage on-stop: what the target does when the run is over. The supervisor does it; here it is told and checked."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.plugin import (
    Check,
    Facts,
    Fault,
    Finding,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Wanted,
    anchors,
    hookimpl,
    quote,
    ticked,
)

PROGRAM = "target.end-command"


@hookimpl
def srpo_on_stop(wanted: Wanted) -> StageHandler | None:
    """The built-in answer where the manifest has `[end]`."""
    return EndCommand(wanted.manifest.end.command) if wanted.manifest.end else None


class EndCommand:
    """A command that cannot be found leaves a rented machine running."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._where = f"command -v {quote(argv[0])} || :\n"
        self._shown = " ".join(map(quote, argv))
        self._name = argv[0]

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        yield TargetProbe(name=PROGRAM, script=self._where, parse=parse_presence)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        yield Check(
            code="end-command-missing",
            level="deny",
            fact=PROGRAM,
            op="present",
            value=None,
            message=f"{ticked(self._name)}, which is to run when the run is over, is not on the target's PATH",
            hints=("correct `end.command`, or install the program there",),
            probe=self._where,
            key="end.command",
        )
        waits = wanted.manifest.end is not None and wanted.manifest.end.when == "fetched"
        local = " (the outputs of a local run are at home already)" if waits and anchors.is_local(wanted) else ""
        message = f"{ticked(self._shown)} runs on the target after every end of the run{local}: read docs/end.md"
        yield Fault(finding=Finding(code="end-command", level="note", message=message), key="end")
