"""A checkout of a locked commit in the place of a mirror, and the lock that ships for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from srpo_manifest.engine.pin import read_pin
from srpo_manifest.reading.lockfile import parse_lock, render_lock
from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.values.lock import EntryContract

ROOT = Path(__file__).parent.parent.parent
TRAINERS = ROOT / "srpo_manifest/upstream/trainers"


class Checkout:
    """Answers as a mirror does."""

    def __init__(self, folder: Path, tree: str) -> None:
        self.folder, self.tree = folder, tree

    def tree_of(self, _commit: str) -> str:
        return self.tree

    def files(self, _commit: str) -> tuple[str, ...]:
        return tuple(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def listing(self, commit: str) -> Iterator[tuple[str, int, str]]:
        for path in self.files(commit):
            yield "100644", (self.folder / path).stat().st_size, path

    def read(self, _commit: str, path: str) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def read_all(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        return {path: data for path in paths if (data := self.read(commit, path)) is not None}


def locked_anew(path: Path, folder: Path, shipped: Mapping[str, Sequence[str]]) -> tuple[bytes, list[str]]:
    """The lock at *path* with the entries of *shipped*, by the readers and descriptions of today, from the source in *folder*.

    Returns: its text, and the rules that the source does not bear out.
    """
    lock = parse_lock(path.read_bytes(), path.name)
    (pin,) = lock.pins
    entries: dict[str, EntryContract] = {}
    for trainer, scripts in shipped.items():
        description = parse_trainer((TRAINERS / f"{trainer}.toml").read_bytes(), trainer)
        entries |= read_pin(Checkout(folder, pin.tree), pin.url, pin.ref, pin.commit, scripts, description).entries
    pin = msgspec.structs.replace(pin, entries={script: entries[script] for script in sorted(entries)})
    unproven = [rule for entry in entries.values() for rule, holds in entry.evidence.items() if not holds]
    return render_lock(msgspec.structs.replace(lock, pins=(pin,))), unproven
