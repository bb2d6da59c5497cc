"""After a run's end: the other nodes know it, and the command of `[end]` runs."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import math
import os
import signal
import time
from typing import TYPE_CHECKING, Optional

from .files import FORMAT, Node, Record, moment, opened, read_json, write_json
from .forks import fork_bash, open_gate
from .job import Job
from .joining import forget_peers, keep_done, peers_of
from .locks import is_held
from .processes import ended_children
from .signals import SIGNALS, STOPS
from .slots import END, read_slots
from .stops import told_by

if TYPE_CHECKING:
    from .peers import Peer

FETCHED, KEEP = "fetched", "keep"
"""Marks: the outputs came home; the command after the end is called off."""
END_SECONDS = 1.0
"""Between two looks while the command after the end waits."""


def follow_up(job: Job, outcome: str, peers: Optional[Peer] = None) -> None:
    """Let the other nodes know of the end, then run the command that is wanted after it, once; `end.json` tells how that stands.

    The run is over: its lock is shared from here on, so that readers find it free and nobody else takes it.
    """
    job.pulse.value = math.inf
    node, wish, story = job.node, job.rules.get("end"), read_json(job.node.path("end.json")) or {}
    if job.dry_run or job.restarted or story.get("state", "waiting") != "waiting":
        wish = None
    if wish or peers:
        fcntl.flock(job.lock, fcntl.LOCK_SH)
    if not wish:
        leave(node, peers)
        return
    job.page.due = job.page.due or time.monotonic() + wish["wait_seconds"]
    job.keep_page()
    story = {"format": FORMAT, "command": wish["command"], "due": moment(job.page.due - time.monotonic())}

    def tell(state: str, reason: str, status: Optional[int] = None) -> None:
        with contextlib.suppress(OSError):
            write_json(node.path("end.json"), {**story, "state": state, "reason": reason, "exit": status})

    if peers:
        tell("waiting", "the other nodes do not know of the end yet")
    off = leave(node, peers) or called_off(node)
    tell("waiting", "the outputs have not been fetched")
    while off is None and time.monotonic() < job.page.due and not os.path.exists(node.path(FETCHED)):
        received = signal.sigtimedwait(SIGNALS, END_SECONDS)
        off = told_by(received.si_signo) if received and received.si_signo in STOPS else called_off(node)
    other = other_run(node)
    if off or other:
        tell("called-off", off or f"run `{other}` needs this machine")
        return
    why = "the outputs were fetched" if os.path.exists(node.path(FETCHED)) else "the time for it has come"
    tell("started", why)
    log = opened(node.path("end.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child, gate = fork_bash(job, "end.sh", {"SRPO_RUN_OUTCOME": outcome}, log=log)
    open_gate(gate)
    ended: dict[int, int] = {}
    while child not in ended:
        signal.sigtimedwait(SIGNALS, END_SECONDS)
        ended.update(ended_children())
    tell("ended", why, ended[child])


def leave(node: Node, peers: Optional[Peer]) -> Optional[str]:
    """Stay until the other nodes know of the end, for as long as they are given. Returns: the signal that cut it short."""
    off = None
    if peers:
        peers.is_over = True
        until = time.monotonic() + peers.leave_seconds
        while not peers.may_leave and time.monotonic() < until and not off:
            peers.look()
            keep_done(node, peers)
            received = signal.sigtimedwait(SIGNALS, 0.1)
            off = told_by(received.si_signo) if received and received.si_signo in STOPS else None
        if off:
            peers.hurry()
        for _ in range(2):  # one takes in who has to be told, one sends it
            peers.look()
        peers.close()
    forget_peers(node)
    return off


def rejoined(job: Job, end: Record) -> Optional[Peer]:
    """The connection of a node that has ended and is not heard yet; None where there is none."""
    with contextlib.suppress(Exception):  # a supervisor has told why
        if peers := peers_of(job):
            peers.part(end["outcome"], end["reason"])
            return peers
    return None


def called_off(node: Node) -> Optional[str]:
    """Why the command after the end must not run."""
    return "somebody called it off" if os.path.exists(node.path(KEEP)) else None


def other_run(node: Node) -> Optional[str]:
    """A run of this workspace that goes on, or one that ended later and whose own command is still to come."""
    folder = os.path.dirname(node.run_folder)
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*", "attempt-*", "node-*"))):
        other = Node(path)
        waits = (read_json(other.path("end.json")) or {}).get("state") == "waiting"
        if other.run != node.run and (is_held(other.path("lock")) or (waits and ended_at(other) > ended_at(node))):
            return other.run
    return None


def ended_at(node: Node) -> str:
    """When the end was recorded; empty where it was not."""
    end = read_slots(node.path("slots"))[0][END]
    return end["time"] if end else ""


def end_of(node: Node) -> Optional[Record]:
    """How the command after the end stands; None before the end, and where none is wanted."""
    story = read_json(node.path("end.json"))
    if story and not isinstance(story.get("state"), str):
        return None
    if story and story["state"] in ("waiting", "started") and not is_held(node.path("lock"), fcntl.LOCK_EX):
        began = story["state"] == "started"
        story.update(state="lost", reason="the supervisors died" + (" after it had begun" if began else ""))
    return story
