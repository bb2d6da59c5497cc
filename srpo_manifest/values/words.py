"""Words: pieces of an argument, known now, bound on the target just before start, or told by the script itself."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from srpo_manifest.values.base import Value

LateName: TypeAlias = Literal["run.id", "run.dir", "run.port", "run.index", "run.chief", "repo.dir", "target.home"]
LATE_NAMES: frozenset[str] = frozenset(get_args(LateName))


class Text(Value, tag="text"):
    """Characters that are known at plan time."""

    text: str


class Late(Value, tag="late"):
    """A value that only the target knows, from the closed list of D4."""

    name: LateName


class Arrived(Value, tag="arrived"):
    """What only running the script can tell: whatever its launch hands over in this place, counted from 1.

    It is a part of exactly one word, or with *many* the rest of a word, more words after it, or nothing at all.
    """

    number: int
    many: bool = False


class Word(Value):
    """One argument, one path or one environment value: pieces that stand side by side."""

    pieces: tuple[Text | Late | Arrived, ...] = ()

    @property
    def text(self) -> str | None:
        """The whole word when all of it is known at plan time, else None."""
        parts = [piece.text for piece in self.pieces if isinstance(piece, Text)]
        return "".join(parts) if len(parts) == len(self.pieces) else None

    def __add__(self, other: Word | str) -> Word:
        return joined(*self.pieces, *(other.pieces if isinstance(other, Word) else (Text(text=other),)))

    def __str__(self) -> str:
        """The plan's spelling: `${run.id}` is late, `${script.1}` and `${script.2*}` are told by the script.

        A literal `$` before `$`, `{` or such a piece is doubled.
        """
        spelled: list[str] = []
        after = ""
        for piece in reversed(self.pieces):
            if not isinstance(piece, Text):
                name = piece.name if isinstance(piece, Late) else f"script.{piece.number}{'*' * piece.many}"
                spelled.append(f"${{{name}}}")
                after = "$"
                continue
            characters = []
            for character in reversed(piece.text):
                characters.append("$$" if character == "$" and after in ("$", "{") else character)
                after = character
            spelled.append("".join(reversed(characters)))
        return "".join(reversed(spelled))


def joined(*pieces: Text | Late | Arrived) -> Word:
    """A word of *pieces*, with neighbouring texts made one and empty texts left out."""
    merged: list[Text | Late | Arrived] = []
    for piece in pieces:
        if isinstance(piece, Text) and not piece.text:
            continue
        if isinstance(piece, Text) and merged and isinstance(merged[-1], Text):
            merged[-1] = Text(text=merged[-1].text + piece.text)
        else:
            merged.append(piece)
    return Word(pieces=tuple(merged))


def word(text: str) -> Word:
    """*text* as it stands: nothing in it is expanded."""
    return joined(Text(text=text))


def late(name: LateName) -> Word:
    """A word that is one late value."""
    return Word(pieces=(Late(name=name),))
