"""The supervisor in bash: how runs end, what is survived, and what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.parametrize(
    ("acts", "outcome", "status", "reason"),
    [
        (("exit:7",), "failed", 7, "exit status 7"),
        (("exit:137",), "failed", 137, "exit status 137"),
        (("die:9",), "failed", -9, "killed by signal 9"),
        (("die:15",), "failed", -15, "killed by signal 15"),
        (("say:ValueError: no good", "exit:1"), "failed", 1, "exit status 1: ValueError: no good"),
        (("exit:0",), "unverified", 0, "exit status 0 with 0 of 1 checkpoint"),
        (("checkpoint:1-1", "exit:3"), "succeeded", 3, "the done rule holds"),
        (("torn-checkpoint:1-1", "exit:0"), "unverified", 0, "exit status 0 with 0 of 1 checkpoint"),
    ],
)
def test_an_end_is_judged_by_the_artifacts(plain, acts, outcome, status, reason):
    """Status 137 and a KILL stay apart."""
    run = plain.start(*acts)
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == (outcome, status, reason)
    result = run.result()
    assert (result["outcome"], result["exit"], result["reason"]) == (outcome, status, reason)
    assert ended["damaged"] == []


def test_a_command_that_is_missing(plain):
    """Bash's own status, and its own words."""
    plain.before = "enter job; exec no-such-trainer"
    ended = plain.start().end()
    assert (ended["outcome"], ended["exit"]) == ("failed", 127)


def test_what_is_left_behind_is_swept(plain):
    """A leader's end is not the run's end: workers in their own sessions go, deaf and double-forked ones too."""
    plain.rules["stop"]["grace_seconds"] = 0.5
    plain.before = f'(setsid {sys.executable} -I "$SRPO_BUNDLE/trainer.py" deaf say:orphan forever &) &'
    run = plain.start("worker:deaf,say:worker", "await:go", "exit:0")
    run.until_said("orphan")
    run.until_said("worker")
    assert len(plain.processes(run)) == 3
    (run.node / "go").touch()
    assert run.end()["exit"] == 0
    assert plain.processes(run) == []


def test_a_deaf_tree_is_killed_after_the_grace(plain):
    """The grace of the request holds, not the rules' own; the reason is kept."""
    plain.rules["stop"]["grace_seconds"] = 600
    run = plain.start("deaf", "worker:deaf,say:one", "say:ready", "forever")
    run.until_said("one")
    assert run.stop("--grace", "0.5", "--reason", 'it is "enough"')["state"] == "stopping"
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("stopped", -9, 'it is "enough"')
    assert [event["reason"] for event in run.events("stop.asked")] == ['it is "enough"']
    assert plain.processes(run) == []
    again = run.ask("stop")
    assert b"has ended already: stopped" in again.stderr


def test_a_checkpoint_being_written_is_waited_for(plain):
    """The stop comes while weights are written; they become whole."""
    plain.rules["done"]["checkpoints"] = 2
    run = plain.start("say:ready", "slow-checkpoint:1.5", "forever")
    run.until(lambda: list(plain.cwd.glob("out/*/checkpoint-9-9/model.safetensors")))
    run.stop()
    ended = run.end()
    assert ended["outcome"] == "stopped"
    assert [found["whole"] for found in ended["checkpoints"]] == [True]


def test_who_hands_the_signal_on_is_left_to_it(plain):
    """As torchrun does: its workers hear TERM once, from it, and have the grace to end."""
    plain.before = f"{sys.executable} -I $SRPO_BUNDLE/trainer.py worker:count,say:ready hand-on forever; exit"
    run = plain.start()
    run.until_said("ready")
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert (plain.cwd / "told").read_text() == "x"


def test_only_what_this_run_made_counts(plain):
    """A file that was there before satisfies nothing; the same file written anew does."""
    plain.cwd.mkdir()
    (plain.cwd / "wanted").write_text("old")
    plain.rules["done"] = {"checkpoints": None, "images": None, "files": ["want*"], "exit_zero": False}
    run = plain.start("say:begun", "await:go", "touch:wanted", "forever")
    run.until_said("begun")
    assert run.status()["state"] in ("preparing", "running")
    (run.node / "go").touch()
    assert run.end()["outcome"] == "succeeded"
    assert [found["path"] for found in run.result()["files"]] == [str(plain.cwd / "wanted")]


def test_max_hours_end_a_run(plain):
    """Asked for by nobody."""
    plain.rules["stop"]["max_hours"] = 0.0003
    ended = plain.start("forever").end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "max_hours (0.0003) passed")


def test_a_dead_supervisor_is_replaced(plain):
    """Whoever decides is started again: no event is lost or told twice, and the status is the true one."""
    run = plain.start("image:a.png=one", "worker:say:hears", "await:go", "checkpoint:1-1", "exit:7")
    run.until_event("image.written")
    os.kill(plain.supervisor(run, "inner"), signal.SIGKILL)
    run.until(lambda: any(event["code"] == "supervisor-died" for event in run.events("warning.raised")))
    (run.node / "go").touch()
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["images"]) == ("succeeded", 7, 1)
    names = [event["event"] for event in run.events()]
    once = ("job.started", "image.written", "checkpoint.written", "run.ended")
    assert [names.count(name) for name in once] == [1, 1, 1, 1]
    assert plain.processes(run) == []


