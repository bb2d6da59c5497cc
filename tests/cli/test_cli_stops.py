"""A stop, whenever it comes and however often."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from terminal import Terminal, pids_of, until

from manifests import running

OWN = running("bash", "job.sh", more="[stop]\ngrace_seconds = 600\n")
LONG = "touch began\nwhile :; do sleep 0.1; done\n"
DEAF = "trap '' TERM\n" + LONG
DEMO_LONG = ("--set", "entry.set.max_train_steps=1000")


@pytest.fixture
def own(place):
    """A job that goes on until it is ended."""
    place.write("srpo.toml", OWN)
    place.write("job.sh", LONG)
    return place


def events(place) -> list[dict]:
    (path,) = place.folder.glob(".srpo/runs/*/attempt-1/node-0/events.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def codes(place) -> list[str]:
    return [event["code"] for event in events(place) if event["event"] == "warning.raised"]


@pytest.mark.fault(51, "stopped")
@pytest.mark.fault(54, "stopped")
def test_ctrl_c_three_times_and_more(own):
    """It asks, it stops, it leaves no grace; what ignored TERM was killed, and nothing of it is left."""
    own.write("job.sh", DEAF)
    person = Terminal(own, "apply")
    person.until("started")
    until((own.folder / "began").exists)
    person.type("\x03")
    person.until("[d]etach or [s]top: ")
    person.type("\x03")
    person.until("KILL in 600 s")
    state = own.run("status", "--json").json
    assert (state["state"], state["ending"]["awaits"]) == ("stopping", "processes")
    assert 500 < state["ending"]["seconds"] <= 600
    assert "told to end; KILL in 5" in own.run("status").out
    person.type("\x03")
    person.until("gets no more grace")
    person.type("\x03\x03")
    assert person.status() == 130
    state = own.run("status", "--json").json
    assert state["outcome"] == "stopped"
    assert "asked for by " in state["reason"]
    assert state["reason"].endswith("on the terminal; killed after the grace")
    assert codes(own) == ["grace-shortened", "grace-passed"]
    assert "killed after the grace" in person.text
    assert pids_of(state["run"]) == []


@pytest.mark.fault(51, "stopped")
def test_a_second_stop_from_elsewhere_shortens_the_grace(own):
    """Twice by the verb; the first one still waits, and both tell the end."""
    own.write("job.sh", DEAF)
    run = own.run("apply", "--detach").out.strip()
    until((own.folder / "began").exists)
    first = own.start("stop", run)
    until(lambda: own.run("status", "--json").json["ending"])
    again = own.run("stop", run, "--grace", "0")
    assert again.out.startswith(f"{run} stopped: asked for by ")
    assert "killed after the grace" in again.out
    assert "warning[grace-shortened]: the grace is 0 seconds now, not 600" in again.err
    out, err = first.communicate(timeout=60)
    assert (first.returncode, out) == (0, again.out), err
    assert "KILL in 600 s" in err
    assert pids_of(run) == []


@pytest.mark.fault(52, "stopped")
def test_a_stop_after_the_end_changes_nothing(own):
    """It prints the outcome, as often as it is asked."""
    run = own.run("apply", "--detach").out.strip()
    assert own.run("stop", run, "--no-wait").status == 0
    assert own.run("wait", run).status == 1
    before = events(own)
    for _ in range(2):
        said = own.run("stop", run)
        assert (said.status, said.out.split(":")[0]) == (0, f"{run} stopped")
        assert "has ended already" in said.err
    assert events(own) == before


@pytest.mark.fault(53, "running")
def test_a_terminal_that_is_closed_detaches(own):
    """The training goes on; where somebody can still read it, the way back is told."""
    person = Terminal(own, "apply")
    person.until("started")
    assert person.close() == 0
    until(lambda: own.run("status", "--json").json["state"] == "running")
    watcher = own.start("attach")
    until(lambda: b"attach" in Path(f"/proc/{watcher.pid}/cmdline").read_bytes())
    assert watcher.stderr
    while "started" not in watcher.stderr.readline():
        pass
    watcher.send_signal(signal.SIGHUP)
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 0
    assert "`srpo-manifest attach " in err
    assert "`srpo-manifest stop " in err
    assert own.run("status", "--json").json["state"] == "running"


@pytest.mark.fault(50, "interrupted (130)")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_a_fetch_ends_git_and_all_that_it_started(own, number):
    """Nothing is half: the next plan fetches and is good."""
    own.write("srpo.toml", OWN.replace("demo:", "https://example.invalid/x"))
    own.program(
        "git",
        '#!/bin/bash\ncase " $* " in *" fetch "*) sleep 600 & echo $! >grandchild; wait;; esac\nexec /usr/bin/git "$@"\n',
    )
    env = {"PATH": f"{own.folder}/bin:{own.env['PATH']}", "SRPO_MANIFEST_CACHE": str(own.folder / "cache")}
    client = own.start("apply", **env)
    started = own.folder / "grandchild"
    until(lambda: started.exists() and started.read_text().strip())
    client.send_signal(number)
    _, err = client.communicate(timeout=60)
    assert client.returncode == 130, err
    until(lambda: not Path(f"/proc/{started.read_text().strip()}").exists())
    assert own.run("runs", "--json").json["runs"] == []
    assert not list(own.folder.glob("cache/*.git"))


@pytest.mark.fault(50, "stopped")
def test_a_stop_during_preparation(own):
    """A long step is ended, the trainer never starts, and the steps for the end are over when `stop` returns."""
    own.write(
        "srpo.toml", OWN + "[python]\nsetup = ['[ -z \"${SRPO_RUN_ID:-}\" ] || { touch preparing; sleep 600; }']\n"
    )
    run = own.run("apply", "--detach").out.strip()
    until(lambda: own.run("status", "--json").json["state"] == "preparing")
    said = own.run("stop", run)
    assert said.out.startswith(f"{run} stopped: asked for by "), said
    assert "job.started" not in {event["event"] for event in events(own)}
    assert pids_of(run) == []


@pytest.mark.fault(50, "never started")
@pytest.mark.parametrize("insists", [False, True])
def test_a_signal_while_the_bundle_is_sent(own, insists):
    """What arrives cut off is not started; who insists does not wait for a link that hangs."""
    own.program(
        "tar",
        '#!/bin/bash\nif [[ " $* " = *" -x "* ]]; then touch arriving; while [ ! -e go ]; do sleep 0.05; done; fi\n'
        'exec /usr/bin/tar "$@"\n',
    )
    client = own.start("apply", PATH=f"{own.folder}/bin:{own.env['PATH']}")
    until(lambda: list(own.folder.rglob("arriving")))
    client.send_signal(signal.SIGTERM)
    if insists:
        time.sleep(1)  # two that wait together are one
        client.send_signal(signal.SIGTERM)
    else:
        for folder in own.folder.rglob("arriving"):
            (folder.parent / "go").touch()
    _, err = client.communicate(timeout=60)
    assert client.returncode == 130, err
    assert ("it was never started" if insists else "nothing was started") in err
    assert not list(own.folder.glob(".srpo/runs/own-*/attempt-1"))
    runs = own.run("runs", "--refresh", "--json").json["runs"]
    assert [run["outcome"] for run in runs] == ["lost"] * insists


SAVING = (*DEMO_LONG, "--set", "entry.set.checkpointing_steps=2", "--set", "done.checkpoints=3")


@pytest.mark.slow
@pytest.mark.fault(55, "stopped")
def test_a_checkpoint_is_waited_for(place):
    """`stop` and `status` say so, and it is whole afterwards."""
    run = place.run("apply", "--detach", *SAVING, "--set", 'env.DEMO_FAULT="slow-checkpoint=15"').out.strip()
    until(lambda: list(place.folder.glob("output/**/*.safetensors")))
    stop = place.start("stop", run)
    until(lambda: place.run("status", "--json").json["ending"])
    assert "stopping    waiting for a checkpoint being written, up to 8" in place.run("status").out
    out, err = stop.communicate(timeout=60)
    assert "waiting for a checkpoint being written, up to 900 s" in err
    assert out.startswith(f"{run} stopped: asked for by ")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["checkpoint"]
    assert "killed" not in out
    assert "not whole" not in out


def test_what_was_saved_badly_is_told(place):
    """With the reason, by `stop` and by whoever was attached, and to one who attaches later."""
    limit = ("--set", "stop.checkpoint_seconds=1", "--set", 'env.DEMO_FAULT="no-marker"')
    run = place.run("apply", "--detach", *SAVING, *limit).out.strip()
    until(lambda: list(place.folder.glob("output/**/*.safetensors")))
    for said in (place.run("stop", run).out, place.run("attach", run).err, place.run("status", run).out):
        assert "stopped: asked for by " in said
        assert "not whole: the run wrote no `config.json`" in said


def test_a_request_that_nobody_takes_is_told(own, say):
    """A supervisor that was stopped by a signal hears nothing: who waits for the end shall know."""
    run = say("apply", "--detach").out.strip()
    until((own.folder / "began").exists)
    slots = (own.folder / ".srpo/runs" / run / "attempt-1/node-0/slots").read_bytes()
    inner, _ = json.loads(slots[:512].rpartition(b"#")[0])["inner"]
    os.kill(inner, signal.SIGSTOP)
    stopping = own.start("stop", run)
    until(lambda: "supervisor-stalled" in codes(own))
    time.sleep(6)
    os.kill(inner, signal.SIGCONT)
    out, err = stopping.communicate(timeout=60)
    assert (stopping.returncode, out.startswith(f"{run} stopped")) == (0, True)
    assert err.count("no supervisor has taken it yet") == 1
