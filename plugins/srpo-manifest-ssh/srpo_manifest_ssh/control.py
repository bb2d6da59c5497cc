"""Where logins are shared: a folder of ours alone, short enough for the path of a socket."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from srpo_manifest.plugin import TransportError, ticked

_PLAIN = re.compile(r"/[A-Za-z0-9/._-]*")
"""What ssh reads as it is: blanks, `%` and `${` mean something else to it."""
_SOCKET_BYTES = 104
"""The least that systems allow, its end included. Source: unix(7), and macOS's sys/un.h."""
_NAME_BYTES = 24 + 17
"""The name, and what ssh puts behind it until the socket is bound."""


def control_path(way: str) -> str:
    """The path for `ControlPath`. *way* is all that decides where a login ends: no two ways share one.

    Raises: TransportError `control-folder` where another user could reach it.
    """
    return str(_folder() / hashlib.sha256(way.encode()).hexdigest()[:24])


def _folder() -> Path:
    name = f"srpo-ssh-{os.getuid()}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - it is checked
        short = parent and len(os.fsencode(parent)) + 1 + len(name) + 1 + _NAME_BYTES < _SOCKET_BYTES
        if parent and short and _PLAIN.fullmatch(parent):
            folder = Path(parent, name)
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except OSError:
                continue
            return _ours(folder)
    raise TransportError(
        "control-folder", "there is no folder for the sockets of ssh", "set XDG_RUNTIME_DIR to a short path of yours"
    )


def _ours(folder: Path) -> Path:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise TransportError(
            "control-folder",
            f"{ticked(str(folder))}, where logins are shared, is not a folder of yours alone",
            "remove it, or set XDG_RUNTIME_DIR to another folder",
        )
    return folder
