"""srpo.lock on disk: found, read, and written aside and renamed."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from srpo_manifest.engine.files import is_file, read_source, root_of
from srpo_manifest.errors import ManifestError
from srpo_manifest.wording import ticked

if TYPE_CHECKING:
    from srpo_manifest.values.lock import Lock, Pin

NAME = "srpo.lock"
LIMIT_BYTES = 4 << 20
PATIENCE_SECONDS = 60.0
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
            from srpo_manifest.values.lock import Lock  # noqa: PLC0415 - as below

            return Lock()
        raise ManifestError("lock-unreadable", str(error), "name a file with `--lock`") from error
    return _parsed(source.data, path)


@lru_cache(maxsize=4)
def _parsed(data: bytes, path: str) -> Lock:
    from srpo_manifest.reading.lockfile import parse_lock  # noqa: PLC0415 - most manifests of a CI have no lock

    return parse_lock(data, path)


def write(path: str, pin: Pin) -> bool:
    """Put *pin* into the lock, beside the entries of other scripts at the same commit. Returns: whether it changed.

    Raises: ManifestError `lock-unwritable`; TransportError `lock-held`.
    """
    if _holds(path, pin):
        return False
    from srpo_manifest.engine.home import cache_folder  # noqa: PLC0415 - most plans write no lock
    from srpo_manifest.engine.locks import held  # noqa: PLC0415 - likewise
    from srpo_manifest.reading.canonical import digest  # noqa: PLC0415 - likewise

    # Beside srpo.lock a lock's own files would come into the user's repository.
    guard = cache_folder() / "locks" / digest(os.path.realpath(path))[:16]
    with held(guard, code="lock-held", patience_seconds=PATIENCE_SECONDS):
        if not _holds(path, pin):
            _replace(path, read(path).with_pin(pin))
    return True


def _holds(path: str, pin: Pin) -> bool:
    lock = read(path)
    return is_file(path) and lock.with_pin(pin) == lock


def _replace(path: str, lock: Lock) -> None:
    from srpo_manifest.reading.lockfile import render_lock  # noqa: PLC0415 - likewise

    aside = f"{path}.new"
    try:
        if os.path.lexists(aside):  # of a process that was killed: only one writes at a time
            os.unlink(aside)
        with open(aside, "xb") as file:
            file.write(render_lock(lock))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        if is_file(aside):
            os.unlink(aside)
        raise ManifestError(
            "lock-unwritable",
            f"{ticked(path)} cannot be written: {error.strerror}",
            "give a lock file of yours with `--lock FILE`",
        ) from error
