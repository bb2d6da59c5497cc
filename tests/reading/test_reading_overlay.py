from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.reading.overlay import merge
from srpo_manifest.reading.tree import grown, plain

scalars = st.sampled_from([0, 1, "x", True])
free = st.dictionaries(st.sampled_from(["a", "b", "kind"]), scalars, max_size=3)
backend = st.fixed_dictionaries(
    {}, optional={"transport": free, "launcher": st.fixed_dictionaries({}, optional={"kind": scalars, "x": scalars})}
)
items = st.fixed_dictionaries({"path": st.sampled_from(["p", "q", "r"])}, optional={"sha256": scalars, "from": scalars})
tables = st.fixed_dictionaries(
    {},
    optional={
        "name": scalars,
        "plugins": st.lists(scalars, max_size=3),
        "entry": st.fixed_dictionaries({}, optional={"set": free, "script": scalars}),
        "env": st.dictionaries(st.sampled_from(["A", "kind"]), scalars | free, max_size=2),
        "python": free,
        "backend": backend,
        "files": st.lists(items, unique_by=lambda item: item["path"], max_size=3),
    },
)
overlays = st.builds(lambda table, profile: table | {"profile": {"p": profile}}, tables, tables) | tables


def laid(*layers: Any) -> Any:
    tree = grown(layers[0])
    for layer in layers[1:]:
        tree = merge(tree, grown(layer))
    return plain(tree)


@given(overlays)
def test_nothing_changes_nothing(table: dict[str, Any]) -> None:
    """The empty overlay is neutral on both sides, and a table laid on itself is itself."""
    assert laid(table, {}) == laid({}, table) == laid(table, table) == table


@given(overlays, overlays, overlays)
def test_overlays_may_be_merged_beforehand(a: Any, b: Any, c: Any) -> None:
    """Merging is associative."""
    assert laid(laid(a, b), c) == laid(a, laid(b, c))


@given(overlays, overlays)
def test_the_stronger_side_wins(a: Any, b: Any) -> None:
    """What the overlay says holds afterwards; what it does not mention stays, outside tables of a kind."""
    merged = laid(a, b)
    assert set(merged) == {*a, *b}
    assert all(merged[key] == a[key] for key in a if key not in b)
    assert laid(merged, b) == merged


def test_a_table_that_sets_its_kind_replaces_the_whole_table() -> None:
    """Keys of one transport never reach another; a variable or flag named `kind` is nothing special."""
    assert laid(
        {"backend": {"transport": {"kind": "ssh", "host": "a"}, "launcher": {"kind": "direct"}}, "env": {"A": "1"}},
        {"backend": {"transport": {"kind": "local"}}, "env": {"kind": "x"}},
    ) == {"backend": {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}}, "env": {"A": "1", "kind": "x"}}


def test_files_merge_by_their_path() -> None:
    """A known file gets more keys, a new one is added."""
    assert laid(
        {"files": [{"path": "a", "sha256": "1"}, {"path": "b"}]},
        {"files": [{"path": "b", "sha256": "2"}, {"path": "c"}]},
    ) == {"files": [{"path": "a", "sha256": "1"}, {"path": "b", "sha256": "2"}, {"path": "c"}]}


def test_a_reference_is_replaced_as_a_whole() -> None:
    """`{ file = … }` over `{ env = … }` is one reference, not an impossible mixture."""
    assert laid({"env": {"T": {"env": "T"}}}, {"env": {"T": {"file": "t"}}}) == {"env": {"T": {"file": "t"}}}


def test_the_order_of_strength_is_extends_manifest_profile_part_set(reading) -> None:
    """Each says one key more than the one above it."""
    wanted = reading.read(
        reading.base
        + """
extends = "team.toml"
[entry.set]
b = "manifest"
c = "manifest"
d = "manifest"
e = "manifest"
[profile.one.entry.set]
c = "one"
d = "one"
e = "one"
""",
        extends=reading.source(
            '[entry.set]\na = "team"\nb = "team"\n[profile.one]\nname = "team"\n[profile.two.entry.set]\nd="two"\n',
            "team.toml",
        ),
        profiles=["one", "two"],
        parts=[reading.source('entry.set.e = "part"\nentry.set.f = "part"', "part.toml")],
        sets=["entry.set.f=said"],
    )
    assert wanted.manifest.entry.set == {
        "a": "team",
        "b": "manifest",
        "c": "one",
        "d": "two",
        "e": "part",
        "f": "said",
    }
    assert wanted.manifest.name == "team"
    places = {key: (where.file, where.line) for key, where in wanted.origins.items() if key.startswith("entry.set.")}
    assert places == {
        "entry.set.a": ("team.toml", 2),
        "entry.set.b": ("srpo.toml", 7),
        "entry.set.c": ("srpo.toml", 12),
        "entry.set.d": ("team.toml", 7),
        "entry.set.e": ("part.toml", 1),
        "entry.set.f": ("--set entry.set.f", 1),
    }
    assert "profile" not in wanted.data


