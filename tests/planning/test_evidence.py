from __future__ import annotations

import msgspec
import pytest

from srpo_manifest.planning.evidence import settled
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.trainer import Evidence, LogRule, Loop, NeededFile, Trainer

TRAINER = Trainer(
    format=1, name="t", title="t", loop=Loop(shape="checkpoint-then-watch", max_steps="steps", checkpoint_every="every", rule="loops"),
    files=(NeededFile(path="a", rule="opens"), NeededFile(path="b")), log=(LogRule(event="progress.made", pattern="x", rule="opens"),),
    evidence={"loops": Evidence(file="f", pattern="p"), "opens": Evidence(file="f", pattern="q")},
)  # fmt: skip


def pinned(make, verdicts: dict[str, bool], described: str):
    pin = make.pin()
    entry = msgspec.structs.replace(pin.entries["train.sh"], evidence=verdicts, description=described)
    return make.facts(msgspec.structs.replace(pin, entries={"train.sh": entry}))


@pytest.mark.parametrize(
    ("verdicts", "loop", "files", "code"),
    [
        ({"loops": True, "opens": True}, True, ["a", "b"], None),
        ({"loops": False, "opens": True}, False, ["a", "b"], "rule-unproven"),
        ({"loops": True, "opens": False}, True, ["b"], "rule-unproven"),
        ({}, False, ["b"], "rule-unproven"),
    ],
)
def test_only_what_the_source_bears_out_is_claimed(make, verdicts, loop, files, code):
    """A rule whose pattern is gone is told, and nothing rests on it."""
    wanted, notes = settled(make.wanted(trainer=TRAINER), pinned(make, verdicts, digest(TRAINER)), "train.sh")
    assert (wanted.trainer.loop is not None, [file.path for file in wanted.trainer.files]) == (loop, files)
    assert [note.code for note in notes] == ([code] if code else [])
    assert bool(wanted.trainer.log) == verdicts.get("opens", False)


def test_verdicts_of_another_description_are_unknown(make):
    """A lock that an older version wrote proves nothing, and says so."""
    facts = pinned(make, {"loops": True, "opens": True}, "0" * 64)
    wanted, notes = settled(make.wanted(trainer=TRAINER), facts, "train.sh")
    assert (wanted.trainer.loop, [note.code for note in notes]) == (None, ["lock-outdated"])


def test_a_command_proves_nothing_and_the_lock_is_not_blamed(make):
    """Without a script there is no source that bears a rule out."""
    wanted = make.wanted(trainer=TRAINER, entry={"command": ["true"]})
    _, notes = settled(wanted, make.facts(), "")
    assert [(note.code, note.hints) for note in notes] == [("rule-unproven", ("nothing is claimed that rests on it",))]
