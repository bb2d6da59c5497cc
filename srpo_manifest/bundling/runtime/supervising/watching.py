"""What a job shows of itself, and what is told of that."""

from __future__ import annotations

import time
from typing import Callable, Iterable, Optional

from .files import Record
from .job import Job
from .log import LogIndex, lines_after
from .processes import Process, command_of
from .story import Story
from .troubles import Loop, Rest
from .words import number

LOOK_SECONDS = 0.5
"""Between two looks at files: what did not change in between is taken to be finished."""
TORN_TOLD = 3
"""So many are told one by one, the others are counted at the end."""
SPINNING_SHARE = 0.1
"""Of a core: what waits uses less, and what goes round in a loop more."""
TORN_HINT = "see whether the disk is full, or the trainer was killed while saving; the files are kept"


class Watch:
    """Reads the phases, the log and the files of a job; it ends nothing."""

    def __init__(self, job: Job) -> None:
        self.job, self.page, self.artifacts = job, job.page, job.artifacts
        self.story = Story(job.node.path("events.jsonl"))
        self.artifacts.images = dict.fromkeys(self.story.images)
        self.is_ending = False
        """Whether the job is being ended: that it goes round in a loop is not told any more."""
        rules = job.rules.get("log", ())
        self.rest = Rest()
        self.loop = Loop(any(rule["event"] == "progress.made" for rule in rules), len(self.story.checkpoints))
        self.speaks = any(rule["event"] != "warning.raised" for rule in rules)
        """Whether a trainer that works would have said something by now."""
        self.saved = len(self.story.checkpoints)
        """How many there were when the phase began."""
        self.looked = 0.0
        """When the files were looked at last."""
        self._index = LogIndex(job.node)
        self._read: int = self.page.log
        self._progress: Optional[Record] = None
        self._progressed = self._stepped = 0.0

    def look(self, last: bool) -> None:
        """Take in what is there now; all of it, at the *last* look. What fails is told, and the rest goes on."""
        for name, part in (("phases", self._read_phases), ("log", self._read_log), ("files", self._look_at_files)):
            try:
                part(last)
            except Exception as error:
                self.warn(f"{name}-unwatched", f"watching the {name} met {type(error).__name__}: {error}")

    def _read_phases(self, last: bool) -> None:
        names, after = lines_after(self.job.node.path("phases"), self.page.phases, last)
        for name in names:
            self.enter(name)
            if name == "job" and not self.story.started:
                self.story.started = True
                self.job.events.append("job.started")
        self.page.phases = after

    def enter(self, phase: str, **more: object) -> None:
        """A phase begins, unless it is the one that it is in."""
        if phase != self.story.phase:
            self.story.phase, self.saved = phase, len(self.story.checkpoints)
            self.rest.moved()
            self.job.events.append("phase.started", phase=phase, **more)

    def _read_log(self, last: bool) -> None:
        phase = self.story.phase
        self._index.note(last)
        while True:
            lines, after = lines_after(self.job.node.path("log"), self._read, last)
            for line in lines:
                self._read_line(line)
            grown, self._read = after != self._read, after
            if grown:
                self.rest.moved()
            if not (last and grown):
                break
        due = last or phase != self.story.phase or time.monotonic() - self._progressed >= 1
        if self._progress and due:
            if self._progress != self.story.progress:
                self.job.events.append("progress.made", **self._progress)
            self.story.progress, self._progress, self._progressed = self._progress, None, time.monotonic()
        if not self._progress:
            self.page.log = self._read

    def _read_line(self, line: str) -> None:
        for rule, pattern in self.job.patterns:
            found = pattern.search(line)
            if found is None:
                continue
            if rule["event"] == "progress.made":
                self._progress = {name: number(text) for name, text in found.groupdict().items() if text is not None}
                self._stepped = time.monotonic()
                self._warn_of_loop(self.loop.stepped(self._progress.get("step"), self._progress.get("total")))
            elif rule["event"] == "phase.started":
                self.enter(rule["phase"])
            else:
                hints = [rule["hint"]] if rule.get("hint") else []
                self.warn(rule.get("code") or "log-line", rule.get("message") or found[0], *hints, once=rule["pattern"])

    def _look_at_files(self, last: bool) -> None:
        if last or time.monotonic() - self.looked >= LOOK_SECONDS:
            self.looked = time.monotonic()
            if self.artifacts.look(self.job.events, self.story, last):
                self.rest.moved()
            self.loop.looked(list(self.story.checkpoints), len(self.artifacts.images))
            self.warn_of_torn([] if last else self.artifacts.torn(self._stepped))
            if self.artifacts.fault:
                message = f"a preview could not be copied: {self.artifacts.fault.strerror}"
                self.warn("preview-uncopied", message, "make room: it is tried again until the run ends")

    def warn(self, code: str, message: str, *hints: str, once: str = "", **more: object) -> None:
        """Tell it if it was never told: what *once* says, or the code."""
        if (once or code) not in self.story.warned:
            self.story.warned.add(once or code)
            more = {**more, "hints": list(hints)} if hints else more
            self.job.events.append("warning.raised", code=code, message=message, **more)

    def warn_of_torn(self, paths: Iterable[str]) -> list[str]:
        """Tell of the first ones, each once. Returns: those that were never told of."""
        untold = [path for path in paths if path not in self.story.torn]
        few = max(0, TORN_TOLD - len(self.story.torn))
        for path in untold[:few]:
            self.story.torn.add(path)
            message = f"checkpoint `{path}` is not whole: {self.artifacts.partial[path][1]}"
            self.warn("checkpoint-torn", message, TORN_HINT, once=path, path=path)
        return untold[few:]

    def warn_of_all_torn(self) -> None:
        """Tell at the end how many checkpoints are not whole."""
        partial = self.artifacts.partial
        if untold := self.warn_of_torn(partial):
            message = f"{len(partial)} checkpoints in all are not whole, {len(untold)} of them not told before"
            self.warn("checkpoint-torn", message, TORN_HINT, once="checkpoints-torn")

    def _warn_of_loop(self, why: str) -> None:
        if why and not self.is_ending:
            self.warn(
                "endless-loop",
                why,
                "stop the run unless it is still good for something: nothing here ends it",
                "compare the step at which the trainer saves, and where it ends, with what `[done]` waits for",
            )

    def look_for_trouble(self, limit: float, tree: Callable[[], Iterable[Process]]) -> None:
        """Tell of what goes on without an end or stands still. That ends nothing: what is slow looks the same."""
        if self.story.started and self.rest.seconds() <= limit / 2:
            self._warn_of_loop(self.loop.idle(limit))
        if self.rest.used is None and self.rest.seconds() > limit / 2:
            self.rest.sample(tree())
        elif self.rest.seconds() > limit and time.monotonic() - self.rest.sampled > limit / 2:
            processes = list(tree())
            share, pid = self.rest.busiest(processes)
            self.rest.sample(processes)
            still = f"nothing moved since {self.rest.since} in phase `{self.story.phase}`: no log line, no file"
            if share >= SPINNING_SHARE:
                self.warn(
                    "spinning",
                    f"{still}, while process {pid} (`{command_of(pid)}`) keeps a core {share:.0%} busy",
                    "see `nvidia-smi`: idle GPUs mean a loop over data that is not there, such as an empty index; "
                    "busy ones mean a collective that waits for a rank",
                    "stop the run when that is so",
                )
            else:
                self.warn("stalled", f"{still}, and no process works", *self._stall_hints())

    def _stall_hints(self) -> tuple[str, ...]:
        if self.story.phase == "job" and self.speaks and not self.story.progress and not self._progress:
            return (
                "rendezvous-hang: the trainer never said its first line: see whether all HOST_NUM nodes were started",
                "see whether INDEX is below HOST_NUM on each of them, and CHIEF_IP can be reached from it",
                "stop the run when that is so",
            )
        return ("see what its processes wait for: a download, a dead file system, a rank that is gone",)
