"""What is wrong, or worth knowing, with the place and the way out."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Level: TypeAlias = Literal["deny", "warn", "allow", "note"]


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a text that a person wrote: `line` and `column` count from 1, in characters; 0 is unknown."""

    file: str
    line: int = 0
    column: int = 0
    key: str = ""


class Spot(Where, frozen=True, kw_only=True):
    """A place with its source line, for the snippet: empty where it may hold a secret or is not at hand."""

    width: int = 1
    text: str = ""


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """Another place that belongs to a finding."""

    message: str
    where: Where


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that would mend a finding: what to write in place of what its place marks. The hints say so to people."""

    replacement: str
    message: str = ""
    places: tuple[Where, ...] = ()
    """All that are to be edited, where that is not the finding's own place alone."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: a refusal (deny), a warning (warn) or a note."""

    code: str
    level: Level
    message: str
    hints: tuple[str, ...] = ()
    where: Where | None = None
    related: tuple[Related, ...] = ()
    fix: Fix | None = None


def told(finding: Finding) -> str:
    """The finding as lines for people, rustc's way: what, where with the line itself, what to do.

    >>> print(told(Finding(code="no-bash", level="deny", message="no bash answers", hints=("install bash",))))
    error[no-bash]: no bash answers
    hint: install bash
    """
    title = {"deny": "error", "warn": "warning", "note": "note", "allow": "allowed"}[finding.level]
    lines = [f"{title}[{finding.code}]: {visible(finding.message)}"]
    if finding.where:
        lines += _place(finding.where)
    for related in finding.related:
        lines += [f"note: {visible(related.message)}", *_place(related.where)]
    lines += [f"hint: {visible(hint)}" for hint in finding.hints]
    if finding.fix and finding.fix.message:
        lines.append(f"fix: {visible(finding.fix.message)}")
    return "\n".join(lines)


def bare(finding: Finding) -> Finding:
    """The finding as plans hold it: its places without their source lines."""
    related = tuple(msgspec.structs.replace(one, where=_unshown(one.where)) for one in finding.related)
    where = _unshown(finding.where) if finding.where else None
    return msgspec.structs.replace(finding, where=where, related=related)


def _unshown(where: Where) -> Where:
    return Where(file=where.file, line=where.line, column=where.column, key=where.key)


def visible(text: str) -> str:
    r"""*text* with what a terminal would obey or hide spelled out.

    >>> visible("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(character if _harmless(character) else _spelled(character) for character in text)


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _harmless(character: str) -> bool:
    return character.isprintable() and character not in _BIDI


def _spelled(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _place(where: Where) -> list[str]:
    position = f":{where.line}:{where.column}" if where.line else f" ({visible(where.key)})" if where.key else ""
    lines = [f"  --> {visible(where.file)}{position}"]
    if isinstance(where, Spot) and where.text and where.line:
        gutter = " " * len(str(where.line))
        before = visible(where.text[: where.column - 1])
        marked = visible(where.text[where.column - 1 : where.column - 1 + where.width])
        lines += [
            f"{gutter} |",
            f"{where.line} | {visible(where.text)}",
            f"{gutter} | {' ' * _cells(before)}{'^' * max(1, _cells(marked))}",
        ]
    return lines


def _cells(text: str) -> int:
    """How wide a terminal draws it."""
    import unicodedata  # noqa: PLC0415 - a library of its own, for the few who see a snippet

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
