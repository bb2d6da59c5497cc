"""Files that a verb rewrites: read as every verb reads them, and replaced whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from srpo_manifest.engine.loading import source_of
from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding
from srpo_manifest.reading.toml import Source
from srpo_manifest.values.base import Value
from srpo_manifest.values.said import Said
from srpo_manifest.wording import ticked


class Rewritten(Value):
    """What became of a file, or would: `after` is None where its findings forbid it."""

    file: str
    before: bytes = b""
    after: bytes | None = None
    findings: tuple[Finding, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    """Keys of the file as it was, each with its new name; one that is left out has none, one that is made no old one."""

    @property
    def changed(self) -> bool:
        """Whether the file is not yet as it should be."""
        return self.after is not None and self.after != self.before


def rewritten(file: str, how: Callable[[Source], Rewritten], *, source: Source | None = None) -> Rewritten:
    """The file, or *source* in its place, as *how* makes it; nothing is written."""
    try:
        source = source or source_of(Said(manifest=file))
        return how(source)
    except ManifestError as error:
        return Rewritten(file=file, before=source.data if source else b"", findings=error.findings)


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
            "file-unwritable",
            f"{ticked(path)} cannot be written: {error.strerror}",
            "see that its folder may be written, and has room",
        ) from error
