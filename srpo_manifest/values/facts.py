"""Facts: what was asked and answered, saved without secrets."""

from typing import Any, TypeVar

import msgspec

from srpo_manifest.values.base import Value

FORMAT = 1
A = TypeVar("A")


class Known(Value, tag="known"):
    """An answer: any JSON value."""

    value: Any


class Unknown(Value, tag="unknown"):
    """No answer, and why. Never a default, never a guess. `code` and `hints` are those of the error behind it."""

    reason: str
    code: str = ""
    hints: tuple[str, ...] = ()


class Facts(Value):
    """Every answered question by name (`target.gpus`, `repo.pin`)."""

    format: int = FORMAT
    facts: dict[str, Known | Unknown] = {}
    others: dict[str, dict[str, Known | Unknown]] = {}
    """What the machines of further nodes answered, by their names for people, where it is not what the first one did."""

    def get(self, name: str, kind: type[A]) -> A | Unknown:
        """The fact *name* as *kind*; Unknown when it was not asked, had no answer, or has another shape."""
        fact = self.facts.get(name)
        if fact is None:
            return Unknown(reason="it was not asked")
        if isinstance(fact, Unknown):
            return fact
        try:
            return msgspec.convert(fact.value, kind)
        except msgspec.ValidationError as error:
            return Unknown(reason=f"its answer has another shape: {error}")

    def __contains__(self, name: str) -> bool:
        return name in self.facts

    def joined(self, more: dict[str, Known | Unknown]) -> "Facts":
        """These facts and *more*; a name in both takes the newer answer."""
        return Facts(facts=self.facts | more, others=self.others)

    def of_others(self) -> "dict[str, Facts]":
        """The facts as a plan for each further machine has them."""
        return {place: Facts(facts=self.facts | found) for place, found in self.others.items()}


class Bash(Value):
    """Fact `target.bash`, or a candidate of the controller: which bash answers, and how it calls itself."""

    path: str
    version: str


class Interpreter(Value):
    """Fact `target.python`: the training interpreter as it answered."""

    path: str
    version: str


class Gpu(Value):
    """One line of nvidia-smi: name and total memory in MiB."""

    name: str
    memory_mib: int


class PastRun(Value):
    """A run of this manifest's name in the target's workspace."""

    id: str
    plan: str
    state: str
    outcome: str | None = None
    whole: bool = False
    """Its checkpoints and files are still there."""
    unfinished: bool | None = None
    """As in `Status`."""
    reason: str = ""
    """Why its state is `unreadable`."""


class Vendor(Value):
    """Fact `target.vendor`: what lies where the visible checkout goes.

    `kind` is "absent", "ours" (our link), "clean" (the user's own checkout at `tree`, unchanged), "busy" (its index is locked) or "other".
    """

    kind: str
    tree: str = ""
    differs: tuple[str, ...] = ()
