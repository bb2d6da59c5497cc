"""A run that lost both supervisors: what is told of it, and how it is taken over."""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

KEEPER = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
launched = subprocess.run(["bash", sys.argv[1], "--detach"], stdout=subprocess.PIPE, check=True)
os.write(1, launched.stdout)
while True:
    time.sleep(0.02)
    try:
        sys.argv[2] == "reaps" and os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
"""
"""Where orphans of the run go: to a process that reaps them, as init does, or to one that never does."""


def codes(run):
    told = [event["code"] for event in run.events("warning.raised")]
    return [code for code in told if code != "supervisor-weaker"]


def adopt(run):
    answer = run.ask("adopt")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def lost(bundle, run):
    run.until_event("job.started")
    bundle.lose(run)
    found = run.status()
    assert (found["state"], found["outcome"], found["exit"], found["unfinished"]) == ("ended", "lost", None, True)


@pytest.fixture
def keep(request) -> Iterator[Callable[..., object]]:
    """Start a run below a keeper that "reaps" its orphans, or "ignores" them."""
    keepers = []
    bundle = request.getfixturevalue("either" if "either" in request.fixturenames else "bundle")

    def start(kind, *acts):
        bundle.write(*acts)
        keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, bundle.folder / "launch.sh", kind], stdout=subprocess.PIPE, text=True
        )
        keepers.append(keeper)
        json.loads(keeper.stdout.readline())
        (run,) = bundle.runs()
        return run

    yield start
    bundle.clean()
    for keeper in keepers:
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()


def test_a_trainer_that_lives_on_is_watched_again(bundle):
    """Nothing is told twice, what comes later counts, and the status of somebody else's child is the true one."""
    run = bundle.start("progress:2", "image:a.png=one", "await:go", "checkpoint:1-1", "exit:7")
    run.until_event("image.written")
    run.until(lambda: (run.status()["progress"] or {}).get("step") == 2)
    lost(bundle, run)
    found = adopt(run)
    assert (found["state"], found["alive"], found["unfinished"], found["progress"]["step"]) == (
        "running",
        True,
        False,
        2,
    )
    (run.node / "go").touch()
    ended = run.end()
    witnessed = tuple(map(int, platform.release().split(".")[:2])) >= (6, 15)
    assert ended["outcome"] == "succeeded"
    assert ended["exit"] == 7 or (ended["exit"] is None and not witnessed)
    names = [event["event"] for event in run.events()]
    once = ("job.started", "image.written", "checkpoint.written", "run.ended")
    assert [names.count(name) for name in once] == [1, 1, 1, 1]
    assert [event["phase"] for event in run.events("phase.started")].count("job") == 1
    assert codes(run) == ["run-adopted"]


def test_who_took_over_may_die_as_well(bundle):
    """One of the new two: the other goes on. Both: the next client takes over again. A stop ends all, deaf or not."""
    bundle.on_stop = 'echo "last steps with $TOKEN"'
    bundle.secrets = ("TOKEN",)
    run = bundle.start("deaf", "worker:deaf,say:worker", "forever", TOKEN="a-very-secret-value")
    run.until_said("worker")
    lost(bundle, run)
    adopt(run)
    os.kill(bundle.supervisor(run, "inner"), signal.SIGKILL)
    run.until(lambda: "supervisor-died" in codes(run))
    os.kill(bundle.supervisor(run, "outer"), signal.SIGKILL)
    run.until(lambda: not bundle.supervise.is_held(run.node / "lock"))
    assert run.stop("--grace", "0.5", "--reason", "holds a-very-secret-value")["state"] == "stopping"
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "holds ***; killed after the grace")
    assert run.log().endswith("last steps with a-very-secret-value\n")
    assert codes(run) == ["run-adopted", "supervisor-died", "run-adopted", "grace-passed"]
    assert bundle.processes(run) == []


def test_a_stop_that_lost_its_supervisors_goes_on(bundle):
    """What was asked for is done by whoever comes next, within the deadline of the first."""
    run = bundle.start("deaf", "say:ready", "forever")
    run.until_said("ready")
    run.stop("--grace", "1.5", "--reason", "enough")
    run.until_event("stop.asked")
    bundle.lose(run)
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "enough; killed after the grace")
    assert len(run.events("stop.asked")) == 1


def test_a_status_that_was_recorded_needs_only_a_sweep(either):
    """The supervisors died between the leader's end and the sweep."""
    run = either.start("worker:deaf,say:deaf", "await:go", "exit:7")
    run.until_said("deaf")
    (run.node / "go").touch()
    run.until(lambda: either.supervise.read_slots(run.node / "slots")[0][1])
    either.lose(run)
    assert len(either.processes(run)) == 1
    run.stop("--grace", "0.2")
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("failed", 7, "exit status 7")
    assert either.processes(run) == []


def die_unseen(bundle, run):
    """The leader, while nobody can see it, and then both supervisors."""
    leader = bundle.supervise.read_slots(run.node / "slots")[0][0]["pid"]
    for name in ("outer", "inner"):
        os.kill(bundle.supervisor(run, name), signal.SIGSTOP)
    os.kill(leader, signal.SIGKILL)
    bundle.lose(run)
    return leader


