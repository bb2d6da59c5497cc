"""What the supervisor makes of the machine: cgroups, pidfds, numbers given away, processes that KILL does not reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import RUNTIME


def start_enclosed(bundle, *acts):
    run = bundle.start(*acts)
    identity = bundle.supervise.read_slots(run.node / "slots")[0][0]
    if "cgroup" not in identity:
        run.stop("--grace", "0")
        run.end()
        pytest.skip("no cgroup of version 2 may be written here")
    return run, Path(identity["cgroup"])


def test_a_run_has_a_cgroup_where_one_may_be_made(bundle):
    """The leader and all below it are in it; the supervisors are not, and at the end it is gone."""
    bundle.on_stop = "cat /proc/self/cgroup"
    run, cgroup = start_enclosed(bundle, "worker:say:worker", "forever")
    run.until_said("worker")
    assert bundle.supervise.members(str(cgroup)) == set(bundle.processes(run))
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert f"0::/{cgroup.name}\n" in run.log() or f"/{cgroup.name}\n" in run.log()
    assert not cgroup.exists()


def test_who_hid_from_everything_is_found_in_the_cgroup(bundle):
    """No supervisor lived when it forked twice with an empty environment: no parent and no mark lead to it."""
    run, cgroup = start_enclosed(bundle, "say:ready", "await:go", "flee", "forever")
    run.until_said("ready")
    bundle.lose(run)
    (run.node / "go").touch()
    run.until((bundle.cwd / "fled").exists)
    fled = int((bundle.cwd / "fled").read_text())
    run.ask("adopt")
    assert fled not in bundle.processes(run)
    run.stop()
    assert run.end()["outcome"] == "stopped"
    body = bundle.supervise.process(fled)
    assert body is None or body.state in "ZX"
    assert not cgroup.exists()


def test_without_a_cgroup_nothing_changes(bundle, supervise, tmp_path):
    """A cgroup that may not be made, or whose path slot 0 has no room for, is none."""
    assert supervise.enclose("x" * 250, os.getpid()) is None
    assert supervise.members(str(tmp_path)) == set()
    supervise.remove_cgroup("")


@pytest.mark.slow
def test_a_kernel_without_pidfd_ends_runs_as_well(bundle, need):
    """`pidfd_open` is unknown to it: processes are told by number after a look at their start, and that is said."""
    need("strace")
    bundle.rules["stop"]["grace_seconds"] = 1
    bundle.write("deaf", "worker:deaf,say:worker", "forever")
    inject = ["--seccomp-bpf", "--trace=pidfd_open", "--inject=pidfd_open:error=ENOSYS"]
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *inject, "bash", bundle.folder / "launch.sh", "--detach"],
        stdout=subprocess.PIPE,
    ) as launched:
        assert launched.stdout
        assert json.loads(launched.stdout.readline())
        (run,) = bundle.runs()
        run.until_said("worker")
        run.stop()
        ended = run.end()
        launched.wait(timeout=30)
    assert (ended["outcome"], ended["exit"]) == ("stopped", -9)
    assert [one["code"] for one in ended["warnings"]] == ["pidfd-missing", "grace-passed"]
    assert bundle.processes(run) == []


@pytest.fixture
def freezer(need, tmp_path):
    """A folder of the freezer of cgroup version 1, whose processes not even KILL ends."""
    need("root", "mount")
    place = tmp_path / "freezer"
    place.mkdir()
    if subprocess.run(["mount", "-t", "cgroup", "-o", "freezer", "freezer", place], check=False).returncode:
        pytest.skip("the kernel has no freezer of cgroup version 1")
    folder = place / f"srpo-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    (folder / "freezer.state").write_text("THAWED")
    limit = time.monotonic() + 20
    while (folder / "tasks").read_text() and time.monotonic() < limit:
        time.sleep(0.02)
    folder.rmdir()
    subprocess.run(["umount", place], check=True)


@pytest.mark.fault(56, "unkillable")
def test_a_process_that_kill_does_not_reach_is_given_up(bundle, freezer):
    """Its pid is told in the result, the slot and the last warning; the supervisors end, and so does who waits for them."""
    bundle.rules["stop"] |= {"grace_seconds": 0.3, "kill_seconds": 0.5}
    run = bundle.start("worker:say:worker", "forever")
    run.until_said("worker")
    leader = bundle.supervise.read_slots(run.node / "slots")[0][0]["pid"]
    (worker,) = set(bundle.processes(run)) - {leader}
    (freezer / "tasks").write_text(str(worker))
    (freezer / "freezer.state").write_text("FROZEN")
    run.until(lambda: "FROZEN" in (freezer / "freezer.state").read_text())
    run.stop()
    ended = run.end()
    assert (ended["outcome"], ended["unfinished"]) == ("stopped", False)
    assert run.result()["unkillable"] == [worker]
    assert bundle.supervise.read_slots(run.node / "slots")[0][2]["unkillable"] == [worker]
    assert [one["code"] for one in ended["warnings"]] == ["grace-passed", "unkillable"]
    assert str(worker) in ended["warnings"][-1]["message"]


def test_a_frozen_cgroup_of_version_2_is_reached_by_kill(bundle):
    """A job that a scheduler suspended so is ended like any other."""
    bundle.rules["stop"]["grace_seconds"] = 0.3
    run, cgroup = start_enclosed(bundle, "worker:say:worker", "forever")
    run.until_said("worker")
    (cgroup / "cgroup.freeze").write_text("1")
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert bundle.processes(run) == []


REUSED = """
import json, os, signal, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from supervising import files, processes, slots, stops

def sleeper(number=None):
    if number:
        open("/proc/sys/kernel/ns_last_pid", "w").write(str(number - 1))
    return subprocess.Popen(["sleep", "60"])

first = sleeper()
told = processes.process(first.pid)
first.kill()
first.wait()
time.sleep(0.05)
stranger = sleeper(first.pid)
assert stranger.pid == first.pid, (stranger.pid, first.pid)
processes.send(told, signal.SIGKILL)
node = files.Node(sys.argv[2])
os.makedirs(node.folder)
os.makedirs(node.bundle)
open(os.path.join(node.bundle, "rules.json"), "w").write(sys.argv[3])
one = [told.pid, told.start]
record = {"pid": one[0], "start": one[1], "boot": processes.boot_id(), "outer": one, "inner": one, "time": "then"}
slots.Slots(node.path("slots")).write(slots.IDENTITY, record)
for name in ("lock", "log"):
    open(node.path(name), "w").close()
stops.ask_stop(node, "enough", 0)
adopted = subprocess.run([sys.executable, sys.argv[1] + "/supervise.py", "adopt", node.folder], stdout=subprocess.PIPE, check=True)
time.sleep(0.3)
print(json.dumps({"lives": stranger.poll() is None, "start": [told.start, processes.process(stranger.pid).start],
                  "outcome": json.loads(adopted.stdout)["outcome"]}))
stranger.kill()
"""


@pytest.mark.fault(58, "lost")
def test_a_number_that_was_given_to_another_is_not_signalled(bundle, need, tmp_path):
    """A stranger has the leader's and the supervisors' number: no stop, no sweep and no wake-up reaches it."""
    need("root", "unshare")
    node = tmp_path / "work/.srpo/runs/demo-20250101T000000Z-aaaaaa/attempt-1/node-0"
    words = [sys.executable, "-c", REUSED, RUNTIME, node, json.dumps(bundle.rules)]
    asked = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *words],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr.decode()
    told = json.loads(asked.stdout)
    assert told["start"][0] != told["start"][1]
    assert (told["lives"], told["outcome"]) == (True, "lost")
