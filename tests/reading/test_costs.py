"""What it costs to explain: calls grow no faster than the text, and memory stays small, up to the largest file that is read."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from nasty import NASTY, SIZES

GROUPS = 6
TWICE = 2.25
"""The calls for twice the text: what is linear has a little less than 2, what is quadratic nears 4."""
MOST_MIB = 200
MOST_SECONDS = 20
"""Regular expressions make no calls: that is what the clock is for, on the slowest of machines."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_costs_grow_with_the_text_and_no_faster(root: Path, group: int) -> None:
    """Many mistakes, many keys, many brackets, long lines, long names, long strings: each alone, up to a mebibyte."""
    names = sorted(NASTY)[group::GROUPS]
    program = [sys.executable, root / "tests/support/nasty.py", *names]
    told = json.loads(subprocess.run(program, capture_output=True, check=True, cwd=root).stdout)
    assert told["peak_mib"] <= MOST_MIB
    for name, cost in told["costs"].items():
        calls = cost["calls"]
        assert all(more <= TWICE * less for less, more in pairwise(calls)), (name, calls, SIZES)
        assert cost["seconds"] < MOST_SECONDS, (name, cost)
