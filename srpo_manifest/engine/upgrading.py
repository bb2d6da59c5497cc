"""From two pins to a report: both are planned and checked, on a stand-in for the target."""

from __future__ import annotations

import msgspec

from srpo_manifest.engine.deciding import decided, manifest_faults
from srpo_manifest.engine.registry import Registry
from srpo_manifest.engine.repositories import Sides
from srpo_manifest.finding import Finding
from srpo_manifest.planning.diff import diff
from srpo_manifest.planning.entry import PIN, script_of
from srpo_manifest.planning.relevance import Stake
from srpo_manifest.planning.surroundings import files_named, grave, of_files, of_findings
from srpo_manifest.planning.upgrade import compared
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.plan import Plan
from srpo_manifest.values.upgrade import FORMAT, Change, Findings, Report, Side
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import plural, ticked

_PLATFORM = ("HOST_NUM", "HOST_GPU_NUM", "INDEX", "CHIEF_IP")
_UNTOLD = ("id:", "warnings", "refusals", "notes", "repo.")
_GPUS = [{"name": "a GPU", "memory_mib": 81_559}] * 8


def report(wanted: Wanted, registry: Registry, sides: Sides, lock: str) -> Report:
    """What *sides* mean for this manifest. Raises: PluginError."""
    before, after = sides.before, sides.after
    answer = Report(
        format=FORMAT,
        name=wanted.file,
        url=after.url,
        ref=after.ref,
        script=script_of(wanted),
        lock=lock,
        locked=Side(commit=before.commit, date=sides.dates[0]) if before else None,
        to=Side(commit=after.commit, date=sides.dates[1]),
        commits=sides.span,
        files=None if sides.span is None else len(sides.files),
        matters=False,
        changes=(),
        findings=Findings(),
        same_plan=True,
        plan=(),
        notes=tuple(_notes(wanted, sides)),
    )
    if before is None or (before == after and sides.missing is None):
        return answer
    plans = tuple(_plan(wanted, registry, pin, before, after) for pin in (before, after))
    findings = of_findings(*_findings(wanted, registry, sides))
    changes = _changes(wanted, sides, plans)
    same = plans[0].id == plans[1].id
    return msgspec.structs.replace(
        answer,
        matters=sides.lost or any(one.matters for one in changes) or grave(findings) or not same,
        changes=changes,
        findings=findings,
        same_plan=same,
        plan=tuple(line for line in diff(*plans) if not line.startswith(_UNTOLD)),
    )


def _changes(wanted: Wanted, sides: Sides, plans: tuple[Plan, ...]) -> tuple[Change, ...]:
    script = script_of(wanted) or ""
    old, new = (pin.entries.get(script) if pin else None for pin in (sides.before, sides.after))
    moved = next((one.to for one in sides.files if one.path == script), None)
    found = [
        msgspec.structs.replace(one, after=moved) if one.what == "script" and not one.field and not one.after else one
        for one in compared(script, old, new)
    ]
    found += of_files(sides.files, files_named(wanted, new or old or EntryContract()))
    jobs = [plan.job for plan in plans]
    stake = Stake(
        wanted,
        old or EntryContract(),
        new or EntryContract(),
        same_job=jobs[0] == jobs[1] and bool(jobs[0].argv),
        shim=jobs[1].mode == "shim",
    )
    return stake.weighed(found)


def _findings(wanted: Wanted, registry: Registry, sides: Sides) -> list[tuple[Finding, ...]]:
    """What `validate` says with each pin, and that a script is not there."""
    found = [
        manifest_faults(wanted, Facts(facts={PIN: Known(value=msgspec.to_builtins(pin))}), registry) if pin else ()
        for pin in (sides.before, sides.after)
    ]
    return [found[0], sides.missing.findings if sides.missing else found[1]]


def _plan(wanted: Wanted, registry: Registry, pin: Pin, before: Pin, after: Pin) -> Plan:
    """The pin's plan as it would be at the locked commit, so that equal ids mean: nothing else differs."""
    same = msgspec.structs.replace(pin, commit=before.commit, tree=before.tree)
    return decided(wanted, _stand_in(same, before, after), registry).plan


def _stand_in(pin: Pin, *both: Pin) -> Facts:
    """Facts of a target where nothing stands in the way: eight GPUs, and every variable that either script reads is set."""
    read = {
        name
        for one in both
        for entry in one.entries.values()
        if entry.script is not None
        for name in entry.script.reads
        if name not in _PLATFORM
    }
    known = {
        "controller.platform": "linux",
        "target.gpus": _GPUS,
        PIN: msgspec.to_builtins(pin),
        **{f"target.env.{name}": f"${name}" for name in read},
    }
    return Facts(facts={name: Known(value=value) for name, value in known.items()})


def _notes(wanted: Wanted, sides: Sides) -> list[str]:
    before, after, span = sides.before, sides.after, sides.span
    if before is None:
        return []
    script = script_of(wanted)
    notes = []
    if not sides.current:
        notes.append(
            "the lock's entry is of another version of the readers or of the trainer description: `srpo-manifest lock` reads it again"
            if sides.known
            else f"the lock does not know {ticked(script)} yet: `srpo-manifest lock` reads it"
        )
    if before.commit == after.commit:
        return notes
    if sides.tag:
        notes.append(f"the tag {ticked(sides.after.ref)} was moved, which tags are not meant to be: ask its owner why")
    if sides.lost:
        notes.append(
            f"the locked commit {before.commit[:12]} is not to be had any more: the lock's own entry is compared"
        )
    elif span is None:
        notes.append(f"the locked commit {before.commit[:12]} is not in the cache: the lock's own entry is compared")
    elif span.gone and not span.added:
        notes.append(f"the ref went back by {plural(span.gone, 'commit')}")
    elif span.gone:
        notes.append(
            f"history was rewritten: the locked commit is no ancestor of the new one, and {plural(span.gone, 'commit')} of it "
            f"{'is' if span.gone == 1 else 'are'} left behind"
        )
    return notes
