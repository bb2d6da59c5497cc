"""Slips of the finger in keys and words find what was meant; other words find nothing."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator

import msgspec.inspect as shape

from srpo_manifest.reading.shapes import Shape, alternatives, choices, info, known_keys
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, Manifest
from srpo_manifest.wording import nearest

KIND = Manifest[LocalOptions, DirectOptions]


def groups(node: Shape | None) -> Iterator[list[str]]:
    """The names that stand together: the keys of each table, and the words of each choice."""
    known = known_keys(node)
    if known:
        yield list(known)
    for child in known.values():
        words = [word for word in choices(child) if isinstance(word, str)]
        if len(words) > 1:
            yield words
        yield from groups(child)
    for one in alternatives(node):
        if isinstance(one, shape.VarTupleType):
            yield from groups(one.item_type)
        elif isinstance(one, shape.DictType):
            yield from groups(one.value_type)


def slips(word: str) -> set[str]:
    """Every word that one slip makes: a letter less, more, another, two swapped; case, `-` and `_`."""
    letters = string.ascii_lowercase
    found = {word.replace("_", "-"), word.replace("-", "_"), word.upper(), word.title()}
    for at in range(len(word) + 1):
        before, rest = word[:at], word[at:]
        found |= {before + letter + rest for letter in letters}
        if rest:
            found |= {before + rest[1:], before + rest[0].upper() + rest[1:]}
            found |= {before + letter + rest[1:] for letter in letters}
        if len(rest) > 1:
            found.add(before + rest[1] + rest[0] + rest[2:])
    return found - {word, ""}


def test_a_slip_finds_what_was_meant() -> None:
    """At least 98 of 100 do, over every key and every choice; a slip that makes another known word is none."""
    found = total = 0
    for names in groups(info(KIND)):
        for name in names:
            made = slips(name) - set(names)
            total += len(made)
            found += sum(nearest(slip, names) == name for slip in made)
    assert total > 30_000
    assert found / total >= 0.98


def test_words_that_mean_something_else_find_nothing() -> None:
    """A thousand of them, in every place."""
    chance = random.Random(4)
    syllables = (
        "bra",
        "cor",
        "dul",
        "fex",
        "gim",
        "hoq",
        "jyk",
        "lur",
        "mop",
        "nuw",
        "pib",
        "quo",
        "ryv",
        "suz",
        "tog",
        "vax",
        "wem",
        "zil",
    )
    words = {"".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(1_300)}
    assert len(words) >= 1_000
    for names in groups(info(KIND)):
        assert not {(word, name) for word in words if (name := nearest(word, names))}
