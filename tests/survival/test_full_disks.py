"""A disk that is full, or fails, at any write of the record: what was valid last stays readable, and no outcome is invented."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from disks import fill, small_disk
from kills import Doing
from shapes import Shape
from trials import Act, Trial

# The record is written whatever the disk does, unlike the events.
STOPPED = Trial(
    4, Shape("workers", ("quiet", "saver"), 0.4, "forever"), "verb", (Act("stop", "verb", "identity", 0.8),)
)
ENDED = Trial(5, Shape("workers", ("quiet",), 0.4, "7"), "none", ())
CALLS = {"write": 24, "pwrite64": 4, "fsync": 8, "rename": 5}
"""Calls to let fail, and how many of each a process of ours makes at most."""
ERRORS = ("ENOSPC", "EIO")


def faults_after(trial: Trial, folder: Path, supervise, call: str, error: str, number: int) -> str:
    """Let the call of that number and all later ones fail, in each process, and judge what is left."""
    doing = Doing(trial, folder / f"{trial.route}-{call}-{error}-{number}", supervise)
    doing.write()
    doing.start(
        (
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"trace={call}",
            f"--inject={call}:error={error}:when={number}+",
            "bash",
        )
    )
    try:
        doing.follow()
        doing._left_nothing()
        status = supervise.status_of(doing.node)
        slots = doing.slots()
        ran = (doing.bundle.cwd / "printed").exists()
        if ran and status["outcome"] == "lost" and slots[1] and slots[2]:
            doing.faults.append("it is told to be lost, and its end was recorded")
        if slots[1] and slots[1]["code"] not in doing._codes(ran):
            doing.faults.append(f"exit status {slots[1]['code']}")
        if status["outcome"] not in {None, "lost", *doing._outcomes(None)}:
            doing.faults.append(f"outcome {status['outcome']}: {status['reason']}")
        if status["state"] == "running":
            doing.faults.append("it is told to be running")
    finally:
        doing.clean()
    return f"{call} {number} {error}: {doing.faults} {doing.folder}" if doing.faults else ""


@pytest.mark.slow
def test_a_disk_that_fails_from_any_write_on(tmp_path, supervise, need, many):
    """Whatever can still be read is true: a status that was recorded is the leader's, and who lost his record is lost."""
    need("strace")
    cases = [
        (trial, call, error, number)
        for trial in (STOPPED, ENDED)
        for error in ERRORS
        for call, most in CALLS.items()
        for number in range(1, most + 1)
    ]
    chosen = cases[:: max(1, len(cases) // many(16, len(cases)))]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda case: faults_after(case[0], tmp_path, supervise, *case[1:]), chosen)
        faults = [fault for fault in found if fault]
    print(f"\n{len(chosen)} of {len(cases)} points")
    assert not faults, "\n".join(faults)


@pytest.mark.slow
@pytest.mark.parametrize("trial", [STOPPED, ENDED], ids=["stopped", "ended"])
def test_a_disk_that_is_full_during_the_run(tmp_path, supervise, need, trial):
    """The slots have their space: exit status and outcome are kept, and a stop arrives though its file cannot be written."""
    need("root", "mount")
    doing = Doing(trial, tmp_path / "run", supervise)
    with small_disk(doing.bundle.workspace, 4096) as disk:
        doing.write()
        doing.start()
        seen: Callable[[], object] = doing.look
        doing.look = lambda: (seen(), "job.started" in doing.seen and not (disk / "ballast").exists() and fill(disk))  # type: ignore[method-assign]
        try:
            doing.follow()
            doing._left_nothing()
            _, ended, end = doing.slots()
            status = supervise.status_of(doing.node)
        finally:
            doing.clean()
    assert not doing.faults
    assert ended
    assert ended["code"] == (7 if trial is ENDED else -15)
    assert end
    assert status["outcome"] == end["outcome"] == ("failed" if trial is ENDED else "stopped")


WRITER = """
import sys
from srpo_manifest.engine import records
from srpo_manifest.values.run import FORMAT, Record
record = Record(format=FORMAT, id=sys.argv[1], name="demo", plan="p", manifest="", workspace="", folder="", transport={}, launcher={})
records.save(record, b"{}")
"""


@pytest.mark.slow
@pytest.mark.fault(71, "the last valid record")
def test_the_clients_record_on_a_disk_that_fails(tmp_path, need):
    """A record is there whole, or not at all, at whichever write the disk fails; older ones stay, and the next one is made."""
    need("strace")
    environment = os.environ | {"SRPO_MANIFEST_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    runs = tmp_path / "runs"

    def save(run: str, *inject: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*inject, sys.executable, "-c", WRITER, run], env=environment, capture_output=True, text=True, check=False
        )

    assert save("demo-0").returncode == 0
    told = count = 0
    for error in ERRORS:
        for call, most in {"write": 3, "fsync": 4, "rename": 3}.items():
            for number in range(1, most):
                count += 1
                failing = ("strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}")
                said = save(f"demo-{count}", *failing, f"--inject={call}:error={error}:when={number}+")
                told += "cannot be written" in said.stderr
                assert save(f"demo-{count}-again").returncode == 0
                records = {folder.name: folder / "record.json" for folder in runs.iterdir() if folder.name[0] != "."}
                assert {"demo-0", f"demo-{count}-again"} <= records.keys()
                assert all(msgspec.json.decode(file.read_bytes())["id"] == name for name, file in records.items())
    assert told >= len(ERRORS) * 3
