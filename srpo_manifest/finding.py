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
    width: int = 1
    text: str = ""
    """The source line itself, for the snippet; empty where it may hold a secret or is not at hand."""


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """Another place that belongs to a finding."""

    message: str
    where: Where


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that would mend a finding: what to write in place of what."""

    message: str
    replacement: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: a refusal (deny), a warning (warn) or a note."""

    code: str
    level: Level
    message: str
    hints: tuple[str, ...] = ()
    where: Where | None = None
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
