"""Mending a manifest by the edits that findings carry."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from srpo_manifest.engine.checking import findings
from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding
from srpo_manifest.reading.edits import edited, edits_of
from srpo_manifest.values.said import Said
from srpo_manifest.wording import ticked

ROUNDS = 10
"""An edit may bring to light what it hid; each round mends at least one mistake."""


def mended(said: Said, data: bytes) -> tuple[bytes, int, tuple[Finding, ...]]:
    """*data* with all edits that its findings carry.

    Returns: the bytes, how many edits were made, and what is still found.
    """
    count = 0
    found = findings(said, data)
    for _ in range(ROUNDS):
        edits = edits_of(found, said.manifest)
        if not edits:
            break
        data, count = edited(data, edits), count + len(edits)
        found = findings(said, data)
    return data, count, found


def write(path: str, data: bytes) -> None:
    """Replace a file whole, or leave it as it was. Raises: ManifestError `file-unwritable`."""
    target = Path(path).resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".srpo-manifest.")
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            aside.chmod(target.stat().st_mode & 0o7777)
            aside.replace(target)
        except OSError:
            aside.unlink()
            raise
    except OSError as error:
        raise ManifestError(
            "file-unwritable", f"{ticked(path)} cannot be written: {error.strerror}", "free its folder"
        ) from error
