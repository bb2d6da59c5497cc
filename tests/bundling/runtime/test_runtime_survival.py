"""What a run survives: the death of whoever launched it, of either supervisor, and what is said when both die."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import types

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


def codes(run):
    told = [event["code"] for event in run.events("warning.raised")]
    return [code for code in told if code != "supervisor-weaker"]


@pytest.mark.parametrize("victim", ["inner", "outer"])
def test_the_death_of_a_supervisor_is_told(either, victim):
    """The run may be one death from needing a client: whoever looks shall know, and what to do."""
    run = either.start("say:ready", "forever")
    run.until_event("job.started")
    killed = either.supervisor(run, victim)
    os.kill(killed, signal.SIGKILL)
    run.until(lambda: codes(run) == ["supervisor-died"])
    told = run.events("warning.raised")[-1]
    assert told["message"] == f"one of two supervisors, process {killed}, died; the other one goes on"
    (hint,) = told["hints"]
    other = either.supervisor(run, "outer" if victim == "inner" else "inner")
    assert hint == f"ask for the run's status if this one (process {other}) dies, too: that starts new ones"
    assert run.status()["state"] == "running"


def test_a_lock_that_was_removed_starts_no_second_pair(either):
    """Slot 0 names those who live."""
    run = either.start("say:ready", "forever")
    run.until_event("job.started")
    (run.node / "lock").unlink()
    before = either.supervise.read_slots(run.node / "slots")[0][0]
    assert run.ask("adopt").returncode == 0
    status = run.status()
    assert (status["state"], status["alive"], status["unfinished"]) == ("running", True, False)
    assert either.supervise.read_slots(run.node / "slots")[0][0] == before
    assert codes(run) == []


def test_a_run_without_its_folder_is_ended(either):
    """Nobody could stop it any more."""
    either.rules["stop"]["gone_seconds"] = 0.5
    run = either.start("worker:say:hears", "say:ready", "forever")
    run.until_said("ready")
    shutil.rmtree(run.node.parent.parent)
    limit = time.monotonic() + 40
    while either.processes(run) and time.monotonic() < limit:
        time.sleep(0.05)
    assert either.processes(run) == []


def test_a_folder_that_is_away_for_a_moment_ends_nothing(bundle):
    """By itself, or with the folder of all runs."""
    run = bundle.start("say:ready", "forever")
    run.until_event("job.started")
    folder = run.node.parent.parent
    for path in (folder, folder.parent):
        path.rename(path.with_name("away"))
        time.sleep(1.5)
        path.with_name("away").rename(path)
    assert run.status()["state"] == "running"
    assert run.events("stop.asked") == []
    assert len(bundle.processes(run)) == 1


def test_a_disk_that_is_away_removes_no_run(bundle):
    """However long: the folder of all runs went with it, or another disk's is there in its place."""
    bundle.rules["stop"]["gone_seconds"] = 0.2
    run = bundle.start("say:ready", "forever")
    run.until_event("job.started")
    runs = run.node.parents[2]
    runs.rename(runs.with_name("away"))
    time.sleep(2)
    runs.symlink_to("/proc")
    time.sleep(1.5)
    runs.unlink()
    runs.with_name("away").rename(runs)
    assert run.status()["state"] == "running"
    assert run.events("stop.asked") == []


def test_only_what_is_not_there_is_absent(supervise, tmp_path):
    """A network disk that is stuck answers with an error."""
    (tmp_path / "file").touch()
    assert not supervise.is_absent(tmp_path)
    assert supervise.is_absent(tmp_path / "nothing")
    assert supervise.is_absent(tmp_path / "file/below")
    (tmp_path / "loop").symlink_to("loop")
    assert not supervise.is_absent(tmp_path / "loop")
    assert not supervise.is_absent(tmp_path / ("x" * 300))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_without_its_folder_heeds_a_signal(either, number):
    """The request cannot be written, and a signal to either supervisor is left to ask with."""
    run = either.start("worker:say:hears", "say:ready", "forever")
    run.until_said("hears")
    run.until_event("job.started")
    supervisors = [either.supervisor(run, name) for name in ("outer", "inner")]
    shutil.rmtree(run.node.parent.parent)
    os.kill(supervisors[number == signal.SIGINT], number)
    begun = time.monotonic()
    while any(map(either.supervise.process, [*supervisors, *either.processes(run)])):
        assert time.monotonic() < begun + 10
        time.sleep(0.05)


