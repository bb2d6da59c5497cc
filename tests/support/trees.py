"""What a folder holds, as one word."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest_of(folder: Path) -> str:
    """SHA-256 over every path beneath *folder* with its mode and its bytes; for a link, where it leads."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        name = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        found.update(b"%s\0%o %d\0%s" % (name, path.lstat().st_mode, len(content), content))
    return found.hexdigest()
