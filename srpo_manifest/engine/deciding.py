"""From a loaded manifest to a decision: ask, propose, decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from srpo_manifest.engine.gather import Pins, gather
from srpo_manifest.engine.parts import Part, propose
from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import ManifestError, PlanRefused, StalePlan
from srpo_manifest.finding import Finding
from srpo_manifest.planning import evidence
from srpo_manifest.planning.diff import diff, differences
from srpo_manifest.planning.entry import script_of
from srpo_manifest.planning.lints import placed
from srpo_manifest.planning.machines import for_all
from srpo_manifest.planning.planner import decide
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.plan import Plan
from srpo_manifest.values.planned import Planned, Proposed
from srpo_manifest.values.step import Check, JobStep, Proposal
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked


class Decision(Value):
    """What was wanted, what is known, and what was decided from both."""

    wanted: Wanted
    facts: Facts
    planned: Planned

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.planned.plan

    def refuse(self) -> None:
        """Raises: PlanRefused where the plan may not be applied."""
        if not self.plan.applicable:
            raise PlanRefused(tuple(finding for finding in self.planned.findings if finding.level == "deny"))


def decided(wanted: Wanted, facts: Facts, registry: Registry, *, again: bool = False) -> Decision:
    """Decide from what is known. The manifest's folder is that of the facts: anybody's plan can be made anew.

    Raises: PluginError.
    """
    return decided_with(wanted, facts, registry, registry.parts(wanted), again=again)


def decided_with(
    wanted: Wanted, facts: Facts, registry: Registry, parts: Iterable[Part], *, again: bool = False
) -> Decision:
    """Decide from what is known and what *parts* propose. Raises: PluginError."""
    folder = facts.get("controller.folder", str)
    if isinstance(folder, str):
        wanted = msgspec.structs.replace(wanted, folder=folder)
    wanted, notes = evidence.settled(wanted, facts, script_of(wanted) or "")
    parts = tuple(parts)

    def planned(known: Facts) -> Planned:
        return decide(
            wanted, known, propose(parts, wanted, known), providers=registry.providers, again=again, notes=notes
        )

    others = {place: planned(known) for place, known in facts.of_others().items()}
    return Decision(wanted=wanted, facts=facts, planned=for_all(wanted, planned(facts), others))


def asked(wanted: Wanted, registry: Registry, repositories: Pins, *, keep: Facts | None = None) -> Facts:
    """Ask the controller, then the target. *keep* are facts whose pin stays.

    Raises: TransportError where the target cannot be reached; PluginError.
    """
    parts = registry.parts(wanted)
    return gather(wanted, parts, repositories, lambda facts: open_transport(wanted, registry, facts), again=keep)


def open_transport(wanted: Wanted, registry: Registry, facts: Facts) -> Transport:
    """The manifest's transport. Raises: PluginError; TransportError where what it needs here is missing."""
    return registry.open_transport(wanted.manifest.backend.transport, wanted, facts)


def manifest_faults(wanted: Wanted, facts: Facts, registry: Registry) -> tuple[Finding, ...]:
    """What `validate` can say: findings that no machine has to be asked for. *facts* hold at most the lock's pin.

    Notes on upstream's own habits are the plan's; those on the lock are told here as well, and why flags were not checked.

    Raises: PluginError.
    """
    wanted, notes = evidence.settled(wanted, facts, script_of(wanted) or "")
    facts = Facts(facts=_STAND_IN | facts.facts)
    told = propose(registry.parts(wanted), wanted, facts)
    proposed = [
        one
        for one in told
        if (isinstance(one.proposal, Fault) and not one.proposal.observed) or _is_settled(one.proposal)
    ]
    found = decide(wanted, facts, proposed).findings
    return (*(finding for finding in found if finding.level != "note"), *notes, *_unchecked(wanted, told))


def _unchecked(wanted: Wanted, told: Sequence[Proposed]) -> Iterator[Finding]:
    """Why there is no command whose flags could be checked, where only a machine can tell it."""
    if any(isinstance(one.proposal, JobStep) for one in told):
        return
    for one in told:
        if one.stage == "launch" and isinstance(one.proposal, Fault) and one.proposal.observed:
            yield placed(wanted, unchecked(one.proposal.finding.message, *one.proposal.finding.hints))


def unchecked(why: str, *hints: str, key: str = "entry.script") -> Fault:
    """What `validate` says of flags that it could not check."""
    message = f"flags were not checked: {why}"
    return Fault(finding=Finding(code="flags-unchecked", level="note", message=message, hints=hints), key=key)


def _is_settled(proposal: Proposal) -> bool:
    """Whether it is the job itself, or a check that no machine has to be asked for."""
    return isinstance(proposal, JobStep) or (isinstance(proposal, Check) and proposal.known is not None)


def same_or_stale(saved: Plan, now: Decision) -> None:
    """Refuse where the plan that the facts give now is not the saved one.

    Raises: StalePlan naming each difference that enters the id.
    """
    if saved.id == now.plan.id:
        return
    changed = differences(saved, now.plan)
    raise StalePlan(
        tuple(
            Finding(
                code="plan-stale",
                level="deny",
                message=f"the saved plan {ticked(saved.id[:12])} no longer fits: {line}",
                hints=("plan again, look at it, and apply that",),
            )
            for line in changed[:20]
        )
    )


def unfaithful(saved: Plan, again: Decision) -> None:
    """Refuse a saved plan that its own manifest and facts do not give.

    Raises: ManifestError `plan-unfaithful`.
    """
    if _shown(saved) != _shown(again.plan):
        raise ManifestError(
            "plan-unfaithful",
            f"the saved plan {ticked(saved.id[:12])} is not what its own manifest and facts give: {_first(diff(saved, again.plan))}",
            "it was edited, or another version wrote it: plan again",
        )


_STAND_IN: dict[str, Known | Unknown] = {"target.env.HOST_GPU_NUM": Known(value="8")}
"""What every target has of its own: a script that reads it has a command whose flags can be checked without a machine."""


def _shown(plan: Plan) -> Plan:
    """What must not differ: all but what `--again` chooses."""
    job = msgspec.structs.replace(plan.job, action="run")
    return msgspec.structs.replace(plan, job=job, notes=(), warnings=())


def _first(lines: list[str]) -> str:
    return lines[0] if lines else "its spelling differs"
