"""`checkpoints.sha256`."""

from __future__ import annotations

import os
import re

from .files import CHUNK_BYTES, opened


def write_digests(paths: list[str], told: str) -> None:
    """Write a line for each file as `sha256sum` does; one that cannot be read has none."""
    import hashlib

    os.nice(19)
    with open(told, "wb", buffering=0, opener=opened) as lines:
        for path in paths:
            digest, read = hashlib.sha256(), 0
            try:
                size = os.path.getsize(path)
                with open(path, "rb", buffering=0, opener=opened) as file:
                    while piece := file.read(CHUNK_BYTES):
                        digest.update(piece)
                        read += len(piece)
            except OSError:
                continue
            if read == size:
                lines.write(os.fsencode(digest_line(path, digest.hexdigest())))


def digest_line(path: str, digest: str) -> str:
    """As `sha256sum` writes it: a name with a backslash or a line's end is escaped, and the line begins with one."""
    name = path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{'' if name == path else chr(92)}{digest}  {name}\n"


def read_digests(told: str) -> dict[str, str]:
    """Digests by path; a line that was cut is none."""
    try:
        with open(told, "rb", opener=opened) as file:
            lines = os.fsdecode(file.read()).split("\n")[:-1]
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        digest, _, name = line.removeprefix("\\").partition("  ")
        if line.startswith("\\"):
            name = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], name)
        found[name] = digest
    return found
