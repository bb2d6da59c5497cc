"""The bundle: files that run by themselves."""

from __future__ import annotations

from srpo_manifest.values.base import Value


class BundleFile(Value):
    """One file: its bytes, or (for what is long) a file of the controller or a tree that the engine streams in."""

    name: str
    data: bytes = b""
    executable: bool = False
    controller_file: str | None = None
    tree: str | None = None
    digest: str = ""
    """Of a tree: its git id, which the commit must have. Of a file of the controller: the SHA-256 that was planned."""


class Bundle(Value):
    """All files, sorted by name. `plan` is the plan's id."""

    plan: str
    files: tuple[BundleFile, ...]
