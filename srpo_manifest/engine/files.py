"""Files of the controller that a manifest names: regular, small enough, and beneath the manifest's root."""

from __future__ import annotations

import os
import stat

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.toml import Source
from srpo_manifest.wording import ticked

LIMIT_BYTES = 1 << 20


def read_source(path: str, *, shown: str | None = None, root: str | None = None) -> Source:
    """The file's bytes, under the name that people gave it. *root* is what it must not lead out of.

    Raises: ManifestError `file-missing`, `file-unreadable`, `file-outside`, or `file-too-large`.
    """
    name = shown or path
    if root is not None and not _beneath(os.path.realpath(path), os.path.realpath(root)):
        raise ManifestError(
            "file-outside",
            f"{ticked(name)} leads out of {ticked(root)}, where the manifest lies",
            "move it beneath the manifest's git root or folder, or give it with `--with`",
        )
    try:
        # Opening a pipe would wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ManifestError("file-unreadable", f"{ticked(name)} is no regular file", "name a file")
            data = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise ManifestError("file-missing", f"{ticked(name)} is not there", "correct the path") from error
    except OSError as error:
        raise ManifestError("file-unreadable", f"{ticked(name)} cannot be read: {error.strerror}") from error
    if len(data) > LIMIT_BYTES:
        raise ManifestError("file-too-large", f"{ticked(name)} is larger than {LIMIT_BYTES:,} bytes", "make it smaller")
    return Source(file=name, data=data)


def root_of(folder: str) -> str:
    """The git root above *folder*, or the folder itself."""
    above = folder
    while not os.path.exists(os.path.join(above, ".git")):
        if above == os.path.dirname(above):
            return folder
        above = os.path.dirname(above)
    return above


def is_file(path: str) -> bool:
    """Whether a regular file is there."""
    return os.path.isfile(path)


def _beneath(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
