"""A bundle on its way: as a tar stream, or as files in a folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from srpo_manifest.engine.files import carried
from srpo_manifest.errors import ManifestError, UsageError
from srpo_manifest.values.bundle import Bundle, BundleFile
from srpo_manifest.wording import ticked

LAST = ".whole"
"""The last file of a stream: where it arrived, all did."""
_BLOCK = 512
_CHUNK = 1 << 20


class Packer:
    """Brings the long parts of bundles: files of the controller beneath *folder*, and trees by *archive*."""

    def __init__(self, folder: str, archive: Callable[[str, str], Iterator[bytes]]) -> None:
        self._folder, self._archive = folder, archive

    def tar(self, bundle: Bundle) -> Iterator[bytes]:
        """The bundle as tar: sorted, without owners and times, so that equal bundles are equal bytes; then `LAST`.

        Everything is opened before the first byte: what cannot be had is told before a target hears of it.
        Raises: ManifestError `carried-file-missing` for a file of the controller that is not there, `carried-file-changed` for
        another than was planned; what *archive* raises.
        """
        opened = [(file, self._open(file)) for file in bundle.files]
        return _tar([*opened, (BundleFile(name=LAST), io.BytesIO())])

    def write(self, bundle: Bundle, folder: Path) -> None:
        """The bundle as files in *folder*, which must be empty or absent; `launch.sh` comes last, so that no half one starts.

        Raises: UsageError `folder-taken` or `folder-unwritable`; ManifestError as for `tar`.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError("folder-taken", f"{ticked(folder)} is there and not empty", "name a new folder")
        for file in sorted(bundle.files, key=lambda file: file.name == "launch.sh"):
            path = folder / file.name
            with self._open(file) as source:
                try:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    with path.open("wb") as target:
                        shutil.copyfileobj(source, target)
                    path.chmod(0o700 if file.executable else 0o600)
                except OSError as error:
                    raise UsageError(
                        "folder-unwritable",
                        f"{ticked(path)} cannot be written: {error.strerror}",
                        "name another folder",
                    ) from error

    def _open(self, file: BundleFile) -> BinaryIO:
        if file.tree is not None:
            return self._spooled(self._archive(file.tree, file.digest))
        if file.controller_file is None:
            return self._spooled(iter((file.data,)))
        name = file.controller_file
        try:
            data = carried(self._folder, name)
        except ManifestError as error:
            message = f"{ticked(name)}, which the bundle carries, cannot be read: {error}"
            raise ManifestError("carried-file-missing", message, *error.findings[0].hints) from error
        if file.digest and hashlib.sha256(data).hexdigest() != file.digest:
            message = f"{ticked(name)}, which the bundle carries, has changed since it was planned"
            raise ManifestError("carried-file-changed", message, "plan again, look at it, and apply that")
        return io.BytesIO(data)

    def _spooled(self, chunks: Iterator[bytes]) -> BinaryIO:
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        return spool


def _tar(files: list[tuple[BundleFile, BinaryIO]]) -> Iterator[bytes]:
    for file, source in files:
        with source:
            size = source.seek(0, os.SEEK_END)
            source.seek(0)
            yield _header(file, size)
            while chunk := source.read(_CHUNK):
                yield chunk
            yield b"\0" * (-size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def _header(file: BundleFile, size: int) -> bytes:
    info = tarfile.TarInfo(file.name)
    info.size, info.mode = size, 0o700 if file.executable else 0o600
    return info.tobuf(tarfile.GNU_FORMAT)
