"""Several nodes, one run: its state from theirs, and when those that go on have to be ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.planning.nodes import Seen, reason_to_end, whole_run
from srpo_manifest.values.run import Raised, Status


def status(state: str, outcome: str | None = None, *, ended: str | None = None, reason: str | None = None) -> Status:
    return Status(format=1, run="r", state=state, outcome=outcome, ended=ended, reason=reason)


def ended(outcome: str, at: str = "t5", reason: str = "why") -> Status:
    return status("ended", outcome, ended=at, reason=reason)


def nodes(*statuses: Status | None) -> list[Seen]:
    return [
        Seen(place=f"gpu-{number}", status=one, why="" if one else "no answer") for number, one in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("seen", "state", "outcome", "reason"),
    [
        ((status("running"), status("running")), "running", None, None),
        ((status("running"), status("preparing")), "preparing", None, None),
        ((status("running"), status("stopping")), "stopping", None, None),
        ((status("running"), None), "running", None, None),
        ((ended("succeeded"), None), "ended", "succeeded", "why"),
        ((ended("succeeded"), None, status("running")), "stopping", None, None),
        ((ended("succeeded", reason="dry run"), None), "stopping", None, None),
        ((ended("failed"), None), "stopping", None, None),
        ((ended("succeeded"), status("running")), "stopping", None, None),
        ((status("running"), ended("succeeded")), "running", None, None),
        ((ended("succeeded"), ended("stopped")), "ended", "succeeded", "why"),
        ((ended("succeeded"), ended("failed", "t9")), "ended", "succeeded", "why"),
        ((ended("stopped", reason="asked"), ended("stopped")), "ended", "stopped", "asked"),
        ((ended("stopped", "t6"), ended("failed", "t3")), "ended", "failed", "node 1 (gpu-1): why"),
        ((ended("failed", "t3", "mine"), ended("failed", "t4")), "ended", "failed", "mine"),
        ((ended("failed", "t4"), ended("lost", "t3", "dead")), "ended", "lost", "node 1 (gpu-1): dead"),
        ((ended("unverified", "t2", "none"), ended("stopped")), "ended", "unverified", "none"),
    ],
)
def test_a_run_is_as_its_nodes_are(seen, state, outcome, reason):
    """The first one's results count; otherwise the first fault does, and not what followed from it."""
    found = whole_run(nodes(*seen))
    assert (found.state, found.outcome, found.reason) == (state, outcome, reason)


def test_a_node_that_is_not_seen_any_more_is_told_beside_the_success():
    """Which one, and why; those that were seen are not."""
    found = whole_run(nodes(ended("succeeded"), ended("failed"), None))
    assert [(one.code, "node 2 (gpu-2)" in one.message, "no answer" in one.message) for one in found.warnings] == [
        ("node-unseen", True, True)
    ]


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ((status("running"), status("preparing")), None),
        ((status("running"), None), None),
        ((status("running"), ended("succeeded")), None),
        ((status("running"), ended("failed")), "node 1 (gpu-1) failed: why"),
        ((status("running"), ended("stopped")), "node 1 (gpu-1) stopped"),
        ((ended("succeeded"), status("running")), "node 0 (gpu-0) succeeded"),
        ((ended("lost"), None), "node 0 (gpu-0) lost: why"),
        ((ended("failed"), ended("stopped")), None),
    ],
)
def test_those_that_would_wait_for_ever_are_ended(seen, why):
    """A node that is done early is waited for by nobody; one that failed by all."""
    assert reason_to_end(nodes(*seen)) == why


def test_the_others_may_come_to_their_own_end_where_the_first_one_has_just_succeeded():
    """What one of them meets without it is no reason."""
    first = ended("succeeded")
    assert reason_to_end(nodes(first, status("running")), just_succeeded=True) is None
    assert reason_to_end(nodes(first, status("running"), ended("failed")), just_succeeded=True) is None
    assert reason_to_end(nodes(first, status("running"), ended("failed"))) == "node 2 (gpu-2) failed: why"


def test_a_dry_run_waits_for_every_node():
    """A failure ends the others all the same."""
    first = Status(format=1, run="r", state="ended", outcome="succeeded", reason="dry run")
    assert reason_to_end(nodes(first, status("preparing"))) is None
    assert reason_to_end(nodes(first, status("preparing"), ended("failed"))) == "node 2 (gpu-2) failed: why"


def test_what_the_others_warn_of_is_told_with_their_place():
    """The first one's warnings stay as they are."""
    other = Status(format=1, run="r", state="running", warnings=(Raised(time="t", code="c", message="m"),))
    assert [one.message for one in whole_run(nodes(other, other)).warnings] == ["m", "node 1 (gpu-1): m"]


_STATUS = st.one_of(
    st.sampled_from(("pending", "preparing", "running", "stopping")).map(status),
    st.builds(
        ended,
        st.sampled_from(("succeeded", "failed", "stopped", "unverified", "lost")),
        st.sampled_from(("t1", "t2", "t3")),
    ),
)


@given(st.lists(_STATUS | st.none(), min_size=1, max_size=6).filter(lambda seen: seen[0] is not None))
def test_no_outcome_is_invented(seen):
    """A run has ended exactly when all its nodes have, or the first succeeded and no other one is seen to go on.

    Its outcome is that of one of them, and where all have ended nobody is asked to.
    """
    found = whole_run(nodes(*seen))
    all_over = all(one is not None and one.state == "ended" for one in seen)
    over = all_over or (seen[0].outcome == "succeeded" and all(one is None or one.state == "ended" for one in seen))
    assert (found.state == "ended") == over
    assert (found.outcome is not None) == over
    if all_over:
        assert reason_to_end(nodes(*seen)) is None
    if over:
        assert found.outcome in [one.outcome for one in seen if one]
    if len(seen) > 1:
        assert [one.state for one in found.nodes] == [one and one.state for one in seen]