def test_an_end_that_nobody_saw_is_lost_for_good(either, keep):
    """What is left is swept, the status stays unknown, and that is the last word."""
    run = keep("reaps", "worker:say:worker", "forever")
    run.until_said("worker")
    leader = die_unseen(either, run)
    run.until(lambda: either.supervise.process(leader) is None)
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("lost", None, "its supervisors died")
    assert ended["unfinished"] is False
    assert either.processes(run) == []
    assert adopt(run) == ended
    assert codes(run) == ["run-adopted"]


def test_artifacts_are_judged_when_nobody_saw_the_end(bundle, keep):
    """The done rule holds, so that it is success: what was there before is known from a file."""
    (bundle.cwd / "pictures").mkdir(parents=True)
    (bundle.cwd / "pictures" / "a.png").write_text("old")
    bundle.rules["done"] = {"checkpoints": 1, "images": 1, "files": [], "exit_zero": False}
    run = keep("reaps", "checkpoint:1-1", "say:saved", "await:go", "image:b.png=new", "say:drawn", "forever")
    run.until_event("checkpoint.written")
    for name in ("outer", "inner"):
        os.kill(bundle.supervisor(run, name), signal.SIGSTOP)
    (run.node / "go").touch()
    run.until_said("drawn")
    die_unseen(bundle, run)
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["images"]) == ("succeeded", None, 1)


@pytest.mark.fault(47, "stopped")
def test_a_body_that_nobody_reaps_counts_as_gone(bundle, keep):
    """As in a container whose first process reaps nothing: the tree is empty, and the body tells its true status."""
    run = keep("ignores", "worker:say:worker", "forever")
    run.until_said("worker")
    lost(bundle, run)
    adopt(run)
    run.stop()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -15)
    leader = bundle.supervise.read_slots(run.node / "slots")[0][0]["pid"]
    assert bundle.supervise.process(leader).state == "Z"
    assert ended["warnings"][-1]["code"] == "run-adopted"


@pytest.mark.parametrize("seed", range(3))
def test_both_may_die_at_any_moment(either, seed):
    """The next client finds the true status or says that it is unknown; nothing is left, and the end is told once."""
    chance = random.Random(seed)
    run = either.start("worker:say:hears", "sleep:0.4", "exit:7")
    time.sleep(chance.uniform(0, 0.8))
    if stopped := chance.random() < 0.5:
        run.stop()
    either.lose(run)
    adopt(run)
    run.until(lambda: not run.status()["alive"])
    ended = run.status()
    assert ended["state"] == "ended"
    assert ended["exit"] in ((7, -15, None) if stopped else (7, None))
    assert ended["outcome"] in (("failed", "stopped", "lost") if stopped else ("failed", "lost"))
    assert either.processes(run) == []
    assert len(run.events("run.ended")) <= 1


def test_a_stop_that_was_told_to_the_trainer_stays_one(bundle):
    """Both supervisors die right after: what the trainer died of is no failure."""
    bundle.edits = [
        (
            "            self._tell_group()\n",
            "            self._tell_group()\n            time.sleep(0 if self.job.adopted else 600)\n",
        )
    ]
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    run.ask("stop", "--reason", "enough")
    run.until(lambda: not bundle.processes(run))
    lost(bundle, run)
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "enough")


def test_of_two_that_take_over_one_does(bundle):
    """The lock decides; the run is watched by one pair."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    lost(bundle, run)
    program = run.node.parent.parent / "bundle" / "supervise.py"
    asked = [
        subprocess.Popen([sys.executable, "-I", program, "adopt", run.node], stdout=-1, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    refused = [one.communicate(timeout=30)[1] for one in asked if one.wait(timeout=30)]
    assert all(error.startswith(b"error[run-busy]: ") for error in refused)
    for one in asked:
        one.stdout.close()
        one.stderr.close()
    assert codes(run) == ["run-adopted"]
    run.stop()
    assert run.end()["outcome"] == "stopped"


def test_adopting_what_needs_nobody_changes_nothing(bundle):
    """A run that is supervised, one that ended, and a folder without a run are told as they are."""
    run = bundle.start("say:ready", "await:go", "exit:7")
    assert adopt(run)["alive"]
    (run.node / "go").touch()
    ended = run.end()
    assert adopt(run) == ended
    assert codes(run) == []


def test_a_name_is_not_free_while_processes_of_it_live(either):
    """A launch beside a lost run names it and what to do; `runs` takes it over by itself."""
    run = either.start("say:ready", "forever")
    run.until_event("job.started")
    lost(either, run)
    refused = either.launch("--detach")
    assert refused.returncode == 75
    assert refused.stderr.startswith(f"error[run-lives]: run `{run.id}` of this name lost its supervisors")
    assert f"hint: `srpo-manifest status {run.id}`" in refused.stderr
    folder = run.node.parent.parent
    listed = subprocess.run(
        ["bash", folder / "supervisor", "runs", folder.parent, "demo"], capture_output=True, check=True
    )
    (told,) = [one for one in json.loads(listed.stdout) if one["id"] == run.id]
    assert (told["state"], told["unfinished"]) == ("running", False)
    assert either.launch("--detach").stderr.startswith("error[already-running]: ")


@pytest.mark.fault(57, "lost (the machine was restarted)")
def test_after_a_restart_no_process_is_touched(bundle, supervise):
    """Numbers in slot 0 are strangers' then: nothing is signalled or started, and the run is lost for good."""
    bundle.on_stop = "echo last steps"
    bundle.rules["done"]["checkpoints"] = 2
    run = bundle.start("checkpoint:1-1", "worker:say:worker", "say:ready", "forever")
    run.until_said("worker")
    run.until_event("checkpoint.written")
    bundle.lose(run)
    strangers = bundle.processes(run)
    identity = supervise.read_slots(run.node / "slots")[0][0] | {"boot": "another"}
    supervise.Slots(str(run.node / "slots"), there=True).write(supervise.IDENTITY, identity)
    assert run.status()["reason"] == "the machine was restarted"
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["reason"], ended["exit"]) == ("lost", "the machine was restarted", None)
    assert [found["whole"] for found in ended["checkpoints"]] == [True]
    assert "last steps" not in run.log()
    assert sorted(bundle.processes(run)) == sorted(strangers)
    assert len(strangers) == 2
    assert supervise.read_slots(run.node / "slots")[0][0] == identity


