"""The difference of two texts, as a patch that people read and `patch` applies."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator

from srpo_manifest.discretion import hushed_line
from srpo_manifest.finding import visible

_NO_END = "\\ No newline at end of file"


def patch(before: bytes, after: bytes, file: str) -> Iterator[str]:
    """Its lines, each as the files have it: a carriage return at its end belongs to it.

    No secret is in it: what stands around a change is left out for that, and a change beside one has stars, and applies nowhere.
    """
    old, new = (_closed(data.decode("utf-8", "surrogateescape").split("\n")) for data in (before, after))
    shown = visible(file)
    lines = [*difflib.unified_diff(old, new, shown, shown, lineterm="")]
    if any(hushed_line(line) != line for line in lines):
        lines = [*difflib.unified_diff(old, new, shown, shown, n=0, lineterm="")]
    for line in lines:
        text, mark, _ = line.partition("\n")
        yield hushed_line(text)
        if mark:
            yield _NO_END


def show(before: bytes, after: bytes, file: str) -> None:
    """Print it: byte for byte into a pipe or a file; for a terminal, what that would obey is spelled out."""
    if sys.stdout is None:
        return
    lines = patch(before, after, file)
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.writelines(f"{line}\n".encode("utf-8", "surrogateescape") for line in lines)
        return
    plain = all(data.count(b"\r\n") in (0, data.count(b"\n")) for data in (before, after))
    same = plain and (b"\r\n" in before) == (b"\r\n" in after)
    for line in lines:
        print("\t".join(map(visible, (line.removesuffix("\r") if same else line).split("\t"))))


def _closed(lines: list[str]) -> list[str]:
    """Lines of a text; the last is marked where no line end is behind it."""
    return [*lines[:-1], *([f"{lines[-1]}\n"] if lines[-1] else [])]
