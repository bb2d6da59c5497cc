"""The control group that a job runs in, where the machine lets one be made."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, Optional

from .files import Node

LONGEST_CGROUP = 150
"""Bytes of a path that slot 0 has room for."""


def members(cgroup: str) -> set[int]:
    """Who is in it, without those below."""
    with contextlib.suppress(OSError), open(os.path.join(cgroup, "cgroup.procs"), encoding="ascii") as file:
        return set(map(int, file.read().split()))
    return set()


def own_cgroups() -> Iterator[str]:
    """The folder of this process's cgroup of version 2, wherever that is mounted. Source: cgroups(7)."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        own = [line[3:].rstrip("\n") for line in file if line.startswith("0::/")]
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [fields[1] for fields in map(str.split, file) if fields[2] == "cgroup2"]
    return (os.path.normpath(at + path) for at in mounts for path in own)


def enclose(name: str, pid: int) -> Optional[str]:
    """Put a process into a new cgroup of that name. Returns: its folder; None where none may be made."""
    with contextlib.suppress(OSError):
        for own in own_cgroups():
            made = os.path.join(own, f"srpo-{name}")
            if len(os.fsencode(made)) <= LONGEST_CGROUP and os.getpid() in members(own):
                os.mkdir(made)
                if tell_cgroup(made, "cgroup.procs", pid):
                    return made
                os.rmdir(made)
    return None


def cgroup_of(node: Node) -> str:
    """The name of the node's own."""
    return f"{node.run}.{node.index}" if node.index else node.run


def tell_cgroup(cgroup: str, name: str, value: int) -> bool:
    """Write one number to a file of a cgroup, where there is one. Returns: whether it was taken."""
    with contextlib.suppress(OSError):
        if cgroup:
            with open(os.path.join(cgroup, name), "wb", buffering=0) as file:
                return file.write(b"%d" % value) > 0
    return False


def remove_cgroup(cgroup: str) -> None:
    """Remove a cgroup with those below it; one with living processes stays."""
    for at, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(at)
