"""A text as its file has it: what its lines end with, and its byte order mark."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable

from srpo_manifest.reading.spanned import Span

_MARK = b"\xef\xbb\xbf"
_END = re.compile(rb"\r?\n")


def as_in(data: bytes, text: str, before: Iterable[Span] = (), after: Iterable[Span] = ()) -> bytes:
    """*text* with the byte order mark of *data*, and the end that most of its lines have.

    A file may have both ends. Spans *before* of what *data* says, and *after* of the same in *text*, keep their own.
    """
    ends = _END.findall(data)
    lines = text.encode().split(b"\n")
    old: list[int] = []
    new: list[int] = []
    if len(set(ends)) > 1:
        old, new = _within(data.decode("utf-8-sig").replace("\r\n", "\n"), before), _within(text, after)
    within = set(old)
    layout = [end for number, end in enumerate(ends) if number not in within] or ends
    mine = [b"\r\n" if 2 * layout.count(b"\r\n") > len(layout) else b"\n"] * (len(lines) - 1)
    for number, kept in zip(new, old, strict=True):
        mine[number] = ends[kept]
    mark = _MARK if data.startswith(_MARK) else b""
    return mark + b"".join(line + end for line, end in zip(lines, (*mine, b""), strict=True))


def _within(text: str, spans: Iterable[Span]) -> list[int]:
    """The numbers of the line ends that lie in *spans*."""
    places = [found.start() for found in re.finditer("\n", text)]
    return [
        number for span in spans for number in range(bisect_left(places, span.start), bisect_left(places, span.end))
    ]
