"""Processes by number and start, so that a number that was given again is nobody's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
from typing import Iterable, Iterator, NamedTuple, Optional, Sequence

from .cgroups import members

PIDFD_GET_INFO, PIDFD_INFO_EXIT, PIDFD_INFO_BYTES = 0xC040FF0B, 8, 64
"""Source: linux/pidfd.h, Linux 6.15; the exit status is the last number of the first 64 bytes."""


class Process(NamedTuple):
    """A pid means one process only together with its start, in ticks since boot."""

    pid: int
    start: int
    parent: int
    group: int
    state: str
    ticks: int
    """What it and the children that it waited for have used of the processors."""


def stat_of(pid: int) -> list[bytes]:
    """The fields of its `stat` from the third on; none where it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()
    return []


def process(pid: int) -> Optional[Process]:
    """The process of that number, dead but unreaped ones included. Source: proc_pid_stat(5)."""
    fields = stat_of(pid)
    if not fields:
        return None
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[19]), int(fields[1]), int(fields[2]), fields[0].decode(), ticks)


def identity(pid: int) -> list[int]:
    """Pid and start of a process that is there."""
    found = process(pid)
    return [pid, found.start if found else 0]


def same(pid: int, start: int) -> Optional[Process]:
    """The process if it is still that one."""
    found = process(pid)
    return found if found and found.start == start else None


def boot_id() -> str:
    """Pids mean something within one boot only."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def exit_of(pid: int, start: int, witness: Optional[int]) -> Optional[int]:
    """How a process ended that is nobody's child here: its unreaped body tells, else the pidfd opened while it lived.

    Returns: None where neither does, or it lives. Source: proc_pid_stat(5), whose field 52 is 0 for who may not read it.
    """
    body = stat_of(pid)
    if body and int(body[19]) == start:
        with contextlib.suppress(PermissionError):
            try:
                os.readlink(f"/proc/{pid}/exe")
            except FileNotFoundError:
                return os.waitstatus_to_exitcode(int(body[49])) if body[0] == b"Z" else None
        return None
    record = bytearray(PIDFD_INFO_EXIT.to_bytes(8, sys.byteorder)) + bytes(PIDFD_INFO_BYTES - 8)
    with contextlib.suppress(OSError):
        if witness is not None:
            fcntl.ioctl(witness, PIDFD_GET_INFO, record)
            if int.from_bytes(record[:8], sys.byteorder) & PIDFD_INFO_EXIT:
                return os.waitstatus_to_exitcode(int.from_bytes(record[-4:], sys.byteorder, signed=True))
    return None


def tree(
    run: str, supervisors: Iterable[Sequence[int]] = (), leader: Sequence[int] = (), cgroup: str = "", index: int = 0
) -> list[Process]:
    """Every living process of one of the run's nodes, without its supervisors.

    These are those that carry their ids, those below a supervisor, the leader with those below it, and those in the cgroup.
    """
    every = {pid: found for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (found := process(pid))}
    roots = {pid for pid, start in supervisors if pid in every and every[pid].start == start}
    strangers = roots | {os.getpid()}
    own = {pid for at, _, _ in os.walk(cgroup) for pid in members(at)}
    if leader and leader[0] in every and every[leader[0]].start == leader[1]:
        roots = roots | {leader[0]}
        own.add(leader[0])
    marks = {f"SRPO_RUN_ID={run}".encode(), b"SRPO_RUN_INDEX=%d" % index}

    def below(found: Process) -> bool:
        for _ in range(64):
            if found.parent in roots:
                return True
            if found.parent not in every:
                return False
            found = every[found.parent]
        return False

    def carries(pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return marks <= {*file.read().split(b"\0")}
        except OSError:
            return False

    return [
        found
        for pid, found in every.items()
        if pid not in strangers and found.state not in "ZX" and (pid in own or below(found) or carries(pid))
    ]


def starts(pid: int, entry: str) -> bool:
    """Whether that process is a Python with *entry*, or a path that ends so, among its words; `deliver.py` is none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            program, *words = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    python = os.path.basename(program).startswith("python") and not any(
        word.endswith("/deliver.py") for word in words[:2]
    )
    return python and any(f"/{word}".endswith(f"/{entry}") for word in words)


def open_pidfd(pid: int) -> Optional[int]:
    """A handle on a process that is there; None where the kernel, or a filter of a container, has none to give.

    Raises: ProcessLookupError where it is gone.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, PermissionError):
        return None
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return None


def has_pidfd() -> bool:
    """Whether a process can be signalled so that its number does not matter."""
    handle = open_pidfd(os.getpid())
    if handle is not None:
        os.close(handle)
    return handle is not None


def send(target: Process, number: int) -> None:
    """Signal exactly that process, never one that got its number later."""
    try:
        handle = open_pidfd(target.pid)
    except OSError:
        return
    try:
        if same(target.pid, target.start) is None:
            return
        if handle is None:
            os.kill(target.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        if handle is not None:
            os.close(handle)


def ended_children() -> Iterator[tuple[int, int]]:
    """Children that ended, with their status.

    Each is reaped after it was handed out: whoever is killed in between leaves it to the other supervisor.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        yield ended.si_pid, ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        os.waitpid(ended.si_pid, 0)


def command_of(pid: int) -> str:
    """The name of a process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return "?"
