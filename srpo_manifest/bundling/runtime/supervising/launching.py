"""The start of a run, if no other one of its name lives."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import signal
import sys
import time
from typing import Any, Iterator, Optional

from .files import CHUNK_BYTES, FORMAT, Node, Refused, opened
from .job import Job, Meeting
from .joining import settle_peers
from .life import is_unfinished
from .locks import claim, is_held, sign, signed, supervisor_of
from .pair import start_supervisors
from .processes import boot_id, tree
from .runs import runs_of
from .signals import ASKED, STOPS
from .slots import IDENTITY, read_slots
from .status import status_of
from .stops import ask_stop
from .words import target_secrets

GATE_SECONDS = 120.0
"""How long a launch waits for another one of its name."""


def launch(
    node: Node, detach: bool, dry_run: bool, names: list[str], on_stdin: bool, chief: Optional[str], port: Optional[int]
) -> int:
    """Start the job and return once that is recorded for good; attached, show its log until it ends."""
    secrets = launch_secrets(names, on_stdin)
    with alone(node):
        secrets = {**secrets, **target_secrets(node, node.rules())}
        met = Meeting(chief, port) if chief and port else None
        lock, umask = claim(node)
        settle_peers(node)
        job = Job(node, lock, umask, secrets, dry_run, met=met)
        outer = start_supervisors(job)
        os.close(job.lock)
    if read_slots(node.path("slots"))[0][IDENTITY] is None:
        raise Refused(
            "not-started", f"the supervisor of `{node.run}` died before the job started", "launch it again", 70
        )
    line = json.dumps({"format": FORMAT, "run": node.run, "folder": node.folder, "pid": outer})
    print(line, file=sys.stdout if detach else sys.stderr, flush=True)
    return 0 if detach else attend(node)


@contextlib.contextmanager
def alone(node: Node) -> Iterator[None]:
    """While no other launch of the name goes on, and no run of it. Raises: Refused where one runs."""
    folder, name = os.path.dirname(node.run_folder), node.rules()["name"]
    path = os.path.join(folder, f".{name}.launch")
    gate = opened(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        take_gate(gate, path)
        for run in runs_of(folder, name):
            nodes = map(Node, glob.glob(os.path.join(glob.escape(os.path.join(folder, run)), "attempt-*", "node-*")))
            for other in nodes if run != node.run else ():
                if is_held(other.path("lock")):
                    message = f"run `{run}` of this name has not ended; it is supervised by {supervisor_of(other)}"
                    raise Refused("already-running", message, "attach to it, or stop it", 75)
                if left := remains(other):
                    message = f"run `{run}` of this name lost its supervisors, and its processes live: {left}"
                    raise Refused("run-lives", message, f"`srpo-manifest status {run}` takes it over: then stop it", 75)
        yield
    finally:
        os.close(gate)


def remains(node: Node) -> str:
    """The living processes of a run that lost its supervisors, as text."""
    if not is_unfinished(node):
        return ""
    left = read_slots(node.path("slots"))[0][IDENTITY]
    if left and left["boot"] == boot_id():
        found = tree(node.run, (), (left["pid"], left["start"]), left.get("cgroup", ""), node.index)
    else:
        found = tree(node.run, index=node.index)
    return ", ".join(str(one.pid) for one in found)


def take_gate(gate: int, path: str) -> None:
    """Hold the gate of a name; say for whom we wait. Raises: Refused where it stays closed."""
    until, told = time.monotonic() + GATE_SECONDS, False
    while True:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                message = f"{signed(path)} has been launching a run of this name for more than {GATE_SECONDS:g} seconds"
                raise Refused("launch-busy", message, "wait for it, or end it; no file has to be deleted", 75) from None
            if not told and time.monotonic() >= until - GATE_SECONDS + 0.2:
                told = True
                print(f"waiting for {signed(path)}, which launches a run of this name", file=sys.stderr, flush=True)
            time.sleep(0.05)
        else:
            sign(gate)
            return


def launch_secrets(names: list[str], on_stdin: bool) -> dict[str, str]:
    """Values by name, from the one JSON object on standard input or from the environment."""
    given: Any = os.environ
    if on_stdin:
        try:
            given = json.loads(sys.stdin.buffer.read() or b"{}")
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            message = "standard input is not one JSON object of names and texts"
            raise Refused("secrets-unreadable", message, "leave `--secrets-on-stdin` out to use the environment", 2)
    missing = [name for name in names if name not in given]
    if missing:
        message = f"no value was given for {', '.join(f'`{name}`' for name in missing)}"
        raise Refused("secret-missing", message, "give each of them and launch again", 2)
    return {name: given[name] for name in (given if on_stdin else names)}


def attend(node: Node) -> int:
    """Show the log until the end; an interruption asks for a stop, a broken pipe or hang-up only leaves."""
    for number_ in STOPS - {ASKED}:
        signal.signal(number_, lambda number_, _: ask_stop(node, f"signal {number_} to the launcher", None))
    offset = 0
    while True:
        alive = is_held(node.path("lock"))
        with open(node.path("log"), "rb", opener=opened) as log:
            log.seek(offset)
            data = log.read(CHUNK_BYTES)
        offset += len(data)
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        if not alive and not data:
            break
        if not data:
            time.sleep(0.1)
    found = status_of(node)
    print(f"{found['outcome']}: {found['reason']}", file=sys.stderr)
    return 0 if found["outcome"] == "succeeded" else 1
