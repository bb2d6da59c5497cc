"""What a run survives: the death of whoever launched it, of either supervisor, and what is said when both die."""

from __future__ import annotations

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


def test_an_heir_knows_why_the_leader_ended(bundle):
    """The leader ends by the TERM of a stop, and then its supervisor dies: that was a stop, no failure."""
    run = bundle.start("worker:deaf,say:deaf", "forever")
    run.until_said("deaf")
    run.stop("--grace", "2", "--reason", "enough")
    run.until(lambda: bundle.supervise.read_slots(run.node / "slots")[0][1])
    os.kill(bundle.supervisor(run, "inner"), signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("stopped", -15, "enough; killed after the grace")
    assert bundle.processes(run) == []


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
