"""Bash's patterns (`*.sh`, `[ab]?`) as regular expressions, where that is certain."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"\\(?P<escaped>[\s\S])|(?P<some>\*)|(?P<one>\?)|(?P<set>\[[!^]?[\w.,:-]+\])|(?P<plain>[^\\\[])")


def pattern_of(parts: Iterable[tuple[str, bool]]) -> re.Pattern[str] | None:
    """The expression for stretches of a pattern, each with whether it stood in quotes; None where it is not certain.

    >>> pattern_of([("*.", False), ("s*h", True)]).fullmatch("a.s*h") is not None
    True
    """
    made = ""
    for text, literal in parts:
        if literal:
            made += re.escape(text)
            continue
        if re.search(r"[@!?*+]\(", text) or not text.isascii():
            return None
        at = 0
        while at < len(text):
            match = _PART.match(text, at)
            if match is None:
                return None
            made += _translated(match)
            at = match.end()
    return re.compile(made, re.DOTALL)


def _translated(match: re.Match[str]) -> str:
    if match["some"]:
        return ".*"
    if match["one"]:
        return "."
    if inside := match["set"]:
        return inside.replace("[!", "[^", 1)
    return re.escape(match["escaped"] or match["plain"])


def without(text: str, pattern: re.Pattern[str], operator: str) -> str:
    """`${x#p}`, `${x##p}`, `${x%p}`, `${x%%p}`: *text* without its shortest or longest matching end.

    >>> without("a.b.c", re.compile("[.].*"), "%%")
    'a'
    """
    lengths = range(len(text) + 1) if len(operator) == 1 else range(len(text), -1, -1)
    for length in lengths:
        if operator[0] == "#" and pattern.fullmatch(text, 0, length):
            return text[length:]
        if operator[0] == "%" and pattern.fullmatch(text, len(text) - length):
            return text[: len(text) - length]
    return text


def replaced(text: str, pattern: re.Pattern[str], new: str, where: str) -> str | None:
    """`${x/p/new}` and, by *where*, `//` (every), `/#` (at the start), `/%` (at the end); None for what may match nothing."""
    if pattern.fullmatch(""):
        return None
    made, at = "", 0
    while at < len(text):
        starts = at == 0 or where != "/#"
        ends = (end for end in range(len(text), at, -1) if pattern.fullmatch(text, at, end))
        end = next((end for end in ends if where != "/%" or end == len(text)), None) if starts else None
        if end is None:
            made, at = made + text[at], at + 1
            continue
        made, at = made + new, end
        if where != "//":
            break
    return made + text[at:]
