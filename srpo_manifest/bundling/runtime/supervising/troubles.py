"""Whether a job rests, or goes round in a loop."""

from __future__ import annotations

import os
import time
from typing import Any, Iterable, Optional, Sequence

from .files import now
from .processes import Process

RESTARTS = 2
"""How often steps begin again without a checkpoint before that is told."""


class Rest:
    """Since when nothing moves, and what the processes do meanwhile."""

    def __init__(self) -> None:
        self.moved()

    def moved(self) -> None:
        """Something did."""
        self.began, self.since = time.monotonic(), now()
        self.used: Optional[dict[tuple[int, int], int]] = None
        self.sampled = 0.0

    def seconds(self) -> float:
        """How long nothing has moved."""
        return time.monotonic() - self.began

    def sample(self, processes: Iterable[Process]) -> None:
        """Remember what each has used of the processors so far."""
        self.used = {found[:2]: found.ticks for found in processes}
        self.sampled = time.monotonic()

    def busiest(self, processes: Iterable[Process]) -> tuple[float, int]:
        """The greatest share of a core that one has used since the sample, and its pid."""
        used, ticks = self.used or {}, os.sysconf("SC_CLK_TCK") * max(time.monotonic() - self.sampled, 0.01)
        shares = (((found.ticks - used.get(found[:2], 0)) / ticks, found.pid) for found in processes)
        return max(shares, default=(0.0, 0))


class Loop:
    """Whether the trainer still gets anywhere: what its steps, its checkpoints and its first picture tell."""

    def __init__(self, is_told: bool, checkpoints: int) -> None:
        self.is_told, self.checkpoints = is_told, checkpoints
        """Whether there is a rule for progress at all, and how many checkpoints there were at the last look."""
        self.first = self.highest = 0
        self.restarts = 0
        self.useful: Optional[float] = None
        """When there was progress, a checkpoint or the first picture; None before any artifact."""
        self.last = self.since = ""

    def stepped(self, step: Any, total: Any) -> str:
        """Take in a line of progress. Returns: why it will not end, if that shows."""
        if not isinstance(step, int):
            return ""
        complete = not isinstance(total, int) or self.highest >= total
        if step < self.highest and step <= self.first and complete:
            self.restarts += 1
            self.highest = step
        self.first = min(self.first or step, step)
        self.highest = max(self.highest, step)
        if self.useful is not None:
            self._mark(f"step {step}")
        if self.restarts >= RESTARTS:
            return f"steps began again at {step} for the {self.restarts}. time, and no checkpoint was written since"
        if isinstance(total, int) and step > total > 0:
            return f"step {step} is past the total of {total}"
        return ""

    def looked(self, checkpoints: Sequence[str], images: int) -> None:
        """Take in what there is."""
        if len(checkpoints) > self.checkpoints:
            self.checkpoints, self.restarts = len(checkpoints), 0
            self._mark(f"checkpoint `{os.path.basename(checkpoints[-1])}`")
        elif images and self.useful is None:
            self._mark("the first picture")

    def idle(self, limit: float) -> str:
        """Why it will not end: it has been at work for *limit* seconds without any progress."""
        if not self.is_told or self.useful is None or time.monotonic() - self.useful <= limit:
            return ""
        return f"since {self.last} at {self.since} there was no line of progress, and the trainer goes on"

    def _mark(self, last: str) -> None:
        self.useful, self.since, self.last = time.monotonic(), now(), last
