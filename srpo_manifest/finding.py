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

    def __post_init__(self) -> None:
        """Tell no secret."""
        if self.text:
            from srpo_manifest.discretion import hushed_line  # noqa: PLC0415 - only a wrong file pays

            msgspec.structs.force_setattr(self, "text", hushed_line(self.text))


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

    def __post_init__(self) -> None:
        """Tell no secret."""
        from srpo_manifest.discretion import hushed  # noqa: PLC0415 - only a wrong file pays

        msgspec.structs.force_setattr(self, "message", hushed(self.message))
        msgspec.structs.force_setattr(self, "hints", tuple(map(hushed, self.hints)))


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
