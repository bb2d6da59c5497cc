"""Trainer descriptions, read from the files that ship or that a plugin brings."""

from __future__ import annotations

from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.overlay import tree_of
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.tree import plain
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.trainer import FORMAT, Trainer


def parse_trainer(data: bytes, file: str) -> Trainer:
    """Read a trainer description.

    Raises: ManifestError of `read_toml` and `converted`; `format-newer`.
    """
    tree = tree_of(Source(file=file, data=data))
    found = plain(tree)
    known_format(found, FORMAT, file)

    def place(key: Key) -> Where:
        return tree.place(key) or Where(file=file, key=dotted(key))

    return converted(found, Trainer, place, "the trainer description")