def test_a_run_without_its_folder_is_ended_though_who_decides_is_killed(either):
    """Its successor's program is gone as well."""
    run = either.start("worker:deaf,say:deaf", "say:ready", "forever")
    run.until_said("deaf")
    inner = either.supervisor(run, "inner")
    shutil.rmtree(run.node.parent.parent)
    os.kill(inner, signal.SIGKILL)
    limit = time.monotonic() + 40
    while either.processes(run) and time.monotonic() < limit:
        time.sleep(0.05)
    assert either.processes(run) == []


def test_a_copy_of_a_run_is_told_as_one(either):
    """Its slots name processes of the original, which nobody takes over or ends."""
    run = either.start("say:ready", "forever")
    run.until_event("job.started")
    original = run.node.parent.parent
    copied = original.with_name("demo-20300101T000000Z-aaaaaa")
    shutil.copytree(original, copied)
    copy = type(run)(copied / "attempt-1" / "node-0", either.supervise)
    assert copy.ask("adopt").returncode == 0
    status = copy.status()
    assert (status["outcome"], status["unfinished"]) == ("lost", False)
    assert status["reason"] == f"its folder is a copy of that of run `{run.id}`"
    copy.stop()
    assert run.status()["state"] == "running"
    assert len(either.processes(run)) == 1


def test_slots_that_were_cut_are_told_at_once(bundle):
    """Not only after the end."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    os.truncate(run.node / "slots", 0)
    assert "slots" in run.status()["damaged"]
    assert (run.node / "phases").stat().st_mode & 0o777 == 0o600


def test_an_inner_supervisor_that_was_stopped_is_told(bundle):
    """Once, with what to do, and when it goes on; nothing of the run changes."""
    run = bundle.start("say:ready", "forever")
    run.until_event("job.started")
    inner = bundle.supervisor(run, "inner")
    os.kill(inner, signal.SIGSTOP)
    run.until(lambda: codes(run) == ["supervisor-stalled"])
    (told,) = run.status()["warnings"]
    assert f"process {inner}, was stopped by a signal" in told["message"]
    assert [hint.split("`")[1] for hint in told["hints"]] == [f"kill -CONT {inner}", f"kill -KILL {inner}"]
    run.stop()
    time.sleep(3)
    assert codes(run) == ["supervisor-stalled"]
    assert len(bundle.processes(run)) == 1
    os.kill(inner, signal.SIGCONT)
    run.until(lambda: codes(run) == ["supervisor-stalled"] * 2)
    assert "goes on" in run.events("warning.raised")[1]["message"]
    assert run.end()["outcome"] == "stopped"


def test_the_other_supervisor_may_take_the_place_of_a_stopped_one(bundle):
    """As the hint says; the trainer's status is kept."""
    run = bundle.start("say:ready", "await:go", "exit:7")
    run.until_event("job.started")
    inner = bundle.supervisor(run, "inner")
    os.kill(inner, signal.SIGSTOP)
    (run.node / "go").touch()
    run.until(lambda: codes(run) == ["supervisor-stalled"])
    os.kill(inner, signal.SIGKILL)
    assert (run.end()["outcome"], run.status()["exit"]) == ("failed", 7)


def test_only_a_supervisor_that_stays_still_is_told_of(bundle, supervise, monkeypatch):
    """One late look proves nothing, as after a machine was frozen; nor does one that has nothing left to watch."""
    told, moment = [], [100.0]
    monkeypatch.setattr(supervise.time, "monotonic", lambda: moment[0])
    job = types.SimpleNamespace(
        pulse=types.SimpleNamespace(value=100.0),
        rules={"stop": {}},
        events=types.SimpleNamespace(append=lambda _, **data: told.append(data["message"])),
    )
    care = supervise.Care(job, os.getpid())
    for pulse, at in ((100, 130), (100, 500), (500, 502), (502, 503), (503, 564), (503, 566), (503, 568), (568, 569)):
        job.pulse.value, moment[0] = float(pulse), float(at)
        care.look()
    assert [message.split(": ")[0].rpartition(", ")[2] for message in told] == [
        "has taken no step for 63 seconds",
        "goes on",
    ]
    job.pulse.value, moment[0] = float("inf"), 9999.0
    care.look()
    care.look()
    assert len(told) == 2