@pytest.mark.parametrize(
    ("done", "lacks"),
    [
        ({"checkpoints": 1, "exit_zero": False}, "0 of 1 checkpoint"),
        ({"checkpoints": None, "exit_zero": True}, "no end with status 0"),
    ],
)
def test_a_status_dies_with_who_waits_for_it(plain, done, lacks):
    """Weaker: the training goes on and is judged by what it leaves; its status is lost, and nothing is invented."""
    plain.rules["done"] |= done
    run = plain.start("say:ready", "await:go", "exit:0")
    run.until_event("job.started")
    os.kill(plain.supervisor(run, "outer"), signal.SIGKILL)
    time.sleep(0.5)
    assert plain.processes(run)
    (run.node / "go").touch()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("unverified", None)
    assert ended["reason"] == f"its exit status is lost, as the process that waited for it was killed: {lacks}"


def test_without_supervisors_a_run_is_lost_until_tidied(plain, supervise):
    """The training survives; nobody invents an outcome; `tidy` ends what still runs, in whatever session it is."""
    run = plain.start("deaf", "worker:say:worker", "forever")
    run.until_said("worker")
    for victim in ("outer", "inner"):
        os.kill(plain.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: not supervise.is_held(run.node / "lock"))
    lost = run.status()
    assert (lost["state"], lost["outcome"], lost["exit"], lost["reason"]) == (
        "ended",
        "lost",
        None,
        "its supervisors died",
    )
    left = plain.processes(run)
    assert len(left) == 2
    tidied = run.ask("tidy", "--grace", "0.5")
    answer = json.loads(tidied.stdout)
    assert (sorted(answer["told"]), answer["left"], tidied.returncode) == (sorted(left), [], 0)
    assert plain.processes(run) == []


def test_a_lost_run_is_adopted(plain, supervise):
    """Another supervisor goes on: the done rule holds as before, and only the status is lost."""
    run = plain.start("say:ready", "await:go", "checkpoint:1-1", "forever")
    run.until_event("job.started")
    for victim in ("outer", "inner"):
        os.kill(plain.supervisor(run, victim), signal.SIGKILL)
    run.until(lambda: not supervise.is_held(run.node / "lock"))
    assert run.status()["unfinished"]
    adopted = json.loads(run.ask("adopt").stdout)
    assert (adopted["state"], adopted["unfinished"], adopted["alive"]) == ("running", False, True)
    adopter = supervise.same(*supervise.read_slots(run.node / "slots")[0][0]["inner"])
    assert adopter
    assert plain.supervisor(run, "outer") == adopter.pid
    assert run.events("warning.raised")[-1]["message"] == (
        "both supervisors died; a new one goes on with a trainer that still runs"
    )
    (run.node / "go").touch()
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["unfinished"]) == ("succeeded", None, False)
    assert plain.processes(run) == []
    assert json.loads(run.ask("adopt").stdout) == ended


def test_a_folder_that_is_gone_for_a_while_ends_nothing(plain):
    """Neither the run's own nor that of all runs, and what is asked for later is heard."""
    run = plain.start("say:ready", "forever")
    run.until_event("job.started")
    for folder in (run.node.parent.parent, run.node.parent.parent.parent):
        folder.rename(folder.with_name("moved"))
        time.sleep(1.5)
        folder.with_name("moved").rename(folder)
    assert run.status()["state"] == "running"
    assert run.stop("--reason", "enough")["state"] == "stopping"
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("stopped", -15, "enough")


def test_an_emptied_environment_escapes(plain):
    """Weaker: without the marker a process is nobody's; the other supervisor would see it by its parents."""
    plain.before = f"(env -i {sys.executable} -I -c \"import os, time; open('escaped', 'w').write(str(os.getpid())); time.sleep(600)\" &) &"
    run = plain.start("await:go", "exit:0")
    run.until(lambda: (plain.cwd / "escaped").exists() and (plain.cwd / "escaped").read_text())
    (run.node / "go").touch()
    run.end()
    escaped = int((plain.cwd / "escaped").read_text())
    os.kill(escaped, signal.SIGKILL)


def test_following_shows_every_byte_once(plain):
    """Whole event lines, and the log to the last byte, from any offset on."""
    plain.before = "enter job; for i in {1..400}; do printf 'line %s \\xff\\n' $i; [ $((i % 40)) != 0 ] || sleep 0.05; done; printf end; exit 3"
    run = plain.start()
    events = log = said = b""
    state = ""
    while not (state == "ended" and not said):
        answer = run.ask("follow", "--events", str(len(events)), "--log", str(len(log)), "--wait", "5").stdout
        head, said = answer.split(b"\n", 1)
        counts = json.loads(head)
        state = counts["state"]
        assert len(said) == counts["events"] + counts["log"]
        events, log = events + said[: counts["events"]], log + said[counts["events"] :]
    assert log == (run.node / "log").read_bytes() == b"".join(b"line %d \xff\n" % i for i in range(1, 401)) + b"end"
    assert events == (run.node / "events.jsonl").read_bytes()
    for lines, text in ((0, b""), (1, b"end"), (2, b"line 400 \xff\nend"), (1000, log)):
        offset = json.loads(run.ask("seek", "--lines", str(lines)).stdout)["offset"]
        assert log[offset:] == text


def test_a_full_disk_keeps_the_end(plain, tmp_path, need):
    """The slot was given its space before anything started."""
    need("root", "mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
    try:
        plain.workspace = disk / "work"
        run = plain.start("await:go", "exit:7")
        run.until_event("job.started")
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={disk / 'ballast'}", "bs=4k"], stderr=subprocess.DEVNULL, check=False
        )
        (run.node / "go").touch()
        run.until(lambda: not plain.supervise.is_held(run.node / "lock"))
        ended = run.status()
        assert (ended["state"], ended["outcome"], ended["exit"]) == ("ended", "failed", 7)
        plain.clean()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
