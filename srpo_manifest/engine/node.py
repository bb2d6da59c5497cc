"""One node of a run on record: asking, stopping, following it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from srpo_manifest.engine import records
from srpo_manifest.errors import ContactLost, LaunchError, TransportError
from srpo_manifest.planning.nodes import SEEN_LAST, UNSEEN, remembered
from srpo_manifest.ports.arrival import node_name
from srpo_manifest.ports.following import Chunk, Offsets, Place, follow, parse_follow, parse_seek, seek
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.probes import Answer
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.run import FORMAT, Mark, Raised, Record, Status
from srpo_manifest.wording import ticked

ASK_SECONDS = 60.0
WAIT_SECONDS = 20.0
START = Offsets()
_PATIENCE = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses between tries while contact is lost; the last one repeats."""
_TRIES_AFTER_THE_END = 3
"""For what is left of the log once the end has been told."""
DECODING = threading.Lock()
"""msgspec 0.22 crashes where two threads are the first to decode a type, and nodes and runs are asked in parallel."""


class Node:
    """A node of a run: its machine, and its number there. *folder* is the run's, as shell text."""

    def __init__(self, record: Record, folder: str, transport: Transport, launcher: Launcher, index: int) -> None:
        self.record, self.folder, self.transport, self.launcher, self.index = record, folder, transport, launcher, index

    @property
    def where(self) -> str:
        """Its folder as people write it."""
        return f"{self._run_folder}/{node_name(self.index)}"

    @property
    def _run_folder(self) -> str:
        return self.record.folder.replace("${target.home}", "~")

    def status(self) -> Status:
        """Ask how it is, and take it over where it lost its supervisors.

        Raises: TransportError; LaunchError for an answer that cannot be read, and `run-absent` where its folder is not
        there and how it ended was never seen.
        """
        found = self._status()
        if not found.unfinished:
            return found
        adopted = self._exec(self.launcher.adopt(self.folder, self.index))
        found = self._status()
        if adopted.status == 0 or not found.unfinished:
            return found
        lines = adopted.error.decode("utf-8", "replace").splitlines()
        told = Raised(
            time=found.started or "",
            code="run-unadopted",
            message=next((line.partition("]: ")[2] for line in lines if line.startswith("error[")), adopted.complaint),
            hints=tuple(line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")),
        )
        return msgspec.structs.replace(found, warnings=(*found.warnings, told))

    def stop(self, *, reason: str, grace_seconds: float | None = None, checkpoint_seconds: float | None = None) -> None:
        """Ask it to end; returns once the request lies there durably. Raises: TransportError; LaunchError."""
        waits = {"grace_seconds": grace_seconds, "checkpoint_seconds": checkpoint_seconds}
        answer = self._exec(self.launcher.stop(self.folder, **waits, reason=reason, node=self.index))
        if answer.status != 0:
            message = f"the request to stop was not taken on {self.transport.place}: {answer.complaint}"
            raise LaunchError("stop-failed", message)

    def mark(self, what: Mark) -> None:
        """Leave a mark that `[end]` of the run heeds. Raises: TransportError; LaunchError."""
        answer = self._exec(self.launcher.mark(self.folder, what, self.index))
        if answer.status != 0:
            raise LaunchError(
                "mark-failed", f"the mark {ticked(what)} was not taken: {answer.complaint}", "see the run's folder"
            )

    def tidy(self) -> None:
        """End what a lost run left behind whose supervisor is too old to take it over.

        Raises: TransportError; LaunchError where something cannot be ended.
        """
        answer = self._exec(self.launcher.tidy(self.folder, self.index))
        if answer.status != 0:
            raise LaunchError("tidy-failed", f"processes of the lost run go on: {answer.complaint or answer.text}")

    def seek(self, *, lines: int | None = None, since: float | None = None, ago_seconds: float | None = None) -> Place:
        """Where the log's last lines begin, or what it got since a moment. Raises: TransportError; LaunchError."""
        return parse_seek(
            self._exec(seek(self.folder, lines=lines, since=since, ago_seconds=ago_seconds, node=self.index))
        )

    def chunks(
        self,
        at: Offsets = START,
        *,
        wait_seconds: float = WAIT_SECONDS,
        lost: Callable[[str | None], None] = lambda _: None,
        patience_tries: int | None = None,
        until: float = math.inf,
        is_over: bool = False,
    ) -> Iterator[Chunk]:
        """What is new beyond the offsets, again and again, to the end of the run.

        *lost* hears the reason when contact breaks, and None when it is back: the offsets make up for the gap.
        *patience_tries* limits the tries, and *until*, on the monotonic clock, how long it tries; without either it goes on
        for ever. Once the end was seen, which *is_over* says from the start, what is left is tried for shortly.
        Raises: ContactLost; LaunchError.
        """
        failures = 0
        while True:
            text = follow(self.folder, at, wait_seconds=wait_seconds, node=self.index)
            try:
                limit = min(wait_seconds + ASK_SECONDS, max(1.0, until - time.monotonic()))
                chunk = parse_follow(self.transport.exec(text, timeout_seconds=limit), at)
                if chunk.unfinished and not self.status().unfinished:
                    chunk = msgspec.structs.replace(chunk, state="stopping")
            except TransportError as error:
                if failures == 0:
                    lost(str(error))
                if is_over and failures >= _TRIES_AFTER_THE_END:
                    return
                is_late = time.monotonic() >= until
                if is_late or (patience_tries is not None and failures >= patience_tries):
                    raise ContactLost("contact-lost", f"no contact with {self.transport.place}: {error}") from error
                pause = _PATIENCE[min(failures, len(_PATIENCE) - 1)]
                time.sleep(max(0.0, min(pause, until - time.monotonic())))
                failures += 1
                continue
            if failures:
                lost(None)
                failures = 0
            yield chunk
            at, is_over = chunk.after, chunk.state == "ended"
            if is_over and not chunk.events and not chunk.log:
                return

    def _status(self) -> Status:
        try:
            answer = self._exec(self.launcher.status(self.folder, self.index))
        except TransportError as error:
            last = self.seen_ended()
            if last is None:
                raise
            return remembered(last, str(error))
        try:
            with DECODING:
                return self.launcher.parse_status(answer)
        except LaunchError as error:
            if error.code != "run-absent":
                raise
        return self._absent()

    def seen_ended(self) -> Status | None:
        """What was seen of this node's end, without warnings that say so; None where it was not seen."""
        last = records.seen(self.record.id)
        if last is None:
            return None
        warnings = tuple(one for one in last.warnings if one.code not in (SEEN_LAST, UNSEEN, "run-absent"))
        if not last.nodes:
            if self.index or last.state != "ended" or (last.unfinished and last.outcome == "lost"):
                return None
            return msgspec.structs.replace(last, warnings=warnings, unfinished=False)
        own = next((one for one in last.nodes if one.node == self.index and one.state == "ended"), None)
        if own is None or (self.index and own.outcome == "lost"):
            return None
        ended = {name: getattr(own, name) for name in ("state", "outcome", "exit", "reason", "ended", "end")}
        if self.index:
            return Status(format=FORMAT, run=last.run, unfinished=False, **ended)
        return msgspec.structs.replace(last, nodes=(), warnings=warnings, unfinished=False, **ended)

    def _absent(self) -> Status:
        """How a run ended whose folder is not there. Raises: LaunchError `run-absent` where that was not seen."""
        run, seen = self.record.id, records.seen_briefly(self.record.id)
        if seen.state is None:
            return Status(
                format=FORMAT, run=run, state="ended", outcome="lost", reason="it was never started", unfinished=False
            )
        gone = f"its folder is not on the target any more: it was looked for on {self.transport.place} in {ticked(self._run_folder)}"
        hints = (
            "mount its disk, or put the folder back, where it was moved",
            "`srpo-manifest prune` removes its record, where it was deleted",
        )
        last = self.seen_ended()
        if last is None:
            raise LaunchError(
                "run-absent", f"run {ticked(run)}: {gone}; it was last seen {seen.outcome or seen.state}", *hints
            )
        if self.index:
            return last
        told = Raised(time=last.ended or "", code="run-absent", message=f"{gone}; this was seen last", hints=hints)
        return msgspec.structs.replace(last, warnings=(*last.warnings, told))

    def _exec(self, script: str) -> Answer:
        return self.transport.exec(script, timeout_seconds=ASK_SECONDS)
