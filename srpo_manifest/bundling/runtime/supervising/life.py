"""Whether what a folder tells of still lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Optional

from .files import PEERS, Node, Record, read_json
from .locks import is_held
from .processes import boot_id, same
from .slots import read_slots


def is_unfinished(node: Node) -> bool:
    """Whether a run that was started has neither a supervisor nor an end."""
    if is_held(node.path("lock")) or not os.path.exists(node.path("slots")):
        return False
    left, _, end = read_slots(node.path("slots"))[0]
    if (left and is_copy(node, left)) or is_supervised(left):
        return False
    return is_unfollowed(node, left) if end else not read_json(node.path("result.json"))


def is_supervised(identity: Optional[Record]) -> bool:
    """Whether a supervisor that slot 0 names lives, whatever became of the lock's file."""
    if not identity or identity.get("boot") != boot_id():
        return False
    found = (same(*identity[name]) for name in ("inner", "outer"))
    return any(one and one.state not in "ZX" for one in found)


def is_copy(node: Node, identity: Record) -> bool:
    """Whether the folder was copied from another run's: its processes are not this one's."""
    return bool(identity.get("run", node.run) != node.run)


def is_unfollowed(node: Node, identity: Optional[Record]) -> bool:
    """Whether something is still to come after the end, and nobody is left on this machine who sees to it.

    That is the command that is wanted then, and word to the other nodes.
    """
    if not identity or is_copy(node, identity) or is_elsewhere(identity):
        return False
    story = read_json(node.path("end.json")) or {}
    is_due = story.get("state") == "waiting" or os.path.exists(node.path(PEERS))
    return is_due and not is_held(node.path("lock"), fcntl.LOCK_EX)


def environment_of(pid: int) -> dict[str, str]:
    """That which a process was started with."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        pairs = (os.fsdecode(entry).partition("=") for entry in file.read().split(b"\0"))
        return {name: value for name, equals, value in pairs if equals}
    return {}


def lost_reason(identity: Optional[Record]) -> str:
    """Why no supervisor lives and none left an end."""
    if not identity:
        return "its supervisors died before the job started"
    if is_elsewhere(identity):
        return f"it was started on `{identity['host']}`, and no supervisor of it is seen from here"
    return "its supervisors died" if identity.get("boot") == boot_id() else "the machine was restarted"


def is_elsewhere(identity: Record) -> bool:
    """Whether another machine that shares this folder started the run: locks of there may not be seen here."""
    return identity.get("boot") != boot_id() and identity.get("host", os.uname().nodename) != os.uname().nodename
