"""What a run survives: the death of whoever launched it, of either supervisor, and what is said when both die."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest


@pytest.mark.parametrize("victim", ["inner", "outer"])
def test_either_supervisor_may_die(bundle, victim):
    """The other goes on: no event is lost or told twice, the status is the true one, and nothing is left."""
    run = bundle.start("progress:4", "image:a.png=one", "worker:say:hears", "sleep:1.5", "checkpoint:1-1", "exit:7")
    run.until_event("image.written")
    os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("succeeded", 7)
    names = [event["event"] for event in run.events()]
    once = ("job.started", "image.written", "checkpoint.written", "run.ended")
    assert [names.count(name) for name in once] == [1, 1, 1, 1]
    steps = [event["step"] for event in run.events("progress.made")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4
    assert bundle.processes(run) == []
    assert ended["damaged"] == []


def test_a_stop_goes_on_when_its_supervisor_dies(bundle):
    """The heir keeps the deadline, and the steps for the end run once."""
    bundle.on_stop = "echo last steps"
    bundle.rules["stop"]["grace_seconds"] = 600
    run = bundle.start("deaf", "say:ready", "forever")
    run.until_said("ready")
    run.stop("--grace", "1.5")
    run.until_event("stop.asked")
    os.kill(bundle.supervisor(run, "inner"), signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -9)
    assert run.log().count("last steps") == 1


def test_a_status_that_nobody_read_yet_is_inherited(bundle):
    """The leader dies first, then the inner supervisor that should have reaped it."""
    run = bundle.start("say:ready", "forever")
    inner = bundle.supervisor(run, "inner")
    os.kill(inner, signal.SIGSTOP)
    os.kill(bundle.processes(run)[0], signal.SIGKILL)
    os.kill(inner, signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("failed", "killed by signal 9")


def test_without_supervisors_a_run_is_lost_until_tidied(bundle, supervise):
    """Nobody invents an outcome; `tidy` ends what still runs, in whatever session it is."""
    run = bundle.start("deaf", "worker:say:worker", "forever")
    run.until_said("worker")
    for victim in ("outer", "inner"):
        os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: not supervise.is_held(run.node / "lock"))
    lost = run.status()
    assert (lost["state"], lost["outcome"], lost["exit"]) == ("ended", "lost", None)
    left = bundle.processes(run)
    assert len(left) == 2
    tidied = run.ask("tidy", "--grace", "0.5")
    assert tidied.returncode == 0
    answer = json.loads(tidied.stdout)
    assert (sorted(answer["told"]), answer["left"]) == (sorted(left), [])
    assert bundle.processes(run) == []
    assert run.status() == lost


def test_tidy_refuses_a_run_that_is_supervised(bundle):
    """What lives is stopped, not tidied."""
    run = bundle.start("forever")
    answer = run.ask("tidy")
    assert answer.returncode == 75
    assert answer.stderr.startswith(b"error[run-busy]: ")
    assert len(bundle.processes(run)) == 1


def test_another_boot_means_lost(bundle, supervise):
    """After a restart the pids of slot 0 are strangers'."""
    run = bundle.start("forever")
    for victim in ("outer", "inner"):
        os.kill(bundle.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: not supervise.is_held(run.node / "lock"))
    slots = run.node / "slots"
    identity = supervise.read_slots(slots)[0][0] | {"boot": "another"}
    bundle.clean()
    slots.unlink()
    supervise.Slots(str(slots)).write(supervise.IDENTITY, identity)
    assert run.status()["reason"] == "the machine was restarted"


@pytest.mark.parametrize("seed", range(4))
def test_random_kills_lose_no_status_and_leave_no_orphan(bundle, seed):
    """One supervisor dies at any moment, of a run that ends by itself or is stopped."""
    chance = random.Random(seed)
    run = bundle.start("worker:say:hears", "sleep:0.4", "exit:7")
    time.sleep(chance.uniform(0, 0.8))
    stopped = chance.random() < 0.5
    if stopped:
        run.stop()
    victim = bundle.supervisor(run, chance.choice(["inner", "outer"]))
    if victim_lives := bundle.supervise.process(victim):
        bundle.supervise.send(victim_lives, signal.SIGKILL)
    ended = run.end()
    assert ended["exit"] in ((7, -15) if stopped else (7,))
    assert ended["outcome"] in (("failed", "stopped") if stopped else ("failed",))
    assert bundle.processes(run) == []
    assert [event["event"] for event in run.events()].count("run.ended") == 1
