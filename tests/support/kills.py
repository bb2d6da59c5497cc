"""Runs in which processes are killed: done for real, and judged by what must hold for every run."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bundles import Bundle
from shapes import STEPS, TREE
from trials import PAIRS, Act, Told, Trial, drawn

STATES = ("pending", "preparing", "running", "stopping", "ended")
PATIENCE_SECONDS = 90.0
GRACE_SECONDS, DEAF_GRACE_SECONDS = 30, 0.5
"""Nobody who hears TERM is hurried, however busy the machine is; who does not hear it is not waited for."""


class Doing:
    """A trial in *folder*."""

    def __init__(
        self, trial: Trial, folder: Path, supervise: SimpleNamespace, edits: Sequence[tuple[str, str]] = ()
    ) -> None:
        folder.mkdir(parents=True)
        self.trial, self.folder, self.supervise = trial, folder, supervise
        self.bundle = Bundle(folder, supervise)
        self.bundle.edits = edits
        self.run = f"demo-20260101T000000Z-{secrets.token_hex(3)}"
        self.node = supervise.Node(str(self.bundle.workspace / ".srpo/runs" / self.run / "attempt-1/node-0"))
        self.hit: list[str] = []
        self.faults: list[str] = []
        self.state = 0
        self.seen: dict[str, float] = {}
        self.looked = 0.0
        self.acted: list[str] = []
        self.began = 0.0
        self.runs_on: list[subprocess.Popen[bytes]] = []
        self.signalled: Any = None
        """The supervisor that got a bare signal, and has not written the request yet."""

    def write(self) -> None:
        """The bundle."""
        rules, trial = self.bundle.rules, self.trial
        saves = trial.route == "done" and "checkpoint" in trial.shape.workers
        rules["done"] = {"exit_zero": trial.route != "done"}
        if trial.route == "done":
            rules["done"] = {"checkpoints": 1} if saves else {"files": ["done-file"]}
        rules["stop"] |= {
            "grace_seconds": DEAF_GRACE_SECONDS if trial.shape.deaf else GRACE_SECONDS,
            "checkpoint_seconds": 30,
        }
        if trial.route == "max-hours":
            rules["stop"]["max_hours"] = 0.8 / 3600
        self.bundle.before = trial.shape.text()
        self.bundle.before = "mkdir -p pictures; echo one >pictures/a.png\n" + self.bundle.before
        self.bundle.write()
        (self.bundle.cwd / "tree.sh").write_text(TREE)

    def start(self, command: tuple[str, ...] = ("bash",)) -> None:
        """The client, in a group of its own: attached where it is interrupted later."""
        flags = ["--run-id", self.run, *([] if self.trial.route == "interrupt" else ["--detach"])]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self.client = subprocess.Popen(
                [*command, self.bundle.folder / "launch.sh", *flags],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.began = self.seen["started"] = time.monotonic()

    # what is seen of it

    def path(self, name: str) -> Path:
        return Path(self.node.path(name))

    def look(self) -> None:
        """Take in what has come since; readers must never see it go back."""
        moment = time.monotonic()
        if "said" not in self.seen and (self.talk() or self.client.poll() is not None):  # killed, it says no more
            self.seen["said"] = moment
            if b'"folder"' in self.talk() and self.slots()[0] is None:
                self.faults.append("launch said that it started, and nothing was recorded")
        slots = self.slots()
        for name, slot in zip(("identity", "exit", "end"), slots, strict=True):
            if slot:
                self.seen.setdefault(name, moment)
        if moment - self.looked < 0.05:
            return
        self.looked = moment
        for event in self.events():
            self.seen.setdefault(event.get("event", "?"), moment)
        if self.path("slots").exists():
            told = self.supervise.status_of(self.node)
            state = STATES.index(told["state"])
            if state < self.state:
                self.faults.append(f"a reader was told `{STATES[self.state]}`, then `{told['state']}`")
            self.state = max(self.state, state)

    def talk(self) -> bytes:
        return (self.folder / "out").read_bytes() + (
            b"" if self.trial.route != "interrupt" else (self.folder / "err").read_bytes()
        )

    def slots(self) -> list[dict[str, Any] | None]:
        found: list[dict[str, Any] | None] = self.supervise.read_slots(self.node.path("slots"))[0]
        return found

    def events(self) -> list[dict[str, Any]]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for line in self.path("events.jsonl").read_bytes().splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def listed(self) -> list[tuple[str, int, int]]:
        """The job's processes that said so: kind, pid, start."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.bundle.cwd / "pids").read_text().splitlines()
            return [(kind, int(pid), int(start)) for kind, pid, start in map(str.split, lines)]
        return []

    def find(self, victim: str, chance: random.Random) -> Any:
        """The process to kill, with its start; None where there is none."""
        identity, same = self.slots()[0], self.supervise.same
        if victim in ("outer", "inner"):
            return same(*identity[victim]) if identity else self._young(victim)
        if victim == "leader":
            return same(identity["pid"], identity["start"]) if identity else None
        kinds = [one for one in self.listed() if (one[0] == "launcher") == (victim == "launcher")]
        there = [found for _, pid, start in kinds if (found := same(pid, start))]
        return chance.choice(there) if there else None

    def _young(self, victim: str) -> Any:
        """A supervisor that has not recorded itself yet, by its parents."""
        found = self.client.pid
        for _ in range(1 + (victim == "inner")):
            try:
                children = Path(f"/proc/{found}/task/{found}/children").read_text().split()
                words = Path(f"/proc/{children[-1]}/cmdline").read_bytes() if children else b""
            except OSError:
                return None
            if b"supervise.py\0launch" not in words:
                return None
            found = int(children[-1])
        return self.supervise.process(found)

    # what is done to it

    def act(self, act: Act, chance: random.Random) -> bool:
        """Returns: whether it was done; whom there is not yet one waits for."""
        if act.kind == "stop":
            self.stop(act.what)
        elif act.what == "client":
            if self.client.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.client.pid, signal.SIGKILL)
                self.hit.append("client")
        elif found := self.find(act.what, chance):
            if found.state not in "ZX":
                self.hit.append(act.what)
            self.supervise.send(found, signal.SIGKILL)
        else:
            return False
        self.acted.append(f"{act.what}@{time.monotonic() - self.began:.3f}")
        return True

    def stop(self, route: str) -> None:
        self.hit.append("stop")
        if route == "verb":
            self.runs_on.append(self.verb("stop"))
        elif route == "by-hand":
            with contextlib.suppress(OSError):
                self.path("stop.req").touch()
        elif route == "interrupt":
            self.client.send_signal(signal.SIGINT)
            if self.client.poll() is not None:  # killed before: somebody asks in its place
                self.runs_on.append(self.verb("stop"))
        elif identity := self.slots()[0]:
            living = [found for name in ("outer", "inner") if (found := self.supervise.same(*identity[name]))]
            for found in [one for one in living if one.state not in "ZX"][:1]:
                self.supervise.send(found, signal.SIGTERM)
                self.signalled = found

    def insist(self) -> None:
        """Nobody acknowledges a bare signal: if who got it died before the request was written, somebody asks again."""
        found = self.signalled
        now = found and self.supervise.same(found.pid, found.start)
        if found and (now is None or now.state in "ZX"):
            self.signalled = None
            if not self.path("stop.req").exists() and self.slots()[2] is None:
                self.runs_on.append(self.verb("stop"))

    def verb(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        program = Path(self.node.bundle, "supervise.py")
        return subprocess.Popen(
            [sys.executable, "-I", program, name, self.node.folder, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def follow(self) -> None:
        """Until it is over: do each act at its moment."""
        chance = random.Random(self.trial.seed)
        pending = list(self.trial.acts)
        while True:
            self.look()
            self.insist()
            for act in list(pending):
                since = self.seen.get(act.anchor)
                if since is not None and time.monotonic() - since >= act.seconds and self.act(act, chance):
                    pending.remove(act)
            over = self.client.poll() is not None and not self.supervise.is_held(self.node.path("lock"))
            if over and not self._adopts():
                break
            if time.monotonic() - self.began > PATIENCE_SECONDS:
                self.faults.append(f"it did not end: {json.dumps(self.supervise.status_of(self.node))}")
                break
            time.sleep(0.004)
        for process in self.runs_on:
            process.wait()

    def _adopts(self) -> bool:
        """The next command takes over a run that lost both supervisors, once."""
        if not (self.trial.both and {"inner", "outer"} <= {*self.hit}) or "adopter" in self.hit:
            return False
        self.hit.append("adopter")
        self.verb("adopt").wait()
        self.state = 0
        return True

    # what must hold

    def judge(self) -> str:
        """Returns: the outcome in a word."""
        identity, ended, end = self.slots()
        status = self.supervise.status_of(self.node)
        if "adopter" in self.hit and not (identity or {}).get("cgroup"):
            self._end_strangers()
        self._left_nothing()
        self._told_once()
        ran = (self.bundle.cwd / "printed").exists()
        if self.client.returncode == 70 and ran:
            self.faults.append("launch said that it was not started, and it ran")
        if identity is None:
            return self._never_started(status, ran)
        if status["state"] != "ended":
            self.faults.append(f"nobody lives, and a reader is told `{status['state']}`")
        if status["outcome"] == "lost" and "adopter" not in self.hit:
            self.faults.append(f"lost: {status['reason']}")
            return "lost"
        told = [event for event in self.events() if event["event"] == "run.ended"]
        if "adopter" in self.hit and not (end and told):
            return str(status["outcome"])  # both died after the end was known: one file of two tells it
        if end is None or len(told) != 1:
            self.faults.append(f"slot 2 is {end}, and `run.ended` was told {len(told)} times")
            return "?"
        code = ended["code"] if ended else None
        same = {(end["outcome"], code), (told[0]["outcome"], told[0]["exit"]), (status["outcome"], status["exit"])}
        if len(same) > 1:
            self.faults.append(f"readers differ: {same}")
        if code not in self._codes(ran):
            self.faults.append(f"exit status {code}, not one of {self._codes(ran)}")
        if end["outcome"] not in self._outcomes(code):
            self.faults.append(f"{end['outcome']} with {code}: {end['reason']}; expected {self._outcomes(code)}")
        self._saved()
        return str(end["outcome"])

    def _codes(self, ran: bool) -> set[int | None]:
        shape, hit = self.trial.shape, {*self.hit}
        codes: set[int | None] = {int(shape.then)} if shape.then.isdigit() else set()
        told_to_end = "stop" in hit or self.trial.route in ("done", "max-hours")
        if told_to_end or "leader" in hit:
            codes |= {-15, -9} if shape.deaf or "leader" in hit else {-15}
        if shape.launches and (told_to_end or hit & {"worker", "launcher", "leader"}):
            codes |= {1, 137, 143, -9} if "launcher" in hit else {1}
        if (not ran and hit & {"inner", "outer"}) or "adopter" in hit:
            codes |= {71, None}
        return codes

    def _outcomes(self, code: int | None) -> set[str]:
        ended = {"succeeded" if code == 0 and self.trial.route != "done" else "failed"}
        if "stop" in self.hit or self.trial.route == "max-hours":
            ended.add("stopped")
        if "adopter" in self.hit:
            return {*ended, "succeeded", "failed", "lost"} if code is None else {*ended, "succeeded"}
        if self.trial.route == "done":
            ended = {"succeeded"} | ({"failed"} if code in (71, None) or {*self.hit} & {*PAIRS} else set())
        return ended

    def _never_started(self, status: dict[str, Any], ran: bool) -> str:
        if ran:
            self.faults.append("it ran, and its identity was never recorded")
        if status["state"] not in ("pending", "ended") or status["outcome"] not in (None, "failed", "lost"):
            self.faults.append(f"it never started, and a reader is told {status['state']} {status['outcome']}")
        if self.client.returncode == 0 or not {*self.hit} & {"client", "inner", "outer"}:
            self.faults.append(f"it was not started: {self.client.returncode} {(self.folder / 'err').read_text()}")
        return "never"

    def _end_strangers(self) -> None:
        # who emptied its environment is out of reach once both supervisors are gone: DESIGN, known limits
        for kind, pid, start in self.listed():
            if (
                kind == "quiet"
                and "stranger" in self.trial.shape.workers
                and (found := self.supervise.same(pid, start))
            ):
                self.supervise.send(found, signal.SIGKILL)

    def _left_nothing(self) -> None:
        limit = time.monotonic() + 2
        while True:  # the kernel needs a moment to end what KILL reached
            left = [found.pid for found in self.supervise.tree(self.run)]
            left += [
                f"{kind} {pid}"
                for kind, pid, start in self.listed()
                if (found := self.supervise.same(pid, start)) and found.state not in "ZX"
            ]
            if not left or time.monotonic() > limit:
                break
            time.sleep(0.05)
        if left:
            self.faults.append(f"orphans: {left}")

    def _told_once(self) -> None:
        events = self.events()
        names = [event["event"] for event in events]
        names += [f"phase {event['phase']}" for event in events if event["event"] == "phase.started"]
        doubled = {name for name in names if names.count(name) > 1} - {
            "progress.made",
            "phase.started",
            "warning.raised",
            "checkpoint.awaited",  # whoever goes on tells how much time is left
            "grace.started",
        }
        codes = [event["code"] for event in events if event["event"] == "warning.raised"]
        doubled |= {code for code in codes if codes.count(code) > 1} | {*codes} & {
            "supervisor-failed",
            "log-unwatched",
            "phases-unwatched",
            "files-unwatched",
        }
        if doubled:
            self.faults.append(f"told twice, or not to be told: {sorted(doubled)}")
        steps = [event["step"] for event in events if event["event"] == "progress.made"]
        if steps != sorted({*steps}):
            self.faults.append(f"progress was told as {steps}")
        if "run.ended" not in names:
            return
        phases = self.path("phases").read_text().split() if self.path("phases").exists() else []
        untold = [phase for phase in phases if f"phase {phase}" not in names]
        if "job" in phases and "job.started" not in names:
            untold.append("job.started")
        if (self.bundle.cwd / "printed").exists() and steps[-1:] != [STEPS]:
            untold.append(f"step {STEPS}")
        picture = self.bundle.cwd / "pictures/a.png"
        is_empty = not picture.exists() or not picture.stat().st_size  # who wrote it may be killed before its bytes
        if not is_empty and "image.written" not in names:
            untold.append("image.written")
        if events[-1]["event"] != "run.ended":
            untold.append(f"`run.ended` as the last one: {events[-1]}")
        if untold:
            self.faults.append(f"never told: {untold}")

    def _saved(self) -> None:
        """Who hears TERM had the time to save, and a checkpoint that was being written became whole."""
        if {*self.hit} & {*PAIRS, "client"} or self.trial.shape.deaf:
            return
        savers = {str(pid) for kind, pid, _ in self.listed() if kind == "saver"}
        saved = (
            (self.bundle.cwd / "saved").read_text().split() if savers and (self.bundle.cwd / "saved").exists() else []
        )
        if savers != {*saved} or len(saved) != len(savers):
            self.faults.append(f"of savers {savers} saved {saved}")

    def clean(self) -> None:
        """End what a fault left running."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.client.pid, signal.SIGKILL)
        self.client.wait()
        self.bundle.clean()
        for _, pid, start in self.listed():
            if found := self.supervise.same(pid, start):
                self.supervise.send(found, signal.SIGKILL)


def done(trial: Trial, folder: Path, supervise: SimpleNamespace, edits: Sequence[tuple[str, str]] = ()) -> Told:
    """Do *trial* and judge it; its folder stays where something was wrong."""
    doing = Doing(trial, folder / f"{trial.seed}", supervise, edits)
    doing.write()
    doing.start()
    outcome = "?"
    try:
        doing.follow()
        outcome = doing.judge()
    finally:
        doing.clean()
    took = time.monotonic() - doing.began
    told = Told(
        trial, outcome, tuple(doing.faults), f"hit {doing.hit}, acts {doing.acted}, {took:.1f} s, in {doing.folder}"
    )
    if not told.faults:
        shutil.rmtree(doing.folder)
    return told


def all_done(
    seeds: Iterable[int], folder: Path, supervise: SimpleNamespace, edits: Sequence[tuple[str, str]] = ()
) -> Iterator[Told]:
    """Several at a time, as many as keep two processors busy; who stops asking ends it."""
    pool = ThreadPoolExecutor(max_workers=8)
    try:
        yield from pool.map(lambda seed: done(drawn(seed), folder, supervise, edits), seeds)
    finally:
        pool.shutdown(cancel_futures=True)
