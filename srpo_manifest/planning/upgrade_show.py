"""A report of changes as lines for people: what matters first, each with its place at the new commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from srpo_manifest.finding import Finding, Where, visible
from srpo_manifest.values.upgrade import Change, Report, Side
from srpo_manifest.wording import plural, ticked

_LONG = 60
_COMPACT_LINES = 20
_BESIDE = ("forecast", "rules", "job.cwd", "job.mode")
"""Parts of a plan that no change of the source tells by itself."""


def show(report: Report, again: str) -> list[str]:
    """The whole report. *again* is the command that takes the change over."""
    return [*_head(report), *_changes(report), *_findings(report), *_plan(report), "", *verdict(report, again)]


def compact(report: Report) -> list[str]:
    """What matters, and how much does not."""
    mattering = [change for change in report.changes if change.matters]
    rest = len(report.changes) - len(mattering)
    lines = [*_head(report), *_table(mattering[:_COMPACT_LINES])]
    if len(mattering) > _COMPACT_LINES:
        lines.append(f"  … and {len(mattering) - _COMPACT_LINES} more")
    lines += [_finding(finding, "new ") for finding in report.findings.new if finding.level in ("deny", "warn")]
    if rest:
        lines.append(f"  {plural(rest, 'other change')} without weight here")
    return lines


def verdict(report: Report, again: str) -> list[str]:
    """The last word, and what to do next."""
    if report.locked is None:
        return [f"nothing is locked yet: there is nothing to compare with; `{again}` pins this commit"]
    moved = report.locked.commit != report.to.commit
    if not moved and not report.changes:
        return ["nothing new"]
    if report.matters:
        return [f"this matters to {ticked(report.name)}: {_sum(report)}", f"next: look at it, then `{again}`"]
    what = "the new commit" if moved else "reading the same commit again"
    return [f"{what} changes nothing that matters to {ticked(report.name)}", f"next: `{again}`"]


def _sum(report: Report) -> str:
    """What makes it matter, in a few words."""
    new = report.findings.new
    counted = [
        (sum(change.matters for change in report.changes), "change"),
        (sum(finding.level == "deny" for finding in new), "new error"),
        (sum(finding.level == "warn" for finding in new), "new warning"),
        (sum(finding.level in ("deny", "warn") for finding in report.findings.gone), "finding gone"),
    ]
    words = [
        plural(count, noun, "findings gone" if noun == "finding gone" else None) for count, noun in counted if count
    ]
    return ", ".join(words) or ("the locked commit is gone" if report.same_plan else "the plan differs")


def _head(report: Report) -> Iterator[str]:
    yield visible(f"{report.url} {report.ref or '(default branch)'}")
    before, after = report.locked, report.to
    if before is None or before.commit == after.commit:
        yield f"  at        {_side(after)}"
    else:
        yield f"  from      {_side(before)}"
        yield f"  to        {_side(after)}"
    if report.commits is not None and (report.commits.added or report.commits.gone):
        gone = f", {plural(report.commits.gone, 'locked commit')} left behind" if report.commits.gone else ""
        files = "" if report.files is None else f", {plural(report.files, 'file')} changed"
        yield f"  between   {plural(report.commits.added, 'commit')}{gone}{files}"
    yield from (f"  note      {visible(note)}" for note in report.notes)


def _side(side: Side) -> str:
    return f"{side.commit[:12]}{f' of {side.date[:10]}' if side.date else ''}"


def _changes(report: Report) -> Iterator[str]:
    for title, wanted in (("what matters", True), ("what does not", False)):
        found = [change for change in report.changes if change.matters is wanted]
        if found:
            yield from ("", f"  {title}", *_table(found))


def _table(changes: Iterable[Change]) -> list[str]:
    rows = [(change, _sides(change)) for change in changes]
    name = max((len(_name(change)) for change, _ in rows), default=0)
    kind = max((len(change.what) for change, _ in rows), default=0)
    return [
        visible(f"    {change.what:{kind}}  {_name(change):{min(name, 40)}}  {sides}{_at(change)}  ({change.why})")
        for change, sides in rows
    ]


def _name(change: Change) -> str:
    return f"{change.name} {change.field}".strip() if change.field not in ("value", "digest", "text") else change.name


def _sides(change: Change) -> str:
    if change.field in ("digest", "text"):
        return "changed"
    whole = not change.field or change.field in ("value", "read before set", "set and never read", "exported")
    absent = "not there" if whole or change.field.startswith("of the launch") else "none"
    before, after = (_side_of(change.what, one, absent) for one in (change.before, change.after))
    return f"{before} → {after}"


def _side_of(what: str, value: Any, absent: str) -> str:
    if what == "flag" and isinstance(value, dict):
        return _flag(value)
    if what == "gap" and isinstance(value, int):
        return "there" if value == 1 else f"{value} times"
    return _said(value, absent)


def _flag(shape: dict[str, Any]) -> str:
    """A flag that came or went, in a few words: `int, default 5, required`."""
    action = shape.get("action", "store")
    kind = shape.get("type", "str") if action in ("store", "append") else "switch"
    parts = [kind if action != "append" else f"{kind}, repeatable"]
    worded = () if kind == "switch" else ("nargs", "choices", "default")
    parts += [f"{name} {_said(shape[name], 'none')}" for name in worded if shape.get(name) is not None]
    parts += [text for key, text in (("required", "required"), ("conditional", "at times")) if shape.get(key)]
    if shape.get("effect") in ("never-read", "no-effect"):
        parts.append("never read" if shape["effect"] == "never-read" else "without effect")
    return _short(", ".join(parts))


def _said(value: Any, absent: str) -> str:
    if value is None:
        return absent
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _short(", ".join(f"{key} {_said(one, 'none')}" for key, one in value.items()) or "a text")
    if isinstance(value, list):
        return _short(" ".join(_said(one, "none") for one in value) or "given")
    return _short(value if isinstance(value, str) and value else msgspec.json.encode(value).decode())


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _at(change: Change) -> str:
    if change.where is not None:
        return f"  {_place(change.where)}"
    return f"  was {_place(change.was)}" if change.was is not None else ""


def _place(where: Where) -> str:
    return f"{where.file}:{where.line}" if where.line else where.file


def _findings(report: Report) -> Iterator[str]:
    new, gone = report.findings.new, report.findings.gone
    if new or gone:
        yield from ("", "  findings")
        yield from (_finding(finding, "new   ") for finding in new)
        yield from (_finding(finding, "gone  ") for finding in gone)


def _finding(finding: Finding, state: str) -> str:
    word = {"deny": "error", "warn": "warning"}.get(finding.level, "note")
    at = f"  {_place(finding.where)}" if finding.where else ""
    return visible(f"    {state}{word}[{finding.code}]: {finding.message}{at}")


def _plan(report: Report) -> Iterator[str]:
    explained = report.same_plan or any(change.matters for change in report.changes)
    lines = [line for line in report.plan if line.startswith(_BESIDE) or not (explained or line.startswith("options"))]
    if lines:
        yield from ("", "  the plan", *(visible(f"    {line}") for line in lines))
