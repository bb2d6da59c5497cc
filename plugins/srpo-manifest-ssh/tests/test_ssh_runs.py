"""Whole runs of the demo on a machine behind ssh, with the program as people use it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from srpo_manifest.testing import awkward, sendable

CI_SECONDS = 90


def test_the_demo_trains_there(desk):
    """One login, two commands to the launch; the record alone finds it again."""
    desk.demo()
    begun = desk.say("apply", "--detach", "--json")
    assert begun.status == 0, begun.err
    assert (desk.sshd.logins, desk.sshd.commands) == (1, 2)
    assert desk.node().is_relative_to(desk.sshd.home)
    (desk.folder / "srpo.toml").unlink()
    assert desk.say("wait").status == 0
    status = desk.say("status", "--json").json
    assert (status["outcome"], status["reason"]) == ("succeeded", "the done rule holds")
    assert all(Path(found["path"]).is_relative_to(desk.sshd.home / "far") for found in status["checkpoints"])
    assert "Progress: 9/10" in desk.say("logs", "--raw").out
    assert desk.sshd.logins == 1
    assert (desk.sshd.home / "far/third_party/srpo/vendor").exists()


def test_the_same_words_arrive_as_on_this_machine(desk):
    """Ten thousand as arguments and variables: those of the local transport but for home, workspace and the run's id."""
    words = [word for word in map(sendable, awkward(2, 5_000)) if not word.startswith("-")]
    env = {f"VALUE_{number}": sendable(word) for number, word in enumerate(awkward(3, 6_000))}
    assert len(words) + len(env) > 10_000
    (desk.folder / "args.json").write_text(json.dumps({"args": words[:100], "env": env}))
    program = 'printf "%s\\0" "$@" >"$SRPO_RUN_DIR/argv"; env -0 | sort -z >"$SRPO_RUN_DIR/env"'
    found = []
    for far in (True, False):
        desk.command("bash", "-c", program, "x", args_file="args.json", far=far)
        said = desk.say("apply", "--json", "--", *words[100:], HOME=str(desk.sshd.home))
        assert said.status == 0, said.err[-2000:]
        run = json.loads(said.out.splitlines()[-1])["run"]
        (node,) = desk.sshd.home.glob(f"far/.srpo/runs/{run}/attempt-1/node-0")
        seen = [(node / name).read_bytes().replace(run.encode(), b"RUN") for name in ("argv", "env")]
        planned = re.compile(rb"VALUE_|SRPO_RUN_(?!PORT)|SRPO_WORKSPACE_DIR=|PYTHONPATH=")
        found.append((seen[0], {*filter(planned.match, seen[1].split(b"\0"))}))
    assert found[0][0].decode("utf-8", "surrogateescape").split("\0")[:-1] == words
    assert found[0][0] == found[1][0]
    assert found[0][1] ^ found[1][1] == set()
    assert len(found[0][1]) > len(env)


@pytest.mark.fault(61, "nothing is lost or doubled")
def test_a_link_that_is_cut_again_and_again_loses_no_byte(desk):
    """The training does not notice, the reader comes back by itself, and each line of the log comes once."""
    desk.command("bash", "-c", "for i in $(seq 1 120); do echo line $i; sleep 0.05; done")
    assert desk.say("apply", "--detach").status == 0
    reader = desk.start("logs", "-f", "--raw")
    for _ in range(4):
        time.sleep(1.3)
        desk.sshd.cut()
    out, err = reader.communicate(timeout=CI_SECONDS)
    assert [line for line in out.splitlines() if line.startswith("line")] == [
        f"line {number}" for number in range(1, 121)
    ]
    assert err.count("contact lost") == err.count("contact restored")
    assert desk.say("wait").status == 0


def test_a_machine_that_is_out_of_reach_is_no_outcome(desk):
    """What is known is told, with the contact that was lost; the run is stopped once it can be reached again."""
    desk.command("sleep", "600")
    assert desk.say("apply", "--detach").status == 0
    desk.sshd.until(lambda: desk.say("status", "--json").json["state"] == "running")
    desk.sshd.off()
    said = desk.say("status", "--json")
    assert (said.json["state"], said.json["outcome"], said.json["contact"]) == ("running", None, "lost")
    assert said.status == 5
    (row,) = desk.say("runs", "--refresh", "--json").json["runs"]
    assert (row["state"], row["contact"]) == ("running", "lost")
    desk.sshd.start()
    stopped = desk.say("stop", "--json")
    assert stopped.status == 0, stopped.err
    assert desk.say("status", "--json").json["outcome"] == "stopped"


def test_a_client_that_is_killed_is_not_missed(desk):
    """Nor its login: another one attaches, and the run ends as it should."""
    desk.demo(steps=60)
    client = desk.start("apply")
    desk.sshd.until(lambda: list(desk.sshd.home.glob("far/.srpo/runs/far-*/attempt-1/node-0/phases")))
    client.send_signal(signal.SIGKILL)
    client.communicate()
    desk.sshd.cut()
    attached = desk.say("attach")
    assert attached.status == 0, attached.err
    assert "succeeded: the done rule holds" in attached.out + attached.err


