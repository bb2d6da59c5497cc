"""The lock of a run's folder: who supervises it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time

from .files import Node, Refused, now, opened, read_json
from .processes import boot_id, identity, same
from .slots import IDENTITY, read_slots


def claim(node: Node) -> tuple[int, int]:
    """The lock of the run's folder, which is there then, and the umask of who asks: from here on ours is private."""
    umask = os.umask(0o077)
    os.makedirs(node.folder, exist_ok=True)
    return take_lock(node), umask


def take_lock(node: Node) -> int:
    """The lock's file, held for as long as any process has it open. A reader holds it for a moment only."""
    lock = opened(node.path("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    for _ in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            sign(lock)
            return lock
    message = f"run `{node.run}` is supervised by {supervisor_of(node)}"
    raise Refused("run-busy", message, "follow it, or stop it first", 75)


def sign(lock: int) -> None:
    """Write into a lock that this process holds who holds it; a full disk keeps only the name from others."""
    program = [os.path.basename(word) for word in sys.argv[:1]]
    holder = {
        "pid": os.getpid(),
        "start": identity(os.getpid())[1],
        "boot": boot_id(),
        "host": os.uname().nodename,
        "command": " ".join(program + sys.argv[1:2]),
        "since": now(),
    }
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(holder).encode() + b"\n", 0)


def signed(path: str) -> str:
    """Who holds the lock, by what it wrote; a process that is gone is not named."""
    holder = read_json(path) or {}
    with contextlib.suppress(LookupError, TypeError):
        here = holder["boot"] == boot_id()
        found = same(holder["pid"], holder["start"]) if here else None
        if (found and found.state not in "ZX") if here else holder["host"] != os.uname().nodename:
            return f"process {holder['pid']} on `{holder['host']}` (`{holder['command']}`, since {holder['since']})"
    return "a process that did not tell its name"


def supervisor_of(node: Node) -> str:
    """Who holds the run's lock: a supervisor that lives, else whoever signed it."""
    holder = read_slots(node.path("slots"))[0][IDENTITY]
    if holder and holder["boot"] == boot_id():
        for name in ("outer", "inner"):
            if (found := same(*holder[name])) and found.state not in "ZX":
                return f"process {found.pid} on `{os.uname().nodename}` (`supervise.py`, since {holder['time']})"
    return signed(node.path("lock"))


def is_held(path: str, how: int = fcntl.LOCK_SH) -> bool:
    """Whether a run is supervised; asked with LOCK_EX, whether a supervisor lives at all."""
    try:
        lock = opened(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
