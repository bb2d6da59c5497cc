"""TOML 1.0 as its own suite has it, and as tomllib reads whatever is mutated from it."""

from __future__ import annotations

import json
import math
import random
import tomllib
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest

from srpo_manifest.reading.spanned import data_of
from srpo_manifest.reading.statements import parse

NOISE = "[]{}=,.\"'#\n\\ \t0123eE+-_:TZaxu\r\x00é٣"


@pytest.fixture(scope="module")
def suite(root: Path) -> Path:
    """The suite's files."""
    folder = root.parent / "shared/data/toml-test/tests"
    if not folder.is_dir():
        pytest.skip("toml-test is not beside the checkout")
    return folder


def typed(value: Any) -> Any:
    """Parsed data with each value's type, as equality of Python is too kind: `1 == True == 1.0`."""
    if isinstance(value, dict):
        return {key: typed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [typed(child) for child in value]
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return type(value).__name__, value


def expected(value: Any) -> Any:
    """The suite's JSON in the same form."""
    if isinstance(value, list):
        return [expected(child) for child in value]
    if set(value) != {"type", "value"} or not isinstance(value["type"], str):
        return {key: expected(child) for key, child in value.items()}
    text = value["value"]
    match value["type"]:
        case "bool":
            return "bool", text == "true"
        case "integer":
            return "int", int(text)
        case "float":
            return "nan" if "nan" in text else ("float", float(text))
        case "string":
            return "str", text
        case "time-local":
            return "time", time.fromisoformat(text)
        case "date-local":
            return "date", datetime.fromisoformat(text).date()
        case _:
            return "datetime", datetime.fromisoformat(text.upper())


def test_verdict_and_values_are_those_of_the_suite(suite: Path) -> None:
    """All cases that are listed for TOML 1.0."""
    names = [name for name in (suite / "files-toml-1.0.0").read_text().split() if name.endswith(".toml")]
    assert len(names) == 709
    for name in names:
        try:
            text = (suite / name).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            assert name.startswith("invalid/"), name
            continue
        root, mistakes = parse(text)
        assert bool(mistakes) == name.startswith("invalid/"), (name, mistakes)
        if not mistakes:
            assert typed(data_of(root)) == expected(json.loads((suite / name).with_suffix(".json").read_text())), name


def mutant(text: str, chance: random.Random) -> str:
    """*text* with one to three edits of an inattentive person, or of nobody."""
    letters = list(text)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(letters) + 1)
        match chance.randrange(5):
            case 0:
                del letters[at : at + 1]
            case 1:
                letters.insert(at, chance.choice(NOISE))
            case 2:
                letters[at : at + 1] = chance.choice(NOISE)
            case 3:
                del letters[at : at + chance.randrange(1, 20)]
            case _:
                lines = "".join(letters).split("\n")
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
                letters = list("\n".join(lines))
    return "".join(letters)


def texts(root: Path) -> Iterator[str]:
    """What there is to mutate: our own files, and the suite's where it is there."""
    yield from ((root / "manifests" / name).read_text() for name in ("demo.toml", "flux.toml", "flux-pickscore.toml"))
    yield (root / "tests/reading/full.toml").read_text()
    for file in (root.parent / "shared/data/toml-test/tests/valid").rglob("*.toml"):
        yield file.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n")


def test_mutants_are_read_as_tomllib_reads_them(root: Path, many) -> None:
    """The same verdict and the same values, no fault, and every place lies in the text."""
    chance = random.Random(1)
    sources = list(texts(root))
    for _ in range(many(4_000, 200_000)):
        text = mutant(chance.choice(sources), chance)
        try:
            good = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            good = None
        except ValueError:
            continue  # tomllib lets an integer of thousands of digits through to Python
        text = text.replace("\r\n", "\n")
        found, mistakes = parse(text)
        assert all(0 <= one.span.start <= one.span.end <= len(text) for one in mistakes), text
        assert (good is None) == bool(mistakes), (text, mistakes)
        if good is not None:
            assert typed(data_of(found)) == typed(good), text
