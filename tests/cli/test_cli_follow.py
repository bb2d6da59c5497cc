"""Readers that are cut off, stopped, or many; and a job that writes more than anybody reads."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from terminal import until

from manifests import running
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.errors import TransportError
from srpo_manifest.ports.following import Offsets
from srpo_manifest.ports.probes import Answer

OWN = running("python3", "job.py")
COUNTING = """import os, time
number = 0
while not os.path.exists("enough"):
    number += 1
    os.write(1, b"%d \\xff\\r\\n" % number)
    time.sleep(0.002)
"""
BLASTING = """import os, time
def wait(name):
    while not os.path.exists(name):
        time.sleep(0.05)
block = b"".join(b"%099d\\n" % number for number in range(10486))
wait("go")
for _ in range(BLOCKS):
    os.write(1, block)
open("written", "w").close()
wait("seen")
"""
MIB = 1 << 20


class Cut:
    """A transport that loses every other answer, or a part of it."""

    place = "a place behind a bad line"

    def __init__(self, whole, seed: int) -> None:
        self.whole, self.cuts = whole, 0
        self.dice, self.is_good = random.Random(seed), True

    def exec(self, script, data=(), *, timeout_seconds):
        answer = self.whole.exec(script, data, timeout_seconds=timeout_seconds)
        self.is_good = not self.is_good
        if self.is_good:
            self.cuts += answer.status != 0
            return answer
        self.cuts += 1
        kind = self.dice.choice(("cut", "cut", "killed", "lost"))
        if kind == "lost" or not answer.output:
            raise TransportError("line-cut", "the line was cut")
        part = answer.output[: self.dice.randrange(len(answer.output))]
        return Answer(status=0 if kind == "cut" else self.dice.choice((-9, 137, 255)), output=part, error=b"")


def node_of(place) -> Path:
    (node,) = place.folder.glob(".srpo/runs/*/attempt-1/node-0")
    return node


def readers_of(node: Path) -> list[int]:
    """The processes on the target that wait for more."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"follow" in words and os.fsencode(node) in words:
            found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_over_two_hundred_disconnects(place, say, monkeypatch, many):
    """Four terminals at once, answers cut at any byte, and their processes on the target killed."""
    place.write("srpo.toml", OWN)
    place.write("job.py", COUNTING)
    run = say("apply", "--detach").out.strip()
    node = node_of(place)
    monkeypatch.setenv("SRPO_MANIFEST_HOME", str(place.home))
    seed = int(time.time())
    print("seed", seed)
    read: dict[int, tuple[bytes, list]] = {}
    lines: list[Cut] = []

    def follow(number: int) -> None:
        contact = Contact(records.find(run))
        (node,) = contact.nodes
        node.transport = cut = Cut(node.transport, seed + number)
        lines.append(cut)
        log, told = [], []
        for chunk in contact.chunks(Offsets(log=0), wait_seconds=1.0):
            log.append(chunk.log)
            told += chunk.events
        read[number] = b"".join(log), told

    terminals = [threading.Thread(target=follow, args=(number,)) for number in range(4)]
    for terminal in terminals:
        terminal.start()
    killed = 0
    end = time.monotonic() + 1200  # of a machine that does much else
    while (cuts := sum(line.cuts for line in lines)) < many(200, 1000) and time.monotonic() < end:
        time.sleep(0.05)
        for pid in readers_of(node)[: killed < cuts // 8]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    print("cuts", sum(line.cuts for line in lines), "killed", killed)
    place.write("enough", "")
    for terminal in terminals:
        terminal.join(120)
    assert sum(line.cuts for line in lines) >= many(200, 1000)
    assert killed > 9
    assert len(read) == 4
    written = (node / "log").read_bytes()
    assert written.startswith(b"1 \xff\r\n2 \xff\r\n")
    happened = [json.loads(line) for line in (node / "events.jsonl").read_text().splitlines()]
    assert [log == written for log, _ in read.values()] == [True] * 4
    assert [told == happened for _, told in read.values()] == [True] * 4


def test_an_end_is_remembered_when_it_is_told(place, say, monkeypatch):
    """The machine may be off before anybody can ask it for more."""
    place.write("srpo.toml", running("true"))
    run = say("apply", "--detach").out.strip()
    monkeypatch.setenv("SRPO_MANIFEST_HOME", str(place.home))
    assert records.seen(run).state == "pending"
    for chunk in Contact(records.find(run)).chunks():
        if any(event["event"] == "run.ended" for event in chunk.events):
            break
    assert (records.seen(run).state, records.seen(run).outcome) == ("ended", "succeeded")


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


MEASURED = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def measured(argv: list[str], place) -> tuple[int, int]:
    """Exit status and peak of the resident memory in bytes; a small parent, as the kernel counts what a fork begins with."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURED, *argv],
        cwd=place.folder,
        env=place.env,
        capture_output=True,
        text=True,
        check=True,
    )
    status, peaked = map(int, done.stdout.split())
    return status, peaked


@pytest.mark.slow
def test_what_nobody_reads_costs_no_memory_and_no_time(place, say, many):
    """A gigabyte at full speed, a reader that is stopped: the job is done, and the supervisor is as small as before."""
    blocks = many(1100, 11000)
    place.write("srpo.toml", OWN)
    place.write("job.py", BLASTING.replace("BLOCKS", str(blocks)))
    run = say("apply", "--detach").out.strip()
    node = node_of(place)
    until((node / "log").exists)
    inner = json.loads((node / "slots").read_bytes()[:512].rpartition(b"#")[0])["inner"][0]
    reader = place.start("logs", "-f", "--raw")
    until(lambda: readers_of(node))
    reader.send_signal(signal.SIGSTOP)
    until(lambda: '"event": "job.started"' in (node / "events.jsonl").read_text())
    idle = peak(inner)
    place.write("go", "")
    until((place.folder / "written").exists, 300)
    size = (node / "log").stat().st_size
    assert size >= blocks * 1048576
    until(lambda: (node / "log.index").read_text().endswith(f" {size}\n"))
    grown = peak(inner) - idle
    print(f"the supervisor grew by {grown / MIB:.1f} MiB over {idle / MIB:.1f}")
    assert grown <= 20 * MIB
    place.write("seen", "")
    assert say("wait", run).status == 0
    reader.kill()
    reader.communicate()
    for options in (("-n", "300000"), ("-n", "300000", "--grep", "99$"), ("-n", "300000", "--raw", "--json")):
        status, peaked = measured([sys.executable, "-m", "srpo_manifest", "logs", run, *options], place)
        print(f"`logs {' '.join(options)}` took {peaked / MIB:.1f} MiB")
        assert (status, peaked <= 60 * MIB) == (0, True)
    (node / "log").unlink()
