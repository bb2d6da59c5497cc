"""What files there are below a path, and whether they still change."""

from __future__ import annotations

import contextlib
import os
from typing import Iterable

Listing = dict[str, tuple[int, int]]
"""Size and modification time in nanoseconds of each file below a path, by relative name; a file's own name is empty."""


def listing(path: str) -> Listing:
    """The files below *path*, or the file itself; what vanishes meanwhile is left out, a link to nothing is empty."""
    found: Listing = {}
    names = [""]
    if os.path.isdir(path):
        names = [os.path.relpath(os.path.join(at, name), path) for at, _, files in os.walk(path) for name in files]
    for name in names:
        with contextlib.suppress(OSError):
            at = inside(path, name)
            found[name] = (0, os.lstat(at).st_mtime_ns)
            stat = os.stat(at)
            found[name] = (stat.st_size, stat.st_mtime_ns)
    return found


def inside(path: str, name: str) -> str:
    """The file that a listing of *path* calls *name*."""
    return os.path.join(path, name) if name else path


def identities(path: str, files: Iterable[str]) -> set[tuple[int, int, int, int]]:
    """What stays of files when they, or the folder that they lie in, get another name."""
    found = set()
    for name in files:
        with contextlib.suppress(OSError):
            stat = os.stat(inside(path, name))
            found.add((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def is_coarse(files: Listing) -> bool:
    """Whether a file's time is one of whole seconds, as some file systems tell it: it may hide a change."""
    return any(moment % 1_000_000_000 == 0 for _, moment in files.values())


def size_of(files: Listing) -> int:
    """Bytes of all of them."""
    return sum(size for size, _ in files.values())


def changed(path: str, files: Listing) -> int:
    """When a checkpoint last changed; that of an empty folder is its own time."""
    with contextlib.suppress(OSError):
        return max(os.stat(path).st_mtime_ns, *(moment for _, moment in files.values()), 0)
    return 0
