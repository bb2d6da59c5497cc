"""Pieces of `events.jsonl` and `log`, for whoever follows."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import zlib
from typing import NamedTuple, Optional

from .files import CHUNK_BYTES, FORMAT, Node, opened
from .locks import is_held
from .status import status_of

MARK_BYTES = 256


def follow(node: Node, events: int, log: Optional[int], wait: float, events_mark: str = "", log_mark: str = "") -> int:
    """Print a line that counts them, then what is new of the events (whole lines) and, with an offset, of the log.

    A file that is no longer the one of its mark is shown from its new beginning: the line tells where that is.
    """
    until = time.monotonic() + wait
    while True:
        alive = is_held(node.path("lock"))
        told = part(node.path("events.jsonl"), events, events_mark, whole=True)
        written = Part(0, b"", "") if log is None else part(node.path("log"), log, log_mark)
        over = not alive and os.path.exists(node.path("slots"))
        moved = told.start != events or (log is not None and written.start != log)
        if told.data or written.data or over or moved or time.monotonic() >= until:
            break
        time.sleep(0.1)
    found = status_of(node)
    state = "stopping" if alive and found["state"] == "ended" else found["state"]
    head = {
        "events": len(told.data),
        "log": len(written.data),
        "state": state,
        "unfinished": not alive and found["unfinished"],
        "events_from": told.start,
        "log_from": written.start,
        "events_mark": told.mark,
        "log_mark": written.mark,
    }
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + told.data + written.data)
    return 0


class Part(NamedTuple):
    """What was read of a file, from where on, and the mark by which the next reader knows the file again."""

    start: int
    data: bytes
    mark: str


def part(path: str, offset: int, known: str = "", whole: bool = False) -> Part:
    """At most a chunk of *path* from *offset* on, of *whole* lines where asked.

    *known* is the mark that came with *offset*: a file that has other bytes there is read from its beginning, and one
    that was only cut from its end.
    """
    try:
        file = opened(path)
    except FileNotFoundError:
        return Part(0 if known else offset, b"", "")
    try:
        size = os.fstat(file).st_size
        if known and (size < offset or mark_of(file, offset) != known):
            is_cut = size < offset and mark_of(file, size)[:8] == known[:8]
            offset = size if is_cut else 0
        data = os.pread(file, CHUNK_BYTES, offset)
        data = data[: data.rfind(b"\n") + 1] if whole else data
        return Part(offset, data, mark_of(file, offset + len(data)))
    finally:
        os.close(file)


def mark_of(file: int, offset: int) -> str:
    """Checksums of a file's first bytes and of those before *offset*."""
    length = min(MARK_BYTES, offset)
    return f"{zlib.crc32(os.pread(file, length, 0)):08x}{zlib.crc32(os.pread(file, length, offset - length)):08x}"


def seek(node: Node, lines: Optional[int], since: Optional[float], ago: Optional[float]) -> int:
    """Print the offset at which the log's last lines, or what it got since a moment, begin: the later one of both."""
    moment = since if ago is None else time.time() - ago
    is_timed = os.path.exists(node.path("log.index"))
    offset = 0
    with contextlib.suppress(FileNotFoundError), open(node.path("log"), "rb", opener=opened) as log:
        if moment is not None:
            offset = size_at(node.path("log.index"), moment)
            if offset < os.fstat(log.fileno()).st_size:
                offset = begin_of_line(log.fileno(), offset)
        if lines is not None:
            offset = max(offset, begin_of_last(log.fileno(), lines))
    print(json.dumps({"format": FORMAT, "offset": offset, "timed": is_timed}))
    return 0


def size_at(index: str, moment: float) -> int:
    """How large the log was at *moment*, or shortly before."""
    size = 0
    with contextlib.suppress(FileNotFoundError), open(index, "rb", opener=opened) as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                noted, then = map(int, line.split())
                if noted > moment:
                    break
                size = then
    return size


def begin_of_line(file: int, offset: int) -> int:
    """Where the line begins that *offset* is in."""
    before = os.pread(file, min(offset, CHUNK_BYTES), max(0, offset - CHUNK_BYTES))
    return offset - len(before) + before.rfind(b"\n") + 1


def begin_of_last(file: int, count: int) -> int:
    """Where the last *count* lines of a file begin."""
    at = end = os.fstat(file).st_size
    if end and os.pread(file, 1, end - 1) == b"\n":
        at = end - 1
    while at and count:
        size = min(CHUNK_BYTES, at)
        at -= size
        data = os.pread(file, size, at)
        if (found := data.count(b"\n")) >= count:
            cut = len(data)
            for _ in range(count):
                cut = data.rfind(b"\n", 0, cut)
            return at + cut + 1
        count -= found
    return at if count else end
