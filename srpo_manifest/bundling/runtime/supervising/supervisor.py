"""The work of a supervisor: to watch the job, and to take it to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Optional

from .cgroups import remove_cgroup, tell_cgroup
from .digests import read_digests, write_digests
from .ending import follow_up
from .files import PEERS, Record, is_absent, now, read_json, write_json
from .forks import end_with_parent, fork_bash, in_child, open_gate
from .job import Job, disk_of
from .joining import keep_done, peers_of
from .listings import inside
from .processes import Process, command_of, ended_children, exit_of, has_pidfd, identity, same, send, starts, tree
from .result import result_of
from .signals import SIGNALS, STOPS
from .slots import END, EXIT, read_slots
from .stops import keep_stop, note_stop, stop_request
from .story import TOLD_BYTES, short
from .verdict import refusal, verdict
from .watching import Watch

if TYPE_CHECKING:
    from .peers import Peer

FROZEN_SECONDS = 1.0
"""Who comes to its next step later than that did not run meanwhile."""
KILL_SECONDS = 20.0
"""From the first KILL to giving up on processes that even KILL does not reach; rules may say `kill_seconds`."""
GONE_SECONDS = 20.0
"""How long a run's folder must be gone to count as removed; rules may say `gone_seconds`."""
BYPASS_SECONDS = 30.0
"""How long a script's program may run before its launch was handed over: a wrapper like `timeout` shows its words first."""
ANSWER_SECONDS = 2.0
"""So long the first node takes at most to tell its trainer, where that is not saving."""
SETTLED_SECONDS = 5.0
"""Artifacts that are whole are known to be by then."""
DIGEST_SECONDS = 300.0
SAVING_PHASE = "saving-checkpoint"
DIGESTS = "checkpoints.sha256"
OUTCOMES = {"done": "succeeded", "stop": "stopped", "refused": "failed"}
"""What a run comes to that is ended for that cause."""


