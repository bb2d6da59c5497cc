from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.facts import parse_facts, render_facts
from srpo_manifest.reading.savedplan import parse_saved_plan, render_saved_plan
from srpo_manifest.rendering import told
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.plan import FORMAT, SavedPlan

texts = st.text(st.characters(codec="utf-8"), max_size=8)
answers = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)
facts_ = st.builds(
    Facts,
    facts=st.dictionaries(
        texts,
        st.builds(Known, value=answers)
        | st.builds(Unknown, reason=texts, code=texts, hints=st.lists(texts, max_size=2).map(tuple)),
        max_size=4,
    ),
)


def finding(parse, data: bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        parse(data, "x.json")
    return told(caught.value.findings[0])


@given(facts_)
def test_facts_come_back_from_their_text(facts: Facts) -> None:
    """Parse of render is identity, and so is render of parse."""
    data = render_facts(facts)
    assert parse_facts(data, "facts.json") == facts
    assert render_facts(parse_facts(data, "facts.json")) == data


def test_a_saved_plan_comes_back_from_its_text(make) -> None:
    """Plan, manifest and facts, and a key of a newer version is let by."""
    wanted, facts = make.wanted(), make.facts()
    saved = SavedPlan(
        format=FORMAT,
        plan=make.planned(wanted, facts).plan,
        manifest=msgspec.Raw(msgspec.json.encode(wanted.data)),
        facts=msgspec.Raw(render_facts(facts)),
        said={"file": "srpo.toml"},
    )
    data = render_saved_plan(saved)
    back = parse_saved_plan(data, "p.json")
    assert back == saved
    assert bytes(back.facts) == bytes(saved.facts)
    assert parse_saved_plan(b'\xef\xbb\xbf{"new": 1,' + data[1:], "p.json") == saved


@pytest.mark.parametrize(
    ("parse", "data", "told_"),
    [
        (
            parse_facts,
            b'{"format": 2, "surprise": 1}',
            (
                "error[format-newer]: `x.json` has format 2; this srpo-manifest knows 1\n"
                "  --> x.json (format)\n"
                "hint: update srpo-manifest: `pip install -U srpo-manifest`"
            ),
        ),
        (
            parse_facts,
            b'{"facts": {"a": {"type": "guessed"}}}',
            (
                "error[facts-shape]: `x.json` holds no saved facts: Invalid value 'guessed' - at `$.facts[...].type`\n"
                "  --> x.json\n"
                "hint: `plan --save-facts FILE` writes them"
            ),
        ),
        (
            parse_saved_plan,
            b"{}",
            (
                "error[plan-shape]: `x.json` holds no saved plan: Object missing required field `format`\n"
                "  --> x.json\n"
                "hint: `plan --out FILE` writes one"
            ),
        ),
        (
            parse_saved_plan,
            b'{"format": 1,\n "plan": }',
            "error[json-syntax]: this is no JSON: expecting value\n  --> x.json:2:10",
        ),
    ],
)
def test_a_file_that_is_something_else_is_told_as_such(parse, data: bytes, told_: str) -> None:
    """What it should be, and which command writes it."""
    assert finding(parse, data) == told_
