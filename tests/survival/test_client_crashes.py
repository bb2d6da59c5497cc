"""The client is killed before any call of `apply` from the record on: the next command understands what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tracer

from manifests import demo

MANIFEST = demo("crash")
AT_WORK = ("preparing", "running", "stopping")


class Seat:
    """Where a person sits; *cache* has the commit already."""

    def __init__(self, folder: Path, cache: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "GIT_"))}
        self.env = kept | {"SRPO_MANIFEST_HOME": str(folder / "home"), "SRPO_MANIFEST_CACHE": str(cache)}
        self.env["PYTHONDONTWRITEBYTECODE"] = "1"
        (folder / "srpo.toml").write_text(MANIFEST)

    def say(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        said = subprocess.run(
            [*before, sys.executable, "-m", "srpo_manifest", *arguments],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in said.stderr, said.stderr
        return said

    def apply_until(self, call: int) -> dict[str, Any]:
        """Apply, killed before that call. Returns: the tracer's report."""
        report = self.folder / "report"
        self.say(
            "apply",
            "--detach",
            before=(sys.executable, tracer.__file__, str(report), "client", str(call), "/runs", "--"),
        )
        told: dict[str, Any] = json.loads(report.read_text())
        return told

    def runs(self) -> list[dict[str, Any]]:
        said = self.say("runs", "--refresh", "--json")
        assert said.returncode == 0, said.stderr
        found: list[dict[str, Any]] = json.loads(said.stdout)["runs"]
        return found

    def alive(self, supervise) -> bool:
        """Whether anything of any run lives: a supervisor, the job, or a launch that goes on without its client."""
        for run in (self.folder / ".srpo/runs").glob("*-*"):
            if supervise.tree(run.name) or supervise.is_held(str(run / "attempt-1/node-0/lock")):
                return True
        return False


def faults_at(seat: Seat, call: int, supervise) -> str:
    """Kill, ask, stop, and apply again."""
    hit = seat.apply_until(call)["hit"]
    limit = time.monotonic() + 30
    while (at_work := [run for run in seat.runs() if run["state"] in AT_WORK]) and not seat.alive(supervise):
        if time.monotonic() > limit:
            return f"call {call} ({hit}): nothing lives, and `runs` tells {at_work}"
    for run in seat.runs():
        stopped = seat.say("stop", run["id"])
        if stopped.returncode != 0:
            return f"call {call} ({hit}): `stop` of {run}: {stopped.stderr}"
    again = seat.say("apply", "--again")
    if again.returncode != 0:
        return f"call {call} ({hit}): `apply` again: {again.stderr}"
    if seat.alive(supervise):
        return f"call {call} ({hit}): something lives on"
    shutil.rmtree(seat.folder)
    return ""


@pytest.mark.slow
@pytest.mark.fault(49, "never running; the next command goes on")
def test_a_client_that_is_killed_between_record_and_start(tmp_path, supervise, many):
    """Nothing is told to run that does not, a stop ends what was started, and the next apply works."""
    cache = tmp_path / "cache"
    first = Seat(tmp_path / "whole", cache)
    whole = first.apply_until(0)["counts"]["client"]
    assert first.say("wait").returncode == 0
    calls = range(1, whole + 1)
    chosen = calls[:: max(1, whole // many(4, whole))]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda call: faults_at(Seat(tmp_path / f"{call}", cache), call, supervise), chosen)
        faults = [fault for fault in found if fault]
    print(f"\n{len(chosen)} of {whole} points")
    assert not faults, "\n".join(faults)
