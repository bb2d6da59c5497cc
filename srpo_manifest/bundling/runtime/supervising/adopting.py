"""New supervisors for a run that has lost both."""

from __future__ import annotations

import contextlib
import os
import re
import time

from .ending import follow_up, rejoined
from .files import Node, Record, Refused, newer_run, opened
from .forks import in_child, leave_caller
from .job import Job
from .life import environment_of, is_elsewhere, is_unfinished, lost_reason
from .locks import claim, is_held
from .pair import start_supervisors
from .processes import boot_id, open_pidfd, same
from .slots import read_slots
from .status import status
from .story import Story, newer_parts
from .words import target_secrets

ADOPT_SECONDS = 2.0
"""How long `adopt` waits for the end of a run that may have ended already."""


def adopt(node: Node) -> int:
    """Go on with a run whose supervisors both died, or write down its end where nothing is left; print the state."""
    go_on(node)
    return status(node)


def go_on(node: Node) -> None:
    """Start two new supervisors where a run has lost both. Raises: Refused where another one does, or it is newer."""
    if not is_unfinished(node):
        return
    if newer := newer_parts(node, Story(node.path("events.jsonl")), read_slots(node.path("slots"))[0], None):
        raise newer_run(node, newer)
    if os.stat(node.folder).st_uid != os.geteuid():
        message = f"run `{node.run}` lost its supervisors, and belongs to another user"
        raise Refused("run-foreign", message, "let that user ask for its state: then it is taken over", 77)
    lock, umask = claim(node)
    patience = ADOPT_SECONDS
    try:
        left, _, end = read_slots(node.path("slots"))[0]
        if left and is_elsewhere(left):
            raise Refused("run-elsewhere", lost_reason(left), "ask on that machine: only there its end can be told", 75)
        if end:
            wait_on(node, lock, umask, left or {}, end)
        elif take_over(node, lock, umask, left or {}):
            patience = 0.0
    finally:
        os.close(lock)
    until = time.monotonic() + patience
    while is_held(node.path("lock")) and time.monotonic() < until:
        time.sleep(0.02)


def take_over(node: Node, lock: int, umask: int, left: Record) -> bool:
    """Start two supervisors in place of those in slot 0, *left*; secrets come from the leader's own environment.

    Returns: whether that one lives.
    """
    living = same(left["pid"], left["start"]) if left.get("boot") == boot_id() else None
    variables = environment_of(living.pid) if living else {}
    names = secret_names(node)
    secrets = {name: variables[name] for name in names if name in variables}
    with contextlib.suppress(Refused):
        secrets.update(target_secrets(node, node.rules()))
    job = Job(node, lock, umask, secrets, dry_run=False, left=left)
    job.environment = variables or job.environment
    job.unknown = [name for name in names if name not in secrets]
    if living:
        with contextlib.suppress(OSError):
            job.witness = open_pidfd(living.pid)
    lives = living is not None and living.state not in "ZX"
    told = f"both supervisors died; new ones go on with {'a trainer that still runs' if lives else 'what is left'}"
    job.events.append("warning.raised", code="run-adopted", message=told)
    start_supervisors(job)
    return lives


def wait_on(node: Node, lock: int, umask: int, left: Record, end: Record) -> None:
    """Go on waiting for the time of the command after the end."""
    job = Job(node, lock, umask, {}, dry_run=False, left=left)
    if os.fork() == 0:
        leave_caller(job.files())
        in_child(job, lambda: follow_up(job, end["outcome"], rejoined(job, end)))


def secret_names(node: Node) -> list[str]:
    """The secrets that the job was given: `settings.sh` lists them."""
    settings = os.path.join(node.bundle, "settings.sh")
    with contextlib.suppress(OSError), open(settings, encoding="utf-8", opener=opened) as file:
        found = re.search(r"^secrets=\((.*)\)$", file.read(), re.MULTILINE)
        return found[1].split() if found else []
    return []
