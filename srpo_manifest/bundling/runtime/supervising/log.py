"""The job's output: its lines, and an index of its size by time."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time

from .files import CHUNK_BYTES, Node, opened

INDEX_SECONDS = 2.0
"""Between two notes of the log's size; what is asked for by time begins so much early at most."""
BEHIND_BYTES = 64 << 20
"""A log that is read this far behind its end is read on near its end: the supervisor stays small and quick."""
LINE_BYTES = 16 << 10


def lines_after(path: str, offset: int, last: bool) -> tuple[list[str], int]:
    r"""Lines of *path* behind *offset*, without colours, and where the next one begins.

    `\r` ends a line too; so does the end of the file at the *last* look.
    """
    try:
        with open(path, "rb", opener=opened) as file:
            size = os.fstat(file.fileno()).st_size
            if not size - BEHIND_BYTES <= offset <= size:
                offset = max(0, size - CHUNK_BYTES)
            file.seek(offset)
            data = file.read(CHUNK_BYTES)
    except FileNotFoundError:
        return [], offset
    *lines, rest = re.split(rb"[\r\n]", data)
    if (last and offset + len(data) >= size) or len(rest) > LINE_BYTES:
        lines, rest = [*lines, rest], b""
    plain = (re.sub(rb"\x1b\[[0-9;]*m", b"", line[:LINE_BYTES]).decode("utf-8", "replace") for line in lines)
    return [line for line in plain if line], offset + len(data) - len(rest)


class LogIndex:
    """Notes in `log.index` when the log had which size: it has no times of its own."""

    def __init__(self, node: Node) -> None:
        self.log, self.path = node.path("log"), node.path("log.index")
        self.noted, self.size = float("-inf"), -1

    def note(self, last: bool) -> None:
        """Append a line where the log has grown; a log that was cut gets a new index."""
        if not last and time.monotonic() - self.noted < INDEX_SECONDS:
            return
        with contextlib.suppress(OSError):
            size = os.stat(self.log).st_size
            moment = math.ceil(time.time())  # rounded up: it had no more before
            if size != self.size:
                anew = os.O_TRUNC if size < self.size else os.O_APPEND
                file = opened(self.path, os.O_WRONLY | os.O_CREAT | anew)
                try:
                    os.write(file, b"%d %d\n" % (moment, size))
                finally:
                    os.close(file)
                self.noted, self.size = time.monotonic(), size


def last_lines(path: str) -> list[str]:
    """The lines in the last part of a log."""
    try:
        return lines_after(path, max(0, os.path.getsize(path) - CHUNK_BYTES), last=True)[0]
    except OSError:
        return []
