"""Processes by what cannot be mistaken: number and start, within one boot of one machine."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from srpo_manifest.values.base import Value
from srpo_manifest.wording import ticked

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Holder(Value):
    """Who holds a lock, as it wrote when it got it. `start` is in ticks since boot; 0 where the platform has none."""

    pid: int
    start: int = 0
    boot: str = ""
    host: str = ""
    command: str = ""
    since: str = ""

    @property
    def lives(self) -> bool:
        """Whether that very process is there; one of another machine cannot be seen from here, and is believed."""
        if self.boot != boot_id():
            return self.host != host()
        return self.start == start_of(self.pid)

    def __str__(self) -> str:
        return f"process {self.pid} on {ticked(self.host)} ({ticked(self.command)}, since {self.since})"


def this_process() -> Holder:
    """What this process tells of itself. Of its arguments only the verb: the others may hold anything."""
    verb = next((word for word in sys.argv[1:2] if not word.startswith("-")), "")
    return Holder(
        pid=os.getpid(),
        start=start_of(os.getpid()),
        boot=boot_id(),
        host=host(),
        command=f"{Path(sys.argv[0]).name or 'python'} {verb}".strip(),
        since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def own_tag() -> str:
    """For names of unfinished files: `lives_by_tag` tells whether who made them is still at it."""
    return f"{os.getpid()}-{start_of(os.getpid())}-{boot_id()[:8]}"


def lives_by_tag(tag: str) -> bool:
    """Whether the process of an `own_tag` is there; what is no such tag is nobody's."""
    pid, _, rest = tag.partition("-")
    start, _, boot = rest.partition("-")
    if not pid.isdigit() or not start.isdigit():
        return False
    return boot == boot_id()[:8] and int(start) == start_of(int(pid))


def start_of(pid: int) -> int:
    """When that process started, in ticks since boot; 0 where there is none. Source: proc_pid_stat(5), field 22."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in b"ZX" else int(fields[19])


def boot_id() -> str:
    """Which boot this is; empty where the platform does not tell."""
    try:
        return Path(_BOOT_ID).read_text("ascii").strip()
    except OSError:
        return ""


def host() -> str:
    """This machine's name."""
    import platform  # noqa: PLC0415 - few need it

    return platform.node()
