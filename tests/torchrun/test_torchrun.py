"""How runs under the real torchrun end: its workers are sessions of their own, and its exit status is 0 or 1."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import scene

pytestmark = pytest.mark.slow


def whole(ended: dict[str, Any]) -> list[bool]:
    return [checkpoint["whole"] for checkpoint in ended["checkpoints"]]


@scene("counts forever")
def test_a_stop_tells_each_worker_once(run):
    """TERM comes from torchrun alone; nothing is left, though no worker is in the leader's group or session."""
    assert [os.getsid(pid) for pid in run.workers()] == run.workers()
    run.ask_stop()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", 1)
    assert run.told() == ["TERM\n", "TERM\n"]
    assert "forcefully exiting" not in run.log()


@scene("saves-at-end:1 forever", "counts forever", checkpoints=2)
def test_who_saves_when_told_has_the_grace_for_it(run):
    """A stop is acknowledged, durably, while the tree still works; what is written then is whole, and told."""
    assert run.ask_stop()["state"] == "stopping"
    assert (run.node / "stop.req").stat().st_size
    run.until_saving()
    assert run.workers()[0] in run.processes()
    run.let_go()
    ended = run.end()
    assert (ended["outcome"], whole(ended)) == ("stopped", [True])
    assert len(run.events("checkpoint.written")) == 1


@pytest.mark.fault(54, "killed after the grace, stopped")
@scene("deaf forever", grace_seconds=2)
def test_workers_that_ignore_the_signal_are_killed_after_our_grace(run):
    """It is shorter than torchrun's: torchrun goes with them."""
    run.ask_stop()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -9)
    assert "closing signal SIGTERM" in run.log()
    assert "forcefully exiting" not in run.log()


@scene("counts forever", "await-go exit:17")
def test_a_rank_that_fails_is_told_with_its_status(run):
    """The status of torchrun is 1, whatever the rank's was; the other rank is ended."""
    run.let_go()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("failed", 1)
    assert ended["reason"] == "exit status 1 (rank 1 exit status 17)"
    assert run.told() == ["TERM\n"]


@scene("counts forever")
def test_a_rank_that_is_killed_is_told(run):
    """As the kernel does when memory runs out."""
    os.kill(run.workers()[1], signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("failed", 1)
    assert ended["reason"] == "exit status 1 (rank 1 killed by signal 9, as when memory runs out)"
    assert run.told() == ["TERM\n"]
    assert [warning["code"] for warning in ended["warnings"]] == ["worker-killed"]


@pytest.mark.fault(46, "failed: `killed by signal 9`")
@scene("counts forever")
def test_workers_do_not_outlive_torchrun(run):
    """It is killed, they are orphans; each is told once, by us."""
    leader = run.identity()["pid"]
    assert leader not in run.workers()
    os.kill(leader, signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("failed", "killed by signal 9")
    assert run.told() == ["TERM\n", "TERM\n"]


def kill_supervisor(run, victim: str) -> None:
    pid = run.supervisor(victim)
    os.kill(pid, signal.SIGKILL)
    run.until(lambda: not Path(f"/proc/{pid}").exists() or run.events("warning.raised"))


@pytest.mark.parametrize("victim", ["inner", "outer"])
@scene("counts forever", "await-go exit:17")
def test_either_supervisor_may_die(run, victim):
    """The status of torchrun and of the rank that failed are the true ones."""
    kill_supervisor(run, victim)
    run.let_go()
    ended = run.end()
    assert (ended["exit"], ended["reason"]) == (1, "exit status 1 (rank 1 exit status 17)")
    assert run.told() == ["TERM\n"]


@scene("saves-at-end:1 forever", "counts forever", checkpoints=2)
def test_a_stop_is_carried_out_by_the_heir(run):
    """The inner supervisor dies within the grace: nobody is told twice, and what is being written becomes whole."""
    run.ask_stop()
    run.until_saving()
    kill_supervisor(run, "inner")
    run.let_go()
    ended = run.end()
    assert (ended["outcome"], ended["exit"], whole(ended)) == ("stopped", 1, [True])
    assert run.told() == ["TERM\n"]


@scene("counts save:1 save-slowly:2 forever", "counts forever")
def test_a_run_that_has_what_it_is_for_is_ended(run):
    """The trainer is endless; the next checkpoint, which is being written by then, is waited for."""
    run.until(lambda: run.events("checkpoint.written"))
    run.until(lambda: run.status()["phase"] == "ending")
    time.sleep(1)
    assert run.told() == []
    run.let_go()
    ended = run.end()
    assert (ended["outcome"], whole(ended)) == ("succeeded", [True, True])
    assert run.told() == ["TERM\n", "TERM\n"]


@pytest.mark.fault(55, "waited for, then stopped")
@scene("counts save-slowly:1 forever", "counts forever", checkpoints=2)
def test_a_checkpoint_being_written_is_waited_for(run):
    """Nobody is told before it is whole."""
    run.until_saving()
    run.ask_stop()
    run.until(lambda: run.events("stop.asked"))
    time.sleep(1)
    assert run.told() == []
    run.let_go()
    ended = run.end()
    assert (ended["outcome"], whole(ended)) == ("stopped", [True])
    assert run.told() == ["TERM\n", "TERM\n"]


@scene("forever", script="two_nodes.sh", stall_minutes=0.1, workers=0)
def test_a_node_that_waits_for_another_one_is_told(run):
    """Nothing is said while it waits; a stop ends it all the same."""
    run.until(lambda: "stalled" in [warning["code"] for warning in run.events("warning.raised")])
    (stalled,) = (warning for warning in run.events("warning.raised") if warning["code"] == "stalled")
    assert stalled["hints"][0].startswith("rendezvous-hang: ")
    run.ask_stop()
    assert run.end()["outcome"] == "stopped"


@scene("reduce exit:0")
def test_ranks_meet(run):
    """Under our chief, port and id, through gloo."""
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("unverified", 0)
    assert run.log().count("the sum of all ranks is 3\n") == 2


@scene("deaf forever", is_stopped=True)
def test_torchrun_kills_its_workers_within_a_longer_grace(run):
    """After 30 seconds of its own; our grace must be longer than that for a save to be whole."""
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", 1)
    assert run.log().count("forcefully exiting") == 2


@pytest.mark.fault(46, "failed: `exit status 137`")
@scene("counts forever", mode="shim")
def test_a_script_that_outlives_torchrun_tells_the_status(run):
    """In shim mode bash is the leader: torchrun is killed, bash says 137, and the workers are swept."""
    os.kill(run.parent(run.workers()[0]), signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("failed", 137)
    assert run.told() == ["TERM\n", "TERM\n"]


@scene("counts forever", script="upstream.sh", mode="shim")
def test_upstreams_script_is_stopped_as_well(run):
    """Bash dies of the TERM at once; torchrun, which got it too, ends its workers."""
    run.ask_stop()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -15)
    assert run.told() == ["TERM\n", "TERM\n"]
