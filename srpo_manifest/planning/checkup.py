"""A plan and its facts as a checkup: every question with its answer, by where it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from srpo_manifest.finding import Finding, visible
from srpo_manifest.planning.workers import GPUS
from srpo_manifest.values.checkup import FORMAT, GROUPS, Checkup, Group, Row, State
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.plan import CheckEntry
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import gigabytes, listed, plural

_REACHED = "target.home"
"""Asked of every target: without an answer none is there."""
_OF_GPUS = (GPUS, "target.gpu_bytes", "target.gpu-used-mib", "target.driver")
"""What one answer less leaves unknown: that is told once."""
_OF_TRAINING = ("target.packages", "target.python", "target.launcher", "target.working_dir")
_OF_CONTROLLER = ("repo-", "ref-", "lock-", "git-", "script-", "offline", "no-bash", "carried-file-missing", "objects-missing", "mirror-held")  # fmt: skip
"""Beginnings of codes that tell of this machine, or of what it read."""


def checkup(wanted: Wanted, facts: Facts, planned: Planned, *, has_manifest: bool = True) -> Checkup:
    """Every row, in the order target, controller, training; what needs a hand stands first in its group."""
    rows = list(_rows(wanted, facts, planned))
    order = {"fail": 0, "warn": 1, "unknown": 2, "ok": 3, "note": 4}
    rows.sort(key=lambda row: (GROUPS.index(row.group), order[row.state]))
    return Checkup(
        format=FORMAT,
        manifest=wanted.manifest.name if has_manifest else None,
        findings=sum(row.state in ("warn", "fail") for row in rows),
        rows=tuple(rows),
    )


def shown(found: Checkup) -> list[str]:
    """The table for people."""
    width = max((len(row.name) for row in found.rows), default=0)
    lines: list[str] = []
    for group in GROUPS:
        rows = [row for row in found.rows if row.group == group]
        if rows:
            lines += [*([""] if lines else []), group]
        for row in rows:
            lines.append(f"  {row.state:7}  {row.name:{width}}  {visible(row.found)}")
            lines += [f"  {'':7}  {'':{width}}  fix: {visible(hint)}" for hint in row.hints]
    return lines


def _rows(wanted: Wanted, facts: Facts, planned: Planned) -> Iterator[Row]:
    checks = planned.plan.checks
    reached = facts.facts.get(_REACHED)
    away = reached.code if isinstance(reached, Unknown) else ""
    if isinstance(reached, Unknown) and away:
        yield Row(group="target", name=away, state="fail", found=reached.reason, hints=reached.hints)
    for finding in planned.findings:
        if finding.code != away:
            yield _of_finding(finding, checks)
    failed = {check.predicate.fact for check in checks if check.state == "false" and check.level != "allow"}
    told = set(failed) | ({"controller.git"} if "controller.git-version" in facts else set())
    blind = isinstance(facts.facts.get(GPUS), Unknown)
    for fact, name, spelled in _LOOKED_AT:
        answer = facts.facts.get(fact)
        if answer is None or fact in failed or (blind and fact in _OF_GPUS and fact != GPUS):
            continue
        told.add(fact)
        if isinstance(answer, Known):
            yield Row(group=_group(fact), name=name, state="ok", found=spelled(answer.value))
        elif not away or not fact.startswith("target."):
            yield Row(group=_group(fact), name=name, state="unknown", found=answer.reason)
    shown_missing = any(finding.code == "gpu-missing" for finding in planned.findings)
    asked = [check for check in checks if not (blind and check.predicate.fact in _OF_GPUS and shown_missing)]
    yield from _of_checks(facts, asked, told, away)
    for licence in wanted.trainer.licences:
        yield Row(group="training", name="licence", state="note", found=f"{licence.of}: {licence.says}")


def _of_finding(finding: Finding, checks: Iterable[CheckEntry]) -> Row:
    fact = next((check.predicate.fact for check in checks if check.code == finding.code), None)
    if fact is None:
        group: Group = "controller" if finding.code.startswith(_OF_CONTROLLER) else "training"
        group = "target" if finding.code in ("gpu-missing", "vendor-differs", "already-running", "run-lost") else group
    else:
        group = _group(fact)
    state: State = {"deny": "fail", "warn": "warn"}.get(finding.level, "note")  # type: ignore[assignment]
    return Row(group=group, name=finding.code, state=state, found=finding.message, hints=finding.hints)


def _of_checks(facts: Facts, checks: Iterable[CheckEntry], told: set[str], away: str) -> Iterator[Row]:
    """Checks that hold, or that nobody could answer, by code; what is told elsewhere is left out."""
    by_code: dict[str, list[CheckEntry]] = {}
    for check in checks:
        if check.level != "allow":
            by_code.setdefault(check.code, []).append(check)
    for code, several in by_code.items():
        if any(check.state == "false" for check in several):
            continue
        open_ones = [check for check in several if check.state == "unknown"]
        if not open_ones:
            if not all(check.predicate.fact in told for check in several):
                yield Row(group=_group(several[0].predicate.fact), name=code, state="ok", found=_held(several))
            continue
        if away and not any(_group(check.predicate.fact) == "controller" for check in open_ones):
            continue
        yield Row(group=_group(several[0].predicate.fact), name=code, state="unknown", found=_why(facts, open_ones[0]))


def _held(checks: list[CheckEntry]) -> str:
    if len(checks) > 1:
        return f"{plural(len(checks), 'condition')} hold"
    predicate = checks[0].predicate
    subject = predicate.fact.partition(".")[2]
    if predicate.fact.startswith("trainer."):
        return "asked, and good"
    if predicate.op == "present":
        return f"{subject} is there"
    if predicate.op == "absent":
        return "not given" if predicate.fact.startswith("flag.") else "nothing of the kind"
    wanted = predicate.value
    if predicate.fact.endswith("_bytes") and isinstance(wanted, int):
        wanted = gigabytes(wanted)
    if isinstance(wanted, tuple):
        return f"{subject} is {listed(wanted)}"
    return f"{subject} is {'' if predicate.op == 'equals' else predicate.op.replace('-', ' ') + ' '}{wanted}"


def _why(facts: Facts, check: CheckEntry) -> str:
    """Why there is no answer. A part of an answer has none where the whole has none."""
    name = check.predicate.fact
    while name:
        fact = facts.facts.get(name)
        if fact is not None:
            return fact.reason if isinstance(fact, Unknown) else "what answered does not tell"
        name = name.rpartition(".")[0]
    return "it can be told on the target alone, before the start"


def _group(fact: str) -> Group:
    if fact.startswith(("controller.", "bash.", "repo.")):
        return "controller"
    if fact.startswith("target.") and not fact.startswith(_OF_TRAINING):
        return "target"
    return "training"


def _plain(value: Any) -> str:
    return str(value)


def _gpus(value: Any) -> str:
    kinds = [f"{gpu['name']} ({gpu['memory_mib']} MiB)" for gpu in value]
    return ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)) or "none"


def _python(value: Any) -> str:
    return f"{value['path']} {value['version']}" if isinstance(value, dict) else str(value)


def _speed(value: Any) -> str:
    return f"{gigabytes(value)} a second"


def _skew(value: Any) -> str:
    return "as this machine's" if not value else f"{value} seconds from this machine's"


def _packages(value: Any) -> str:
    told = value if isinstance(value, dict) else {}
    cuda = f"torch is built for CUDA {told['cuda']}" if told.get("cuda") else ""
    return ", ".join(filter(None, (told.get("pinned"), cuda))) or "asked without importing any"


_LOOKED_AT: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("target.system", "system", _plain),
    ("target.bash", "bash", _plain),
    ("target.tar", "tar", _plain),
    ("target.supervisor", "supervisor", _plain),
    (GPUS, "GPUs", _gpus),
    ("target.driver", "driver", _plain),
    ("target.gpu-used-mib", "GPU in use", lambda value: f"{value} MiB"),
    ("target.memory_bytes", "memory", gigabytes),
    ("target.free_bytes", "disk", lambda value: f"{gigabytes(value)} free"),
    ("target.output", "output", _plain),
    ("target.write-speed", "disk speed", _speed),
    ("target.shm-bytes", "shared memory", gigabytes),
    ("target.free-port", "port", lambda value: f"{value} is free, for one"),
    ("target.skew-seconds", "clock", _skew),
    ("target.open-files", "open files", lambda value: f"{value} a process"),
    ("target.processes", "processes", lambda value: f"{value} at most"),
    ("controller.client", "client", _plain),
    ("controller.git-version", "git", _plain),
    ("controller.cache", "cache", _plain),
    ("controller.state", "records", _plain),
    ("controller.lock", "lock", _plain),
    ("controller.ssh-agent", "ssh agent", lambda value: plural(value, "key")),
    ("target.python", "python", _python),
    ("target.launcher", "launcher", _plain),
    ("target.packages", "packages", _packages),
)
"""Facts that are worth a row of their own, with what people call them."""
