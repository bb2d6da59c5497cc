"""Findings as lines for people, rustc's way: what, where with the line itself, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from srpo_manifest.finding import Finding, Related, Spot, Where, visible

Paint: TypeAlias = Callable[[str, str], str]
"""A role (`error`, `warning`, `note`, `allowed`, `hint`, `fix`, `title`, `frame`) and a text, to that text as it is shown."""

_TITLES = {"deny": "error", "warn": "warning", "note": "note", "allow": "allowed"}
_SHOWN = 100
"""Characters of a source line: of a longer one, those about the place."""
_BEFORE = 40


def plain(_role: str, text: str) -> str:
    """No colours: for files, pipes and tests."""
    return text


def told(finding: Finding, paint: Paint = plain) -> str:
    """The finding for people.

    >>> print(told(Finding(code="no-bash", level="deny", message="no bash answers", hints=("install bash",))))
    error[no-bash]: no bash answers
    hint: install bash
    """
    role = _TITLES[finding.level]
    lines = [f"{paint(role, f'{role}[{finding.code}]')}{paint('title', f': {visible(finding.message)}')}"]
    beside = [one for one in finding.related if _in_one_snippet(finding.where, one.where)]
    if finding.where:
        lines += _place(finding.where, role, beside, paint)
    for related in finding.related:
        if related not in beside:
            lines += [f"{paint('note', 'note')}: {visible(related.message)}", *_place(related.where, "note", (), paint)]
    lines += [f"{paint('hint', 'hint')}: {visible(hint)}" for hint in finding.hints]
    if finding.fix and finding.fix.message:
        lines.append(f"{paint('fix', 'fix')}: {visible(finding.fix.message)}")
    return "\n".join(lines)


def _in_one_snippet(where: Where | None, other: Where) -> bool:
    return bool(where and _with_line(where) and _with_line(other) and where.file == other.file)


def _with_line(*places: Where) -> list[Spot]:
    """Those whose source line can be shown."""
    return [where for where in places if isinstance(where, Spot) and where.text and where.line]


def _place(where: Where, role: str, beside: Sequence[Related], paint: Paint) -> Iterator[str]:
    position = f":{where.line}:{where.column}" if where.line else f" ({visible(where.key)})" if where.key else ""
    marks = [(spot, "^", role, "") for spot in _with_line(where)]
    marks += [(spot, "-", "note", visible(one.message)) for one in beside for spot in _with_line(one.where)]
    gutter = max((len(str(spot.line)) for spot, *_ in marks), default=1)
    yield f"{'':{gutter}} {paint('frame', '-->')} {visible(where.file)}{position}"
    if not marks:
        return
    frame = paint("frame", f"{'':{gutter}} |")
    yield frame
    line, shown = 0, ""
    for spot, sign, colour, message in sorted(marks, key=lambda mark: (mark[0].line, mark[0].column)):
        before, marked, after = _windowed(spot)
        if line and spot.line > line + 1:
            yield paint("frame", "...")
        if (spot.line, before + marked + after) != (line, shown):
            line, shown = spot.line, before + marked + after
            yield f"{paint('frame', f'{line:>{gutter}} |')} {shown}"
        signs = sign * max(1, _cells(marked)) + (f" {message}" if message else "")
        yield f"{frame} {' ' * _cells(before)}{paint(colour, signs)}"


def _windowed(spot: Spot) -> tuple[str, str, str]:
    """The source line before, in and behind the marked place; a long line is cut about it."""
    start = spot.column - 1
    end = start + spot.width
    first, last = 0, len(spot.text)
    if last > _SHOWN:
        first = max(0, start - _BEFORE)
        last = min(last, max(end, first + _SHOWN) if spot.width < _SHOWN else start + _SHOWN)
    cut = ("…" if first else "", "…" if last < len(spot.text) else "")
    before, marked, after = spot.text[first:start], spot.text[start : min(end, last)], spot.text[end:last]
    return cut[0] + visible(before), visible(marked), visible(after) + cut[1]


def _cells(text: str) -> int:
    """How wide a terminal draws it."""
    import unicodedata  # noqa: PLC0415 - a library of its own, for the few who see a snippet

    marks = sum(unicodedata.category(character) in ("Mn", "Me") for character in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(character) in "WF" for character in text)
