"""srpo.lock on disk: found, read, and written aside and renamed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from glob import escape, glob
from typing import TYPE_CHECKING

from srpo_manifest.engine.files import is_file, read_source, root_of
from srpo_manifest.errors import ManifestError
from srpo_manifest.wording import ticked

if TYPE_CHECKING:
    from srpo_manifest.values.lock import Lock, Pin

NAME = "srpo.lock"
LIMIT_BYTES = 4 << 20
DEMO = "demo:"
"""The url that never enters a lock: the package carries its commit and contracts."""


def find(folder: str, given: str | None) -> str:
    """The lock file of a manifest in *folder*: *given*, else the nearest up to the git root, else a new one beside it."""
    if given is not None:
        return os.path.abspath(given)
    root, above = root_of(folder), folder
    while True:
        if is_file(os.path.join(above, NAME)):
            return os.path.join(above, NAME)
        if above in (root, os.path.dirname(above)):
            return os.path.join(folder, NAME)
        above = os.path.dirname(above)


def read(path: str) -> Lock:
    """The lock; an empty one where there is no file. Raises: ManifestError."""
    try:
        source = read_source(path, root=root_of(os.path.dirname(path)), limit_bytes=LIMIT_BYTES)
    except ManifestError as error:
        if error.code == "file-missing":
            from srpo_manifest.values.lock import Lock  # noqa: PLC0415 - most manifests of a CI have no lock

            return Lock()
        raise ManifestError("lock-unreadable", str(error), "name a file with `--lock`") from error
    from srpo_manifest.reading.lockfile import parse_lock  # noqa: PLC0415 - likewise

    return parse_lock(source.data, path)


def write(path: str, pin: Pin) -> bool:
    """Put *pin* into the lock, beside the entries of other scripts at the same commit. Returns: whether it changed.

    Raises: ManifestError `lock-unwritable`.
    """
    from srpo_manifest.reading.lockfile import render_lock  # noqa: PLC0415 - likewise

    lock = read(path)
    merged = lock.with_pin(pin)
    if merged == lock and is_file(path):
        return False
    _clear(path)
    aside = f"{path}.{os.getpid()}.new"
    try:
        with open(aside, "wb") as file:
            file.write(render_lock(merged))
        os.replace(aside, path)
    except OSError as error:
        if is_file(aside):
            os.unlink(aside)
        raise ManifestError(
            "lock-unwritable",
            f"{ticked(path)} cannot be written: {error.strerror}",
            "give a lock file of yours with `--lock FILE`",
        ) from error
    return True


def _clear(path: str) -> None:
    """Remove what a writer of this machine left that was killed."""
    for left in glob(f"{escape(path)}.*.new"):
        writer = left.removeprefix(f"{path}.").removesuffix(".new")
        if writer.isdigit() and not _lives(int(writer)):
            with suppress(OSError):
                os.unlink(left)


def _lives(pid: int) -> bool:
    if sys.platform == "win32":  # where signal 0 is no question
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
