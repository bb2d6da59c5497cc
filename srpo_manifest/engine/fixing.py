"""Mending a manifest by the edits that findings carry."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.engine.checking import findings
from srpo_manifest.finding import Finding
from srpo_manifest.reading.edits import edited, edits_of
from srpo_manifest.values.said import Said

ROUNDS = 10
"""An edit may bring to light what it hid; each round mends at least one mistake, or is not made."""


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
        after = edited(data, edits)
        left = findings(said, after)
        if not _mistakes(one for one in found if edits_of([one], said.manifest)) - _mistakes(left):
            break
        data, count, found = after, count + len(edits), left
    return data, count, found


def _mistakes(found: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(one.code, one.message) for one in found}
