"""The planner: wishes, facts and proposals in, one plan out. Pure; the same in gives the same out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from srpo_manifest.finding import Finding, bare
from srpo_manifest.planning import anchors, handover, loops, sanity
from srpo_manifest.planning.entry import entry_of
from srpo_manifest.planning.forecast import forecast
from srpo_manifest.planning.lints import level_of, placed
from srpo_manifest.planning.order import ordered
from srpo_manifest.planning.predicates import Truth, holds, satisfies
from srpo_manifest.planning.rules import rules
from srpo_manifest.planning.runs import RUNS
from srpo_manifest.planning.workers import gpus_per_node
from srpo_manifest.reading.canonical import canonical_json, digest
from srpo_manifest.upstream.arriving import arriving
from srpo_manifest.values.facts import Facts, Known, PastRun, Unknown
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.lock import Pin
from srpo_manifest.values.plan import (
    FORMAT,
    Act,
    Assumption,
    BackendId,
    CheckEntry,
    Job,
    ManifestId,
    Place,
    Plan,
    Predicate,
    Provider,
    RepoId,
    SecretRef,
    StepEntry,
)
from srpo_manifest.values.planned import Planned, Proposed
from srpo_manifest.values.step import Assume, AtEnd, Check, Get, JobStep, Put, Sh, Variable
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Word
from srpo_manifest.wording import ticked


def decide(
    wanted: Wanted,
    facts: Facts,
    proposals: Iterable[Proposed],
    *,
    providers: tuple[Provider, ...] = (),
    again: bool = False,
    notes: tuple[Finding, ...] = (),
) -> Planned:
    """Decide what to do. *again* runs anew what has succeeded before; *notes* are told with the rest."""
    proposed = ordered(proposals)
    faults = (*sanity.faults(wanted), *(one.proposal for one in proposed if isinstance(one.proposal, Fault)))
    pin = facts.get("repo.pin", Pin)
    manifest = wanted.manifest
    jobs = [one.proposal for one in proposed if isinstance(one.proposal, JobStep)]
    job = jobs[0] if jobs else None
    values = arriving(job.finals if job else {}, entry_of(wanted, facts).arguments, wanted.trainer)
    env = _environment(proposed)
    expected = forecast(wanted, values, _known(gpus_per_node(wanted, facts)))
    faults = (*faults, *(loops.faults(wanted, values, expected) if job else ()))
    faults = (*faults, *handover.faults(job.argv if job else (), env, manifest.env))
    findings = [*notes, *(placed(wanted, fault) for fault in faults)]
    checks, open_checks, failed = _checks(wanted, facts, proposed)
    findings += failed
    cwd = anchors.working_dir(wanted)
    plan = Plan(
        format=FORMAT,
        id="",
        name=manifest.name,
        manifest=ManifestId(name=manifest.name, digest=digest(wanted.data)),
        repo=RepoId(
            url=manifest.repo.url,
            ref=manifest.repo.ref,
            commit="" if isinstance(pin, Unknown) else pin.commit,
            tree="" if isinstance(pin, Unknown) else pin.tree,
        ),
        backend=BackendId(
            transport=manifest.backend.transport.kind,
            launcher=manifest.backend.launcher.kind,
            plugins=tuple(sorted(providers, key=_name)),
        ),
        job=Job(
            mode=job.mode if job else "direct",
            argv=tuple(map(str, job.argv)) if job else (),
            cwd=str(cwd),
            env={name: value if isinstance(value, SecretRef) else str(value) for name, value in sorted(env.items())},
            nodes=manifest.resources.nodes,
            action="run",
        ),
        options=job.options if job else (),
        forecast=expected,
        steps=tuple(_entry(one) for one in proposed if isinstance(one.proposal, Put | Sh | Get | AtEnd)),
        rules=rules(wanted, values),
        checks=checks,
        warnings=(),
        refusals=(),
        notes=(),
        assumes=_assumptions(proposed),
    )
    plan = msgspec.structs.replace(plan, id=plan_id(plan))
    act, told = _action(wanted, facts, plan, again=again)
    findings += told
    refusals, warnings, told_beside = (_of(findings, level) for level in ("deny", "warn", "note"))
    plan = msgspec.structs.replace(
        plan,
        job=msgspec.structs.replace(plan.job, action=act),
        refusals=tuple(map(bare, refusals)),
        warnings=tuple(map(bare, warnings)),
        notes=tuple(map(bare, told_beside)),
    )
    return Planned(
        plan=plan,
        proposed=proposed,
        job=job,
        env=env,
        workspace=anchors.workspace(wanted),
        cwd=cwd,
        checkout=anchors.checkout(wanted, plan.repo.tree),
        checks=open_checks,
        findings=(*refusals, *warnings, *told_beside),
        log=wanted.trainer.log,
        port=manifest.resources.port,
        python=anchors.interpreter(wanted),
    )


def plan_id(plan: Plan) -> str:
    """SHA-256 (hex) of what will happen: not of forecast, actions, reasons, findings, or what only chooses actions."""
    identity = {
        "format": plan.format,
        "name": plan.name,
        "repo": {"commit": plan.repo.commit, "tree": plan.repo.tree},
        "backend": plan.backend,
        "job": {key: value for key, value in msgspec.to_builtins(plan.job).items() if key != "action"},
        "steps": [(step.stage, step.id, step.place, step.provider, step.digest) for step in plan.steps],
        "rules": plan.rules,
        "checks": [(check.code, check.level, check.place, check.predicate) for check in plan.checks],
        "assumes": plan.assumes,
    }
    return digest(identity)


def _known(count: int | Unknown) -> int | None:
    return None if isinstance(count, Unknown) else count


def _name(provider: Provider) -> str:
    return provider.name


def _of(findings: Iterable[Finding], level: str) -> tuple[Finding, ...]:
    """Findings of one level, in file order, each once."""
    unique = {canonical_json(finding): finding for finding in findings if finding.level == level}
    return tuple(
        sorted(
            unique.values(),
            key=lambda one: (
                (one.where.file, one.where.line, one.where.column, one.code, one.message)
                if one.where
                else ("", 0, 0, one.code, one.message)
            ),
        )
    )


def _environment(proposed: Iterable[Proposed]) -> dict[str, Word | SecretRef]:
    heaviest: dict[str, Variable] = {}
    for one in proposed:
        variable = one.proposal
        if isinstance(variable, Variable) and (
            variable.name not in heaviest or heaviest[variable.name].weight <= variable.weight
        ):
            heaviest[variable.name] = variable
    return {name: heaviest[name].value for name in sorted(heaviest)}


def _checks(
    wanted: Wanted, facts: Facts, proposed: Iterable[Proposed]
) -> tuple[tuple[CheckEntry, ...], tuple[Check, ...], list[Finding]]:
    entries: list[CheckEntry] = []
    unknown: list[Check] = []
    failed: list[Finding] = []
    for one in proposed:
        check = one.proposal
        if not isinstance(check, Check):
            continue
        level = level_of(wanted, check.code, check.level)
        state = _state(facts, check)
        entries.append(
            CheckEntry(
                code=check.code,
                level=level,
                place=check.place,
                predicate=Predicate(fact=check.fact, op=check.op, value=check.value),
                state=state,
            )
        )
        if state == "unknown" and level != "allow":
            unknown.append(msgspec.structs.replace(check, level=level))
        if state == "false" and level != "allow":
            failed.append(
                Finding(
                    code=check.code,
                    level=level,
                    message=check.message.replace("{found}", _found(facts, check)),
                    hints=check.hints,
                    where=wanted.where(check.key) if check.key else None,
                )
            )
    return tuple(entries), tuple(unknown), failed


def _state(facts: Facts, check: Check) -> Truth:
    if check.known is None:
        return holds(facts, check.fact, check.op, check.value)
    return "true" if satisfies(check.known, check.op, check.value) else "false"


def _found(facts: Facts, check: Check) -> str:
    fact = facts.facts.get(check.fact)
    found = check.known if check.known is not None else fact.value if isinstance(fact, Known) else ""
    return str(found) or "nothing"


def _assumptions(proposed: Iterable[Proposed]) -> tuple[Assumption, ...]:
    found = {}
    for one in proposed:
        assume = one.proposal
        if isinstance(assume, Assume):
            predicate = Predicate(fact=assume.fact, op=assume.op, value=assume.value)
            found[canonical_json(predicate)] = Assumption(fact=assume.fact, predicate=predicate)
    return tuple(found[key] for key in sorted(found))


def _entry(one: Proposed) -> StepEntry:
    step = one.proposal
    place: Place = "target"
    act: Act = "run"
    match step:
        case Put(content=content):
            place, content_digest = (
                "controller",
                content.digest or hashlib.sha256((content.text or content.controller_file or "").encode()).hexdigest(),
            )
        case Sh(script=script):
            place, act, content_digest = (
                step.place,
                step.action,
                hashlib.sha256(script.encode("utf-8", "surrogateescape")).hexdigest(),
            )
        case AtEnd(script=script):
            content_digest = hashlib.sha256(script.encode("utf-8", "surrogateescape")).hexdigest()
        case Get(pattern=pattern, to=to):
            place, content_digest = "controller", digest([pattern, to])
        case _:  # pragma: no cover - the caller asks for steps alone
            raise AssertionError(step)
    return StepEntry(
        stage=one.stage,
        id=step.id,
        place=place,
        action=act,
        reason=step.reason,
        provider=one.provider,
        digest=content_digest,
    )


def _action(wanted: Wanted, facts: Facts, plan: Plan, *, again: bool) -> tuple[Act, list[Finding]]:
    """`keep` what has succeeded with this id and is still whole; refuse beside one that runs."""
    past = facts.get(RUNS, tuple[PastRun, ...])
    if isinstance(past, Unknown):
        return "run", []
    for run in past:
        if run.state not in ("ended", "unreadable"):
            return "run", [
                Finding(
                    code="already-running",
                    level="deny",
                    message=f"run {ticked(run.id)} of this name is {run.state} in this workspace",
                    hints=(
                        f"attach to it: `srpo-manifest attach {run.id}`",
                        f"or stop it: `srpo-manifest stop {run.id}`",
                    ),
                    where=wanted.where("name"),
                )
            ]
    told = [_lost(past[0])] if past and past[0].outcome == "lost" and past[0].unfinished is not False else []
    kept = next((run for run in past if run.plan == plan.id and run.outcome == "succeeded" and run.whole), None)
    if kept is None or again:
        return "run", told
    return "keep", [
        Finding(
            code="already-done",
            level="note",
            message=f"run {ticked(kept.id)} has succeeded with this very plan, and its results are whole",
            hints=("`--again` runs it anew",),
        )
    ]


def _lost(run: PastRun) -> Finding:
    return Finding(
        code="run-lost",
        level="warn",
        message=f"run {ticked(run.id)} of this name was lost: processes of it may still be there",
        hints=(f"`srpo-manifest stop {run.id}` ends them",),
    )
