"""srpo.lock: what a url and ref meant when they were pinned, with everything that was read there."""

from msgspec.structs import replace

from srpo_manifest.values.base import Strict, Value
from srpo_manifest.values.contract import ArgumentContract, Import, ScriptContract

FORMAT = 1
READERS = 2
"""The version of the source readers: contracts of another version are read again by `lock`."""


LARGE_BYTES = 100_000_000
"""What GitHub takes as the most for one file: a larger one was meant for elsewhere."""


class EntryContract(Value):
    """What one entry script and its program accept.

    `arguments` is None where the program's interface could not be found, or the script starts several: `programs` has
    theirs then, by the program as the script spells it. `evidence` tells for each rule of the trainer
    description (`description` is its digest) whether its pattern stands in the pinned source.
    """

    script: ScriptContract | None = None
    arguments: ArgumentContract | None = None
    description: str = ""
    evidence: dict[str, bool] = {}
    programs: dict[str, ArgumentContract] = {}
    imports: dict[str, Import] = {}
    """What the program imports at its start, by the first name of each module."""
    absent: str = ""
    """The path of the program that the script starts, where the checkout has no such file."""
    readers: int = READERS


class Pin(Value):
    """A commit with its tree (both git object ids, hex) and the contracts of the scripts that were asked for."""

    url: str
    commit: str
    tree: str
    ref: str | None = None
    """Absent: the default branch."""
    entries: dict[str, EntryContract] = {}
    """By the script's path in the checkout."""
    submodules: tuple[str, ...] = ()
    """Paths where the checkout has an empty folder: submodules are not fetched."""
    large: dict[str, int] = {}
    """Files of more than `LARGE_BYTES`, with their bytes."""
    alike: tuple[str, ...] = ()
    """Paths that differ from another one in case alone, or in how a letter is encoded."""


class Lock(Strict):
    """The whole file: one pin for each (url, ref)."""

    format: int = FORMAT
    pins: tuple[Pin, ...] = ()

    def find(self, url: str, ref: str | None) -> Pin | None:
        """The pin of this url and ref."""
        return next((pin for pin in self.pins if (pin.url, pin.ref) == (url, ref)), None)

    def with_pin(self, pin: Pin) -> "Lock":
        """This lock and *pin*: entries of other scripts stay while the commit is the same. Pins are sorted."""
        old = self.find(pin.url, pin.ref)
        entries = (old.entries if old and old.commit == pin.commit else {}) | pin.entries
        new = replace(pin, entries=dict(sorted(entries.items())))
        others = (other for other in self.pins if (other.url, other.ref) != (pin.url, pin.ref))
        return replace(self, pins=tuple(sorted((*others, new), key=lambda one: (one.url, one.ref or ""))))
