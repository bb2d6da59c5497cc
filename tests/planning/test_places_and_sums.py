"""What only the target spells out, and what the script computes, is delivered as bash would have it."""

from __future__ import annotations

import msgspec
import pytest

from srpo_manifest.builtin.environment import _needed
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


def test_an_entry_that_is_a_place_is_not_put_into_the_checkout_again(make):
    """`$(dirname "$0")/train.py` begins with the checkout already."""
    pin = make.pin()
    (contract,) = pin.entries.values()
    entry = Token(pieces=(Place(path="a", quoted=True), Plain(text="/train.py")), line=3)
    launch = msgspec.structs.replace(contract.script.launches[0], entry=entry)
    script = msgspec.structs.replace(contract.script, launches=(launch,))
    entries = {path: msgspec.structs.replace(each, script=script) for path, each in pin.entries.items()}
    plan = make.planned(make.wanted(), make.facts(msgspec.structs.replace(pin, entries=entries))).plan
    assert plan.job.argv[1] == "${repo.dir}/a/train.py"


def test_a_place_without_quotes_must_hold_no_blanks(make):
    """Bash would split its name."""
    plan = _plan(make, Place(path="a"), paths={"workspace": "/home/me/my things"})
    assert len(_refused(plan, "variable-splits")) == 1
    assert not _refused(
        _plan(make, Place(path="a", quoted=True), paths={"workspace": "/home/me/my things"}), "variable-splits"
    )


def test_arguments_that_the_script_is_not_given_are_warned_of(make):
    """The plan holds, and says which words are empty for that."""
    pin = make.pin()
    (contract,) = pin.entries.values()
    script = msgspec.structs.replace(contract.script, arguments={"1": 4})
    entries = {path: msgspec.structs.replace(each, script=script) for path, each in pin.entries.items()}
    plan = make.planned(make.wanted(), make.facts(msgspec.structs.replace(pin, entries=entries))).plan
    assert plan.applicable
    told = [finding.message for finding in plan.warnings if finding.code == "script-arguments"]
    assert told == ["`train.sh` line 4 uses `$1`, and the script is started without arguments"]


def test_what_a_sum_needs_is_asked_of_the_target(make):
    """Names inside a sum count as read."""
    pin = make.pin(launcher=(make.token("python3"), Token(pieces=(SUM,), line=4)))
    assert _needed(make.wanted(), make.facts(pin)) == {"N"}
