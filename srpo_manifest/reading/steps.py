"""What every step from one schema to the next works on: a text, statement by statement, with the comments that belong to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from srpo_manifest.finding import Finding, Where
from srpo_manifest.reading.formatting import Text
from srpo_manifest.reading.locate import Key
from srpo_manifest.reading.spanned import Item


class Old(NamedTuple):
    """A text of one version, its file's name, and the name of a run that has none."""

    text: Text
    file: str
    name: str


class Step(NamedTuple):
    """The text of the next version; findings and places are of the old one.

    `moved` are keys that have another name, each with it: no old one where it is made, no new one where it is left out.
    `places` tells of every new key where it comes from, of those that kept their name as well.
    """

    text: str
    findings: tuple[Finding, ...]
    moved: tuple[tuple[str, str], ...]
    places: Mapping[str, Where]


class Statement(NamedTuple):
    """A key with its value as it is spelled, the comment behind it, and the lines above: comments, and blank ones."""

    key: Key
    spelled: str
    value: Any
    above: tuple[str, ...] = ()
    comment: str = ""


def statements(text: Text) -> tuple[list[Statement], tuple[str, ...]]:
    """Every key that has a value, but none within an array; and the lines after the last one.

    A table in braces is told as its keys. The comment of a header goes with the key after it.
    """
    keys = dict(_keys(text.root, ()))
    found: list[Statement] = []
    above: list[str] = []
    line: list[str] = []
    values: list[tuple[Key, Item]] = []
    depth = 0
    for token in text.tokens:
        if token.kind in ("[", "{"):
            depth += 1
        elif token.kind in ("]", "}"):
            depth -= 1
        elif token.kind == "#" and not depth:
            line.append(token.text.rstrip(" \t"))
        elif token.kind == "\n" and not depth:
            if values:
                found += _told(text, values, above, line)
                above, values = [], []
            elif line or not _began(text, token.span.start):
                above.append("".join(line))
            line = []
        elif token.span.start in keys:
            values.append(keys[token.span.start])
    if values:
        found += _told(text, values, above, line)
        above, line = [], []
    return found, (*above, *line)


def _began(text: Text, end: int) -> bool:
    """Whether the line that ends there has anything in it."""
    return bool(text.text[text.text.rfind("\n", 0, end) + 1 : end].strip())


def _told(text: Text, values: list[tuple[Key, Item]], above: list[str], line: list[str]) -> Iterator[Statement]:
    lines, comment = tuple(above), "".join(line)
    for key, item in values:
        yield Statement(key, text.text[item.span.start : item.span.end], item.value, lines, comment)
        lines, comment = (), ""


def _keys(table: Item, key: Key) -> Iterator[tuple[int, tuple[Key, Item]]]:
    """Where each key with a value of its own begins."""
    for name, item in table.value.items():
        if isinstance(item.value, dict):
            yield from _keys(item, (*key, name))
        else:
            for span in table.keys[name]:
                yield span.start, ((*key, name), item)
