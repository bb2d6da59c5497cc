"""What is told of a key is what the reader holds it to."""

from __future__ import annotations

import pytest

from srpo_manifest.engine.explaining import examples
from srpo_manifest.reading.keys import every_key, key_text
from srpo_manifest.reading.overlay import tree_of
from srpo_manifest.reading.schema import json_schema

EXAMPLES = examples()
KEYS = every_key()
WITHOUT_EXAMPLE = ("model", "backend", "backend.transport", "backend.launcher", "repo", "paths", "entry", "python", "resources", "done", "stop", "outputs", "end")  # fmt: skip
"""Tables whose keys tell of themselves."""


def test_every_key_of_the_schema_is_one():
    """The top level of both has the same names."""
    assert {key.partition(".")[0] for key in KEYS} == set(json_schema()["properties"])
    assert len(KEYS) == len(set(KEYS))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_says_what_it_is_and_shows_a_manifest(key: str, reading):
    """The example sets just that key, with what it needs, and is read without a mistake."""
    told = key_text(key, EXAMPLES)
    assert told is not None
    assert (told.key, bool(told.says), bool(told.kinds)) == (key, True, True)
    assert bool(told.example) == (key not in WITHOUT_EXAMPLE)
    assert bool(told.keys) == (key in WITHOUT_EXAMPLE or key == "files")
    if not told.example:
        return
    tree, mistakes = tree_of(reading.source(told.example))
    assert mistakes == ()
    inside = key.replace("files.", "files.0.").split(".")
    assert tree.at(tuple(int(step) if step.isdigit() else step for step in inside)) is not None
    if key in ("extends", "profile", "drop"):
        return
    lines = told.example if key.startswith(("schema", "name")) else f"{told.example}\n"
    base = "" if key.startswith("model") else 'model.type = "generic"\n'
    rest = "\n".join(f"{name} = {value}" for name, value in (("schema", "1"), ("name", '"a"')) if name != key)
    assert reading.read(f"{rest}\n{base}{lines}")


def test_defaults_and_bounds_are_those_of_the_types():
    """As a manifest spells them."""
    told = key_text("stop.grace_seconds", EXAMPLES)
    assert (told.default, told.takes, told.required) == ("120", "an integer from 0 to 86,400", False)
    told = key_text("outputs.fetch", EXAMPLES)
    assert (told.kinds, told.items, told.default) == (("array",), ("string",), '["images", "logs"]')
    assert key_text("repo.refresh", EXAMPLES).takes == "`always` or `if-missing`"
    assert key_text("end.command", EXAMPLES).required
    assert not key_text("backend.transport", EXAMPLES).required
    assert key_text("entry.launch", EXAMPLES).kinds == ("integer", "string")


@pytest.mark.parametrize(
    ("spelled", "key"),
    [
        ("[repo]", "repo"),
        ("[[files]]", "files"),
        ("files[].path", "files.path"),
        ("files.0.path", "files.0.path"),
        ('lints."gpu-count"', "lints.gpu-count"),
        ("env.HF_TOKEN.env", "env.HF_TOKEN.env"),
        ("entry.set.seed", "entry.set.seed"),
        ("profile.smoke", "profile.smoke"),
        ("profile.smoke.repo.ref", "profile.smoke.repo.ref"),
    ],
)
def test_a_key_may_be_spelled_as_in_a_manifest(spelled: str, key: str):
    """With its brackets, its quotes, or the number of an item; names that are free have the text of their table."""
    told = key_text(spelled, EXAMPLES)
    assert told is not None
    assert told.key == key
    assert told.says


@pytest.mark.parametrize("spelled", ["", "nope", "repo.nope", "repo.ref.x", "drop.x", "[", "a b", "plugins.x", "files.0.x", "profile.smoke.nope"])  # fmt: skip
def test_what_is_no_key_has_no_text(spelled: str):
    """Whatever it looks like."""
    assert key_text(spelled, EXAMPLES) is None


def test_an_overlays_example_stands_in_the_overlay():
    """Its header is the profile's."""
    assert key_text("profile.smoke.repo.ref", EXAMPLES).example == '[profile.smoke.repo]\nref = "main"'
    assert key_text("python.requirements", EXAMPLES).example.splitlines()[1:] == ['kind         = "venv"', 'requirements = "requirements.txt"']  # fmt: skip
    assert key_text("env.HF_TOKEN", EXAMPLES).example == '[env]\nHF_TOKEN = { env = "HF_TOKEN" }'
    assert key_text("env.WANDB_MODE.env", EXAMPLES).example == ""