def test_a_run_of_another_machine_is_left_to_it(bundle, supervise):
    """Who sees the folder from elsewhere may not see its lock: no end is written, and the reason names the machine."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    bundle.lose(run)
    identity = supervise.read_slots(run.node / "slots")[0][0] | {"boot": "another", "host": "far-away"}
    supervise.Slots(str(run.node / "slots"), there=True).write(supervise.IDENTITY, identity)
    refused = run.ask("adopt")
    assert (refused.returncode, refused.stderr.split(b":")[0]) == (75, b"error[run-elsewhere]")
    told = run.status()
    assert told["reason"] == "it was started on `far-away`, and no supervisor of it is seen from here"
    assert supervise.read_slots(run.node / "slots")[0] == [identity, None, None]
    assert len(bundle.processes(run)) == 1


def test_a_run_of_another_user_is_left_to_them(bundle, need):
    """Not even root goes on with it: the steps for its end would run with other rights."""
    need("root")
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    bundle.lose(run)
    os.chown(run.node, 65534, 65534)
    refused = run.ask("adopt")
    assert (refused.returncode, refused.stderr.split(b":")[0]) == (77, b"error[run-foreign]")
    assert run.status()["unfinished"]
    assert codes(run) == []


def test_without_a_record_of_before_only_what_was_told_counts(bundle):
    """A full disk kept it from being written: that is told at once, and no older file is taken for the run's."""
    (bundle.cwd / "pictures").mkdir(parents=True)
    (bundle.cwd / "pictures" / "old.png").write_text("old")
    bundle.rules["done"]["images"] = 1
    bundle.write("checkpoint:1-1", "say:ready", "forever")
    blocked = bundle.workspace / ".srpo/runs/demo-20250101T000000Z-aaaaaa/attempt-1/node-0/before.json"
    blocked.mkdir(parents=True)
    assert bundle.launch("--detach", "--run-id", "demo-20250101T000000Z-aaaaaa").returncode == 0
    (run,) = bundle.runs()
    run.until_event("checkpoint.written")
    assert codes(run) == ["before-unwritten"]
    lost(bundle, run)
    os.kill(bundle.processes(run)[0], signal.SIGKILL)
    adopt(run)
    ended = run.end()
    assert (ended["outcome"], ended["images"]) in (("lost", 0), ("failed", 0))
    assert [found["whole"] for found in ended["checkpoints"]] == [True]


def test_secrets_that_went_with_the_trainer_are_missed(bundle, keep, monkeypatch):
    """The steps for the end run without them, and that is told."""
    bundle.on_stop = 'echo "token: ${TOKEN:-none}"'
    bundle.secrets = ("TOKEN",)
    monkeypatch.setenv("TOKEN", "a-very-secret-value")
    run = keep("reaps", "say:ready", "forever")
    run.until_said("ready")
    leader = die_unseen(bundle, run)
    run.until(lambda: bundle.supervise.process(leader) is None)
    monkeypatch.delenv("TOKEN")
    adopt(run)
    run.end()
    assert run.log() == "ready\ntoken: none\n"
    assert codes(run) == ["run-adopted", "on-stop-without-secrets"]


def test_why_a_run_cannot_be_taken_over_is_said_plainly(bundle):
    """The file and what is wrong with it, without a number or a name of Python's."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    bundle.lose(run)
    (run.node / "page").unlink()
    (run.node / "page").mkdir()
    refused = run.ask("adopt")
    (run.node / "page").rmdir()
    assert refused.stderr.decode() == f"error[files]: `{run.node}/page`: Is a directory\n"
