"""One plan for several machines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.planning.machines import for_all
from srpo_manifest.planning.planner import decide
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.planned import Planned, Proposed
from srpo_manifest.values.step import Check, JobStep, Proposal
from srpo_manifest.values.words import word

HAS = Check(
    code="file-missing", level="deny", fact="file", op="equals", value="whole", message="a is {found}", probe="x"
)


def planned(make, facts: dict, *more: Proposal) -> Planned:
    job = JobStep(mode="command", argv=(word("true"),))
    found = [Proposed(stage="launch", provider="srpo-manifest", turn=turn, proposal=one) for turn, one in enumerate((job, HAS, *more))]  # fmt: skip
    return decide(make.wanted(), Facts(facts=facts), found)


KNOWN = {"file": Known(value="whole")}
states = st.sampled_from([KNOWN, {"file": Known(value="cut")}, {"file": Unknown(reason="no")}])


@given(first=states, others=st.lists(states, max_size=4))
def test_each_machine_is_held_to_the_plan(make, first, others):
    """What one lacks refuses the plan once for it; what one cannot tell yet is asked there; alike machines change nothing."""
    one = planned(make, first)
    beside = {f"gpu-{number}": planned(make, facts) for number, facts in enumerate(others, 1)}
    found = for_all(make.wanted(), one, beside)
    assert found.plan.id == one.plan.id
    lacking = [place for place, facts in zip(beside, others, strict=True) if facts["file"] == Known(value="cut")]
    mine = {finding.message for finding in one.findings}
    told = [finding.message for finding in found.findings if finding.message not in mine]
    if first["file"] != Known(value="cut"):
        assert told == [f"on `{place}`: a is cut" for place in lacking]
    assert found.plan.applicable == (not lacking and one.plan.applicable)
    is_open = any(isinstance(facts["file"], Unknown) for facts in (first, *others))
    assert [check.code for check in found.checks] == ["file-missing"] * is_open
    if all(facts == first for facts in others):
        assert found == one


def test_a_machine_with_another_plan_is_refused(make):
    """It is named, with what would differ."""
    other = planned(make, KNOWN, Check(code="more", level="warn", fact="f", op="present", value=None, message="m"))
    found = for_all(make.wanted(), planned(make, KNOWN), {"gpu-1": other})
    (refusal,) = found.plan.refusals
    assert refusal.code == "nodes-differ"
    assert "`gpu-1` would have another plan than the first machine: checks.more" in refusal.message
    assert not found.plan.applicable
