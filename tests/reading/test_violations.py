"""What does not fit the types: the same verdict as msgspec's, every mistake once, at its place."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding
from srpo_manifest.reading.toml import read_toml
from srpo_manifest.reading.tree import grown
from srpo_manifest.reading.violations import violations
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, Manifest

KIND = Manifest[LocalOptions, DirectOptions]
SCALARS = (
    0,
    1,
    -1,
    2**40,
    True,
    False,
    0.0,
    0.5,
    -1.5,
    1e300,
    "",
    "a",
    "A b",
    "x" * 5000,
    "0" * 64,
    "warn",
    date(2020, 1, 1),
)
OTHERS = ([], [1], ["a"], [True, "b"], {}, {"kind": "local"}, {"env": "A"}, {"a": 1}, {"path": "x"})


def whole(root: Path) -> dict[str, Any]:
    """The full manifest as this machine's transport takes it."""
    data = read_toml((root / "tests/reading/full.toml").read_bytes(), "full.toml")
    return {key: value for key, value in data.items() if key not in ("extends", "profile")} | {
        "backend": {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}}
    }


def tables(data: Any) -> list[Any]:
    """Every table and array of *data*."""
    if not isinstance(data, dict | list):
        return []
    children = data.values() if isinstance(data, dict) else data
    return [data, *(one for child in children for one in tables(child))]


def spoil(data: dict[str, Any], chance: random.Random) -> None:
    """One edit somewhere."""
    table = chance.choice(tables(data))
    new = chance.choice([*SCALARS, *SCALARS, *OTHERS])
    if isinstance(table, list):
        table.append(new) if chance.random() < 0.5 or not table else table.__setitem__(
            chance.randrange(len(table)), new
        )
        return
    names = list(table)
    match chance.randrange(4):
        case 0 if names:
            del table[chance.choice(names)]
        case 1 if names:
            name = chance.choice(names)
            table[name[:-1] + chance.choice("xs_-")] = table.pop(name)
        case 2:
            table[chance.choice(["kind", "path", "nodes", "x", "env", "A b", "command"])] = new
        case _ if names:
            table[chance.choice(names)] = new


def refuses(data: Any) -> bool:
    try:
        msgspec.convert(data, KIND, strict=True)
    except msgspec.ValidationError:
        return True
    return False


def test_the_verdict_is_that_of_msgspec(root: Path, many) -> None:
    """What one refuses the other refuses, over mutants of everything that a manifest can hold."""
    chance = random.Random(2)
    good = whole(root)
    refused = 0
    for _ in range(many(1_500, 200_000)):
        data = msgspec.json.decode(msgspec.json.encode(good))
        for _ in range(chance.choice([1, 1, 2, 4])):
            spoil(data, chance)
        found = violations(grown(data), KIND, "the manifest")
        assert bool(found) == refuses(data), (found, data)
        refused += bool(found)
    assert refused > 300


def findings(reading, text: str) -> tuple[Finding, ...]:
    with pytest.raises(ManifestError) as caught:
        reading.read(text)
    return caught.value.findings


def places(reading, text: str) -> list[tuple[str, int, int]]:
    return [(one.code, one.where.line, one.where.column) for one in findings(reading, text) if one.where]


def test_every_mistake_is_told_at_once(reading) -> None:
    """Syntax, types, bounds, names and rules over several keys, in the order of the file."""
    text = """\
schema = 1
name = "A B"
model.type = 5
[paths
workspace = 7
[resources]
ndoes = 0
port = 70000
[entry]
mod = "auto"
extra_args = ["a", 1]
[done]
images = 1
exit_zero = true
[env]
A = 07
B = { env = "a b" }
"""
    assert places(reading, text) == [
        ("invalid-value", 2, 8),
        ("wrong-type", 3, 14),
        ("header-open", 4, 7),
        ("wrong-type", 5, 13),
        ("unknown-key", 7, 1),
        ("invalid-value", 7, 9),
        ("invalid-value", 8, 8),
        ("unknown-key", 10, 1),
        ("wrong-type", 11, 20),
        ("impossible-combination", 14, 1),
        ("not-a-value", 16, 5),
        ("invalid-value", 17, 7),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nam = 'a'\nmodel.type = 'generic'", "unknown-key"),
        ("name = 'a\nmodel.type = 'generic'", "string-open"),
        ("name = 'a'\nmodel.typ = 'generic'", "unknown-key"),
        ("name = 'a'\nmodel.type = 'generic'\n[repo]\nurl = 'a'\nulr = 'b'", "unknown-key"),
        ("name = 'a'\nmodel.type = 'generic'\n[entry]\ncommand = ['a', b]", "not-a-value"),
        ("name = 'a'\nmodel.type = 'generic'\n[[files]]\npath = x", "not-a-value"),
    ],
)
def test_one_mistake_is_told_once(reading, text: str, code: str) -> None:
    """A key that is nearly right is not missing as well, and a broken value is no second mistake."""
    assert [one.code for one in findings(reading, f"schema = 1\n{text}\n")] == [code]


def test_mistakes_of_every_file_are_told(reading) -> None:
    """Those of parts and of `--set` at their own places."""
    text = reading.base + "[repo]\nrefresh = 1"
    with pytest.raises(ManifestError) as caught:
        reading.read(
            text,
            parts=[reading.source("resources.nodes = 0\nschema = 1\n", "part.toml")],
            profiles=["none"],
            sets=["stop.grace_seconds=-1", "entry.mode=automatic"],
        )
    assert {(one.code, one.where.file if one.where else "") for one in caught.value.findings} == {
        ("unknown-profile", ""),
        ("misplaced-key", "part.toml"),
        ("wrong-type", "srpo.toml"),
        ("invalid-value", "part.toml"),
        ("invalid-value", "--set stop.grace_seconds"),
        ("invalid-value", "--set entry.mode"),
    }
    assert len(caught.value.findings) == 6
