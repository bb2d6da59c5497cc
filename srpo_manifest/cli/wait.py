"""`wait`: be there when a run ends."""

from __future__ import annotations

import math
import time

import click

from srpo_manifest.cli.output import data, tell_contact
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.errors import LaunchError


@click.command("wait")
@click.argument("run", default="last")
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(min=0), help="Give up after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="The run's state as one JSON document.")
def command(*, run: str, timeout_seconds: float | None, as_json: bool) -> int:
    """Wait until RUN has ended. Interrupting it leaves the run alone."""
    contact = Contact(records.find(run))
    until = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
    status = contact.remembered()
    if status is None:
        wait = 20.0 if timeout_seconds is None else min(20.0, max(0.0, timeout_seconds))
        for chunk in contact.chunks(wait_seconds=wait, lost=tell_contact, until=until):
            if chunk.state == "ended":
                break
            if time.monotonic() >= until:
                raise LaunchError("wait-timeout", f"run `{contact.record.id}` has not ended: it is {chunk.state}")
        status = contact.status()
    if as_json:
        data(status)
    else:
        print(f"{status.run} {status.outcome}")
    return 0 if status.outcome == "succeeded" else 1
