"""Saved plans and facts as files."""

from __future__ import annotations

import os
from pathlib import Path

from srpo_manifest.errors import UsageError
from srpo_manifest.reading.facts import parse_facts
from srpo_manifest.reading.savedplan import parse_saved_plan
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.plan import SavedPlan
from srpo_manifest.values.said import Said
from srpo_manifest.wording import ticked


def is_saved(path: str) -> bool:
    """Whether *path* names a saved plan, not a manifest."""
    return path.endswith(".json")


def alone(said: Said) -> None:
    """A saved plan is applied as it is. Raises: UsageError where something was said beside it."""
    bare = Said(manifest=said.manifest, lock=said.lock, locked=said.locked, offline=said.offline)
    if said != bare:
        raise UsageError(
            "saved-plan-options",
            f"{ticked(said.manifest)} is a saved plan, and is applied as it was shown",
            "say what you want changed to `plan --out`",
        )


def read_saved(path: str) -> SavedPlan:
    """Read `plan --out`'s file. Raises: UsageError; ManifestError for another shape."""
    return parse_saved_plan(_read(path), path)


def read_facts(path: str) -> Facts:
    """Read `plan --save-facts`'s file. Raises: UsageError; ManifestError for another shape."""
    return parse_facts(_read(path), path)


def write(path: str, data: bytes) -> None:
    """Write one file. Raises: UsageError `file-unwritable`."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data + b"\n")
    except OSError as error:
        raise UsageError("file-unwritable", f"{ticked(path)} cannot be written: {error.strerror}") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError("file-unreadable", f"{ticked(path)} cannot be read: {error.strerror}") from error