@pytest.mark.fault(62, "the slot keeps the outcome")
def test_a_disk_there_that_is_full(desk, mounts):
    """What could not be written is told; the outcome is known all the same."""
    full = desk.sshd.folder / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", full], check=True)
    try:
        desk.command("bash", "-c", "cat /dev/zero >>filled; exit 7", workspace=str(full))
        assert desk.say("apply", "--detach").status == 0
        assert desk.say("wait").status == 1
        status = desk.say("status", "--json").json
        assert (status["state"], status["outcome"], status["exit"]) == ("ended", "failed", 7)
        (full / "filled").unlink()
        subprocess.run(["bash", "-c", f"cat /dev/zero >{full}/again"], stderr=subprocess.DEVNULL, check=False)
        refused = desk.say("apply", "--again")
        assert refused.status not in (0, 70), refused.err
        assert re.search(r"error\[disk-full\]|error\[.*(?:disk|space)|No space left", refused.err), refused.err
    finally:
        for run in desk.say("runs", "--refresh", "--json").json["runs"]:
            if run["state"] != "ended":
                desk.say("stop", run["id"], "--grace", "0")
        desk.sshd.until(lambda: subprocess.run(["umount", full], capture_output=True, check=False).returncode == 0)


@pytest.mark.fault(63, "lost (the machine was restarted)")
def test_a_machine_that_was_restarted(desk):
    """It is told as that, with the checkpoints that lie there; the numbers of its processes are strangers' now."""
    desk.demo(steps=5, seconds=0.05, more="[done]\ncheckpoints = 1000\n")
    assert desk.say("apply", "--detach").status == 0
    desk.sshd.until(lambda: any(found["whole"] for found in desk.say("status", "--json").json["checkpoints"]))
    slots = desk.node() / "slots"
    identity = json.loads(slots.read_bytes()[:512].rpartition(b"#")[0])
    for pid, _ in (identity["outer"], identity["inner"]):
        os.kill(pid, signal.SIGKILL)
    record = json.dumps(identity | {"boot": "before"}).encode()
    with slots.open("r+b") as file:
        file.write((record + b"#%08x" % zlib.crc32(record)).ljust(512))
    try:
        status = desk.say("status", "--json").json
        assert (status["state"], status["outcome"]) == ("ended", "lost")
        assert status["reason"] == "the machine was restarted"
        assert any(found["whole"] for found in status["checkpoints"])
    finally:
        for pid, start in ((identity["pid"], identity["start"]),):
            assert f" {start} " in Path(f"/proc/{pid}/stat").read_text()
            os.killpg(pid, signal.SIGKILL)


@pytest.mark.fault(65, "stopped within its grace and 10 s")
def test_a_slow_link(desk):
    """Every packet comes 300 ms later, some much later: a stop still takes its grace and ten seconds at most."""
    slow = desk.sshd.folder / "slow.py"
    slow.write_text(SLOW)
    desk.sshd.configure(f"ProxyCommand {sys.executable} {slow} 127.0.0.1 {desk.sshd.port}")
    desk.command("bash", "-c", "trap '' TERM; while :; do echo tick; sleep 0.2; done")
    assert desk.say("apply", "--detach").status == 0
    desk.sshd.until(lambda: desk.say("status", "--json").json["state"] == "running")
    begun = time.monotonic()
    assert desk.say("stop").status == 0
    assert time.monotonic() - begun < 5 + 10
    assert desk.say("status", "--json").json["outcome"] == "stopped"


SLOW = """
import os, queue, random, socket, sys, threading, time

far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
chance = random.Random(7)


def carry(read, write):
    waiting = queue.Queue()

    def late():
        while True:
            due, data = waiting.get()
            time.sleep(max(0, due - time.monotonic()))
            if not data:
                os._exit(0)
            write(data)

    threading.Thread(target=late, daemon=True).start()
    while True:
        data = read()
        stalled = 0.9 if chance.random() < 0.05 else 0
        waiting.put((time.monotonic() + 0.15 + stalled, data))
        if not data:
            return


threading.Thread(target=carry, args=(lambda: os.read(0, 65536), far.sendall), daemon=True).start()
carry(lambda: far.recv(65536), lambda data: os.write(1, data))
time.sleep(5)
"""


def test_a_passphrase_is_asked_for_once_where_a_person_can_answer(desk):
    """At a terminal, for the whole run; without one it is refused, and nobody waits for an answer."""
    key = desk.sshd.folder / "user"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", key], check=True)
    desk.command("bash", "-c", "echo hello")
    refused = desk.say("apply")
    assert refused.status == 5
    assert "error[login-refused]" in refused.err
    pid, end = pty.fork()
    if pid == 0:
        os.chdir(desk.folder)
        os.execve(sys.executable, [sys.executable, "-m", "srpo_manifest", "apply"], desk.env)
    said, limit = "", time.monotonic() + CI_SECONDS
    with contextlib.suppress(OSError):
        while time.monotonic() < limit:
            if select.select([end], [], [], 0.2)[0]:
                if not (more := os.read(end, 65536)):
                    break
                asked = "Enter passphrase" in (text := more.decode("utf-8", "replace"))
                said += text
                if asked:
                    os.write(end, b"open sesame\n")
    os.close(end)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    assert said.count("Enter passphrase") == 1
    assert "succeeded" in said


def test_a_machine_that_goes_off_with_the_end_has_told_it(desk):
    """The outcome stands, is remembered, and whoever comes later is not kept waiting."""
    desk.command("true", more="[outputs]\nfetch = []\n")
    client = desk.start("apply", "--json")
    for line in client.stdout:
        if json.loads(line)["event"] == "run.ended":
            break
    desk.sshd.off()
    _, told = client.communicate(timeout=120)
    assert client.returncode == 0, told
    status = desk.say("status", "--json").json
    assert (status["state"], status["outcome"], status["contact"]) == ("ended", "succeeded", "lost")
    assert desk.say("wait").status == 0
    attached = desk.say("attach")
    assert (attached.status, "ended     succeeded" in attached.err) == (0, True)
    (row,) = desk.say("runs", "--refresh", "--json").json["runs"]
    assert (row["outcome"], row["contact"]) == ("succeeded", "lost")
