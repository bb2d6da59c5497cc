"""Following a run: what the supervisor's `follow` is asked, and how its answer is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.errors import LaunchError, TransportError
from srpo_manifest.ports.arrival import node_name, unstarted
from srpo_manifest.ports.direct import SUPERVISE
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.base import Value

_HEAD = """echo '{"events": 0, "log": 0, "state": "%s"}'"""
_PENDING = f"sleep 0.5; {_HEAD % 'pending'}"
_ABSENT_RUN = f"""[ -f "$run/supervisor" ] || [ -f "$run/python" ] || {{ {_HEAD % "ended"}; exit; }}
"""
KILLED = 128


class Offsets(Value):
    """How far a reader has come, and the marks by which the target knows the files again."""

    events: int = 0
    log: int | None = None
    """None leaves the log out."""
    events_mark: str = ""
    log_mark: str = ""


CHUNK_BYTES = 1 << 20
"""At most so much of the log comes in one answer: less means that there is no more yet."""


class Chunk(Value):
    """What is new since the offsets that were asked: whole events, log bytes, and the offsets to ask next."""

    events: tuple[dict[str, Any], ...]
    log: bytes
    after: Offsets
    state: str
    unfinished: bool = False
    """As in `Status`: all that there is has been shown, and more comes once the run is taken over."""
    events_anew: bool = False
    """The events' file was cut or replaced: these are its new beginning."""
    log_anew: bool = False


class Place(Value):
    """Where a part of the log begins."""

    offset: int
    timed: bool = False
    """Whether the target has noted times at all."""


class _Head(Value):
    """Without places and marks it comes from an older supervisor."""

    events: int
    log: int
    state: str
    unfinished: bool = False
    events_from: int | None = None
    log_from: int | None = None
    events_mark: str = ""
    log_mark: str = ""


def follow(folder: str, at: Offsets, *, wait_seconds: float, node: int = 0) -> str:
    """Bash text: what lies beyond these byte offsets, waiting so long for something new."""
    asked = f"--events {at.events} --wait {wait_seconds:g}" + ("" if at.log is None else f" --log {at.log}")
    marks = {"events": at.events_mark, "log": at.log_mark}
    asked += "".join(f" --{name}-mark {quote(mark)}" for name, mark in marks.items() if mark)
    never = unstarted(_PENDING, _HEAD % "ended", node)
    return f'run={folder}\n{never}{_ABSENT_RUN}{SUPERVISE}supervise follow "$run/{node_name(node)}" {asked}\n'


def parse_follow(answer: Answer, at: Offsets) -> Chunk:
    """One JSON line of byte counts and state, then exactly so many bytes of events and log.

    Raises: TransportError `answer-cut` where a part of the answer is missing; LaunchError `run-unreadable` where it has
    another shape.
    """
    line, newline, rest = answer.output.partition(b"\n")
    # by a signal, or by ssh's own failure; a shell tells a signal as more than 128
    if answer.status < 0 or answer.status > KILLED or (answer.status == 0 and not newline):
        raise TransportError("answer-cut", f"the answer broke off: {answer.complaint}")
    if answer.status != 0:
        raise LaunchError("run-unreadable", f"the run's folder cannot be followed: {answer.complaint}")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError as error:
        raise LaunchError("run-unreadable", f"the run's state has an unknown shape: {error}") from error
    if len(rest) < head.events + head.log:
        raise TransportError("answer-cut", "the answer broke off")
    if len(rest) > head.events + head.log:
        raise LaunchError("run-unreadable", "the run's answer is longer than it says")
    events_from = at.events if head.events_from is None else head.events_from
    log_from = (at.log or 0) if head.log_from is None or at.log is None else head.log_from
    return Chunk(
        events=tuple(_whole(rest[: head.events])),
        log=rest[head.events :],
        after=Offsets(
            events=events_from + head.events,
            log=None if at.log is None else log_from + head.log,
            events_mark=head.events_mark,
            log_mark=head.log_mark,
        ),
        state=head.state,
        unfinished=head.unfinished,
        events_anew=events_from != at.events,
        log_anew=at.log is not None and log_from != at.log,
    )


def seek(folder: str, *, lines: int | None, since: float | None, ago_seconds: float | None, node: int = 0) -> str:
    """Bash text: where the log's last lines begin, or what it got since a moment (Unix time, or so long ago)."""
    asked = {"lines": lines, "since": since, "ago": ago_seconds}
    options = " ".join(f"--{name} {value!r}" for name, value in asked.items() if value is not None)
    never = '[ -f "$run/supervisor" ] || [ -f "$run/python" ] || { echo \'{"offset": 0, "timed": true}\'; exit; }\n'
    return f'run={folder}\n{never}{SUPERVISE}supervise seek "$run/{node_name(node)}" {options}\n'


def parse_seek(answer: Answer) -> Place:
    """One JSON object. Raises: LaunchError `run-unreadable` for anything else."""
    if answer.status != 0:
        raise LaunchError("run-unreadable", f"the run's log cannot be searched: {answer.complaint}")
    try:
        return msgspec.json.decode(answer.output, type=Place)
    except msgspec.DecodeError as error:
        raise LaunchError("run-unreadable", f"the run's answer has an unknown shape: {error}") from error


def _whole(lines: bytes) -> Iterator[dict[str, Any]]:
    """Events that can be read: a full disk leaves torn lines, which are none."""
    for line in lines.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=dict[str, Any])
