"""New processes: supervisors that leave their caller, and the bash of a script."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import Callable, NoReturn, Optional

from .job import Job
from .signals import SIGNALS

NEVER_STARTED = 71
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def become_subreaper() -> None:
    """Orphans below come to this process, not to init. Source: prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """KILL comes when the thread that forked this process ends. Source: prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def leave_caller(keep: set[int]) -> None:
    """Cut what ties this process to whoever launched it: session, signals, files, folder."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for signal_number in SIGNALS:
        signal.signal(signal_number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    for opened in map(int, os.listdir("/proc/self/fd")):
        if opened > 2 and opened not in keep:
            with contextlib.suppress(OSError):
                os.close(opened)
    os.chdir("/")


def in_child(job: Job, work: Callable[[], None]) -> NoReturn:
    """Run *work* in a process that was just forked, and let nothing of the parent's Python run after it."""
    try:
        work()
    except BaseException as error:
        job.events.append("warning.raised", code="supervisor-failed", message=f"{type(error).__name__}: {error}")
        os._exit(70)
    os._exit(0)


def fork_bash(job: Job, script: str, more: dict[str, str], *close: int, log: Optional[int] = None) -> tuple[int, int]:
    """Start a script of the bundle in a session of its own, its output to the log.

    Returns: its pid, and the gate that it waits at.
    """
    gate, opened = os.pipe()
    pid = os.fork()
    if pid:
        os.close(gate)
        return pid, opened
    status = NEVER_STARTED
    try:
        for one in (opened, *close):
            os.close(one)
        os.setsid()
        for output in (1, 2):
            os.dup2(job.log if log is None else log, output)
        if os.read(gate, 1) == b"g":
            status = 126
            become_bash(job, os.path.join(job.node.bundle, script), {**job.environment, **more})
    except FileNotFoundError as error:
        status = 127
        os.write(2, f"srpo-manifest: bash cannot be started: {error}\n".encode())
    finally:
        os._exit(status)


def open_gate(gate: int) -> None:
    """Let the script run, if it was not killed meanwhile. A gate that closes without that ends it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(gate, b"g")
    os.close(gate)


def become_bash(job: Job, script: str, variables: dict[str, str]) -> NoReturn:
    """Turn into the bash that runs *script*, as if nobody supervised it."""
    os.umask(job.page.umask)
    os.chdir(job.node.folder)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")
    # what Python and the supervisor ignore would stay ignored across exec: `yes | head` would end with an error
    for ignored in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    bash = variables.get("SRPO_BASH") or "bash"
    os.execvpe(bash, [bash, "--noprofile", "--norc", script], variables)
