"""Small disks, and how they become full."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(at: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size; who mounts it is root."""
    at.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", at], check=True)


def fill(disk: Path) -> None:
    """To the last byte."""
    with (disk / "ballast").open("wb", 0) as ballast, contextlib.suppress(OSError):
        while ballast.write(b"x" * 4096):
            pass
