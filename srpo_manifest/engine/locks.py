"""Locks on this machine: the kernel's, so never stale and never to be deleted; beside each lies who holds it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from srpo_manifest.engine.holders import Holder, this_process
from srpo_manifest.errors import TransportError
from srpo_manifest.finding import visible
from srpo_manifest.wording import ticked

MOMENT_SECONDS = 0.2
"""Within it a lock comes free, or its holder has written who it is."""
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def held(path: Path, *, code: str, patience_seconds: float) -> Iterator[None]:
    """Hold the lock of *path*, the files `PATH.lock` and `PATH.holder`; say for whom we wait, as soon as we do.

    Raises: TransportError with *code* where it was not free in time, and `cache-unwritable`.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - a locked plan needs no mirror

    record = path.with_name(f"{path.name}.holder")
    lock = FileLock(f"{path}.lock", mode=0o600)
    until = time.monotonic() + patience_seconds
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=min(MOMENT_SECONDS, patience_seconds))
        except Timeout:
            if patience_seconds <= MOMENT_SECONDS:
                raise
            _LOG.warning("%s", visible(f"waiting for {_who(record)}, which holds {ticked(path)}"))
            lock.acquire(timeout=max(0.0, until - time.monotonic()))
    except Timeout as late:
        raise TransportError(
            code,
            f"{_who(record)} has held {ticked(path)} for more than {patience_seconds:g} seconds",
            "wait for it, or end it; no file has to be deleted",
        ) from late
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise TransportError(
            "cache-unwritable",
            f"the cache of repositories cannot be written: {error}",
            "set SRPO_MANIFEST_CACHE to a folder of yours",
        ) from error
    try:
        _tell(record)
        yield
    finally:
        lock.release()


def forget(path: Path) -> None:
    """Leave nothing of a lock that nobody will ask for again; by its holder."""
    for ending in ("lock", "holder"):
        with contextlib.suppress(OSError):
            Path(f"{path}.{ending}").unlink()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of *path*."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - likewise

    if not Path(f"{path}.lock").exists():
        return False
    try:
        with FileLock(f"{path}.lock", timeout=0, mode=0o600):
            return False
    except Timeout:
        return True


def _who(record: Path) -> str:
    """The holder by its own record; that of a process which is gone is not believed."""
    try:
        holder = msgspec.json.decode(record.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return "another process"
    return str(holder) if holder.lives else "another process"


def _tell(record: Path) -> None:
    """Without the record others wait all the same: they only do not learn for whom."""
    aside = record.with_name(f"{record.name}.new")
    with contextlib.suppress(OSError):
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(this_process()))
        aside.replace(record)
