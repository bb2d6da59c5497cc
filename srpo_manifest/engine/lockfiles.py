"""srpo.lock on disk: found, read, and written aside and renamed."""

from __future__ import annotations

import os
from pathlib import Path

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.lockfile import parse_lock, render_lock
from srpo_manifest.values.lock import Lock, Pin
from srpo_manifest.wording import ticked

NAME = "srpo.lock"


def find(folder: Path, given: str | None) -> Path:
    """The lock file of a manifest in *folder*: *given*, else the nearest up to the git root, else a new one beside it."""
    if given is not None:
        return Path(given).absolute()
    for above in (folder, *folder.parents):
        if (above / NAME).is_file():
            return above / NAME
        if (above / ".git").exists():
            break
    return folder / NAME


def read(path: Path) -> Lock:
    """The lock; an empty one where there is no file. Raises: ManifestError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise ManifestError("lock-unreadable", f"{ticked(path)} cannot be read: {error.strerror}") from error
    return parse_lock(data, str(path))


def write(path: Path, pin: Pin) -> bool:
    """Put *pin* into the lock, beside the entries of other scripts at the same commit. Returns: whether it changed.

    Raises: ManifestError `lock-unwritable`.
    """
    lock = read(path)
    merged = lock.with_pin(pin)
    if merged == lock and path.exists():
        return False
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        aside.write_bytes(render_lock(merged))
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ManifestError(
            "lock-unwritable",
            f"{ticked(path)} cannot be written: {error.strerror}",
            "give a lock file of yours with `--lock FILE`",
        ) from error
    return True
