"""Trainer descriptions, read from the files that ship or that a plugin brings."""

from __future__ import annotations

from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted
from srpo_manifest.reading.locate import Key, dotted, locate
from srpo_manifest.reading.toml import decoded, parsed
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.trainer import FORMAT, Trainer


def parse_trainer(data: bytes, file: str) -> Trainer:
    """Read a trainer description.

    Raises: ManifestError of `read_toml` and `converted`; `format-newer`.
    """
    text = decoded(data, file)
    found = parsed(text, file)
    known_format(found, FORMAT, file)

    def place(key: Key) -> Where:
        return locate(text, key, file) or Where(file=file, key=dotted(key))

    return converted(found, Trainer, place, "the trainer description")
