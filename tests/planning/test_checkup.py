"""A checkup is made of a plan and its facts, without a machine."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.planning.checkup import checkup, shown
from srpo_manifest.values.checkup import GROUPS
from srpo_manifest.values.facts import Facts, Unknown
from srpo_manifest.values.trainer import FORMAT, Licence, Trainer

TRAINER = Trainer(format=FORMAT, name="t", title="t", licences=(Licence(of="the weights", says="for nobody"),))


def made(make, facts: Facts, **tables):
    wanted = make.wanted(**tables)
    return checkup(wanted, facts, make.planned(wanted, facts))


def rows(found):
    return {(row.name, row.state) for row in found.rows}


def test_findings_checks_and_what_was_seen_are_rows(make):
    """Each in its group; a finding has its fix; a licence is a note."""
    facts = make.facts(**{"file.data.bin": "", "target.tar": "tar 1.35", "target.write-speed": 123_000_000})
    found = made(make, facts, files=[{"path": "data.bin"}], trainer=TRAINER)
    assert found.findings == 1
    (missing,) = [row for row in found.rows if row.name == "file-missing"]
    assert (missing.group, missing.state, bool(missing.hints)) == ("training", "fail", True)
    assert {("tar", "ok"), ("disk speed", "ok"), ("licence", "note"), ("workspace-unwritable", "ok")} <= rows(found)
    assert "  ok       disk speed              123 MB a second" in shown(found)
    assert any(line.strip().startswith("fix: ") for line in shown(found))


def test_what_nobody_answered_is_unknown_with_the_reason(make):
    """Neither ok nor a finding."""
    facts = make.facts().joined(
        {"target.tar": Unknown(reason="the pipe broke"), "file.data.bin": Unknown(reason="no such disk")}
    )
    found = made(make, facts, files=[{"path": "data.bin"}])
    told = {row.name: (row.state, row.found) for row in found.rows}
    assert told["tar"] == ("unknown", "the pipe broke")
    assert told["file-missing"] == ("unknown", "no such disk")
    assert found.findings == 0


def test_a_target_out_of_reach_is_one_row(make):
    """The questions that it did not answer are not told one by one."""
    away = Unknown(reason="no way there", code="ssh-unreachable", hints=("plug it in",))
    facts = make.facts().joined(
        dict.fromkeys(("target.home", "target.tar", "target.workspace", "target.python", "file.data.bin"), away)
    )
    found = made(make, facts, files=[{"path": "data.bin"}])
    assert [(row.name, row.state, row.hints) for row in found.rows if row.group == "target"] == [
        ("ssh-unreachable", "fail", ("plug it in",))
    ]
    assert not [row for row in found.rows if row.state == "unknown"]


def test_an_allowed_check_is_no_row(make):
    """Whoever silences it does not want to hear of it."""
    facts = make.facts(**{"file.data.bin": ""})
    found = made(make, facts, files=[{"path": "data.bin"}], lints={"file-missing": "allow"})
    assert "file-missing" not in {row.name for row in found.rows}


@given(
    st.dictionaries(
        st.sampled_from(["target.tar", "target.gpus", "target.driver", "target.memory_bytes", "file.data.bin"]),
        st.booleans(),
    )
)
def test_groups_stay_together_and_the_worst_comes_first(make, known: dict[str, bool]):
    """Whatever is known."""
    values = {"target.gpus": [{"name": "a", "memory_mib": 1}], "target.memory_bytes": 5}
    facts = make.facts(**{name: values.get(name, "x") for name, yes in known.items() if yes})
    facts = facts.joined({name: Unknown(reason="no") for name, yes in known.items() if not yes})
    found = made(make, facts, files=[{"path": "data.bin"}])
    order = [
        (GROUPS.index(row.group), ["fail", "warn", "unknown", "ok", "note"].index(row.state)) for row in found.rows
    ]
    assert order == sorted(order)
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
