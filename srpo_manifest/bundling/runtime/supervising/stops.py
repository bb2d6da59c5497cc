"""Requests to stop: `stop.req`, and a bare signal where it cannot be written."""

from __future__ import annotations

import os
from typing import Optional

from .files import FORMAT, Node, Record, format_of, now, write_json
from .job import Job
from .processes import boot_id, same, send
from .signals import ASKED, WAKE
from .slots import IDENTITY, read_slots


def stop_request(reason: str, grace: Optional[float], checkpoint: Optional[float] = None) -> Record:
    """What `stop.req` holds."""
    return {"time": now(), "grace_seconds": grace, "checkpoint_seconds": checkpoint, "reason": reason}


def told_by(received: int) -> str:
    """What a signal to a supervisor is the reason of."""
    if received == ASKED:
        return "a stop was asked for, by whom could not be written"
    return f"signal {received} to the supervisor"


def note_stop(job: Job, received: int) -> Record:
    """A signal asks for a stop, once. Returns: the request."""
    job.page.asked = True
    return keep_stop(job, told_by(received))


def keep_stop(job: Job, reason: str) -> Record:
    """Write the request down at once, as whoever received it may die. Returns: it."""
    request = stop_request(reason, None)
    if not os.path.exists(job.node.path("stop.req")):
        try:
            write_json(job.node.path("stop.req"), request)
        except OSError:
            job.page.asked = True
    return request


def ask_stop(node: Node, reason: str, grace: Optional[float], checkpoint: Optional[float] = None) -> None:
    """Write the request, then wake who must read it. On a full disk another signal is the request."""
    wake = WAKE
    try:
        write_json(node.path("stop.req"), stop_request(reason, grace, checkpoint))
    except OSError:
        wake = ASKED
    identity = read_slots(node.path("slots"))[0][IDENTITY]
    if identity and identity.get("boot") == boot_id() and format_of(identity) <= FORMAT:
        living = [found for name in ("inner", "outer") if (found := same(*identity[name])) and found.state not in "ZX"]
        for found in living[:1]:
            send(found, wake)
