"""The program before a person, and waiting for what must come."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import sys
import time
from pathlib import Path

from srpo_manifest.testing import until

__all__ = ["Terminal", "pids_of", "until"]


class Terminal:
    """The program on a pseudo-terminal of its own."""

    def __init__(self, place, *arguments: str) -> None:
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(place.folder)
            os.execve(sys.executable, [sys.executable, "-m", "srpo_manifest", *arguments], place.env)
        self.text = ""

    def until(self, wanted: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.end], [], [], 0.1)[0]:
                self.text += os.read(self.end, 65536).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())

    def close(self) -> int:
        """The window is closed: the program gets SIGHUP, and nobody reads what it says."""
        os.close(self.end)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def status(self) -> int:
        """Its exit status, once it has said everything."""
        with contextlib.suppress(OSError):
            while said := os.read(self.end, 65536):
                self.text += said.decode("utf-8", "replace")
        return self.close()


def pids_of(run: str) -> list[int]:
    """Processes that carry the run's id."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"SRPO_RUN_ID={run}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
