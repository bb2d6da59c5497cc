"""How a run is stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from disks import fill, small_disk

from .conftest import RUNTIME


def test_a_stop_reaches_every_worker(bundle):
    """Workers in sessions of their own end with the group, and the reason is kept."""
    run = bundle.start("worker:say:one", "worker:say:two", "forever")
    run.until_said("two")
    run.until_event("job.started")
    asked = run.stop("--reason", "enough")
    assert asked["state"] == "stopping"
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "enough")
    assert [event["reason"] for event in run.events("stop.asked")] == ["enough"]
    assert bundle.processes(run) == []


def test_a_stop_while_preparing(bundle):
    """A long step is stopped like the job is."""
    bundle.before = "enter unpack\nsleep 60"
    run = bundle.start("forever")
    run.until_event("phase.started")
    assert run.status()["state"] == "preparing"
    run.stop()
    ended = run.end()
    assert (ended["outcome"], ended["phase"]) == ("stopped", "unpack")


@pytest.mark.fault(50, "stopped")
def test_a_stop_during_checks(bundle):
    """A check that hangs is ended; the trainer never starts, and the steps for the end run once."""
    bundle.before = "enter checks; supervise checks || exit"
    bundle.rules["checks"] = [
        {"code": "x", "level": "deny", "fact": "x", "probe": "touch asked; sleep 600", "op": "present", "value": None, "message": "x", "hints": []}
    ]  # fmt: skip
    bundle.on_stop = 'echo "steps: $SRPO_RUN_OUTCOME"'
    run = bundle.start("say:trainer")
    run.until((bundle.cwd / "asked").exists)
    run.stop("--reason", "for a test")
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "for a test")
    assert run.log() == "steps: stopped\n"
    assert bundle.processes(run) == []


@pytest.mark.fault(54, "stopped")
def test_a_deaf_tree_is_killed_after_the_grace(bundle):
    """TERM is ignored by leader and workers; the grace of the request holds, not the rules' own."""
    bundle.rules["stop"]["grace_seconds"] = 600
    run = bundle.start("deaf", "worker:deaf,say:one", "say:ready", "forever")
    run.until_said("one")
    run.stop("--grace", "0.5")
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -9)
    assert bundle.processes(run) == []


def test_a_stop_is_acknowledged_before_it_is_carried_out(bundle):
    """The answer means that it will be, whoever dies meanwhile: the request is on the disk, and what it ends still runs."""
    run = bundle.start("deaf", "say:ready", "forever")
    run.until_said("ready")
    assert run.stop("--grace", "600", "--reason", "enough")["state"] == "stopping"
    assert json.loads((run.node / "stop.req").read_text())["reason"] == "enough"
    assert len(bundle.processes(run)) == 1
    run.stop("--grace", "0")
    assert run.end()["outcome"] == "stopped"


def test_a_second_stop_may_shorten_the_grace(bundle):
    """Who asks again with a shorter grace does not wait for the longer one."""
    run = bundle.start("deaf", "say:ready", "forever")
    run.until_said("ready")
    run.stop("--grace", "60")
    run.until_event("stop.asked")
    run.stop("--grace", "0")
    assert run.end()["exit"] == -9


@pytest.mark.fault(55, "stopped")
def test_a_checkpoint_being_written_is_waited_for(bundle):
    """The stop comes while weights are written; they become whole, and the trainer hears of nothing before."""
    bundle.rules["done"]["checkpoints"] = 2
    run = bundle.start("say:ready", "slow-checkpoint:1.5", "forever")
    run.until(lambda: list(bundle.cwd.glob("out/*/checkpoint-9-9/model.safetensors")))
    run.stop()
    ended = run.end()
    assert ended["outcome"] == "stopped"
    assert [found["whole"] for found in ended["checkpoints"]] == [True]


def test_a_checkpoint_that_was_announced_is_waited_for(bundle):
    """Phase `saving-checkpoint` means that its weights are being gathered, before there is any file."""
    bundle.rules["done"]["checkpoints"] = 2
    run = bundle.start("say:--> saving checkpoint", "sleep:1.2", "checkpoint:1-1", "forever")
    run.until(lambda: run.status()["phase"] == "saving-checkpoint")
    run.stop()
    ended = run.end()
    assert (ended["outcome"], [found["whole"] for found in ended["checkpoints"]]) == ("stopped", [True])


def test_who_hands_the_signal_on_is_left_to_it(bundle):
    """As torchrun does: its workers hear TERM once, from it, and have the grace to end."""
    bundle.before = f"{sys.executable} -I $SRPO_BUNDLE/trainer.py worker:count,say:ready hand-on forever; exit"
    run = bundle.start()
    run.until_said("ready")
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert (bundle.cwd / "told").read_text() == "x"


def test_a_stop_of_nothing_is_refused(tmp_path):
    """A folder without a run is named."""
    refused = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "stop", tmp_path / "x" / "attempt-1" / "node-0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stderr.split(":")[0]) == (66, "error[run-unknown]")


