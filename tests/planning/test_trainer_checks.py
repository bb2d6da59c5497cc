from __future__ import annotations

import pytest

from srpo_manifest.values.contract import Flag
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.trainer import PerRun, Trainer, TrainerCheck

FLAGS = (Flag(name="size", default=16, type="int"), Flag(name="out"), Flag(name="pair", nargs=2), Flag(name="fast", action="store_true"))  # fmt: skip


def planned(make, *checks: TrainerCheck, facts: Facts | None = None, **wishes: object):
    trainer = Trainer(format=1, name="t", title="t", checks=checks, per_run=PerRun(folder=("out",)), needs_gpu=False)
    wanted = make.wanted(trainer=trainer, entry={"script": "train.sh", "set": wishes})
    return make.planned(wanted, facts or make.facts(make.pin(*FLAGS)))


def codes(found) -> list[str]:
    return [finding.code for finding in (*found.plan.refusals, *found.plan.warnings)]


@pytest.mark.parametrize(
    ("check", "wishes", "told"),
    [
        (TrainerCheck(code="odd", flag="size", op="multiple-of", value=16, message="size is {size}"), {"size": 17}, "size is 17"),
        (TrainerCheck(code="odd", flag="pair", item=1, op="less-than", value="{pair.0}", message="{pair.0} {pair.1}"), {"pair": [1, 2]}, "1 2"),
        (TrainerCheck(code="odd", flag="fast", op="absent", message="not {found}"), {"fast": True}, "not on"),
        (TrainerCheck(code="odd", flag="out", op="present", message="no out"), {}, "no out"),
        (TrainerCheck(code="odd", flag="size", op="at-least", value="{workers}", message="{workers} workers"), {"size": 0}, "1 workers"),
    ],
)  # fmt: skip
def test_a_predicate_over_a_flag(make, check: TrainerCheck, wishes: dict[str, object], told: str):
    """Of its final value, one of several, its presence, or against what the plan knows; with the parser's default it holds."""
    found = planned(make, check, **wishes)
    assert codes(found) == ["odd"]
    assert found.plan.refusals[0].message == told
    good = {"out": "x"} if check.flag == "out" else {"pair": [2, 1]} if check.flag == "pair" else {}
    assert codes(planned(make, check, **good)) == []


def test_conditions_and_values_that_are_not_there(make):
    """A check whose condition does not hold, or whose limit nobody gives, is none."""
    check = TrainerCheck(code="odd", flag="size", op="at-most", value="{pair.0}", message="m", when=("!fast",))
    assert [one.code for one in planned(make, check).plan.checks if one.code == "odd"] == []
    assert codes(planned(make, check, pair=[1, 2])) == ["odd"]
    assert codes(planned(make, check, pair=[1, 2], fast=True)) == []


def test_what_the_plan_cannot_know_is_asked_on_the_target(make):
    """The probe gets the flag's own value, a late one as a variable of the job; what it finds is told."""
    check = TrainerCheck(code="full", probe='ls "$out"', op="equals", value="", message="there is {found}")
    found = planned(make, check, out="it's $x")
    (asked,) = (one for one in found.checks if one.code == "full")
    assert asked.probe == "out='it'\\''s $x/'\"${SRPO_RUN_ID}\"\nls \"$out\""
    facts = make.facts(make.pin(*FLAGS), **{"trainer.full": "old"})
    refused = planned(make, check, facts=facts, out="it's $x")
    assert [finding.message for finding in refused.plan.refusals] == ["there is old"]
