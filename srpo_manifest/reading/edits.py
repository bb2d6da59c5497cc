"""Edits of a text by place: nothing outside of them changes, line ends and a byte order mark among it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from srpo_manifest.finding import Finding, Spot

_MARK = b"\xef\xbb\xbf"


class Edit(NamedTuple):
    """What to write over *width* characters; line and column count from 1, in characters."""

    line: int
    column: int
    width: int
    text: str


def edits_of(findings: Iterable[Finding], file: str) -> list[Edit]:
    """The edits of *file* that mend *findings*; of two that meet, the first."""
    edits = []
    at = (0, 0)
    for edit in sorted({edit for finding in findings for edit in _edits(finding, file)}):
        if (edit.line, edit.column) >= at:
            edits.append(edit)
            at = edit.line, edit.column + max(1, edit.width)
    return edits


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """*data* with the edits, which do not meet."""
    mark = _MARK if data.startswith(_MARK) else b""
    lines = data.removeprefix(mark).decode().split("\n")
    for edit in sorted(edits, reverse=True):
        line, start = lines[edit.line - 1], edit.column - 1
        lines[edit.line - 1] = line[:start] + edit.text + line[start + edit.width :]
    return mark + "\n".join(lines).encode()


def _edits(finding: Finding, file: str) -> Iterator[Edit]:
    if finding.fix is None or finding.where is None:
        return
    for where in finding.fix.places or (finding.where,):
        if where.file == file and where.line:
            width = where.width if isinstance(where, Spot) else 0
            yield Edit(where.line, where.column, width, finding.fix.replacement)
