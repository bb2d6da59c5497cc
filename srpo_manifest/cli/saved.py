"""Saved plans and facts as files."""

from __future__ import annotations

from pathlib import Path

from srpo_manifest.errors import UsageError
from srpo_manifest.reading.facts import parse_facts
from srpo_manifest.reading.savedplan import parse_saved_plan
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.plan import SavedPlan
from srpo_manifest.wording import ticked


def is_saved(path: str) -> bool:
    """Whether *path* names a saved plan, not a manifest."""
    return path.endswith(".json")


def read_saved(path: str) -> SavedPlan:
    """Read `plan --out`'s file. Raises: UsageError; ManifestError for another shape."""
    return parse_saved_plan(_read(path), path)


def read_facts(path: str) -> Facts:
    """Read `plan --save-facts`'s file. Raises: UsageError; ManifestError for another shape."""
    return parse_facts(_read(path), path)


def write(path: Path, data: bytes) -> None:
    """Write one file. Raises: UsageError `file-unwritable`."""
    try:
        path.write_bytes(data + b"\n")
    except OSError as error:
        raise UsageError("file-unwritable", f"{ticked(path)} cannot be written: {error.strerror}") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError("file-unreadable", f"{ticked(path)} cannot be read: {error.strerror}") from error
