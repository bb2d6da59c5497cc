"""The difference of two texts, as a patch that people read and `patch` applies."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from srpo_manifest.finding import visible

_NO_END = "\\ No newline at end of file"


def patch(before: bytes, after: bytes, file: str) -> Iterator[str]:
    """Its lines; what a terminal would obey is spelled out, and so are line ends of which a file has two kinds."""
    old, new = (data.decode("utf-8", "replace").split("\n") for data in (before, after))
    if _ends(old) == _ends(new):
        old, new = ([line.removesuffix("\r") for line in lines] for lines in (old, new))
    shown = visible(file)
    for line in difflib.unified_diff(_closed(old), _closed(new), shown, shown, lineterm=""):
        text, mark, _ = line.partition("\n")
        yield "\t".join(map(visible, text.split("\t")))
        if mark:
            yield _NO_END


def _ends(lines: list[str]) -> set[bool]:
    return {line.endswith("\r") for line in lines[:-1]}


def _closed(lines: list[str]) -> list[str]:
    """Lines of a text; the last is marked where no line end is behind it."""
    return [*lines[:-1], *([f"{lines[-1]}\n"] if lines[-1] else [])]