def test_a_profile_can_drop_keys_and_set_them_anew(reading) -> None:
    """What is dropped is gone before the overlay's own keys are laid on."""
    text = reading.base + '[resources]\nport = 1\nnodes = 2\n[profile.x]\ndrop = ["resources"]\nresources.port = 3\n'
    resources = reading.read(text, profiles=["x"]).manifest.resources
    assert (resources.nodes, resources.port) == (1, 3)


def test_a_manifest_can_drop_what_it_extends(reading) -> None:
    """Any overlay may."""
    text = reading.base.replace("schema = 1", 'schema = 1\nextends = "t"\ndrop = ["resources.port"]')
    team = reading.source("resources.port = 1\nresources.nodes = 2", "t")
    assert reading.read(text, extends=team).data["resources"] == {"nodes": 2}


def test_profiles_that_nobody_asked_for_are_not_looked_at(reading) -> None:
    """Another profile may be for a plugin that is not here."""
    assert reading.read(reading.base + "[profile.x]\nnonsense = 1\n").manifest.name == "a"


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (
            {"profiles": ["smok"]},
            (
                "error[unknown-profile]: there is no profile `smok` in `srpo.toml`\n"
                "hint: did you mean `smoke`?\n"
                "hint: there is `smoke` and `long`"
            ),
        ),
        (
            {"profiles": ["long"]},
            (
                "error[unknown-drop]: `resources.prt` is dropped, and is not set\n"
                "   --> srpo.toml:11:9\n"
                "   |\n"
                '11 | drop = ["resources.prt"]\n'
                "   |         ^^^^^^^^^^^^^^^\n"
                "hint: did you mean `resources.port`?"
            ),
        ),
        (
            {"parts": ["schema = 1"]},
            (
                "error[misplaced-key]: `schema` cannot stand in a `--with` part\n"
                "  --> part.toml:1:1\n"
                "  |\n"
                "1 | schema = 1\n"
                "  | ^^^^^^\n"
                "hint: only the manifest itself says it: take it out here"
            ),
        ),
        (
            {"parts": ["profile.x.name = 'b'"]},
            (
                "error[misplaced-key]: `profile` cannot stand in a `--with` part\n"
                "  --> part.toml:1:1\n"
                "  |\n"
                "1 | profile.x.name = 'b'\n"
                "  | ^^^^^^^\n"
                "hint: only the manifest itself says it: take it out here"
            ),
        ),
        (
            {"extends": 'extends = "more.toml"'},
            (
                "error[misplaced-key]: `extends` cannot stand in a file that is extended\n"
                "  --> team.toml:1:1\n"
                "  |\n"
                '1 | extends = "more.toml"\n'
                "  | ^^^^^^^\n"
                "hint: only the manifest itself says it: take it out here"
            ),
        ),
        (
            {"parts": ["drop = ['a b']"]},
            (
                "error[invalid-value]: `a b` in `drop` is no key\n"
                "  --> part.toml:1:9\n"
                "  |\n"
                "1 | drop = ['a b']\n"
                "  |         ^^^^^\n"
                'hint: write it as in the manifest: `drop = ["resources.port"]`'
            ),
        ),
        (
            {"parts": ["name = 5"]},
            (
                "error[wrong-type]: `name` is an integer, expected a string\n"
                "  --> part.toml:1:8\n"
                "  |\n"
                "1 | name = 5\n"
                "  |        ^\n"
                "hint: put it in quotes"
            ),
        ),
    ],
)
def test_a_wrong_overlay_says_where(reading, how: dict[str, Any], text: str) -> None:
    """The file that holds the mistake is the one that is named."""
    if "parts" in how:
        how = {"parts": [reading.source(part, "part.toml") for part in how["parts"]]}
    if "extends" in how:
        how = {"extends": reading.source(how["extends"], "team.toml")}
    manifest = (
        reading.base
        + "[profile.smoke.entry.set]\na = 1\n\n[resources]\nport = 1\n\n[profile.long]\n"
        + 'drop = ["resources.prt"]\n'
    )
    assert reading.fault(manifest, **how) == text


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("name=smoke", "name", "smoke"),
        ("name='smoke'", "name", "smoke"),
        ("repo.ref=1234567", "repo.ref", "1234567"),
        ("repo.ref=", "repo.ref", ""),
        ("resources.nodes=2", "resources.nodes", 2),
        ("stop.max_hours = 2", "stop.max_hours", 2),
        ("entry.set.rate=5e-6", "entry.set.rate", 5e-6),
        ("entry.set.on=true", "entry.set.on", True),
        ("entry.set.reward=HPS", "entry.set.reward", "HPS"),
        ('entry.set."a.b"=[0.1, 2]', "entry.set.a.b", [0.1, 2]),
        ("env.A=1", "env.A", "1"),
        ("env.A={ env = 'B' }", "env.A", {"env": "B"}),
        ("paths.working_dir=~/a b", "paths.working_dir", "~/a b"),
        ("backend.transport.host=gpu-1", "backend.transport.host", "gpu-1"),
        ("plugins=['a']", "plugins", ["a"]),
    ],
)
def test_set_takes_toml_and_bare_text_where_text_belongs(reading, argument: str, key: str, value: object) -> None:
    """Nobody quotes twice for a shell."""
    tree = reading.merged(reading.base, sets=[argument]).tree
    path = tuple(key.split(".", 2)) if key.startswith("entry.set.") else tuple(key.split("."))
    found = tree.at(path)
    assert plain(found) == value
    assert found.where.file.startswith("--set ")


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (
            "resources.nods=2",
            (
                "error[unknown-key]: unknown key `nods` in `resources`\n"
                "  --> --set resources.nods:1:11\n"
                "  |\n"
                "1 | resources.nods=2\n"
                "  |           ^^^^\n"
                "hint: did you mean `nodes`?\n"
                "hint: `resources` takes `nodes`, `gpus_per_node`, `port`, `memory_gib`, or `cpus`"
            ),
        ),
        (
            "resources.nodes=many",
            (
                "error[set-syntax]: the value of `resources.nodes` cannot be read\n"
                "  --> --set (resources.nodes)\n"
                "hint: a value is written as in the manifest: `20`"
            ),
        ),
        (
            "env.A={ env = planted",
            (
                "error[set-syntax]: the value of `env.A` cannot be read\n"
                "  --> --set (env.A)\n"
                'hint: a value is written as in the manifest: `"text"`'
            ),
        ),
        (
            "nodes",
            (
                "error[set-syntax]: the value of `nodes` cannot be read\n"
                "  --> --set (nodes)\n"
                "hint: it is written `--set KEY=VALUE`, such as `--set entry.set.max_train_steps=20`"
            ),
        ),
        (
            "schema=1",
            (
                "error[misplaced-key]: `schema` cannot stand in `--set`\n"
                "  --> --set schema:1:1\n"
                "  |\n"
                "1 | schema=1\n"
                "  | ^^^^^^\n"
                "hint: only the manifest itself says it: take it out here"
            ),
        ),
    ],
)
def test_a_wrong_set_is_told_as_such(reading, argument: str, text: str) -> None:
    """The argument itself is the place."""
    assert reading.fault(reading.base, sets=[argument]) == text


@pytest.mark.parametrize(
    "text", ["[env]\n" + "A='x'\n" * 99_999, "[entry]\nextra_args = [" + "''," * 99_999 + "]", "[a]\n" * 99_999]
)
def test_a_file_that_sets_too_much_is_refused_unread(reading, text: str) -> None:
    """Small in bytes and shallow, it would still cost seconds and memory."""
    assert reading.fault(reading.base + text) == (
        "error[file-too-large]: `srpo.toml` sets more than 20,000 values\nhint: put large data into a file of its own"
    )


def test_a_line_too_long_to_show_is_not_shown(reading) -> None:
    """Its place is told all the same."""
    long = f"[entry]\nextra_args = ['{'x' * 999}', 7]"
    assert reading.fault(reading.base + long).splitlines()[1:] == ["  --> srpo.toml:5:1018", "hint: put it in quotes"]
