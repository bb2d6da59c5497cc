"""The page of memory that both supervisors share, and its copy in a file."""

from __future__ import annotations

import ctypes

from .processes import Process

TOLD_PROCESSES = 240


class Page(ctypes.Structure):
    """What one supervisor needs of the other's work when it takes over: both map it, and `page` is its copy."""

    _fields_ = [
        ("log", ctypes.c_uint64),
        ("phases", ctypes.c_uint64),
        ("began", ctypes.c_double),
        ("deadline", ctypes.c_double),
        ("group_told", ctypes.c_bool),
        ("umask", ctypes.c_uint32),
        ("dry_run", ctypes.c_bool),
        ("asked", ctypes.c_bool),
        ("due", ctypes.c_double),
        ("script_begun", ctypes.c_bool),
        ("cause", ctypes.c_char * 16),
        ("reason", ctypes.c_char * 480),
        ("told", ctypes.c_uint64 * (2 * TOLD_PROCESSES)),
        ("told_count", ctypes.c_uint32),
    ]
    log: int
    """How many bytes of the log have been read, and all that they say was told."""
    phases: int
    """Likewise of `phases`."""
    began: float
    """When the run did, on the monotonic clock, which goes on until the machine is restarted."""
    deadline: float
    """When KILL follows, on the monotonic clock; 0 before anything was told to end."""
    group_told: bool
    """Whether the leader's group heard TERM."""
    umask: int
    """The job's."""
    dry_run: bool
    asked: bool
    """Whether a stop was asked for: a full disk may have kept it out of `stop.req`."""
    due: float
    """When the command after the end is run at the latest, likewise."""
    script_begun: bool
    """Whether `on_stop.sh` was started: it runs once."""
    cause: bytes
    """Why the job was told to end, as `Supervisor.cause`; empty where it ended by itself."""
    reason: bytes

    def note(self, target: Process) -> None:
        """TERM goes to it; of very many processes the last ones may hear it again from another supervisor."""
        if self.told_count < TOLD_PROCESSES:
            self.told[2 * self.told_count : 2 * self.told_count + 2] = target[:2]
            self.told_count += 1

    def noted(self) -> set[tuple[int, ...]]:
        """Pid and start of who was told."""
        return {tuple(self.told[2 * at : 2 * at + 2]) for at in range(self.told_count)}
