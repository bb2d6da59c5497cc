"""Any of our processes, and any of the job's, may be killed at any moment: no status is lost, nothing is orphaned.

`pytest tests/survival/test_random_kills.py --seed 17` repeats one run.
"""

from __future__ import annotations

import pytest
from kills import all_done
from trials import summary

PLANTED = {
    "no acknowledgement": (
        ("    os.read(acked, 1)\n", ""),
        ('    if read_slots(node.path("slots"))[0][IDENTITY] is None:\n        raise Refused(\n            "not-started"', '    if False:\n        raise Refused(\n            "not-started"'),
    ),
    "no adoption of a recorded exit": (
        ("    if end is None:\n        Supervisor(job, found)", "    if end is None and ended:\n        return\n    if end is None:\n        Supervisor(job, found)"),
    ),
    "only the group is killed": (
        ("        left = self._tree()\n", "        left = [one for one in self._tree() if self.leader and one.group == self.leader[0]]\n"),
    ),
}  # fmt: skip
ENOUGH = 120
"""Runs after which each of these has been caught."""


@pytest.mark.slow
def test_random_kills(tmp_path, supervise, request, many):
    """Of a client, a supervisor, a leader, a launcher, a worker, or of two of them, while a run starts, goes on or ends."""
    seed = request.config.getoption("--seed")
    seeds = range(many(150, 1000)) if seed is None else [seed]
    told = list(all_done(seeds, tmp_path, supervise))
    print(f"\n{len(told)} runs, seeds {seeds}\n{summary(told)}")
    faults = [one for one in told if one.faults]
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(tmp_path, supervise, bug):
    """The same runs find a supervisor that lacks one of the three."""
    for runs, told in enumerate(all_done(range(ENOUGH), tmp_path, supervise, PLANTED[bug]), 1):
        if told.faults:
            print(f"\n{bug}: caught by run {runs}, {told}")
            return
    pytest.fail(f"{bug} was not caught in {ENOUGH} runs")
