"""Levels: what the manifest and the command line say of a check."""

from __future__ import annotations

from msgspec.structs import replace

from srpo_manifest.finding import Finding, Level, Where
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.wanted import Wanted


def level_of(wanted: Wanted, code: str, level: Level) -> Level:
    """The level that holds: `--deny CODE` beats `--deny all` beats the manifest's table beats the check's own."""
    if level == "note":
        return level
    for table in (wanted.lints, wanted.manifest.lints):
        if code in table:
            return table[code]  # type: ignore[return-value]
        if table is wanted.lints and "all" in table:
            raised = table["all"]
            return raised if level != "deny" or raised == "deny" else level  # type: ignore[return-value]
    return level


_OF_VALUES = ("flag-type", "flag-value", "method-unavailable", "path-outside", "hub-unsupported")
"""Codes that blame a value, not its key."""


def placed(wanted: Wanted, fault: Fault) -> Finding:
    """The fault as a finding, with the level that holds and the place of its key in the file."""
    finding = fault.finding
    return replace(
        finding,
        level=finding.level if fault.final else level_of(wanted, finding.code, finding.level),
        where=finding.where or (_place(wanted, fault) if fault.key else None),
    )


def _place(wanted: Wanted, fault: Fault) -> Where | None:
    return (wanted.where_value if fault.finding.code in _OF_VALUES else wanted.where)(fault.key)
