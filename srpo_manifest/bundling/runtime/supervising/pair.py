"""Two supervisors, one above the other."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time

from .cgroups import cgroup_of, enclose
from .ending import follow_up, rejoined
from .files import FORMAT, now
from .forks import become_subreaper, fork_bash, in_child, leave_caller, open_gate
from .job import Job
from .processes import boot_id, identity, process
from .signals import SIGNALS, STOPS
from .slots import IDENTITY, fits, read_slots
from .stops import note_stop
from .story import Story
from .supervisor import Supervisor

STALLED_SECONDS = 60.0
"""An inner supervisor that has taken no step for so long is told of; rules may say `stalled_seconds`."""
CARE_SECONDS = 2.0
"""Between two looks of the outer supervisor at the inner one."""


def run_outer(job: Job, ack: int) -> None:
    """Watch over the inner supervisor; go on in its place where it died before its work was done."""
    leave_caller({*job.files(), ack})
    become_subreaper()
    own = identity(os.getpid())
    inner = os.fork()
    if inner == 0:
        in_child(job, lambda: run_inner(job, own, ack))
    os.close(ack)
    care = Care(job, inner)
    # nobody else is reaped here: a leader that comes with the inner one's death still holds its status
    while os.waitid(os.P_PID, inner, os.WEXITED | os.WNOHANG) is None:
        received = signal.sigtimedwait(SIGNALS, CARE_SECONDS)
        if received is None or care.since:
            care.look()
        if received and received.si_signo in STOPS:
            note_stop(job, received.si_signo)
            os.kill(inner, received.si_signo)
    found, ended, end = read_slots(job.node.path("slots"))[0]
    if end is None:
        Supervisor(job, found).run()
        return
    if not Story(job.node.path("events.jsonl")).ended:
        job.events.ended(end["outcome"], ended["code"] if ended else None, end["reason"])
    follow_up(job, end["outcome"], rejoined(job, end))


class Care:
    """What the outer supervisor sees of the inner one: that it stands still is told, and nothing else is done."""

    def __init__(self, job: Job, inner: int) -> None:
        self.job, self.inner = job, inner
        self.limit: float = job.rules["stop"].get("stalled_seconds", STALLED_SECONDS)
        self.before: tuple[float, bool] = (0.0, False)
        """The pulse at the look before, and whether it stood still then."""
        self.since = ""
        """Since when it is told to stand still; empty where it goes on."""

    def look(self) -> None:
        """Tell of a change. Two looks must agree: after a machine was frozen, both wake, and one does first."""
        pulse, found = self.job.pulse.value, process(self.inner)
        is_stopped = found is not None and found.state in "Tt"
        still = not math.isinf(pulse) and (is_stopped or time.monotonic() - pulse > self.limit)
        if still and self.before == (pulse, True) and not self.since:
            self.since = now()
            self._tell(
                "was stopped by a signal" if is_stopped else f"has taken no step for {time.monotonic() - pulse:.0f} seconds",
                "nothing watches or ends the job until it goes on",
                f"`kill -CONT {self.inner}` on that machine lets it go on" if is_stopped else "see what it waits for: a dead disk",
                f"`kill -KILL {self.inner}` lets the outer one, process {os.getpid()}, take its place",
            )  # fmt: skip
        elif self.since and not still:
            self._tell("goes on", f"it was told to stand still at {self.since}")
            self.since = ""
        self.before = (pulse, still)

    def _tell(self, what: str, why: str, *hints: str) -> None:
        message = f"the inner supervisor, process {self.inner}, {what}: {why}"
        self.job.events.append("warning.raised", code="supervisor-stalled", message=message, hints=list(hints))


def run_inner(job: Job, outer: list[int], ack: int) -> None:
    """Start the leader, recorded before it runs, or go on with one that was left; acknowledge; supervise."""
    os.setsid()
    become_subreaper()
    both = {"outer": outer, "inner": identity(os.getpid())}
    if job.left is None:
        leader, gate = fork_bash(job, "leader.sh", {}, ack)
        record = {"format": FORMAT, "pid": leader, "start": identity(leader)[1], "boot": boot_id(), **both}
        record.update(time=now(), run=job.node.run)
        for name, value in (("host", os.uname().nodename), ("cgroup", enclose(cgroup_of(job.node), leader))):
            if value and fits({**record, name: value}):
                record[name] = value
        job.slots.write(IDENTITY, record)
        open_gate(gate)
    else:
        record = {**job.left, **both} if job.left and not job.restarted else {}
        with contextlib.suppress(OSError):
            if record:
                job.slots.write(IDENTITY, record)
    with contextlib.suppress(BrokenPipeError):  # who launched was killed meanwhile
        os.write(ack, b"g")
    os.close(ack)
    Supervisor(job, record or None).run()


def start_supervisors(job: Job) -> int:
    """Fork both, and wait until they have taken the job, or died. Returns: the pid of the outer one."""
    acked, ack = os.pipe()
    outer = os.fork()
    if outer == 0:
        in_child(job, lambda: run_outer(job, ack))
    os.close(ack)
    os.read(acked, 1)
    os.close(acked)
    return outer
