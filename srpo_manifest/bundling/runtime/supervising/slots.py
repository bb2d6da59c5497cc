"""The three records of a run that a full disk or a cut cannot take: who runs it, how the leader ended, how the run did."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from typing import Optional

from .files import Record, opened, sync_folder

SLOT_BYTES = 512
IDENTITY, EXIT, END = range(3)


def fits(record: Record) -> bool:
    """Whether a slot can hold it."""
    return len(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")) <= SLOT_BYTES - 9


class Slots:
    """Records that were given their space before anything started: a full disk cannot keep them from being written."""

    def __init__(self, path: str, there: bool = False) -> None:
        self.file = opened(path, os.O_RDWR | (0 if there else os.O_CREAT | os.O_EXCL))
        if there:
            return
        os.write(self.file, b" " * SLOT_BYTES * 3)
        os.fsync(self.file)
        sync_folder(os.path.dirname(path))

    def write(self, index: int, record: Record) -> None:
        """Fill a slot, durably; *record* takes less than 500 bytes."""
        text = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
        os.pwrite(
            self.file, b"%s#%08x" % (text, zlib.crc32(text)) + b" " * (SLOT_BYTES - len(text) - 9), index * SLOT_BYTES
        )
        os.fsync(self.file)


def read_slots(path: str) -> tuple[list[Optional[Record]], list[str]]:
    """The three records, None for each that is blank or torn, and the names of the torn ones."""
    records: list[Optional[Record]] = []
    torn = []
    try:
        with open(path, "rb", opener=opened) as file:
            data = file.read(SLOT_BYTES * 3)
    except FileNotFoundError:
        return [None] * 3, []
    if len(data) < SLOT_BYTES * 3:
        torn.append("slots")
    for index in range(3):
        text, _, check = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES].rstrip(b" ").rpartition(b"#")
        good = text and check == b"%08x" % zlib.crc32(text)
        found = None
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text) if good else None
        records.append(found if isinstance(found, dict) else None)
        if records[-1] is None and (text or check):
            torn.append(f"slot {index}")
    return records, torn
