"""A process of ours is killed right before each of its system calls that leave something behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import tracer
from kills import Doing
from shapes import Shape
from trials import Act, Trial

STOP = Act("stop", "verb", "job.started", 0.2)
TRIALS = {
    "stopped": Trial(1, Shape("workers", ("saver", "forker"), 0.4, "forever"), "verb", (STOP,)),
    "ended": Trial(2, Shape("launcher", ("deaf", "stranger"), 0.4, "7"), "none", ()),
    "done": Trial(3, Shape("workers", ("checkpoint", "quiet"), 0.4, "done"), "done", ()),
}
SLACK = 3
"""Calls that one run may make more than another of the same kind."""


class Point(NamedTuple):
    """Where the kill strikes: nowhere for call 0."""

    role: str
    call: int


class Crashing(Doing):
    """A run whose client is traced from the start."""

    def __init__(self, trial: Trial, point: Point, folder: Path, supervise: SimpleNamespace) -> None:
        self.told: dict[str, Any] = {"counts": {}, "hit": ""}
        super().__init__(trial, folder / f"{trial.route}-{point.role}-{point.call}", supervise)
        self.point = point
        self.bundle.on_stop = "echo last steps"

    def done(self) -> str:
        """Returns: what must not be, on one line."""
        self.write()
        report = self.folder / "report"
        self.start((sys.executable, tracer.__file__, str(report), self.point.role, str(self.point.call), "--", "bash"))
        try:
            self.follow()
            if not report.exists():
                return f"{self.point}: {self.faults}, {self.folder}"
            self.told = json.loads(report.read_text())
            if self.told["hit"]:
                self.hit.append(self.point.role)
            outcome = self.judge()
            if outcome != "never" and (self.bundle.workspace / self.path("log")).read_text().count("last steps") > 1:
                self.faults.append("the steps for the end ran twice")
        finally:
            self.clean()
        return f"{self.point} at {self.told['hit']}: {outcome}: {'; '.join(self.faults)}" if self.faults else ""


def points(counts: dict[str, int]) -> Iterator[Point]:
    """Every call of every role, and some beyond."""
    for role, count in sorted(counts.items()):
        yield from (Point(role, call) for call in range(1, count + SLACK + 1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRIALS)
def test_a_kill_before_any_call(tmp_path, supervise, many, kind):
    """The true status is kept, or the run never started and says so; nothing is left, and no reader hears a wrong word."""
    trial = TRIALS[kind]
    whole = Crashing(trial, Point("nobody", 0), tmp_path, supervise)
    assert not whole.done()
    every = list(points(whole.told["counts"]))
    chosen = every[:: max(1, len(every) // many(16, len(every)))]
    runs = [Crashing(trial, point, tmp_path, supervise) for point in chosen]
    with ThreadPoolExecutor(max_workers=8) as pool:
        faults = [fault for fault in pool.map(Crashing.done, runs) if fault]
    hits = sum(bool(run.told["hit"]) for run in runs)
    print(f"\n{kind}: {hits} of {len(every) - SLACK * len(whole.told['counts'])} points: {whole.told['counts']}")
    assert not faults, "\n".join(faults)
    assert hits >= len(chosen) // 2
