"""The miniature trainer behind `repo.url = "demo:"`: the files of its repository, carried as package data."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable


def demo_files() -> dict[str, tuple[bytes, bool]]:
    """Every file of the demo's repository, sorted by path.

    Returns: path in the repository -> (bytes, executable). The bit follows the name, since neither a wheel nor Windows
    keeps modes: the same package gives the same commit everywhere.
    """
    found = {
        path: (file.read_bytes(), path.endswith(".sh")) for path, file in _files(resources.files(__name__) / "trainer")
    }
    return dict(sorted(found.items()))


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_file():
            yield path, entry
        elif entry.name != "__pycache__":
            yield from _files(entry, f"{path}/")
