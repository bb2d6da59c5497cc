"""What a target tells of earlier runs, whichever supervisor tells it."""

from __future__ import annotations

import json

import pytest

from srpo_manifest.planning.runs import parse_runs, started_of
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.facts import Known, Unknown

GOOD = {"id": "demo-20260102T030405Z-abcdef", "plan": "p", "state": "ended", "outcome": "failed", "whole": False}


def told(rows: object) -> Known | Unknown:
    return parse_runs(Answer(status=0, output=json.dumps(rows).encode(), error=b""))


@pytest.mark.parametrize("odd", [{"outcome": 5}, {"plan": 5}, {"whole": "yes"}, {"id": "data"}, {"id": "a-b-c"}])
def test_a_row_of_another_shape_hides_no_other(odd):
    """It is told as unreadable; an older supervisor names a link by what it leads to."""
    found = told([GOOD, GOOD | odd])
    assert isinstance(found, Known)
    good, other = found.value
    assert (good["id"], good["outcome"]) == (GOOD["id"], "failed")
    assert (other["state"], other["plan"], other["id"]) == ("unreadable", "", (GOOD | odd)["id"])
    assert other["reason"].startswith(("its files have another shape: ", "it has a name that is none of a run"))


@pytest.mark.parametrize("rows", [5, [5], [{"state": "ended"}], [{"id": 7}]])
def test_an_answer_that_names_no_runs_is_unknown(rows):
    """Nothing is made up."""
    assert isinstance(told(rows), Unknown)


def test_only_an_id_tells_when_a_run_was_made():
    """Any other name may be met in a folder."""
    assert [started_of(name) for name in ("data", "a-b", "a-b-c", "demo-20260102T030405Z-abcdef")] == [
        "", "", "", "2026-01-02T03:04:05.000Z",
    ]  # fmt: skip
