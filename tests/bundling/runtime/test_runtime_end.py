"""What the target does once the run is over: a command, once, at once or when the outputs came home."""

from __future__ import annotations

import json
import os
import signal

import pytest

COMMAND = 'echo "$SRPO_RUN_OUTCOME"; echo x >>"$SRPO_RUN_DIR/times"; exit 3\n'


def wanting(bundle, *acts, wait_seconds=0.0, end=COMMAND, flags=()):
    """A run whose end has a command."""
    bundle.rules["end"] = {"command": ["true"], "wait_seconds": wait_seconds}
    bundle.write(*acts)
    (bundle.folder / "end.sh").write_text(end)
    launched = bundle.launch("--detach", *flags)
    assert launched.returncode == 0, launched.stderr
    return bundle.runs()[-1]


def story(run):
    return run.status()["end"]


@pytest.mark.parametrize(
    ("acts", "outcome"), [(("checkpoint:1-1", "exit:0"), "succeeded"), (("exit:7",), "failed")], ids=["good", "bad"]
)
def test_the_command_runs_after_every_end(bundle, acts, outcome):
    """The run is over before it begins; it knows the outcome, and has a log of its own."""
    run = wanting(bundle, *acts)
    run.end()
    run.until(lambda: story(run)["state"] == "ended")
    assert (story(run)["exit"], run.status()["outcome"]) == (3, outcome)
    assert (run.node / "end.log").read_text() == f"{outcome}\n"
    assert run.events()[-1]["event"] == "run.ended"


def test_it_waits_for_the_outputs(bundle):
    """The mark ends the waiting; meanwhile the run has ended, and another of the name may start."""
    run = wanting(bundle, "exit:7", wait_seconds=600)
    assert run.end()["state"] == "ended"
    assert story(run)["state"] == "waiting"
    assert run.ask("mark", "fetched").returncode == 0
    run.until(lambda: story(run)["state"] == "ended")
    assert story(run)["reason"] == "the outputs were fetched"


def test_a_sleeping_client_costs_the_wait_at_most(bundle):
    """Nobody fetches: the time comes all the same."""
    run = wanting(bundle, "exit:7", wait_seconds=0.5)
    run.end()
    run.until(lambda: story(run)["state"] == "ended")
    assert story(run)["reason"] == "the time for it has come"


def test_it_is_called_off(bundle):
    """Before the end or after it."""
    run = wanting(bundle, "await:keep", "exit:7")
    run.until_event("job.started")
    assert run.ask("mark", "keep").returncode == 0
    run.end()
    run.until(lambda: story(run)["state"] == "called-off")
    assert not (run.node / "times").exists()


def test_a_run_that_goes_on_keeps_its_machine(bundle, tmp_path):
    """Another run of the workspace would be cut off by a machine that turns itself off."""
    first = wanting(bundle, "exit:7", wait_seconds=600)
    first.end()
    other = bundle.launch("--detach", "--run-id", "other-20260101T000000Z-aaaaaa")
    assert other.returncode == 0, other.stderr
    second = next(run for run in bundle.runs() if run.id.startswith("other"))
    second.until(lambda: (second.status()["end"] or {}).get("state") == "waiting")
    first.ask("mark", "fetched")
    first.until(lambda: story(first)["state"] == "called-off")
    assert second.id in story(first)["reason"]
    second.ask("mark", "fetched")
    second.until(lambda: story(second)["state"] == "ended")


@pytest.mark.parametrize("victim", ["inner", "outer"])
def test_it_runs_once_whoever_dies(bundle, victim):
    """The other supervisor waits on, to the same moment; what was begun is not begun again."""
    run = wanting(bundle, "exit:7", wait_seconds=600)
    run.end()
    run.until(lambda: story(run)["state"] == "waiting")
    due = story(run)["due"]
    os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    run.ask("mark", "fetched")
    run.until(lambda: story(run)["state"] == "ended")
    assert (run.node / "times").read_text() == "x\n"
    assert story(run)["due"][:16] == due[:16]


@pytest.mark.parametrize("victim", ["inner", "outer"])
def test_what_was_begun_is_not_begun_again(bundle, victim):
    """Whoever dies meanwhile: a machine that turns itself off is not told twice."""
    run = wanting(bundle, "exit:7", end='echo x >>"$SRPO_RUN_DIR/times"; sleep 2\n')
    run.until((run.node / "times").exists)
    os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    assert run.ask("adopt").returncode == 0
    run.until(lambda: story(run)["state"] == ("lost" if victim == "inner" else "ended"))
    assert (run.node / "times").read_text() == "x\n"
    assert run.status()["unfinished"] is False


def test_without_supervisors_it_is_lost(bundle):
    """That is told, not kept."""
    run = wanting(bundle, "exit:7", wait_seconds=600)
    run.end()
    run.until(lambda: story(run)["state"] == "waiting")
    for victim in ("outer", "inner"):
        os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: story(run)["state"] == "lost")


def test_a_dry_run_has_no_end(bundle):
    """It trains nothing, so nothing is over."""
    run = wanting(bundle, "exit:7", flags=("--dry-run",))
    assert run.end()["end"] is None
    assert not (run.node / "times").exists()


def test_a_mark_of_nothing_is_refused(bundle):
    """There is no such run."""
    run = wanting(bundle, "exit:7")
    run.end()
    run.node = run.node.with_name("node-7")
    answer = run.ask("mark", "keep")
    assert (answer.returncode, json.loads(answer.stdout or "null")) == (66, None)


def test_a_client_that_looks_goes_on_waiting(bundle):
    """Both supervisors died while the time had not come: the next one waits to the same moment, and runs it once."""
    run = wanting(bundle, "exit:7", wait_seconds=600)
    run.end()
    run.until(lambda: story(run)["state"] == "waiting")
    due = story(run)["due"]
    for victim in ("outer", "inner"):
        os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: run.status()["unfinished"])
    assert run.ask("adopt").returncode == 0
    run.until(lambda: story(run)["state"] == "waiting")
    assert (story(run)["due"][:16], run.status()["unfinished"]) == (due[:16], False)
    run.ask("mark", "fetched")
    run.until(lambda: story(run)["state"] == "ended")
    assert (run.node / "times").read_text() == "x\n"
