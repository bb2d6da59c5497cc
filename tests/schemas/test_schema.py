from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest

from srpo_manifest.reading.schema import draft_07, json_schema
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, TransportOptions

BASE = 'schema = 1\nname = "a"\nmodel.type = "generic"\n'


GOOD = [
    BASE,
    BASE + "[profile.x]\ndrop = ['name']\nmodel.base = 'b'\nbackend.transport.bash = '/b'",
    "schema = 1\nextends = 'team.toml'",
    BASE + "[backend.transport]\nkind = 'of-a-plugin'\nits_own = 1",
    BASE + "[env]\nA = 'x'\nB = { file = 'y' }",
    BASE + "[stop]\nmax_hours = 12",
]
BAD = [
    ("name = 'a'\nmodel.type = 'b'", ["$"]),
    ("schema = 2\nname = 'a'\nmodel.type = 'b'", ["$.schema"]),
    ("schema = 1\nname = 'a'", ["$"]),
    ("schema = 1\nname = 'a'\nmodel = {}", ["$.model"]),
    (BASE + "[resource]", ["$"]),
    (BASE + "[repo]\nrefresh = 'alway'", ["$.repo.refresh"]),
    (BASE + "[resources]\nnodes = 0\nport = '1'", ["$.resources.nodes", "$.resources.port"]),
    (BASE + "[[files]]\nsha256 = 'x'", ["$.files[0]", "$.files[0].sha256"]),
    (BASE + "[env]\n'a b' = 'x'\nB = 1", ["$.env", "$.env.B"]),
    (BASE + "[backend.transport]\nbash = 'x'", ["$.backend.transport"]),
    (BASE + "[backend.transport]\nkind = 'local'\nhost = 'x'", ["$.backend.transport"]),
    (BASE + "[profile.x]\nschema = 1", ["$.profile.x"]),
    (BASE + "[profile.x.resources]\nnods = 1", ["$.profile.x.resources"]),
]


class OtherSsh:
    """Another plugin's."""

    class SshOptions(TransportOptions, kw_only=True):
        """As yet another brings them."""

        kind: Literal["other"]


class SshOptions(TransportOptions, kw_only=True):
    """As a plugin brings them."""

    kind: Literal["ssh"]
    host: str


def validator(schema: dict[str, Any] | None = None) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema or json_schema())


def told(text: str, schema: dict[str, Any] | None = None) -> list[str]:
    found = validator(schema).iter_errors(tomllib.loads(text))
    return sorted(error.json_path for error in found)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def test_the_committed_schema_is_the_one_that_the_structs_give(root: Path, golden) -> None:
    """The file changes in the same commit as the structs: `--update-golden` rewrites it."""
    golden(root / "schemas" / "srpo.v1.schema.json", json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")


def test_the_committed_dialect_for_editors_is_the_one_that_the_structs_give(root: Path, golden) -> None:
    """Likewise."""
    text = json.dumps(draft_07(json_schema()), indent=2, ensure_ascii=False) + "\n"
    golden(root / "schemas" / "srpo.v1.draft-07.schema.json", text)


def test_the_schema_is_one() -> None:
    """Draft 2020-12 accepts it, and every key of a table is described and no other allowed."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    tables = [schema, *schema["$defs"].values()]
    undescribed = [
        (table.get("title"), name)
        for table in tables
        for name, key in table["properties"].items()
        if not key.get("description")
    ]
    assert not undescribed
    open_ = {name for name, table in schema["$defs"].items() if table.get("additionalProperties") is not False}
    assert open_ == {"TransportOptions", "LauncherOptions"}
    assert not [node for node in nodes(schema) if node.get("type") == "null" or "\\A" in str(node.get("pattern"))]


def test_manifests_that_ship_are_valid(root: Path) -> None:
    """The tests' full one too, plugin's kind included."""
    files = [*(root / "manifests").rglob("*.toml"), root / "tests" / "reading" / "full.toml"]
    assert [told(file.read_text("utf-8")) for file in files] == [[]] * len(files)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_manifest_passes(text: str) -> None:
    """Overlays need not be whole, nor a manifest that extends another."""
    assert told(text) == []


@pytest.mark.parametrize(("text", "places"), BAD)
def test_a_bad_manifest_does_not(text: str, places: list[str]) -> None:
    """The fault is where the decoder sees it."""
    assert told(text) == places


def test_a_plugins_kind_can_be_given() -> None:
    """Its keys are then checked like those of the built-in ones."""
    schema = json_schema({"local": LocalOptions, "ssh": SshOptions}, {"direct": DirectOptions})
    table = BASE + "[backend.transport]\nkind = 'ssh'\n"
    assert told(table + "host = 'gpu-1'", schema) == []
    assert told(table + "hostt = 'gpu-1'", schema) == ["$.backend.transport"] * 2


def test_names_of_definitions_do_not_depend_on_what_is_installed() -> None:
    """A class of the same name as another's changes no other definition."""
    alone, beside = json_schema(), json_schema({"local": LocalOptions, "ssh": SshOptions, "other": OtherSsh.SshOptions})
    assert set(beside["$defs"]) - set(alone["$defs"]) == {"Transport-ssh", "Transport-other"}
    assert {"Transport-local", "Launcher-direct"} <= set(alone["$defs"])


@pytest.mark.parametrize("text", [*GOOD, *(text for text, _ in BAD)])
def test_both_dialects_have_one_verdict(text: str) -> None:
    """As jsonschema reads them."""
    data = tomllib.loads(text)
    old = jsonschema.Draft7Validator(draft_07(json_schema()))
    jsonschema.Draft7Validator.check_schema(old.schema)
    assert old.is_valid(data) == validator().is_valid(data)


@pytest.mark.parametrize("dialect", ["srpo.v1.schema.json", "srpo.v1.draft-07.schema.json"])
@pytest.mark.parametrize("tool", ["taplo", "tombi"])
def test_editors_take_what_is_good_and_refuse_what_is_bad(root: Path, tmp_path: Path, tool: str, dialect: str) -> None:
    """With the schema as a file's first line names it, and without a word about a good one."""
    program = Path(sys.executable).with_name(tool)
    (tmp_path / dialect).write_bytes((root / "schemas" / dialect).read_bytes())

    def linted(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "a.toml").write_text(f"#:schema ./{dialect}\n{text}\n")
        command = [program, "lint", *(["--offline"] if tool == "tombi" else []), "a.toml"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for text in GOOD:
        done = linted(text)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "strict" not in done.stdout + done.stderr
    for text, _ in BAD:
        assert linted(text).returncode != 0, text
