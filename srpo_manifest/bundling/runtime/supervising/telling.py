"""The line of a log that tells best why a job failed."""

from __future__ import annotations

import re
import signal
from typing import Iterable, NamedTuple


class Telling(NamedTuple):
    """What a log's last lines say of a failure."""

    worker: str
    """How the first worker ended, by torchrun's report; empty without one."""
    line: str
    strong: bool
    """Whether *line* is certainly an error's."""


ERROR_LINE = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception|Interrupt|Exit|Timeout)(?::|$)"
    r"|^(?:[\w./-]+: )?error: |^error\[|Watchdog caught collective operation timeout"
)
MAYBE_ERROR = re.compile(
    r"\b(?:error|fatal|failed|cannot|can't|not found|no such file|denied|killed|aborted|core dumped"
    r"|segmentation fault|no space left)\b",
    re.IGNORECASE,
)
LATE_ERROR = re.compile(r"CalledProcessError|SignalException|DistBackendError|Connection (?:reset|closed)|Broken pipe")
"""Errors of those who only see that another process ended."""
NO_ERROR = re.compile(
    r"File exists|\(exitcode: |^\S+ FAILED$|^\s*(?:<NO_OTHER_FAILURES>|Failures:|error_file|traceback +:|Root Cause)"
    r"|ChildFailedError|no error file defined for parent|^srpo-manifest: |^hint: "
)
QUIET = re.compile(r"^(?:\[\w+\]:\s*)*\[?[IW]\d{4} [\d:.]+ ")
"""What torch's loggers say at level info or warning, such as that a host's name cannot be retrieved."""
PREFIXES = re.compile(r"^(?:\[\w+\]:\s*|[IWEF]\d{4} [\d:.]+ \d+ \S+\] |\d{4}-\d\d-\d\d[T ][\d:.,]+\S*(?: \| |\s+))+")
"""Of torchrun for a rank, of its own logger, of loguru."""


def telling(lines: Iterable[str]) -> Telling:
    """The line that tells most of why a job failed, the last one of its kind, and how its first worker ended.

    Source: torch/distributed/elastic/multiprocessing, `errors/__init__.py` and `api.py`, torch 2.6 and 2.13.
    """
    best, weight, rank, worker, cause = "", 0, "?", "", False
    for raw in lines:
        line = PREFIXES.sub("", raw).strip()
        if found := re.search(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)", line):
            worker = worker or worker_end(found[2], int(found[1]))
        elif line.startswith("Root Cause"):
            cause = True
        elif cause and (found := re.match(r"rank\s*: (\d+)", line)):
            rank = found[1]
        elif cause and (found := re.match(r"exitcode\s*: (-?\d+)", line)):
            worker, cause = worker_end(rank, int(found[1])), False
        if NO_ERROR.search(line) or QUIET.search(raw):
            continue
        kind = 3 if ERROR_LINE.search(line) else 1 if MAYBE_ERROR.search(line) else 0
        kind = min(kind, 2) if LATE_ERROR.search(line) else kind
        if kind and kind >= weight:
            best, weight = line, kind
    return Telling(worker, best, weight == 3)


def worker_end(rank: str, code: int) -> str:
    """How a worker ended, in words."""
    if code == -signal.SIGKILL:
        return f"rank {rank} killed by signal 9, as when memory runs out"
    return f"rank {rank}" if code == 1 else f"rank {rank} {ending(code)}"


def ending(code: int) -> str:
    """An exit status in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"