@pytest.mark.fault(55, "checkpoint-torn")
def test_waiting_for_a_checkpoint_has_a_limit(bundle):
    """A checkpoint that never becomes whole is given up, and told to be torn."""
    bundle.rules["stop"]["checkpoint_seconds"] = 0.5
    run = bundle.start("slow-checkpoint:60")
    run.until(lambda: list(bundle.cwd.glob("out/*/checkpoint-9-9/model.safetensors")))
    run.stop()
    ended = run.end()
    assert [found["whole"] for found in ended["checkpoints"]] == [False]
    assert [event["code"] for event in run.events("warning.raised")] == ["checkpoint-torn"]


def test_the_wait_for_a_checkpoint_is_shortened_on_request(bundle):
    """By whoever knows that it will never be whole."""
    bundle.rules["stop"]["checkpoint_seconds"] = 600
    run = bundle.start("torn-checkpoint:1-1", "slow-checkpoint:600", "forever")
    run.until(lambda: list(bundle.cwd.glob("out/*/checkpoint-9-9/*")))
    run.stop()
    run.until_event("checkpoint.awaited")
    run.stop("--checkpoint", "0")
    assert run.end()["outcome"] == "stopped"


def test_a_stop_after_the_end_changes_nothing(bundle):
    """It says what became of the run, and that is no fault."""
    run = bundle.start("exit:7")
    before = run.end()
    answer = run.ask("stop")
    assert answer.returncode == 0
    assert b"has ended already: failed" in answer.stderr
    assert run.status() == before
    assert not (run.node / "stop.req").exists()


def test_an_empty_request_by_hand_is_a_stop(bundle):
    """`touch stop.req` is enough."""
    run = bundle.start("say:ready", "forever")
    (run.node / "stop.req").touch()
    assert run.end()["outcome"] == "stopped"


def test_a_stop_whose_words_cannot_be_kept_is_told_as_one(bundle, supervise, monkeypatch):
    """On a full disk a signal carries it; nobody is told of a signal that no person sent."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("supervising.stops.write_json", full)
    supervise.ask_stop(supervise.Node(str(run.node)), "asked for by me", None)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "a stop was asked for, by whom could not be written")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ["outer", "inner"])
def test_a_signal_to_a_supervisor_is_a_stop(either, name, number):
    """A machine that shuts down sends TERM to everybody."""
    run = either.start("say:ready", "forever")
    run.until_event("job.started")
    os.kill(either.supervisor(run, name), number)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", f"signal {number} to the supervisor")


def test_a_signal_to_the_outer_supervisor_is_kept_while_no_inner_one_lives(either):
    """The one that decides was killed a moment before: its successor stops the run."""
    run = either.start("say:ready", "forever")
    os.kill(either.supervisor(run, "inner"), signal.SIGKILL)
    os.kill(either.supervisor(run, "outer"), signal.SIGTERM)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "signal 15 to the supervisor")


@pytest.mark.parametrize("way", ["verb", "outer", "inner", "outer-while-inner-dies", "outer-before-inner-dies"])
def test_a_stop_on_a_full_disk(either, tmp_path, need, way):
    """The request cannot be written: the signal itself is the request, and whoever decides next learns of it."""
    need("root", "mount")
    either.rules["stop"]["grace_seconds"] = 2
    with small_disk(tmp_path / "disk", 2048) as disk:
        either.workspace = disk / "work"
        run = either.start("deaf", "worker:say:one", "say:ready", "forever")
        run.until_said("one")
        run.until_event("job.started")
        fill(disk)
        if way == "verb":
            run.stop("--reason", "enough")
        elif way == "outer-while-inner-dies":
            os.kill(either.supervisor(run, "inner"), signal.SIGKILL)
        if way != "verb":
            os.kill(either.supervisor(run, way.partition("-")[0]), signal.SIGTERM)
        if way == "outer-before-inner-dies":
            time.sleep(1)
            os.kill(either.supervisor(run, "inner"), signal.SIGKILL)
        assert not (run.node / "stop.req").exists()
        run.until(lambda: not either.supervise.is_held(run.node / "lock"))
        ended = run.status()
        assert (ended["state"], ended["outcome"], ended["exit"]) == ("ended", "stopped", -9)
        assert ended["reason"].startswith(("signal 15 to the supervisor", "a stop was asked for"))
        assert either.processes(run) == []
        either.clean()


def test_an_attached_launch_shows_the_log_and_stops_on_interrupt(either):
    """Without --detach the log is on standard output, and Ctrl-C stops the run."""
    either.write("say:ready", "forever")
    with subprocess.Popen(
        ["bash", either.folder / "launch.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as launched:
        assert launched.stdout
        assert launched.stdout.readline() == "ready\n"
        launched.send_signal(signal.SIGINT)
        _, talk = launched.communicate(timeout=20)
    assert launched.returncode == 1
    assert "stopped: signal 2 to the launcher" in talk
    (run,) = either.runs()
    assert either.processes(run) == []


def test_an_attached_launch_ends_well_when_the_run_does(bundle):
    """Exit 0 is success, and the whole log was shown."""
    bundle.write("say:ready", "checkpoint:1-1", "say:last words", "forever")
    launched = bundle.launch()
    assert (launched.returncode, launched.stdout) == (0, "ready\nlast words\n")
    assert sys.executable not in launched.stdout
