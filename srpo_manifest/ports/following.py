"""Following a run: what the supervisor's `follow` is asked, and how its answer is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from srpo_manifest.errors import LaunchError
from srpo_manifest.ports.direct import NODE, PYTHON
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.base import Value

_NEVER = """[ -e "$run/python" ] || { echo '{"events": 0, "log": 0, "state": "ended"}'; exit; }
"""


class Chunk(Value):
    """What is new since the offsets that were asked: whole events, log bytes, and the offsets to ask next."""

    events: tuple[dict[str, Any], ...]
    log: bytes
    events_offset: int
    log_offset: int
    state: str
    unfinished: bool = False
    """As in `Status`: all that there is has been shown, and more comes once the run is taken over."""


class _Head(Value):
    events: int
    log: int
    state: str
    unfinished: bool = False


def follow(folder: str, *, events: int, log: int | None, wait_seconds: float) -> str:
    """Bash text: what lies beyond these byte offsets, waiting so long for something new; None leaves the log out."""
    offsets = f"--events {events}" + ("" if log is None else f" --log {log}")
    return (
        f'run={folder}\n{_NEVER}{PYTHON}exec "$python" "$run/bundle/supervise.py" follow "$run/{NODE}" '
        f"{offsets} --wait {wait_seconds:g}\n"
    )


def parse_follow(answer: Answer, *, events: int, log: int) -> Chunk:
    """One JSON line of byte counts and state, then exactly so many bytes of events and log.

    Raises: LaunchError `run-unreadable` where the answer has another shape.
    """
    line, newline, rest = answer.output.partition(b"\n")
    try:
        if answer.status != 0 or not newline:
            raise LaunchError("run-unreadable", f"the run's folder cannot be followed: {answer.complaint}")
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError as error:
        raise LaunchError("run-unreadable", f"the run's state has an unknown shape: {error}") from error
    if len(rest) != head.events + head.log:
        raise LaunchError("run-unreadable", "the run's answer is cut off")
    return Chunk(
        events=tuple(_whole(rest[: head.events])),
        log=rest[head.events :],
        events_offset=events + head.events,
        log_offset=log + head.log,
        state=head.state,
        unfinished=head.unfinished,
    )


def _whole(lines: bytes) -> Iterator[dict[str, Any]]:
    """Events that can be read: a full disk leaves torn lines, which are none."""
    for line in lines.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=dict[str, Any])
