"""What DEMO_FAULT asks for happens."""

from __future__ import annotations

import os
import re
import signal
import time

WEIGHTS = "output/demo/checkpoint-5-0/diffusion_pytorch_model.safetensors"
MARKER = "output/demo/checkpoint-5-0/config.json"


def test_hang_is_silence_at_a_step(start):
    """Nothing moves any more, and TERM still ends it."""
    run = start(DEMO_FAULT="hang=3")
    run.until(lambda: len(run.losses) == 2)
    time.sleep(0.3)
    assert len(run.losses) == 2
    assert run.process.poll() is None
    os.kill(run.agent, signal.SIGTERM)
    assert run.wait() == 128 + signal.SIGTERM


def test_crash_leaves_a_traceback_and_a_status(start):
    """It comes after some progress."""
    run = start(DEMO_FAULT="crash=3")
    assert run.wait() == 1
    assert len(run.losses) == 2
    assert "Traceback (most recent call last):" in run.err
    assert "RuntimeError: DEMO_FAULT asked for a crash at step 3" in run.err


def test_a_crash_can_come_after_the_checkpoint(start):
    """Artifacts are whole although the status is not 0."""
    run = start(DEMO_FAULT="crash=7")
    assert run.wait() == 1
    assert (run.folder / MARKER).exists()


def test_ignore_term_takes_a_kill(start):
    """Agent and workers go on."""
    run = start(DEMO_FAULT="ignore-term", HOST_GPU_NUM="2")
    run.until(lambda: run.losses)
    for pid in run.processes():
        os.kill(pid, signal.SIGTERM)
    done = len(run.losses)
    run.until(lambda: len(run.losses) > done)
    assert len(run.workers()) == 2


def test_chatty_floods_with_bytes_that_are_no_text(start):
    """Carriage returns and broken UTF-8, a MiB of it."""
    run = start(DEMO_FAULT="chatty=1")
    run.until(lambda: run.losses)
    data = run.stdout.read_bytes()
    assert len(data) > 2**20
    assert b"\xff\xfe\xc3" in data
    assert data.count(b"\r") > 10_000


def test_sessions_put_workers_out_of_the_agents_reach(start):
    """A signal to the group of the agent misses them."""
    run = start(DEMO_FAULT="sessions", HOST_GPU_NUM="2")
    run.until(lambda: run.losses and len(run.workers()) == 2)
    workers = run.workers()
    assert {os.getsid(pid) for pid in workers} == set(workers)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait()
    assert set(workers) <= set(run.processes())


def test_exit_zero_leaves_nothing(start):
    """A status of 0 is no success."""
    run = start(DEMO_FAULT="exit-zero")
    assert run.wait() == 0
    assert not run.losses
    assert not list(run.folder.glob("output/demo/checkpoint-*"))
    assert not list(run.folder.glob("images/**/*.png"))


def test_slow_checkpoint_can_be_watched_growing(start):
    """The weights come in slices, the marker after them."""
    run = start(DEMO_FAULT="slow-checkpoint=1")
    weights = run.folder / WEIGHTS
    run.until(lambda: weights.exists() and weights.stat().st_size)
    early = weights.stat().st_size
    assert not (run.folder / MARKER).exists()
    run.until((run.folder / MARKER).exists)
    assert early < weights.stat().st_size


def test_no_marker_leaves_the_checkpoint_unfinished(start):
    """Weights without `config.json`."""
    run = start(DEMO_FAULT="no-marker")
    run.until(lambda: "--> checkpoint saved at step 5" in run.out)
    assert (run.folder / WEIGHTS).exists()
    assert not (run.folder / MARKER).exists()


def test_die_rank_takes_the_others_along(start):
    """The agent says who died, ends the rest and fails."""
    run = start(DEMO_FAULT="die-rank=1", HOST_GPU_NUM="2")
    assert run.wait() == 1
    assert "failed (exitcode: -9) local_rank: 1" in run.err
    assert not run.processes()


def test_an_orphan_outlives_the_run(start):
    """It has no parent of ours, a session of its own, and the run's environment."""
    run = start(DEMO_FAULT="spawn-orphan")
    run.until(lambda: run.losses)
    os.kill(run.agent, signal.SIGTERM)
    run.wait()
    told = re.search(r"spawned orphan (\d+)", run.out)
    assert told
    assert run.processes() == [int(told[1])]
    assert os.getsid(int(told[1])) != os.getsid(0)


def test_faults_go_together(start):
    """Names are separated by commas."""
    run = start(DEMO_FAULT="no-marker,exit-zero=7")
    assert run.wait() == 0
    assert (run.folder / WEIGHTS).exists()
    assert not (run.folder / MARKER).exists()


def test_an_unknown_fault_is_refused(start):
    """A misspelled switch must not pass for a healthy run."""
    run = start(DEMO_FAULT="hangs")
    assert run.wait() == 1
    assert "DEMO_FAULT: unknown fault `hangs`, known are hang, crash," in run.err
