"""TOML 1.0 as its own suite has it."""

from __future__ import annotations

import json
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from mutants import typed

from srpo_manifest.reading.spanned import data_of
from srpo_manifest.reading.statements import parse


@pytest.fixture(scope="module")
def suite(root: Path) -> Path:
    """The suite's files."""
    folder = root.parent / "shared/data/toml-test/tests"
    if not folder.is_dir():
        pytest.skip("toml-test is not beside the checkout")
    return folder


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
