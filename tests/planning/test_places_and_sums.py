"""What only the target spells out, and what the script computes, is delivered as bash would have it."""

from __future__ import annotations

import pytest

from srpo_manifest.values.contract import Computed, Place, Plain, Token, Variable

SUM = Computed(source="$((N * 2))", values=(("N", (Variable(name="N", quoted=True),)),), quoted=True)
CUT = Computed(source="${N#* }", values=(("N", (Variable(name="N", quoted=True),)),))


def _plan(make, *pieces, env=None, **fields):
    launcher = (make.token("python3"), Token(pieces=pieces, line=4, quoted=True))
    return make.planned(make.wanted(env=env or {}, **fields), make.facts(make.pin(launcher=launcher))).plan


def _refused(plan, code: str) -> list[str]:
    return [finding.message for finding in plan.refusals if finding.code == code]


def test_a_place_lies_in_the_checkout_or_the_working_directory(make):
    """The first is told by `${repo.dir}`, the second by the job's own folder."""
    plan = _plan(make, Place(path="a/b", quoted=True), Plain(text="/x"))
    assert plan.applicable, plan.refusals
    assert plan.job.argv[1] == "${repo.dir}/a/b/x"
    assert _plan(make, Place(path="", quoted=True)).job.argv[1] == "${repo.dir}"
    plan = _plan(make, Place(path="", base="cwd", quoted=True), Plain(text="/x"))
    assert plan.job.argv[1] == f"{plan.job.cwd}/x"


def test_a_sum_is_worked_out_with_the_values_of_the_plan(make):
    """Where a value is no number, nothing is claimed."""
    assert _plan(make, SUM, env={"N": "4"}).job.argv[1] == "8"
    assert _refused(_plan(make, SUM, env={"N": "four"}), "script-indirect") == [
        "`train.sh` line 4: what `$((N * 2))` comes to here is not certain"
    ]
    assert _refused(_plan(make, SUM), "variable-unset") == ["`train.sh` line 4 needs `$N`, which has no value"]


@pytest.mark.parametrize(("value", "word"), [("a b", "b"), ("a b c", None)])
def test_what_is_computed_without_quotes_must_be_one_word(make, value, word):
    """Else bash would make more of it."""
    plan = _plan(make, CUT, env={"N": value})
    if word is not None:
        assert plan.job.argv[1] == word
    else:
        assert _refused(plan, "variable-splits")
