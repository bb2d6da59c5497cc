"""Staying with a run: its events to the view, signals to a decision, its end to an exit status."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import Any

from srpo_manifest.cli.bringing import brought_in_the_end
from srpo_manifest.cli.interrupts import HANGUP, Ear, Told
from srpo_manifest.cli.output import say
from srpo_manifest.cli.status import told
from srpo_manifest.cli.stop import who
from srpo_manifest.cli.view import View
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.node import START
from srpo_manifest.engine.reporting import Reporter
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.finding import visible
from srpo_manifest.values.run import Status

STOPPED = 130
DAMAGED_HINT = "see who else writes into the run's folder; `srpo-manifest status` still tells how the run is"
DAMAGED = "the file of the run's events was cut or replaced on the target: what follows begins anew"


def stay(contact: Contact, emit: Reporter, view: View, ear: Ear) -> int:
    """Follow to the end, or until told to leave. Returns: the exit status of D8."""
    run = contact.record.id
    asked = 0
    if number := ear.next():
        if number == HANGUP:
            return _detached(run)
        asked += _stop(contact, "during the launch")
    at = START
    ended: dict[str, Any] | None = None
    is_over = False

    def lost(reason: str | None) -> None:
        if reason is None:
            emit.emit("contact.restored", run=run)
        else:
            emit.emit("contact.lost", run=run, reason=reason)

    while not is_over:
        try:
            with ear.awake():
                for chunk in contact.chunks(at, lost=lost):
                    if chunk.events_anew:
                        emit.emit(
                            "warning.raised", run=run, code="events-damaged", message=DAMAGED, hints=[DAMAGED_HINT]
                        )
                    for event in chunk.events:
                        emit.emit(**event)
                        ended = event if event["event"] == "run.ended" else ended
                    at = chunk.after
                    if ended and not contact.nodes[1:]:
                        break
                is_over = True
        except Told:
            number = ear.next()
            with contextlib.suppress(OSError):
                view.close()
            if number == HANGUP:
                return _detached(run)
            if number == signal.SIGINT and not asked and _is_terminal() and not _wants_stop(run, ear):
                return _detached(run)
            how = "on the terminal" if _is_terminal() or not number else f"by {signal.Signals(number).name} to a client"
            asked += _stop(contact, how, times=asked)
    view.close()
    status = contact.status()
    if ended is None:
        emit.emit("run.ended", run=run, outcome=status.outcome, exit=status.exit, reason=status.reason)
    brought_in_the_end(contact, status)
    return STOPPED if asked else 0 if status.outcome == "succeeded" else 1


def settle(contact: Contact) -> int:
    """After a launch that was cut: end the run where it was started. Returns: the exit status."""
    run = contact.record.id
    try:
        status = contact.status()
        if status.state == "ended":
            say(f"{run} {status.outcome}: {status.reason}")
            return STOPPED
    except SrpoManifestError as error:
        say(f"{run} may have been started: {error}")
    _stop(contact, "during the launch")
    say(f"hint: `srpo-manifest status {run}` tells what became of it")
    return STOPPED


def summary(contact: Contact, status: Status | None = None) -> None:
    """Where everything of a run lies."""
    record = contact.record
    try:
        status = status or contact.status()
    except SrpoManifestError as error:
        say(f"its state could not be asked: {error}")
        return
    lines = (
        "",
        f"{record.id} {status.outcome or status.state}" + (f": {status.reason}" if status.reason else ""),
        *(f"  {told(checkpoint)}" for checkpoint in status.checkpoints),
        *([f"  previews    {status.images}, in {contact.where}/images"] if status.images else []),
        f"  log         {contact.where}/log   (`srpo-manifest logs {record.id}`)",
    )
    say(*map(visible, lines))


def _stop(contact: Contact, how: str, *, times: int = 0) -> bool:
    """Ask for the run's end. Who did so *times* before gets no grace, and then no wait for a checkpoint.

    Returns: whether the request lies there.
    """
    run = contact.record.id
    waits = {"grace_seconds": 0 if times else None, "checkpoint_seconds": 0 if times > 1 else None}
    try:
        contact.stop(**waits, reason=f"asked for by {who()} {how}")
    except SrpoManifestError as error:
        say(f"the request to stop {run} may not have arrived: {error}")
        say(f"hint: ask again, here or by `srpo-manifest stop {run}`; until then it goes on")
        return False
    if times == 1:
        say(f"{run} gets no more grace: it is killed as soon as no checkpoint is being written")
    elif times:
        say(f"{run} is killed now; a checkpoint that is being written will be torn")
    return True


def _detached(run: str) -> int:
    say(f"detached: {run} goes on; `srpo-manifest attach {run}` comes back to it, `srpo-manifest stop {run}` ends it")
    return 0


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _wants_stop(run: str, ear: Ear) -> bool:
    """Ask; no answer means to detach, and a signal in place of one is that signal's meaning."""
    say(f"{run} goes on by itself. Detach from it, or stop it? (Ctrl-C stops it)")
    while True:
        sys.stderr.write("[d]etach or [s]top: ")
        sys.stderr.flush()
        try:
            with ear.awake():
                answer = sys.stdin.readline().strip().lower()
        except Told:
            return ear.next() != HANGUP
        if not answer or answer in ("d", "detach"):
            return False
        if answer in ("s", "stop"):
            return True
