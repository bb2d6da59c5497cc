"""What may be removed: what a target's `.srpo` holds, and what was chosen of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from srpo_manifest.values.base import Value

FORMAT = 1
Kind: TypeAlias = Literal["run", "checkout", "leftover", "record", "mirror"]


class OldRun(Value):
    """A run folder as the target tells it; `kept` says why it may not go, whatever is wished."""

    id: str
    name: str
    outcome: str | None
    bytes: int
    age_seconds: float
    plan: str = ""
    tree: str = ""
    kept: str | None = None


class Checkout(Value):
    """An unpacked tree."""

    tree: str
    bytes: int
    kept: str | None = None


class Leftover(Value):
    """What a process left half done that was killed."""

    path: str
    id: str
    bytes: int


class Holdings(Value):
    """A target's `.srpo`; `there` is false where it has no runs folder, as when a disk is not mounted."""

    format: int
    there: bool
    runs: tuple[OldRun, ...] = ()
    checkouts: tuple[Checkout, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    coming: tuple[str, ...] = ()
    """Ids of runs that are on their way."""


class Removed(Value):
    """What became of one thing."""

    kind: Kind
    path: str
    removed: bool
    reason: str | None = None


class Done(Value):
    """The target's answer to a removal."""

    format: int
    done: tuple[Removed, ...]


class Wish(Value):
    """Which runs may go: by `names`, or by `ids` where that is given; trees in `trees` stay."""

    keep: int = 1
    older_than_seconds: float = 0.0
    names: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    checkouts: bool = False
    trees: frozenset[str] = frozenset()


class Item(Value):
    """One thing and why it may go, or why it stays. `path` is relative to the target's `.srpo`, or one of this machine."""

    kind: Kind
    id: str
    path: str
    reason: str
    bytes: int = 0


class Choice(Value):
    """All that was looked at, in two lists."""

    going: tuple[Item, ...] = ()
    staying: tuple[Item, ...] = ()
