"""Kill one process of a program at one of its system calls: `python tracer.py REPORT ROLE NUMBER [PATH] -- COMMAND…`.

strace counts for each process apart, and so cannot kill the outer supervisor at its third call while the client, which has
made its third call before, lives. Here the processes have roles, by what forked them: the `client` is the command (from
where it becomes `supervise.py launch`, if it does), then come the `outer` and the `inner` supervisor, and the `leader` until it
becomes bash. Only calls are counted that leave something behind; with a PATH, only from the first one that names it.
REPORT gets how many each role made, and which one was hit. The exit status is the command's. Source: ptrace(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

TRACEME, CONT, SYSCALL, DETACH, SETOPTIONS, GETEVENTMSG, SYSCALL_INFO = 0, 7, 24, 17, 0x4200, 0x4201, 0x420E
SYSGOOD, FORK, VFORK, CLONE, EXEC = 1, 2, 4, 8, 16
FORKED, EXECED = {1, 2, 3}, 4
ENTRY = 1
RELEASE_SECONDS = 0.5
WALL = 0x40000000
CALLS = {
    "x86_64": {
        1: "write", 18: "pwrite", 74: "fsync", 82: "rename", 264: "rename", 87: "unlink", 263: "unlink", 83: "mkdir", 258: "mkdir",
        56: "clone", 57: "fork", 58: "vfork", 435: "clone", 112: "setsid", 62: "kill", 434: "pidfd_open", 424: "pidfd_send",
        61: "wait", 73: "flock", 59: "exec", 231: "exit", 157: "prctl", 33: "dup", 292: "dup", 80: "chdir", 90: "chmod", 257: "openat",
    },
    "aarch64": {
        64: "write", 68: "pwrite", 82: "fsync", 38: "rename", 276: "rename", 35: "unlink", 34: "mkdir", 220: "clone", 435: "clone",
        157: "setsid", 129: "kill", 434: "pidfd_open", 424: "pidfd_send", 260: "wait", 32: "flock", 221: "exec", 94: "exit",
        167: "prctl", 24: "dup", 49: "chdir", 53: "chmod", 56: "openat",
    },
}  # fmt: skip
NAMED = ("rename", "unlink", "mkdir", "openat")
CHILD = {"client": "outer", "outer": "inner", "inner": "leader"}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Tracer:
    """The processes of one command."""

    def __init__(self, role: str, number: int, path: str) -> None:
        self.target, self.path = (role, number), path.encode()
        self.counting = not path
        self.roles: dict[int, str] = {}
        self.early: set[int] = set()
        """Children that stand still at their start, whose parent's fork was not told yet."""
        self.counts: dict[str, int] = {}
        self.hit = ""
        self.status = 0
        self.calls = CALLS.get(os.uname().machine, {})

    def run(self, command: list[str]) -> int:
        """Returns: the command's exit status."""
        self.root = os.fork()
        if self.root == 0:
            libc.ptrace(TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(command[0], command)
        os.waitpid(self.root, 0)
        libc.ptrace(SETOPTIONS, self.root, None, SYSGOOD | FORK | VFORK | CLONE | EXEC)
        self.roles[self.root] = "client" if self.path else ""
        self._go_on(self.root)
        while self.roles:
            try:
                pid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                break
            if os.WIFSTOPPED(status):
                self._stopped(pid, os.WSTOPSIG(status), status >> 16)
            else:
                self.roles.pop(pid, None)
                if pid == self.root:
                    self.status = os.waitstatus_to_exitcode(status)
            if self.hit and self.root not in self.roles:
                self._release()
                break
        return self.status if self.status >= 0 else 128 - self.status

    def _stopped(self, pid: int, number: int, event: int) -> None:
        given = 0
        if pid not in self.roles:
            self.early.add(pid)
            return
        if event in FORKED:
            child = self._message(pid)
            self.roles[child] = CHILD.get(self.roles.get(pid, ""), "")
            if child in self.early:
                self.early.remove(child)
                self._go_on(child) if self.roles[child] else self._leave(child)
        elif event == EXECED:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if pid == self.root:
                is_ours = b"supervise.py\0launch" in words or self.path or self.roles[pid]
                self.roles[pid] = "client" if is_ours else ""
            else:
                self._leave(pid)
                return
        elif number == signal.SIGTRAP | 0x80:
            self._call(pid)
        elif number not in (signal.SIGTRAP, signal.SIGSTOP):
            given = number
        if self.roles[pid] or pid == self.root:
            self._go_on(pid, given)
        else:
            self._leave(pid)

    def _release(self) -> None:
        """The others go on without us; one that we leave in the stop of its birth would stay there."""
        for pid in self.early:
            libc.ptrace(DETACH, pid, None, 0)
        end = time.monotonic() + RELEASE_SECONDS
        while self.roles and time.monotonic() < end:
            pid, status = os.waitpid(-1, WALL | os.WNOHANG)
            if pid == 0:
                time.sleep(0.01)
                continue
            self.roles.pop(pid, None)
            if os.WIFSTOPPED(status):
                number = os.WSTOPSIG(status)
                libc.ptrace(DETACH, pid, None, 0 if number & 0x7F in (signal.SIGTRAP, signal.SIGSTOP) else number)

    def _call(self, pid: int) -> None:
        info = ctypes.create_string_buffer(88)
        if self.hit or libc.ptrace(SYSCALL_INFO, pid, 88, ctypes.addressof(info)) <= 0 or info.raw[0] != ENTRY:
            return
        number, *words = (int.from_bytes(info.raw[at : at + 8], sys.byteorder) for at in range(24, 80, 8))
        name, role = self.calls.get(number, ""), self.roles.get(pid, "")
        if not name or not role or (name == "openat" and not words[2] & os.O_CREAT):
            return
        if not self.counting and name in NAMED:
            self.counting = any(self.path in self._text(pid, word) for word in words[:2])
        if not self.counting:
            return
        self.counts[role] = self.counts.get(role, 0) + 1
        if (role, self.counts[role]) == self.target:
            self.hit = name
            os.kill(pid, signal.SIGKILL)

    def _text(self, pid: int, address: int) -> bytes:
        try:
            with open(f"/proc/{pid}/mem", "rb", 0) as memory:  # noqa: PTH123 - unbuffered
                memory.seek(address)
                return memory.read(4096).split(b"\0")[0]
        except (OSError, ValueError, OverflowError):
            return b""

    def _message(self, pid: int) -> int:
        found = ctypes.c_ulong()
        libc.ptrace(GETEVENTMSG, pid, None, ctypes.addressof(found))
        return found.value

    def _go_on(self, pid: int, given: int = 0) -> None:
        stepwise = not self.hit and self.roles.get(pid)
        libc.ptrace(SYSCALL if stepwise else CONT, pid, None, given)

    def _leave(self, pid: int) -> None:
        self.roles.pop(pid, None)
        libc.ptrace(DETACH, pid, None, 0)


def main(report: str, role: str, number: str, *rest: str) -> int:
    """Run the command that follows `--`."""
    at = rest.index("--")
    tracer = Tracer(role, int(number), "".join(rest[:at]))
    status = tracer.run(list(rest[at + 1 :]))
    told: dict[str, Any] = {"counts": tracer.counts, "hit": tracer.hit, "role": role}
    Path(report).write_text(json.dumps(told), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
