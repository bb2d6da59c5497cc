"""Staying with a run: its events to the view, signals to a decision, its end to an exit status."""

from __future__ import annotations

import signal
import sys
from typing import Any

from srpo_manifest.cli.interrupts import HANGUP, heard
from srpo_manifest.cli.output import say
from srpo_manifest.cli.view import View
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.reporting import Reporter
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.values.run import Status

STOPPED = 130


class _Told(BaseException):
    """A signal came. *stop*: it asks for the run's end, not only for ours."""

    def __init__(self, *, stop: bool, interactive: bool = False) -> None:
        super().__init__()
        self.stop, self.interactive = stop, interactive


def stay(contact: Contact, emit: Reporter, view: View, *, told_before: list[int] | None = None) -> int:
    """Follow to the end, or until told to leave. Returns: the exit status of D8.

    *told_before* are signals that came during the launch.
    """
    stopped_by_us = False
    if told_before:
        if told_before[0] == HANGUP:
            return 0
        contact.stop(grace_seconds=None, reason="asked for during the launch")
        stopped_by_us = True
    offset = 0
    ended: dict[str, Any] | None = None

    def lost(reason: str | None) -> None:
        if reason is None:
            emit.emit("contact.restored", run=contact.record.id)
        else:
            emit.emit("contact.lost", run=contact.record.id, reason=reason)

    while ended is None:
        try:
            with heard(_tell):
                for chunk in contact.chunks(events=offset, lost=lost):
                    for event in chunk.events:
                        emit.emit(**event)
                        ended = event if event["event"] == "run.ended" else ended
                    offset = chunk.events_offset
                    if ended:
                        break
                else:
                    break
        except _Told as told:
            view.close()
            if not told.stop or (told.interactive and not stopped_by_us and not _wants_stop(contact.record.id)):
                say(f"detached: `srpo-manifest attach {contact.record.id}` comes back to it")
                return 0
            contact.stop(grace_seconds=0 if stopped_by_us else None, reason="asked for on the terminal")
            stopped_by_us = True
    view.close()
    status = contact.status()
    records.saw(contact.record, status)
    if ended is None:
        emit.emit("run.ended", run=contact.record.id, outcome=status.outcome, exit=status.exit, reason=status.reason)
    return STOPPED if stopped_by_us else 0 if status.outcome == "succeeded" else 1


def summary(contact: Contact, status: Status | None = None) -> None:
    """Where everything of a run lies."""
    record = contact.record
    try:
        status = status or contact.status()
    except SrpoManifestError as error:
        say(f"its state could not be asked: {error}")
        return
    whole = [checkpoint.path for checkpoint in status.checkpoints if checkpoint.whole]
    say(
        "",
        f"{record.id} {status.outcome or status.state}" + (f": {status.reason}" if status.reason else ""),
        *(f"  checkpoint  {path}" for path in whole),
        *([f"  previews    {status.images}, in {contact.where}/images"] if status.images else []),
        f"  log         {contact.where}/log   (`srpo-manifest logs {record.id}`)",
    )


def _tell(number: int) -> None:
    interactive = number == signal.SIGINT and sys.stdin.isatty() and sys.stderr.isatty()
    raise _Told(stop=number != HANGUP, interactive=interactive)


def _wants_stop(run: str) -> bool:
    """Ask; no answer means to detach, and a signal in place of one is that signal's meaning."""
    say(f"{run} goes on by itself. Detach from it, or stop it?")
    while True:
        sys.stderr.write("[d]etach or [s]top: ")
        sys.stderr.flush()
        try:
            with heard(_tell):
                answer = sys.stdin.readline().strip().lower()
        except _Told as told:
            return told.stop
        if not answer or answer in ("d", "detach"):
            return False
        if answer in ("s", "stop"):
            return True