class Supervisor:
    """Watches the job and takes it to its end: the same work for the inner one and for an outer one that took over.

    *found* is slot 0; None where the leader never passed its gate.
    """

    def __init__(self, job: Job, found: Optional[Record]) -> None:
        self.job, self.page, self.artifacts = job, job.page, job.artifacts
        found = None if job.restarted else found
        self.leader = (found["pid"], found["start"]) if found else None
        self.supervisors = [found["outer"], found["inner"]] if found else [identity(os.getpid())]
        self.cgroup: str = (found or {}).get("cgroup", "")
        self.watch = Watch(job)
        self.story = self.watch.story
        ended = read_slots(job.node.path("slots"))[0][EXIT]
        self.status: Optional[int] = ended["code"] if ended else None
        self.stop = job.rules["stop"]
        told = bool(self.page.deadline)
        self.cause: Optional[str] = (self.page.cause.decode() or None) if told else None
        self.reason = self.page.reason.decode("utf-8", "ignore") if told else ""
        self.asked: Optional[Record] = stop_request("a stop was asked for", None) if self.page.asked else None
        self.grace = float(self.stop.get("grace_seconds") or 0)
        self.checkpoint_seconds = float(self.stop.get("checkpoint_seconds") or 0)
        self.over_since = time.monotonic()
        """Since when the leader's status is known."""
        self.failure_told = False
        self.begun = self.patience = 0.0
        self.awake = time.monotonic()
        self.told = self.page.noted()
        self.killing: Optional[float] = None
        self.awaited = False
        """Whether the wait for a checkpoint was told."""
        self.graced = 0.0
        """The deadline that was told last."""
        self.unkillable: list[int] = []
        self.peeked = 0.0
        self.passing: Optional[float] = None
        self.gone: Optional[float] = None
        """Since when the run's folder is away."""
        self.peers = self._joined()
        if self.cause:
            self.watch.is_ending = True
            self._tell_peers(OUTCOMES[self.cause], self.reason)
        self.whole_then = len(self.story.checkpoints)
        if self.leader and not has_pidfd():
            self.watch.warn(
                "pidfd-missing", "the kernel has no pidfd: processes are told by number, after a look at their start"
            )

    def run(self) -> None:
        """Until nothing is left of the job and its end is written."""
        while True:
            self._reap()
            self.watch.look(last=False)
            self._listen()
            self._hear_peers()
            self._look_after_the_other()
            if self._lives() and not self.cause:
                self._decide()
            if (self.cause or not self._lives()) and self._emptied():
                break
            self._pause()
        self.watch.look(last=True)
        outcome, reason = verdict(self.job, self.story, self.cause, self.reason, self.status)
        reason = self.job.events.redacted(reason)
        self._tell_peers(outcome, reason)
        self._run_script(outcome)
        remove_cgroup(self.cgroup)
        self._record(outcome, reason)
        follow_up(self.job, outcome, self.peers)

    # what it sees

    def _look_after_the_other(self) -> None:
        """Tell of the other supervisor's death: the run is one death from being lost until a client comes."""
        for pid, start in self.supervisors:
            found = same(pid, start)
            if pid != os.getpid() and (found is None or found.state in "ZX"):
                hint = f"ask for the run's status if this one (process {os.getpid()}) dies, too: that starts new ones"
                self.watch.warn(
                    "supervisor-died", f"one of two supervisors, process {pid}, died; the other one goes on", hint
                )

    def _lives(self) -> bool:
        """Whether the leader does, or waits to be reaped here."""
        found = same(*self.leader) if self.leader and self.status is None else None
        return found is not None and not (self.job.adopted and found.state in "ZX")

    def _tree(self) -> list[Process]:
        if self.job.restarted:
            return []
        return tree(self.job.node.run, self.supervisors, self.leader or (), self.cgroup, self.job.node.index)

    def _reap(self) -> list[tuple[int, int]]:
        self.job.pulse.value = time.monotonic()
        ended = []
        for pid, status in ended_children():
            ended.append((pid, status))
            if self.leader and pid == self.leader[0]:
                self._leader_ended(status)
        if self.job.adopted and self.leader and not self._lives():
            self._leader_ended(exit_of(*self.leader, self.job.witness))
        return ended

    def _leader_ended(self, status: Optional[int]) -> None:
        if self.status is None and status is not None:
            self.status, self.over_since = status, time.monotonic()
            self._fill(EXIT, {"code": status, "time": now()})

    # what it decides

    def _listen(self) -> None:
        """Read the stop that was asked for; an empty file asks for one as well."""
        path = self.job.node.path("stop.req")
        if os.path.exists(path):
            self.asked = read_json(path) or {}
        grace = (self.asked or {}).get("grace_seconds")
        if isinstance(grace, (int, float)) and grace >= 0:
            if self.cause and grace < self.grace:
                message = f"the grace is {grace:g} seconds now, not {self.grace:g}: {self._asked_reason()}"
                self.watch.warn("grace-shortened", message, once=f"grace {grace:g}")
            self.grace = float(grace)
            self.page.deadline = min(self.page.deadline, time.monotonic() + self.grace)
        waits = (self.asked or {}).get("checkpoint_seconds")
        if isinstance(waits, (int, float)) and waits >= 0:
            self.checkpoint_seconds = float(waits)
            self.patience = min(self.patience, time.monotonic() + self.checkpoint_seconds)

    def _joined(self) -> Optional[Peer]:
        try:
            return peers_of(self.job)
        except Exception as error:
            self._unwatched(f"`{PEERS}` cannot be read ({type(error).__name__}: {error})")
            return None

    def _hear_peers(self) -> None:
        """A node without which this one would wait for ever ends it, too."""
        if self.peers is None:
            return
        self.peers.is_over, self.peers.is_ending = not self._lives(), self.cause is not None
        self.peers.look()
        keep_done(self.job.node, self.peers)
        why = self.peers.why or self.peers.wish
        if why and self.asked is None and self._lives() and not self.cause:
            self.asked = keep_stop(self.job, why)
        if self.peers.fault:
            self._unwatched(f"what other nodes say is not heard ({self.peers.fault})")
        for node in self.peers.missing():
            self._unwatched(
                f"{node} is not heard", "see whether its machine is on; if it is, open the ports between them"
            )

    def _tell_peers(self, outcome: str, reason: str) -> None:
        """Say the outcome as soon as it is certain: the others need not wait until all of this node has ended."""
        if self.peers:
            self.peers.part(outcome, self._told(reason))

    def _tell_failure(self) -> None:
        """A leader that failed need not wait for what it left behind; on the first node, its artifacts may still become whole."""
        settled = self.job.node.index or time.monotonic() - self.over_since > SETTLED_SECONDS
        if self.peers and self.status and settled and not (self.cause or self.failure_told):
            self.failure_told = True
            self._tell_peers(*verdict(self.job, self.story, None, "", self.status))

    def _told(self, reason: str) -> str:
        """As other machines may hear it."""
        return short(self.job.events.redacted(reason))

    def _unwatched(self, why: str, *hints: str) -> None:
        message = f"{why}: until it is, a node that fails ends the others only once somebody asks for the run's status"
        self.watch.warn("nodes-unwatched", message, *hints, once=why)

    def _asked_reason(self) -> str:
        return str((self.asked or {}).get("reason") or "a stop was asked for")

    def _decide(self) -> None:
        now, hours, minutes = time.monotonic(), self.stop.get("max_hours"), self.stop.get("stall_minutes")
        if self.asked is not None:
            self._begin("stop", self._asked_reason())
        elif self._is_removed(now):
            self._begin("stop", "the run's folder was removed, and nobody could stop it any more")
        elif hours is not None and now - self.page.began > hours * 3600:
            self._begin("stop", f"max_hours ({hours:g}) passed")
        elif refused := refusal(self.job):
            self._begin("refused", refused)
        elif self._bypassed(now):
            self.watch.warn("launch-bypassed", "the script's program runs, and its launch was not handed over")
            self._begin("refused", "the script started its program past the launchers of the plan")
        elif self.story.started and not self.job.dry_run and not self.artifacts.lacking(None):
            self._begin("done", "the done rule holds")
        elif minutes:
            self.watch.look_for_trouble(minutes * 60, self._tree)

    def _is_removed(self, now: float) -> bool:
        """Whether the run's folder has been gone for long where those of others can be: a disk that is away removes none."""
        is_gone = is_absent(self.job.node.folder) and self.job.disk == disk_of(self.job.node)
        self.gone = (self.gone or now) if is_gone else None
        return self.gone is not None and now - self.gone >= self.stop.get("gone_seconds", GONE_SECONDS)

    def _begin(self, cause: str, reason: str) -> None:
        self.cause, self.reason, self.begun = cause, reason, time.monotonic()
        self.watch.is_ending = True
        self.page.cause, self.page.reason = cause.encode(), short(reason, TOLD_BYTES).encode()
        self.patience = time.monotonic() + self.checkpoint_seconds
        self.whole_then = len(self.story.checkpoints)
        if cause in ("done", "refused"):
            self.watch.enter("ending")
        elif not self.story.stopping:
            self.story.stopping = True
            self.job.events.append("stop.asked", reason=reason)

    def _saving(self) -> bool:
        """Whether a TERM now would cut the checkpoint that was being written when the end began, here or on the first node.

        One is waited for: a trainer that saves without a pause would never be ended.
        """
        waited = len(self.story.checkpoints) > self.whole_then
        if not self._lives() or waited or time.monotonic() >= self.patience:
            return False
        announced = self.story.phase == SAVING_PHASE and len(self.story.checkpoints) == self.watch.saved
        stale = self.cause == "stop" and self.watch.looked < self.begun
        here = announced or self.artifacts.writing()
        first = self.cause == "stop" and self._first_goes_on()
        long = time.monotonic() - self.begun > ANSWER_SECONDS
        if (here or (first and long)) and not stale and not self.awaited:
            self.awaited = True
            self.job.events.append("checkpoint.awaited", seconds=round(self.patience - time.monotonic(), 1))
        return stale or here or first

    def _first_goes_on(self) -> bool:
        """Whether the first node, which is told of the stop, has not told its own trainer yet."""
        return self.peers is not None and self.peers.waits_for_first(self._told(self.reason))

    def _emptied(self) -> bool:
        """Take the end one step on: wait for a checkpoint, TERM to the group, TERM to who is left, KILL.

        Returns: whether the tree is empty, or KILL reached nobody for too long.
        """
        if not self.page.group_told:
            if not self.page.deadline and self._saving():
                return False
            self.page.deadline = self.page.deadline or time.monotonic() + self.grace
            if self.cause:  # not before: a checkpoint that is being written may need the others
                self._tell_peers(OUTCOMES[self.cause], self.reason)
            self.job.keep_page()  # who goes on without us has to know that it was ended, and for what
            self._tell_group()
        left = self._tree()
        self._woke()
        if not left and not self._lives():
            return True
        self._tell_failure()
        if self.graced != self.page.deadline:
            self.graced = self.page.deadline
            self.job.events.append("grace.started", seconds=round(max(0.0, self.graced - time.monotonic()), 1))
        if time.monotonic() >= self.page.deadline:
            return self._kill(left)
        # torchrun hands TERM on to its workers: they are told only when nobody is left who was told before
        if not any(found[:2] in self.told for found in left):
            for found in left:
                send(found, signal.SIGTERM)
                self._note(found)
        return False

    def _tell_group(self) -> None:
        if self.leader and self._lives():
            group = [found for found in self._tree() if found.group == self.leader[0]]
            for found in group:
                self._note(found)
            if self.job.adopted:
                # who is nobody's child here may be reaped at any moment, and its group's number given away
                for found in group:
                    send(found, signal.SIGTERM)
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.leader[0], signal.SIGTERM)
        self.page.group_told = True

    def _note(self, found: Process) -> None:
        self.told.add(found[:2])
        self.page.note(found)

    def _kill(self, left: list[Process]) -> bool:
        if self.killing is None and left and not self.page.script_begun:
            named = ", ".join(f"{found.pid} (`{command_of(found.pid)}`)" for found in left[:8])
            message = f"killed, as the grace of {self.grace:g} seconds has passed: {named}"
            hints = ["see whether the trainer heeds TERM, or give it more `stop.grace_seconds`"] if self.grace else []
            self.watch.warn("grace-passed", message, *hints)
        self.killing = self.killing or time.monotonic()
        for found in left:
            send(found, signal.SIGKILL)
        tell_cgroup(self.cgroup, "cgroup.kill", 1)
        if time.monotonic() - self.killing < self.stop.get("kill_seconds", KILL_SECONDS):
            return False
        self.unkillable = [found.pid for found in left]
        self.watch.warn("unkillable", f"KILL does not reach {', '.join(map(str, self.unkillable))}")
        return True

    def _pause(self) -> None:
        """Until a signal, or for as long as suits what is going on."""
        self.job.keep_page()
        busy = self.cause or self.watch.rest.seconds() < 5
        seconds = 0.1 if self.page.deadline else 0.25 if busy else 1.0
        self._woke()
        received = signal.sigtimedwait(SIGNALS, seconds)
        self._woke(seconds)
        if received and received.si_signo in STOPS and self.asked is None:
            self.asked = note_stop(self.job, received.si_signo)

    def _woke(self, slept: float = 0.0) -> None:
        """A machine that was frozen has not given the job its time: what is due comes later by as much."""
        moment = time.monotonic()
        late, self.awake = moment - self.awake - slept, moment
        if late > FROZEN_SECONDS:
            self.patience += late
            self.page.deadline += late if self.page.deadline else 0.0

    # how it ends

    def _bypassed(self, now: float) -> bool:
        """Whether the script's program has been running for long though nothing was handed over."""
        entry = self.job.rules.get("shim", {}).get("entry")
        if not entry or self.story.started or now - self.peeked < BYPASS_SECONDS / 4:
            return False
        self.peeked = now
        runs = any(starts(found.pid, entry) for found in self._tree())
        self.passing = (self.passing or now) if runs else None
        return self.passing is not None and now - self.passing >= BYPASS_SECONDS

    def _run_script(self, outcome: str) -> None:
        """The steps for every end, once, inside the grace; what they leave behind is killed."""
        there = os.path.exists(os.path.join(self.job.node.bundle, "on_stop.sh"))
        if self.page.script_begun or self.job.restarted or not there:
            return
        if self.job.unknown:
            message = (
                f"the steps for the end run without {', '.join(self.job.unknown)}: the trainer that had it is gone"
            )
            self.watch.warn("on-stop-without-secrets", message)
        self.page.script_begun = True
        self.page.deadline = time.monotonic() + self.grace
        self.job.keep_page()
        script, gate = fork_bash(self.job, "on_stop.sh", {"SRPO_RUN_OUTCOME": outcome})
        tell_cgroup(self.cgroup, "cgroup.procs", script)
        open_gate(gate)
        status = None
        while status is None and time.monotonic() < self.page.deadline:
            signal.sigtimedwait(SIGNALS, 0.1)
            status = dict(self._reap()).get(script)
            self._hear_peers()
        if status != 0:
            told = "did not end inside the grace" if status is None else f"ended with {status}"
            self.watch.warn("on-stop-failed", f"the steps for the end {told}")
        self.page.deadline, self.killing = time.monotonic(), None
        self.awake = self.page.deadline
        while not self._emptied():
            self._pause()
            self._reap()

    def _record(self, outcome: str, reason: str) -> None:
        """Make the end durable; what takes long after that is lost at most, never in the way."""
        self.watch.warn_of_all_torn()
        result = result_of(self.job, outcome, short(reason, TOLD_BYTES), self.status, self.unkillable)
        self._write_result(result)
        end = {
            "outcome": outcome,
            "reason": short(reason),
            "time": result["ended"],
            "checkpoints": len(self.artifacts.whole),
            "images": len(self.artifacts.images),
            "unkillable": self.unkillable[:8],
        }
        self._fill(END, end)
        self._digest(result)
        self.job.events.ended(outcome, self.status, result["reason"])

    def _write_result(self, result: Record) -> None:
        try:
            write_json(self.job.node.path("result.json"), result)
        except OSError as error:
            self.watch.warn("result-unwritten", f"`result.json` could not be written: {error.strerror}")

    def _digest(self, result: Record) -> None:
        """Put the digests of whole checkpoints into the result: for as long as is given, and no stop waits for them.

        A child reads, at the lowest priority: one that hangs in a dead file system is left behind.
        """
        files = [
            (inside(one["path"], file["path"]), file)
            for one in result["checkpoints"]
            if one["whole"]
            for file in one["files"]
        ]
        if not files:
            return
        limit = float(self.job.rules["artifacts"].get("digest_seconds", DIGEST_SECONDS))
        self._listen()
        why = "a stop was asked for"
        if limit <= 0:
            why = "the rules give no time for it"
        elif self.asked is None and self.cause != "stop":
            self.watch.enter("digests", bytes=sum(file["bytes"] for _, file in files), limit_seconds=limit)
            why = self._wait_for_digests([path for path, _ in files], limit)
        digests = read_digests(self.job.node.path(DIGESTS))
        for path, file in files:
            file["digest"] = digests.get(path)
            file["reason"] = None if path in digests else why
        self._write_result(result)

    def _wait_for_digests(self, paths: list[str], limit: float) -> str:
        """Returns: why a digest that is not there then is missing."""
        child = os.fork()
        if child == 0:
            os.close(self.job.lock)
            if self.peers:
                self.peers.close()
            end_with_parent()
            in_child(self.job, lambda: write_digests(paths, self.job.node.path(DIGESTS)))
        until = time.monotonic() + limit
        while True:
            received = signal.sigtimedwait(SIGNALS, min(0.5, limit))
            if child in dict(self._reap()):
                return "it could not be read, or changed"
            self._listen()
            self._hear_peers()
            late = time.monotonic() >= until
            if late or self.asked is not None or (received and received.si_signo in STOPS):
                os.kill(child, signal.SIGKILL)
                return f"{limit:g} seconds did not suffice" if late else "a stop was asked for"

    def _fill(self, slot: int, record: Record) -> None:
        try:
            self.job.slots.write(slot, record)
        except OSError as error:
            self.watch.warn("slot-unwritten", f"slot {slot} could not be written: {error.strerror}")
