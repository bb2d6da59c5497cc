"""Values of schema 0 that were texts with a grammar of their own, spelled as TOML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

from srpo_manifest.reading.lockfile import inline
from srpo_manifest.wording import ticked

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_NEXT = re.compile(r"[,;][ \t]*[A-Za-z_][A-Za-z0-9_]*=")


def arguments(text: str) -> str:
    """Words as a shell would part them. Raises: ValueError that says what is wrong."""
    try:
        return inline(shlex.split(text))
    except ValueError as error:
        raise ValueError("a quote, or a backslash, has no end") from error


def pair(text: str, kind: Callable[[str], float]) -> str:
    """Two numbers. Raises: ValueError."""
    try:
        first, second = map(kind, re.split(r"[ \t\n,]+", text.strip()))
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"expected two {what}, such as `5 25`") from error
    return inline([first, second])


def whole(number: float) -> str | None:
    """A whole number without its point; None where it is none."""
    return str(int(number)) if number == int(number) else None


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Names with their values, one `NAME=value` a line.

    The older wrapper parted at commas and semicolons, too, and so broke values with one: what may be meant either way is
    refused. Raises: ValueError; the values are in no message.
    """
    seen: set[str] = set()
    for line in filter(None, map(str.strip, text.split("\n"))):
        name, equals, value = line.partition("=")
        name = name.rstrip()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("expected one `NAME=value` a line")
        if _NEXT.search(value):
            raise ValueError(
                f"the value of {ticked(name)} holds a comma or semicolon that may begin another variable: write one a line"
            )
        if name in seen:
            raise ValueError(f"{ticked(name)} is set twice")
        seen.add(name)
        yield name, inline(value.strip())
