"""`stop`: end a run gracefully."""

from __future__ import annotations

import getpass
import platform

import click

from srpo_manifest.cli.output import data, say
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.errors import LaunchError


@click.command("stop")
@click.argument("run", default="last")
@click.option(
    "--grace", "grace_seconds", type=click.FloatRange(min=0), help="Seconds from TERM to KILL, beside the manifest's."
)
@click.option("--no-end", is_flag=True, help="Call the manifest's [end] off; also where the run has ended.")
@click.option("--no-wait", is_flag=True, help="Return once the request lies on the target.")
@click.option("--json", "as_json", is_flag=True, help="The run's state as one JSON document.")
def command(*, run: str, grace_seconds: float | None, no_end: bool, no_wait: bool, as_json: bool) -> int:
    """Ask RUN to end: it waits for a checkpoint being written, then reaches every process of the run."""
    contact = Contact(records.find(run))
    if no_end:
        contact.mark("keep")
    status = contact.status()
    if status.state != "ended":
        contact.stop(grace_seconds=grace_seconds, reason=f"asked for by {_who()}")
        if not no_wait:
            say(f"stopping {contact.record.id}")
            for chunk in contact.chunks():
                if chunk.state == "ended":
                    break
        status = contact.status()
    if status.outcome == "lost" and status.unfinished is None:
        contact.tidy()
    if status.unfinished:
        told = status.warnings[-1]
        raise LaunchError(
            told.code,
            f"run `{status.run}` lost its supervisors and cannot be taken over: {told.message}",
            *(told.hints or ("see its folder on the target; `status` tries again",)),
        )
    records.saw(contact.record.id, status)
    if as_json:
        data(status)
    else:
        print(f"{status.run} {status.outcome or status.state}" + (f": {status.reason}" if status.reason else ""))
    return 0


def _who() -> str:
    try:
        return f"{getpass.getuser()} on {platform.node()}"
    except (OSError, KeyError, ImportError):
        return f"somebody on {platform.node()}"
