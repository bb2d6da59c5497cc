"""Texts made wrong by an inattentive person, or by nobody: letters, tokens, lines and bytes."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from typing import Any

NOISE = "[]{}=,.\"'#\n\\ \t0123eE+-_:TZaxu\r\x00é٣漢🚀\u0301"
_TOKEN = re.compile(r"""\"\"\"|'''|"[^"\n]*"|'[^'\n]*'|[\w-]+|\n|[ \t]+|.""", re.DOTALL)


def mutant(text: str, others: Sequence[str], chance: random.Random) -> str:
    """*text* with one to three edits; some take from the *others*."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        text = chance.choice(_EDITS)(text, others, chance)
    return text


def _letter(text: str, _: Sequence[str], chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(["", chance.choice(NOISE)]) + text[at + chance.choice([0, 1, 1]) :]


def _cut(text: str, _: Sequence[str], chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randrange(1, 20) :]


def _line(text: str, others: Sequence[str], chance: random.Random) -> str:
    """One more, from here or from there."""
    lines = text.split("\n")
    lines.insert(
        chance.randrange(len(lines) + 1), chance.choice(chance.choice([text, chance.choice(others)]).split("\n"))
    )
    return "\n".join(lines)


def _token(text: str, others: Sequence[str], chance: random.Random) -> str:
    """Another in its place, or twice, or none."""
    tokens = _TOKEN.findall(text) or [""]
    at = chance.randrange(len(tokens))
    match chance.randrange(4):
        case 0:
            tokens[at] = chance.choice(_TOKEN.findall(chance.choice(others)) or [""])
        case 1:
            tokens[at] = chance.choice(tokens)
        case 2:
            tokens.insert(at, tokens[at])
        case _:
            del tokens[at]
    return "".join(tokens)


def _byte(text: str, _: Sequence[str], chance: random.Random) -> str:
    """A bit of it; what is no text any more loses that byte."""
    data = bytearray(text.encode() or b"\n")
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data.decode("utf-8", "ignore")


def _splice(text: str, others: Sequence[str], chance: random.Random) -> str:
    other = chance.choice(others)
    return text[: chance.randrange(len(text) + 1)] + other[chance.randrange(len(other) + 1) :]


_EDITS = (_letter, _letter, _cut, _line, _token, _token, _token, _byte, _splice)


def typed(value: Any) -> Any:
    """Parsed data with each value's type, as equality of Python is too kind: `1 == True == 1.0`."""
    if isinstance(value, dict):
        return {key: typed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [typed(child) for child in value]
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return type(value).__name__, value
