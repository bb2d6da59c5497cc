"""Whether a file was written to its end: weights, archives, pictures."""

from __future__ import annotations

import json
import os
import zlib
from typing import Optional

from .files import opened

LONGEST_HEADER = 100_000_000
"""Source: safetensors' own limit."""


def intact(path: str, size: int) -> bool:
    """Whether a weight file has bytes, as many as its `.safetensors` header says; an archive of torch has its end."""
    if not path.endswith(".safetensors"):
        return size > 0 and not is_cut_archive(path)
    try:
        with open(path, "rb", opener=opened) as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, LONGEST_HEADER):
                return False
            header = json.loads(file.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return 8 + length + max(ends, default=0) == size


def is_cut_archive(path: str) -> bool:
    """Whether a file begins as the zip archive that `torch.save` writes and lacks the directory at its end."""
    import zipfile

    try:
        with open(path, "rb", opener=opened) as file:
            return file.read(4) == b"PK\x03\x04" and not zipfile.is_zipfile(file)
    except OSError:
        return True


def shards(path: str) -> Optional[set[str]]:
    """The weight files that a `….index.json` names; None where it is cut."""
    try:
        with open(path, "rb", opener=opened) as file:
            named = json.loads(file.read(LONGEST_HEADER))["weight_map"].values()
        return {os.path.normpath(name) for name in named}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def ends_well(data: bytes) -> Optional[bool]:
    """Whether a PNG is complete; None for what is none. Source: PNG specification, "Chunk layout"."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if zlib.crc32(data[at + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            return False
        at = end + 4
    return kind == b"IEND"
