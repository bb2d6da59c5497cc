"""`stop`: end a run gracefully."""

from __future__ import annotations

import getpass
import platform
import time

import click

from srpo_manifest.cli.output import data, say, tell_contact
from srpo_manifest.cli.status import told
from srpo_manifest.cli.view import View
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.errors import LaunchError, TransportError
from srpo_manifest.finding import visible

_BEGUN = {"started": "begun", "ended": "ended already"}
TAKEN_SECONDS = 5.0
"""A supervisor that lives takes a request at once."""
_TOLD = frozenset({"checkpoint.awaited", "checkpoint.written", "grace.started", "warning.raised"})


@click.command("stop")
@click.argument("run", default="last")
@click.option(
    "--grace", "grace_seconds", type=click.FloatRange(min=0), help="Seconds from TERM to KILL, beside the manifest's."
)
@click.option(
    "--checkpoint",
    "checkpoint_seconds",
    type=click.FloatRange(min=0),
    help="Seconds to wait for a checkpoint being written, beside the manifest's.",
)
@click.option("--no-end", is_flag=True, help="Call the manifest's [end] off; also where the run has ended.")
@click.option("--no-wait", is_flag=True, help="Return once the request lies on the target.")
@click.option("--json", "as_json", is_flag=True, help="The run's state as one JSON document.")
def command(
    *,
    run: str,
    grace_seconds: float | None,
    checkpoint_seconds: float | None,
    no_end: bool,
    no_wait: bool,
    as_json: bool,
) -> int:
    """Ask RUN to end: it waits for a checkpoint being written, then reaches every process of the run."""
    contact = Contact(records.find(run))
    if no_end:
        contact.mark("keep")
    asked = f"asked for by {who()}"
    try:
        status = contact.status()
    except TransportError:
        if contact.nodes[1:]:  # the others hear it, whatever keeps the first one from that
            contact.stop(grace_seconds=grace_seconds, checkpoint_seconds=checkpoint_seconds, reason=asked)
        raise
    if no_end and status.end and status.end.state in ("started", "ended"):
        raise LaunchError(
            "end-begun",
            f"the command of `[end]` of run `{status.run}` cannot be called off: it has {_BEGUN[status.end.state]}",
            "end it on the target, if that still helps",
        )
    if status.state == "ended":
        say(f"{contact.record.id} has ended already: there is nothing to stop")
    else:
        contact.stop(grace_seconds=grace_seconds, checkpoint_seconds=checkpoint_seconds, reason=asked)
        if not no_wait:
            _watch(contact)
        status = contact.status()
    if status.outcome == "lost" and status.unfinished is None:
        contact.tidy()
    if status.unfinished:
        why = status.warnings[-1]
        raise LaunchError(
            why.code,
            f"run `{status.run}` lost its supervisors and cannot be taken over: {why.message}",
            *(why.hints or ("see its folder on the target; `status` tries again",)),
        )
    if as_json:
        data(status)
    else:
        print(
            visible(f"{status.run} {status.outcome or status.state}" + (f": {status.reason}" if status.reason else ""))
        )
        for checkpoint in status.checkpoints:
            print(visible(f"  {told(checkpoint)}"))
    return 0


def _watch(contact: Contact) -> None:
    """Tell what the end waits for, until it is there. Interrupting this takes nothing back."""
    run, view, is_asked, is_told = contact.record.id, View(), False, False

    say(f"stopping {run}")
    begun = time.monotonic()
    try:
        for chunk in contact.chunks(wait_seconds=TAKEN_SECONDS, lost=tell_contact):
            for event in chunk.events:
                is_asked = is_asked or event["event"] == "stop.asked" or event.get("phase") in ("ending", "digests")
                if is_asked and event["event"] in _TOLD:
                    view(event)
            if chunk.state == "ended":
                break
            if not (is_asked or is_told) and time.monotonic() - begun >= TAKEN_SECONDS:
                is_told = True
                say(
                    f"the request lies on the target, and no supervisor has taken it yet: `srpo-manifest status {run}` may tell why"
                )
    except KeyboardInterrupt:
        say(f"{run} is stopped all the same: `srpo-manifest status {run}` tells how far it is")
        raise


def who() -> str:
    """The person at this machine."""
    try:
        return f"{getpass.getuser()} on {platform.node()}"
    except (OSError, KeyError, ImportError):
        return f"somebody on {platform.node()}"
