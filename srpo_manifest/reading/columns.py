"""Columns of a text's lines: who lined something up finds it in line again, and nobody else gets columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from srpo_manifest.reading.layout import Line


def written(lines: Sequence[Line]) -> str:
    """The text of *lines*, each with its end."""
    return "".join(f"{line}\n" for line in _commented(_equalled(lines)))


def _equalled(lines: Sequence[Line]) -> list[Line]:
    """The `=` of a run in one column, where two of its keys of unlike length had theirs in one."""
    widths: dict[int, int] = {}
    keys = sorted((line for line in lines if line.key), key=lambda line: line.run)
    for run, members in groupby(keys, lambda line: line.run):
        found = list(members)
        if _meet(found):
            widths[run] = max(line.key for line in found)
    return [_widened(line, widths.get(line.run, 0)) if line.key else line for line in lines]


def _meet(lines: Iterable[Line]) -> bool:
    lengths: dict[int, set[int]] = {}
    for line in lines:
        lengths.setdefault(line.equals, set()).add(line.key)
    return any(len(found) > 1 for found in lengths.values())


def _widened(line: Line, width: int) -> Line:
    blanks = " " * (width - line.key)
    return line._replace(code=line.code[: line.key] + blanks + line.code[line.key :])


def _commented(lines: Sequence[Line]) -> list[str]:
    """Each line with its comment: one blank before it, but where several stood in one column of a run.

    Those stand in one again, as far behind the longest code as it was.
    """
    return [text for run in _runs(lines) for text in _aligned(run)]


def _runs(lines: Sequence[Line]) -> Iterable[list[Line]]:
    """Lines up to a blank one or a header, before which a column of comments ends."""
    run: list[Line] = []
    for line in lines:
        if run and (line.blank or (line.code.startswith("[") and not line.key)):
            yield run
            run = []
        run.append(line)
    yield run


def _aligned(lines: Sequence[Line]) -> list[str]:
    columns: dict[int, list[Line]] = {}
    for line in lines:
        if line.comment and line.code.strip() and "\n" not in line.code:
            columns.setdefault(line.column, []).append(line)
    shared = {
        column: max(len(line.code) for line in found) + max(1, min(line.gap for line in found))
        for column, found in columns.items()
        if len(found) > 1
    }
    return [_with_comment(line, shared) for line in lines]


def _with_comment(line: Line, shared: dict[int, int]) -> str:
    if not line.comment or not line.code.strip():
        return line.code + line.comment
    width = 0 if "\n" in line.code else shared.get(line.column, 0) - 1
    return f"{line.code.ljust(width)} {line.comment}"
