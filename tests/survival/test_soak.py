"""Long use: one client that starts, follows and stops run after run holds no more at the end than at the start.

The figures are printed: `make soak`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from manifests import demo

CLIENT = """
import gc, json, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from srpo_manifest.engine import records
from srpo_manifest.ports.following import Offsets
from srpo_manifest.runner import Runner
from srpo_manifest.values.said import Said

def figures():
    gc.collect()
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return {"fds": len(os.listdir("/proc/self/fd")), "threads": threading.active_count(), "rss_kib": resident}

def run(job):
    number, (runner, decision) = job
    record = runner.apply(decision)
    contact = runner.contact(record)
    if number % 3 == 0:
        contact.stop(grace_seconds=5, reason="enough")
    for chunk in contact.chunks(Offsets(log=0)):
        pass
    status = contact.status()
    records.saw(record, status)
    return status.outcome

runners = [Runner(Said(manifest=f"{name}.toml")) for name in sys.argv[2:]]
decided = [(runner, runner.plan(again=True)) for runner in runners]
rounds = int(sys.argv[1]) // len(decided)
outcomes, marks = [], []
for number in range(rounds):
    with ThreadPoolExecutor(len(decided)) as pool:
        outcomes += pool.map(run, enumerate(decided, number))
    if number in (2, rounds - 1):
        marks.append(figures())
print(json.dumps({"outcomes": {word: outcomes.count(word) for word in set(outcomes)}, "marks": marks}))
"""
NAMES = ("a", "b", "c", "d", "e")
"""One run of a name goes on at a time; so many names do so side by side."""
RSS_KIB = 4096
"""What Python's own memory may grow by, however many runs there are."""


def processes_in(place: Path) -> list[str]:
    """Command lines of those that work in *place*, or carry its runs' ids."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            mine = entry.name.isdigit() and str(place) in (entry / "environ").read_text(errors="replace")
            if mine and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.soak
def test_run_after_run(tmp_path, many):
    """Started, followed, every third one stopped, by one client: descriptors, threads, memory and files do not add up."""
    cycles = many(100, 1440)
    for name in NAMES:
        (tmp_path / f"{name}.toml").write_text(demo(name))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "GIT_"))}
    environment = kept | {"SRPO_MANIFEST_HOME": str(tmp_path / "home"), "SRPO_MANIFEST_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(cycles), *NAMES],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    first, last = told["marks"]
    print(f"\n{cycles} cycles: {told['outcomes']}\n  after 15: {first}\n  at the end: {last}")
    assert sum(told["outcomes"].values()) == cycles
    assert set(told["outcomes"]) <= {"succeeded", "stopped"}
    assert (last["fds"], last["threads"]) == (first["fds"], first["threads"])
    assert last["rss_kib"] - first["rss_kib"] < RSS_KIB
    assert processes_in(tmp_path) == []
    left = [path for path in tmp_path.rglob("*") if path.name.endswith((".new", ".tmp")) or "bundle." in path.name]
    assert left == []
    assert len(list((tmp_path / "home/runs").iterdir())) == cycles
