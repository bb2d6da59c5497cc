r"""A job's log as people read it: lines, the last state of each bar, and plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_BYTES = 1 << 20
"""What goes on for longer without a line's end comes in pieces."""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")


class Lines:
    r"""Cuts a stream of any bytes into lines, which keep their `\n`; of what `\r` wrote over, the last state stays.

    *raw* keeps each byte.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self.rest = b""
        """The line that has no end yet."""
        self._raw = raw

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in *data*, and pieces of one that is too long."""
        *whole, rest = (self.rest + data).split(b"\n")
        self.rest = rest if self._raw else _shortened(rest)
        for line in whole:
            yield (line if self._raw else last_state(line)) + b"\n"
        while len(self.rest) > LONGEST_BYTES:
            piece, self.rest = self.rest[:LONGEST_BYTES], self.rest[LONGEST_BYTES:]
            yield piece

    def end(self) -> Iterator[bytes]:
        """What is left when nothing more comes."""
        rest, self.rest = self.rest, b""
        if rest:
            yield rest if self._raw else last_state(rest)


def last_state(line: bytes) -> bytes:
    r"""What a terminal shows in the end of a line that was written over by `\r`.

    >>> last_state(b"10%\r20%\r30%")
    b'30%'
    >>> last_state(b"a line of DOS\r")
    b'a line of DOS'
    """
    return next((state for state in reversed(line.split(b"\r")) if state), b"")


def plain(line: bytes) -> str:
    r"""Text without colours and other commands to a terminal, and without the line's end.

    >>> plain(b"\x1b[32mgood\x1b[0m \xff\n")
    'good \ufffd'
    """
    return _ESCAPES.sub(b"", line).rstrip(b"\r\n").decode("utf-8", "replace")


def _shortened(rest: bytes) -> bytes:
    """The states that can still be seen when the line goes on."""
    return last_state(rest) + b"\r" * rest.endswith(b"\r")
