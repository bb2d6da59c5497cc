"""Mending a manifest by the edits that findings carry."""

from __future__ import annotations

from srpo_manifest.engine.checking import findings
from srpo_manifest.finding import Finding
from srpo_manifest.reading.edits import edited, edits_of
from srpo_manifest.values.said import Said

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
