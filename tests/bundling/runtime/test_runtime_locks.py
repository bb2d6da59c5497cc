"""The locks of the target: who holds them is told, and a dead process holds none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import RUNTIME

HOLD = """
import fcntl, os, sys
sys.path.insert(0, sys.argv[1])
from supervising.locks import sign
lock = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
sign(lock)
print("held", flush=True)
sys.stdin.read()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-c", HOLD, RUNTIME, path]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.fault(48, "already-running")
def test_a_second_run_of_a_name_learns_whom_it_meets(bundle):
    """The run, and the process that supervises it; nothing of the second is started."""
    run = bundle.start("say:ready", "forever")
    refused = bundle.launch("--detach")
    assert refused.returncode == 75
    holder = bundle.supervisor(run, "outer")
    named = rf"process {holder} on `{re.escape(os.uname().nodename)}` \(`supervise\.py`, since 2\S+\)"
    sentence = (
        rf"error\[already-running\]: run `{run.id}` of this name has not ended; it is supervised by {named}\nhint: .+"
    )
    assert re.fullmatch(sentence, refused.stderr.strip())
    assert [one.id for one in bundle.runs() if (one.node / "slots").exists()] == [run.id]


def test_a_launch_says_for_whom_it_waits(bundle):
    """While another one of the name goes on; when that is killed it goes on by itself."""
    gate = bundle.workspace / ".srpo/runs/.demo.launch"
    holder = holding(gate)
    bundle.write("exit:0")
    launch = subprocess.Popen(
        ["bash", bundle.folder / "launch.sh", "--detach"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert launch.stderr
    told = launch.stderr.readline()
    assert re.fullmatch(
        rf"waiting for process {holder.pid} on `\S+` \(`-c .+`, since 2\S+\), which launches .+\n", told
    )
    holder.kill()
    holder.communicate()
    out, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0
    (run,) = bundle.runs()
    run.end()
    assert json.loads(gate.read_text())["pid"] != holder.pid
    assert json.loads(out)["run"] == run.id


def test_the_signature_of_the_dead_is_not_believed(supervise, tmp_path: Path):
    """Nor one that is torn, of another boot, or of a process that got the number later; of another machine it is."""
    gate = tmp_path / "gate"
    holder = holding(gate)
    signature = json.loads(gate.read_text())
    assert supervise.signed(gate) == (
        f"process {holder.pid} on `{signature['host']}` (`{signature['command']}`, since {signature['since']})"
    )
    for change in ({"start": signature["start"] - 1}, {"boot": "another"}, {"pid": None}):
        gate.write_text(json.dumps(signature | change))
        assert supervise.signed(gate) == "a process that did not tell its name"
    gate.write_text(json.dumps(signature | {"boot": "another", "host": "elsewhere"}))
    assert supervise.signed(gate).startswith(f"process {holder.pid} on `elsewhere`")
    gate.write_text(json.dumps(signature)[:-5])
    assert supervise.signed(gate) == "a process that did not tell its name"
    holder.communicate("")
    gate.write_text(json.dumps(signature))
    assert supervise.signed(gate) == "a process that did not tell its name"


def test_a_launch_does_not_wait_for_ever(bundle, supervise, monkeypatch, tmp_path: Path):
    """It is refused with the holder's name, and what to do."""
    holder = holding(tmp_path / "gate")
    monkeypatch.setattr("supervising.launching.GATE_SECONDS", 0.1)
    lock = os.open(tmp_path / "gate", os.O_RDWR)
    with pytest.raises(supervise.Refused) as caught:
        supervise.take_gate(lock, str(tmp_path / "gate"))
    os.close(lock)
    assert (caught.value.code, caught.value.status) == ("launch-busy", 75)
    assert str(caught.value).startswith(f"process {holder.pid} on ")
    holder.communicate("")
