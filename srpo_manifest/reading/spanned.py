"""A TOML document in which everything knows where it stands, and what is wrong with its text."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

How: TypeAlias = Literal["header", "implicit", "dotted", "inline", "items", "value", "broken"]
"""How something came to be: a table by its header, by a longer header, by dotted keys, in braces; an array by `[[…]]`."""


DEPTH = 16
"""Most parts of a dotted key, and most brackets within brackets: nothing that is read here is deeper."""
TOO_DEEP = (f"a key has more than {DEPTH} parts", f"brackets are nested in more than {DEPTH} others")
SHALLOWER = "nothing that is read here is so deep"


MOST_MISTAKES = 1000
"""After so many a text is no manifest, and nobody reads on."""


class Span(NamedTuple):
    """From one offset to another, in characters of the text."""

    start: int
    end: int


_NO_KEYS: dict[str, list[Span]] = {}
"""Those of a scalar: a dictionary for each would be half of a document."""


class Item:
    """A table (`dict[str, Item]`), an array (`list[Item]`) or a scalar; a broken one has no value.

    `keys` are the spans of a table's keys, of each wherever it is written; `span` is the value's own, for a table its
    header's.
    """

    __slots__ = ("how", "keys", "span", "value")

    def __init__(self, value: Any, span: Span, how: How = "value") -> None:
        self.value, self.span, self.how = value, span, how
        self.keys: dict[str, list[Span]] = {} if type(value) is dict else _NO_KEYS


class Mistake(NamedTuple):
    """What is wrong at one place: a code, one sentence, what to do, another place that belongs to it, an edit."""

    code: str
    message: str
    span: Span
    hints: tuple[str, ...] = ()
    related: tuple[tuple[str, Span], ...] = ()
    fix: str | None = None
    """What to write in place of the span."""
    places: tuple[Span, ...] = ()
    """What it takes the place of, where that is not the span."""
    key: tuple[str, ...] = ()
    """What cannot be read, or is read in doubt: a key, or the table that something of is lost."""


class SlipError(Exception):
    """A statement cannot be read on."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


class Parsed(NamedTuple):
    """The top-level table, and every mistake in the order of the text."""

    root: Item
    mistakes: list[Mistake]


def data_of(item: Item) -> Any:
    """The plain data; what is broken is left out."""
    if isinstance(item.value, dict):
        return {name: data_of(one) for name, one in item.value.items() if one.how != "broken"}
    if isinstance(item.value, list):
        return [data_of(one) for one in item.value if one.how != "broken"]
    return item.value
