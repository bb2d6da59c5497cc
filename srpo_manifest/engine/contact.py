"""A run on record: reaching its target, asking, stopping, following."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from srpo_manifest.bundling.quoting import shell
from srpo_manifest.engine import records
from srpo_manifest.engine.locks import is_held
from srpo_manifest.engine.node import DECODING, START, WAIT_SECONDS, Node
from srpo_manifest.engine.registry import Registry
from srpo_manifest.engine.several import at_once
from srpo_manifest.errors import ContactLost, PluginError, SrpoManifestError, TransportError
from srpo_manifest.planning.nodes import DRY, Seen, reason_to_end, told_nodes, whole_run
from srpo_manifest.ports.following import Chunk, Offsets
from srpo_manifest.ports.transport import machines
from srpo_manifest.reading.words import parse_word
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.run import FORMAT, Mark, NodeStatus, Record, Status
from srpo_manifest.wording import listed

A = TypeVar("A")
_LOOK_SECONDS = 5.0
"""Between looks at the other nodes while the first one is followed."""
_LOOK_AGAIN_SECONDS = 1.0
"""Between looks once the first one has ended."""
_PATIENCE_SECONDS = 120.0
"""So long the end of a node is awaited that cannot be asked."""
_ASIDE_SECONDS = 20.0
"""So long where the first one has what the run was to make: it changes nothing."""
_PARTING_SECONDS = 15.0
"""So long the nodes that go on may come to their own end once the first one has succeeded: their supervisors give them less."""
_GONE_SECONDS = 60.0
"""So long a node's folder must be away before it counts as lost while others go on: a disk may come back."""


