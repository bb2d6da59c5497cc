"""The marks, comments and line ends of a TOML text that has been read, between the keys and scalars that the reader found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from srpo_manifest.reading.spanned import Item, Span

ATOM = "atom"
_MARK = re.compile(r"\n|#[^\n]*|[\[\]{}=,.]")


class Token(NamedTuple):
    """`kind` is `ATOM` for a key's part or a scalar, `#` for a comment, else the mark itself."""

    kind: str
    text: str
    span: Span


def tokens(text: str, root: Item) -> list[Token]:
    """All of *text* but its blanks. *root* is what was read from it, without a mistake."""
    found: list[Token] = []
    at = 0
    for span in (*sorted(set(_atoms(root))), Span(len(text), len(text))):
        marks = _MARK.finditer(text, at, span.start)
        found += (Token(mark[0][0], mark[0], Span(*mark.span())) for mark in marks)
        if span.start < span.end:
            found.append(Token(ATOM, text[span.start : span.end], span))
        at = span.end
    return found


def _atoms(item: Item) -> Iterator[Span]:
    if isinstance(item.value, dict):
        for spans in item.keys.values():
            yield from spans
    elif not isinstance(item.value, list):
        yield item.span
        return
    for child in item.value.values() if isinstance(item.value, dict) else item.value:
        yield from _atoms(child)
