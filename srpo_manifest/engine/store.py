"""Files of a folder that is ours alone: no links, nobody else's, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path

from srpo_manifest.engine.holders import lives_by_tag, own_tag
from srpo_manifest.errors import TransportError
from srpo_manifest.wording import ticked

LIMIT_BYTES = 4 << 20
DAY_SECONDS = 86400.0
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Unfit(Exception):
    """Why a file or folder is left alone: the end of a code, what is wrong with it, and what to do."""

    def __init__(self, code: str, what: str, hint: str) -> None:
        super().__init__(what)
        self.code, self.hint = code, hint


def read_own(path: Path) -> bytes:
    """The bytes of a file of ours. Raises: Unfit; FileNotFoundError."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINK), "rb") as file:
            check_own(os.fstat(file.fileno()), path)
            data = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise Unfit("unreadable", f"{ticked(path)} is no regular file", "remove it") from error
    except OSError as error:
        if path.is_symlink():
            check_own(path.lstat(), path)
        raise Unfit("unreadable", f"{ticked(path)} cannot be read: {error.strerror}", "give yourself access") from error
    if len(data) > LIMIT_BYTES:
        raise Unfit("torn", f"{ticked(path)} is larger than any file of ours", "move it away")
    return data


def check_own(found: os.stat_result, path: Path) -> None:
    """Raises: Unfit for a link, for what is no file or folder, and for what others own or may write."""
    if stat.S_ISLNK(found.st_mode):
        raise Unfit("link", f"{ticked(path)} is a link", "put what it leads to in its place, or remove it")
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise Unfit("unreadable", f"{ticked(path)} is no regular file", "remove it")
    if not hasattr(os, "getuid"):
        return
    if found.st_uid != os.getuid():
        what = f"{ticked(path)} belongs to user {found.st_uid}, and you are user {os.getuid()}"
        raise Unfit("foreign", what, "work as that user, or set SRPO_MANIFEST_HOME to a folder of yours")
    if found.st_mode & 0o022:
        raise Unfit("open", f"others may write {ticked(path)}", f"see what is in it, and `chmod go-w {path}`")


def check_home(*folders: Path) -> None:
    """Raises: TransportError `home-unsafe` where others own one that is there or may write it, or one but the first is a link.

    The first may be a link of ours, or of root's, as where a home is kept on a larger disk.
    """
    for number, folder in enumerate(folders):
        try:
            found = folder.lstat()
            if number == 0 and stat.S_ISLNK(found.st_mode):
                _check_link(found, folder)
                found = folder.stat()
            check_own(found, folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TransportError("home-unsafe", f"{ticked(folder)} cannot be used: {error.strerror}") from error
        except Unfit as unfit:
            raise TransportError("home-unsafe", f"records are not read here: {unfit}", unfit.hint) from unfit


def _check_link(found: os.stat_result, path: Path) -> None:
    """Raises: Unfit where somebody else could lead it elsewhere."""
    if hasattr(os, "getuid") and found.st_uid not in (0, os.getuid()):
        what = f"{ticked(path)} is a link of user {found.st_uid}, and you are user {os.getuid()}"
        raise Unfit("foreign", what, "set SRPO_MANIFEST_HOME to a folder of yours")


def write_own(path: Path, data: bytes) -> None:
    """Write it aside, durably, and rename it; what a killed writer left beside it goes. Raises: OSError."""
    aside = path.with_name(f"{path.name}.{own_tag()}.new")
    for left in path.parent.glob(f"{path.name}.*.new"):
        if left == aside or not lives_by_tag(left.name.removeprefix(f"{path.name}.").removesuffix(".new")):
            left.unlink(missing_ok=True)
    try:
        _write(aside, data)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def make_folder(folder: Path, files: dict[str, bytes], *, durable: bool = True) -> None:
    """Make a folder with its files, all at once: a name without a dot is whole. Raises: OSError."""
    aside = folder.with_name(f".{folder.name}.{own_tag()}.new")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o700)
        for name, data in files.items():
            _write(aside / name, data, durable=durable)
        if durable:
            _sync(aside)
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    if durable:
        _sync(folder.parent)


def remove_folder(folder: Path) -> None:
    """Take it out of sight, then remove what is in it: one that is half removed has no name any more. Raises: OSError."""
    aside = folder.with_name(f".{folder.name}.{own_tag()}.gone")
    folder.rename(aside)
    shutil.rmtree(aside)


def clean(parent: Path) -> None:
    """Remove what processes left that were killed while they made or removed a folder."""
    for left in parent.glob(".*"):
        tag = left.name.rpartition(".")[0].rpartition(".")[2]
        if left.suffix in (".new", ".gone") and not lives_by_tag(tag) and not (_is_abroad(tag) and _is_young(left)):
            shutil.rmtree(left, ignore_errors=True)


def _is_abroad(tag: str) -> bool:
    """Whether its process is one of another machine, or boot: such cannot be seen from here."""
    return tag.rpartition("-")[2] != own_tag().rpartition("-")[2]


def _is_young(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime < DAY_SECONDS


def _write(path: Path, data: bytes, *, durable: bool = True) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make names durable; Windows has no such call for folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