class Contact:
    """One run's target, by the backend tables that its record froze."""

    def __init__(self, record: Record) -> None:
        """Open nothing yet but the kinds. Raises: PluginError where a kind is no longer installed, or broken."""
        self.record = record
        self.registry = Registry()
        transport, launcher = record.transport["kind"], record.launcher["kind"]
        for kind, builtin in ((transport, "local"), (launcher, "direct")):
            if kind != builtin:
                self.registry.load(kind, key="backend")
        kinds = self.registry.transport(transport), self.registry.launcher(launcher)
        with DECODING:
            reaching = self.registry.recorded(record.transport, kinds[0].options)
            launching = self.registry.recorded(record.launcher, kinds[1].options)
        reached = machines(self.registry.open_transport(reaching, None, Facts()))
        launches = self.registry.open_launcher(launching)
        folder = shell(parse_word(record.folder))
        self.nodes = tuple(Node(record, folder, machine, launches, index) for index, machine in enumerate(reached))
        """Those of the run, in order; the first writes what counts."""
        self.told: tuple[NodeStatus, ...] = ()
        """How each of several was at the last `status`, also where that failed."""
        self._gone_since: dict[int, float] = {}

    @property
    def where(self) -> str:
        """The first node's folder as people write it."""
        return self.nodes[0].where

    def load_observers(self) -> Iterator[PluginError]:
        """Load the run's stage plugins, which may observe; one that is broken is told, and changes nothing.

        Verbs that follow nothing do without: `stop` waits for no import.
        """
        for name in self.record.plugins:
            try:
                self.registry.load(name, key="plugins")
            except PluginError as error:
                yield error

    def status(self) -> Status:
        """Ask how it is, take it over where it lost its supervisors, and end the nodes that would wait for one that has ended.

        The record remembers the answer: an end that was seen is told for ever, also where its machine is gone.
        Raises: TransportError where the first node cannot be asked; LaunchError for an answer that cannot be read, and
        `run-absent` where its folder is not there and how it ended was never seen.
        """
        if not self.nodes[1:]:
            status = self.nodes[0].status()
            records.saw(self.record, status)
            return status
        is_coming = records.seen_briefly(self.record.id).state is None and is_held(records.coming(self.record.id))
        seen, failure = self._seen()
        if is_coming and failure is None:
            return whole_run([_pending(one) for one in seen])
        if (why := reason_to_end(seen, just_succeeded=_just_succeeded(seen[0]))) and self._end(seen, why):
            seen, failure = self._seen()
        self.told = told_nodes(seen)
        if failure is not None:
            raise failure
        status = whole_run(seen)
        records.saw(self.record, status)
        return status

    def remembered(self) -> Status | None:
        """The run's end, where that of every node was seen: nobody has to be asked."""
        ends = [node.seen_ended() for node in self.nodes]
        if not all(ends):
            return None
        return whole_run(
            [Seen(place=node.transport.place, status=end) for node, end in zip(self.nodes, ends, strict=True)]
        )

    def stop(self, *, reason: str, grace_seconds: float | None = None, checkpoint_seconds: float | None = None) -> None:
        """Ask it to end; returns once the request lies there durably, on every machine.

        Raises: TransportError; LaunchError; all that can be reached have been asked by then.
        """
        waits = {"grace_seconds": grace_seconds, "checkpoint_seconds": checkpoint_seconds}
        going = self.nodes
        if going[1:]:
            ended = [one.status is not None and one.status.state == "ended" for one in self._seen()[0]]
            going = tuple(node for node, is_over in zip(self.nodes, ended, strict=True) if not is_over)
        stops = [partial(node.stop, reason=reason, **waits) for node in going]
        # the first one first: where another node's supervisor asks it as well it tells this reason
        answers = [answer for calls in (stops[:1], stops[1:]) for answer in self._answers(calls)]
        failed = [
            (node, answer) for node, answer in zip(going, answers, strict=True) if isinstance(answer, SrpoManifestError)
        ]
        reached = [node.transport.place for node in going if node not in dict(failed)]
        if failed and reached:
            error = failed[0][1]
            finding = error.findings[0]
            raise type(error)(
                finding.code,
                f"{listed(reached, 'and')} {'were' if reached[1:] else 'was'} asked to stop, "
                f"{listed([node.transport.place for node, _ in failed], 'and')} not: {error}",
                *finding.hints,
                f"`srpo-manifest stop {self.record.id}` asks again",
            )
        if failed:
            raise failed[0][1]

    def mark(self, what: Mark) -> None:
        """Leave a mark that `[end]` of the run heeds. Raises: TransportError; LaunchError."""
        self._every([partial(node.mark, what) for node in self.nodes])

    def tidy(self) -> None:
        """End what a lost run left behind whose supervisor is too old to take it over.

        Raises: TransportError; LaunchError where something cannot be ended.
        """
        self._every([node.tidy for node in self.nodes])

    def chunks(
        self,
        at: Offsets = START,
        *,
        wait_seconds: float = WAIT_SECONDS,
        lost: Callable[[str | None], None] = lambda _: None,
        patience_tries: int | None = None,
        until: float = math.inf,
    ) -> Iterator[Chunk]:
        """What is new on the first node beyond the offsets, again and again, to the end of the run on all of them.

        *lost*, *patience_tries* and *until* are those of `Node.chunks`. The first node's end is told at once where that is
        the run's own: with its success, nothing that becomes of others is another outcome. Raises: ContactLost; LaunchError.
        """
        first, *others = self.nodes
        wait = min(wait_seconds, _LOOK_SECONDS) if others else wait_seconds
        following = first.chunks(
            at,
            wait_seconds=wait,
            lost=lost,
            patience_tries=patience_tries,
            until=until,
            is_over=first.seen_ended() is not None,
        )
        if not others:
            for chunk in following:
                self._remember_end(chunk)
                yield chunk
            return
        looked, unseen = time.monotonic(), ""
        for chunk in following:
            at = chunk.after
            self._remember_end(chunk)
            if chunk.state != "ended" and time.monotonic() - looked >= _LOOK_SECONDS:
                with contextlib.suppress(SrpoManifestError):  # the stream itself tells when the first one is lost
                    now = next((one.reason or one.place for one in self.status().nodes if one.state is None), "")
                    if bool(now) != bool(unseen):
                        lost(now or None)
                    unseen = now
                looked = time.monotonic()
            own_end = chunk.state == "ended"
            if own_end:  # it may be the last that is seen of that machine
                with contextlib.suppress(SrpoManifestError):
                    self.status()
            events = tuple(event for event in chunk.events if event["event"] != "run.ended" or _is_final(event))
            yield msgspec.structs.replace(chunk, events=events, state="stopping" if own_end else chunk.state)
        for _ in self._await_others(lost, until, is_told=bool(unseen)):
            yield Chunk(events=(), log=b"", after=at, state="stopping")
        yield Chunk(events=(), log=b"", after=at, state="ended")

    def _await_others(self, lost: Callable[[str | None], None], until: float, *, is_told: bool) -> Iterator[None]:
        """Until every node has ended, look by look. *lost* hears of one that cannot be seen, and None when all are again.

        Raises: ContactLost where one stays away, or still is at *until*.
        """
        away_since: float | None = None
        while True:
            away, reason, is_over = self._away()
            if is_over and not away:
                return
            away_since = (away_since or time.monotonic()) if away else None
            waited = time.monotonic() - away_since if away_since else 0.0
            if is_over and waited > _ASIDE_SECONDS:
                return
            if bool(away) != is_told:
                lost(reason if away else None)
                is_told = bool(away)
            if away and (waited > _PATIENCE_SECONDS or time.monotonic() >= until):
                raise ContactLost(
                    "contact-lost",
                    f"the first node has ended, and no contact with {listed(away, 'and')} tells how it is there: {reason}",
                    f"`srpo-manifest status {self.record.id}` asks again",
                    "`srpo-manifest prune` forgets the run, where that machine is gone for good",
                )
            yield
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _away(self) -> tuple[list[str], str, bool]:
        """The machines that cannot be asked, why, and whether the run has ended."""
        try:
            status = self.status()
        except TransportError as error:
            return [self.nodes[0].transport.place], str(error), False
        away = [node for node in status.nodes if node.state is None]
        return [node.place for node in away], next((node.reason or "" for node in away), ""), status.state == "ended"

    def _remember_end(self, chunk: Chunk) -> None:
        """Note the first node's end: its machine may be off before anybody can ask for more."""
        event = next((event for event in chunk.events if event["event"] == "run.ended"), None)
        if event is None:
            return
        told = {name: event.get(name) for name in ("outcome", "exit", "reason")} | {"ended": event.get("time")}
        last = records.seen(self.record.id) or Status(format=FORMAT, run=self.record.id, state="ended")
        if self.nodes[1:]:
            first = NodeStatus(node=0, place=self.nodes[0].transport.place, state="ended", **told)
            last = msgspec.structs.replace(last, state="stopping", nodes=(first, *last.nodes[1:]))
        else:
            last = msgspec.structs.replace(last, state="ended", unfinished=False, **told)
        records.saw(self.record, last)

    def _seen(self) -> tuple[list[Seen], SrpoManifestError | None]:
        """Every node as it is, and why the first one could not be asked."""
        answers = at_once([node.status for node in self.nodes])
        seen = [
            Seen(place=node.transport.place, why=str(answer))
            if isinstance(answer, SrpoManifestError)
            else Seen(place=node.transport.place, status=answer)
            for node, answer in zip(self.nodes, answers, strict=True)
        ]
        gone = {
            index: answer
            for index, answer in enumerate(answers)
            if index and isinstance(answer, SrpoManifestError) and answer.code == "run-absent"
        }
        self._gone_since = {index: self._gone_since.get(index, time.monotonic()) for index in gone}
        others = [one.status for index, one in enumerate(seen) if index not in gone]
        over = all(status is not None and status.state == "ended" for status in others)
        for index, answer in gone.items():
            if over or time.monotonic() - self._gone_since[index] > _GONE_SECONDS:
                lost = Status(
                    format=FORMAT,
                    run=self.record.id,
                    state="ended",
                    outcome="lost",
                    reason=str(answer),
                    unfinished=False,
                )
                seen[index] = msgspec.structs.replace(seen[index], status=lost)
        first = answers[0]
        return seen, first if isinstance(first, SrpoManifestError) else None

    def _end(self, seen: Sequence[Seen], why: str) -> bool:
        """Ask those that go on to end. Returns: whether there was one to ask."""
        asked = [
            partial(node.stop, reason=why)
            for node, one in zip(self.nodes, seen, strict=True)
            if one.status is not None and one.status.state not in ("ended", "stopping")
        ]
        at_once(asked)
        return bool(asked)

    def _every(self, calls: Sequence[Callable[[], A]]) -> None:
        """All of them are tried before the first that failed is told."""
        for answer in self._answers(calls):
            if isinstance(answer, SrpoManifestError):
                raise answer

    def _answers(self, calls: Sequence[Callable[[], A]]) -> list[A | SrpoManifestError]:
        """All at once; one alone is called by this thread, which a signal reaches."""
        return [call() for call in calls] if len(self.nodes) == 1 else at_once(calls)


def _is_final(event: Mapping[str, object]) -> bool:
    """Whether the first node's end is the run's, whatever becomes of the others."""
    return event.get("outcome") == "succeeded" and event.get("reason") != DRY


def _just_succeeded(first: Seen) -> bool:
    """By its own clock: where that goes wrong, the others have less time, or more."""
    status = first.status
    if status is None or status.outcome != "succeeded" or not status.ended:
        return False
    ago = (datetime.now(UTC) - datetime.fromisoformat(status.ended)).total_seconds()
    return 0 <= ago < _PARTING_SECONDS


def _pending(seen: Seen) -> Seen:
    """A node as it is while the run is being started: what is not there comes."""
    if seen.status is None or seen.status.outcome != "lost" or seen.status.started is not None:
        return seen
    waiting = Status(format=FORMAT, run=seen.status.run, state="pending", unfinished=False)
    return msgspec.structs.replace(seen, status=waiting)
