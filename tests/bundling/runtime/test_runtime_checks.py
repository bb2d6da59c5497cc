"""Checks and ports that only the target can tell of, asked before the trainer starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

CHECKS = "enter checks; supervise checks || exit"


def check(op, probe, value=None, level="deny", code="file-missing"):
    return {
        "code": code,
        "level": level,
        "fact": "file.x",
        "probe": probe,
        "op": op,
        "value": value,
        "message": f"`x` is not in ${{target.home}} ({op})",
        "hints": ["put it there"],
    }


def test_a_deny_check_keeps_the_trainer_from_starting(bundle):
    """It is told in the log and as an event; the other checks are told too."""
    bundle.before = CHECKS
    bundle.rules["checks"] = [check("present", "true"), check("equals", "echo 5", 6, level="warn", code="count")]
    run = bundle.start("say:trainer")
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == (
        "failed",
        78,
        f"checks refused to start the trainer: error[file-missing]: `x` is not in {Path.home()} (present)",
    )
    assert [event["code"] for event in run.events("warning.raised")] == ["file-missing", "count"]
    assert "error[file-missing]: `x` is not in /" in run.log()
    assert "hint: put it there\nwarning[count]: " in run.log()
    assert "trainer" not in run.log()


def test_a_check_without_an_answer_is_a_warning(bundle):
    """Unknown is neither yes nor no."""
    bundle.before = CHECKS
    bundle.rules["checks"] = [check("at-least", "exit 3", 5), check("absent", "exit 3"), check("at-most", "pwd", 5)]
    run = bundle.start("say:trainer", "exit:1")
    run.end()
    assert [event["message"] for event in run.events("warning.raised")] == [
        "check `file-missing` has no answer here"
    ] * 2
    assert "trainer" in run.log()


@pytest.mark.parametrize(
    ("op", "found", "value", "holds"),
    [
        ("present", "x", None, True),
        ("present", None, None, False),
        ("absent", None, None, True),
        ("absent", "x", None, False),
        ("equals", "5.0", 5, True),
        ("equals", "a", "b", False),
        ("equals", None, "b", None),
        ("at-least", "10", 9, True),
        ("at-least", "9", 10, False),
        ("at-most", "9", 10, True),
        ("at-most", "many", 10, None),
        ("less-than", "9", 10, True),
        ("less-than", "10", 10, False),
        ("multiple-of", "720", 16, True),
        ("multiple-of", "721", 16, False),
        ("one-of", "b", ["a", "b"], True),
        ("one-of", "c", ["a", "b"], False),
    ],
)
def test_predicates(supervise, op, found, value, holds):
    """The closed set, as the planner has it, with numbers compared as numbers."""
    assert supervise.predicate(op, found, value) is holds


def test_a_free_port_is_found(bundle):
    """It can be bound at once."""
    bundle.before = "supervise port >port || exit"
    bundle.start("exit:0").end()
    with socket.create_server(("", int((bundle.cwd / "port").read_text()))):
        pass


@pytest.mark.trap(6, "port-taken")
def test_a_taken_port_is_refused(bundle):
    """The plan names it, another process has it: the run says so."""
    bundle.before = "supervise port >port || exit"
    with socket.create_server(("", 0)) as server:
        bundle.rules["port"] = server.getsockname()[1]
        run = bundle.start("say:trainer")
        ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("failed", 69)
    assert f"error[port-taken]: port `{bundle.rules['port']}` cannot be used" in run.log()
    assert [event["code"] for event in run.events("warning.raised")] == ["port-taken"]
