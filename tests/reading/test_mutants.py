"""Whatever is made of a text at random: what explains it has the verdict and the values of tomllib and msgspec."""

from __future__ import annotations

import contextlib
import random
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mistakes import mistakes, written
from mutants import mutant, typed

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, Spot
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.spanned import DEPTH, data_of
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.tree import marked
from srpo_manifest.reading.violations import violations
from srpo_manifest.rendering import told
from srpo_manifest.values.manifest import AnyManifest

PARTS = 4
BACKEND = '[backend]\ntransport = { kind = "local" }\nlauncher = { kind = "direct" }\n'


@pytest.fixture(scope="module")
def sources(root: Path) -> list[str]:
    """Manifests that ship, every mistake's text, and TOML's own suite where it is there."""
    manifests = [file.read_text("utf-8") for file in root.glob("manifests/*.toml")]
    full = (root / "tests/reading/full.toml").read_text("utf-8")
    suite = [
        file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        for file in sorted((root.parent / "shared/data/toml-test/tests/valid").rglob("*.toml"))
    ]
    slips = [written(one.whole).text for one in mistakes()]
    plain = [f"{text}\n{BACKEND}" for text in manifests if "[backend" not in text]
    return [*manifests * 20, *plain * 40, *[full] * 20, *slips, *suite]


def tomllib_data(text: str) -> dict[str, Any] | None:
    """What tomllib makes of it; None where it is no TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def is_taken(data: dict[str, Any]) -> bool:
    """Msgspec's verdict."""
    try:
        msgspec.convert(data, AnyManifest, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def explained(text: str) -> tuple[bool, Any, list[Finding]]:
    """Whether it is TOML, its data, and what does not fit the types."""
    page = Page(text, "srpo.toml")
    root, slips = parse(text)
    found = violations(marked(root, page), AnyManifest, "the manifest")
    return not slips, data_of(root), [*map(page.finding, slips), *found]


@pytest.mark.parametrize("part", range(PARTS))
def test_mutants_have_one_verdict(reading, sources: list[str], many, part: int) -> None:
    """The same values and the same verdict, every place lies in the text, and a reading ends well or with a code."""
    chance = random.Random(part)
    good = taken = 0
    for _ in range(many(20_000, 200_000) // PARTS):
        text = mutant(chance.choice(sources), sources, chance)
        try:
            expected = tomllib_data(text)
        except ValueError:
            continue  # tomllib lets an integer of thousands of digits through to Python
        text = text.replace("\r\n", "\n")  # as it does, once
        is_toml, data, found = explained(text)
        deep = any(one.code == "too-deep" for one in found)
        assert is_toml == (expected is not None) or deep, (text, found)
        if is_toml:
            good += 1
            assert typed(data) == typed(expected), text
            assert bool(found) != is_taken(data), (text, found)
            taken += not found
        lines = text.split("\n")
        for one in found:
            told(one)
            where = one.where
            if isinstance(where, Spot):
                assert 1 <= where.column <= where.column + where.width <= len(lines[where.line - 1]) + 2, (text, one)
        with contextlib.suppress(ManifestError):
            reading.read(text)
            assert is_toml, text
    assert good > 500
    assert taken > 50


def test_nothing_is_deeper_than_it_may_be() -> None:
    """Where a text hides its depth from a glance."""
    deep = "[" * 5 * DEPTH * DEPTH
    for text in (
        f'a = """\nb = {deep}',
        f'a = = """\nb = {deep}\n"""',
        f"a = '''\nb.c = {{d = {deep}",
        "a." * 5_000 + "b = 1",
    ):
        assert "too-deep" in {one.code for one in explained(text)[2]}
