"""A default that is made of other variables is delivered as bash would choose it."""

from __future__ import annotations

import msgspec
import pytest

from srpo_manifest.values.contract import Choice, Plain, Token, Variable

OTHER = (Variable(name="ROOT", quoted=True), Plain(text="/data"))


@pytest.mark.parametrize(
    ("env", "only_unset", "word"),
    [
        ({"DATA": "/d"}, False, "/d"),
        ({"ROOT": "/r"}, False, "/r/data"),
        ({"DATA": "", "ROOT": "/r"}, False, "/r/data"),
        ({"DATA": "", "ROOT": "/r"}, True, ""),
        ({"ROOT": "/r"}, True, "/r/data"),
    ],
)
def test_the_default_is_taken_where_bash_takes_it(make, env, only_unset, word):
    """`${DATA:-$ROOT/data}` and `${DATA-$ROOT/data}`."""
    choice = Choice(name="DATA", default=OTHER, quoted=True, only_unset=only_unset)
    launcher = (make.token("python3"), Token(pieces=(choice,), line=4, quoted=True))
    plan = make.planned(make.wanted(env=env), make.facts(make.pin(launcher=launcher))).plan
    assert plan.applicable, plan.refusals
    assert plan.job.argv[1] == word


def test_a_part_of_the_default_that_has_no_value_is_refused(make):
    """Nothing is guessed: the variable is named with its line."""
    launcher = (make.token("python3"), Token(pieces=(Choice(name="DATA", default=OTHER),), line=4))
    plan = make.planned(make.wanted(), make.facts(make.pin(launcher=launcher))).plan
    told = [finding.message for finding in plan.refusals if finding.code == "variable-unset"]
    assert told == ["`train.sh` line 4 needs `$ROOT`, which has no value"]


def test_what_the_default_needs_is_asked_of_the_target(make):
    """Names inside a default count as read."""
    from srpo_manifest.builtin.environment import _needed

    pin = make.pin(launcher=(make.token("python3"), Token(pieces=(Choice(name="DATA", default=OTHER),), line=4)))
    wanted, facts = make.wanted(), make.facts(pin)
    assert _needed(wanted, facts) == {"ROOT"}
    assert msgspec.json.decode(msgspec.json.encode(pin), type=type(pin)) == pin
