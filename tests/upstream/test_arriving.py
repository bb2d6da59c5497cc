from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.upstream.arriving import arriving, filled, holds, names_in, number_of, text_of
from srpo_manifest.values.contract import ArgumentContract, Flag
from srpo_manifest.values.trainer import GENERIC, Trainer
from srpo_manifest.values.words import late, word

CONTRACT = ArgumentContract(
    path="train.py",
    digest="",
    flags=(
        Flag(name="steps", default=50),
        Flag(name="range", nargs=2, default=(5, 25)),
        Flag(name="on", action="store_true", default=False),
        Flag(name="open"),
    ),
)


def test_what_arrives_beats_the_parser_which_beats_the_description():
    """Three sources, the nearest wins; a switch that is off and a flag without a value are absent."""
    trainer = Trainer(format=1, name="t", title="t", defaults={"steps": 7, "reward": "HPS"})
    values = arriving({"range": (word("1"), word("2"))}, CONTRACT, trainer)
    assert {name: [one.text for one in found] for name, found in values.items()} == {
        "steps": ["50"],
        "reward": ["HPS"],
        "range": ["1", "2"],
    }
    assert arriving({}, None, GENERIC) == {}
    assert (number_of(values, "range", 1), number_of(values, "reward"), text_of(values, "open")) == (2, None, None)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a=1", True),
        ("a=2", False),
        ("a", True),
        ("!a", False),
        ("b", False),
        ("!b", True),
        ("b=1", False),
        ("c=1", None),
    ],
)
def test_conditions(condition: str, expected: bool | None):
    """A value, its presence, its absence; a late value is not known."""
    assert holds(condition, {"a": (word("1"),), "c": (late("run.id"),)}) is expected


@given(text=st.text(alphabet="abc{}.0 ", max_size=12), value=st.text(alphabet="xyz{}a", min_size=1, max_size=4))
def test_templates_are_filled_once(text: str, value: str):
    """What a value brings is not filled again; what is not known gives nothing."""
    values = {"a": (word(value),)}
    found = filled(text, values, {})
    known = all(name == "a" for name in names_in(text)) and "{a.1" not in text and "{a.0" not in text
    if known:
        assert found == text.replace("{a}", value)
    elif found is not None:
        assert "{a.0}" in text or set(names_in(text)) <= {"a"}
