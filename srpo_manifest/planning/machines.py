"""One plan for several machines: it must be that of each, and what one of them lacks is told with its name."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from srpo_manifest.finding import Finding, bare
from srpo_manifest.planning.diff import differences
from srpo_manifest.planning.lints import placed
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked

_SHOWN = 3


def for_all(wanted: Wanted, planned: Planned, others: Mapping[str, Planned]) -> Planned:
    """The first machine's plan with what keeps the *others*, by their names, from it; they check at the start what one of them cannot tell yet."""
    if not others:
        return planned
    told = {(one.code, one.message) for one in planned.findings}
    checks = {(check.code, check.fact, check.probe): check for check in planned.checks}
    findings = [*planned.findings]
    for place, other in others.items():
        findings += [
            msgspec.structs.replace(one, message=f"on {ticked(place)}: {one.message}")
            for one in other.findings
            if one.level != "note" and (one.code, one.message) not in told
        ]
        findings += (placed(wanted, fault) for fault in _apart(planned, place, other))
        checks |= {(check.code, check.fact, check.probe): check for check in other.checks}
    by_level = {level: tuple(one for one in findings if one.level == level) for level in ("deny", "warn", "note")}
    plan = msgspec.structs.replace(
        planned.plan, refusals=tuple(map(bare, by_level["deny"])), warnings=tuple(map(bare, by_level["warn"]))
    )
    return msgspec.structs.replace(
        planned,
        plan=plan,
        checks=tuple(checks.values()),
        findings=tuple(one for level in by_level.values() for one in level),
    )


def _apart(planned: Planned, place: str, other: Planned) -> list[Fault]:
    """Why the machine would have another plan."""
    if planned.plan.id == other.plan.id:
        return []
    lines = differences(planned.plan, other.plan)
    shown = "; ".join(lines[:_SHOWN]) + (f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")
    message = f"{ticked(place)} would have another plan than the first machine: {shown}"
    hint = "make them alike, or say in the manifest what all of them shall use"
    return [
        Fault(
            finding=Finding(code="nodes-differ", level="deny", message=message, hints=(hint,)), key="backend.transport"
        )
    ]
