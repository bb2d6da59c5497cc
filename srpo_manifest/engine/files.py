"""Files of the controller that a manifest names: regular, small enough, and beneath the manifest's root."""

from __future__ import annotations

import os
import re
import stat
from itertools import takewhile

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.toml import Source
from srpo_manifest.wording import nearest, ticked

LIMIT_BYTES = 1 << 20
_NUMBERED = re.compile(r"""\s*["']?([\w-]+)["']?\s*[=:]\s*["']?[0-9]""")
CARRIED_BYTES = 64 << 20
"""Of a file that travels in the bundle."""


def read_source(
    path: str, *, shown: str | None = None, root: str | None = None, limit_bytes: int = LIMIT_BYTES
) -> Source:
    """The file's bytes, under the name that people gave it. *root* is what it must not lead out of.

    Raises: ManifestError `file-missing`, `file-unreadable`, `file-outside`, or `file-too-large`.
    """
    name = shown or path
    if root is not None and not _beneath(path := os.path.realpath(path), os.path.realpath(root)):
        raise ManifestError(
            "file-outside",
            f"{ticked(name)} leads out of {ticked(root)}, where the manifest lies",
            "name the file itself, or move it beneath the manifest's git root or folder",
        )
    try:
        # Opening a pipe would wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ManifestError("file-unreadable", f"{ticked(name)} is no regular file", "name a file")
            data = file.read(limit_bytes + 1)
    except FileNotFoundError as error:
        raise ManifestError("file-missing", f"{ticked(name)} is not there", "correct the path") from error
    except OSError as error:
        raise ManifestError("file-unreadable", f"{ticked(name)} cannot be read: {error.strerror}") from error
    if len(data) > limit_bytes:
        raise ManifestError("file-too-large", f"{ticked(name)} is larger than {limit_bytes:,} bytes", "make it smaller")
    return Source(file=name, data=data)


def manifests_in(folder: str) -> list[str]:
    """The manifests of a folder: `srpo.toml`, and each `*.toml` with a top-level `schema`, or nearly; none where it cannot be listed."""
    try:
        paths = [(name, os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith(".toml")]
    except OSError:
        return []
    return [path for name, path in paths if name == "srpo.toml" or (is_file(path) and _has_schema(path))]


def _has_schema(path: str) -> bool:
    """Whether it is meant as a manifest: one with a mistake in that very line is not to be passed over."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT_BYTES)
    except OSError:
        return True  # who reads it tells why not
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    lines = data.decode("utf-16" if wide else "utf-8-sig", "replace").splitlines()
    if any(line.partition("=")[0].strip().strip("\"'") == "schema" for line in lines):
        return True
    top = takewhile(lambda line: not line.lstrip().startswith("["), lines)
    return any(nearest(found[1], ["schema"]) for line in top if (found := _NUMBERED.match(line)))


def carried(folder: str, path: str) -> bytes:
    """A file that travels in the bundle, by its name in the manifest that lies in *folder*.

    Raises: ManifestError of `read_source`.
    """
    return read_source(
        os.path.join(folder, path), shown=path, root=root_of(os.path.abspath(folder)), limit_bytes=CARRIED_BYTES
    ).data


def beside(folder: str, path: str) -> bytes:
    """A file of the controller wherever it lies; `~` is the user's home.

    Raises: ManifestError of `read_source`.
    """
    return read_source(os.path.join(folder, os.path.expanduser(path)), shown=path).data


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
