"""`attach`: follow a run again."""

from __future__ import annotations

import click

from srpo_manifest.cli import following
from srpo_manifest.cli.interrupts import listening
from srpo_manifest.cli.output import line
from srpo_manifest.cli.view import View
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.reporting import Reporter


@click.command("attach")
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
def command(*, run: str, as_json: bool) -> int:
    """Follow RUN from its beginning to its end.

    Ctrl-C asks whether to detach or stop. Without a terminal, an interruption or a TERM stops the run; a hang-up detaches.
    """
    contact = Contact(records.find(run))
    view = View()
    reporter = Reporter(line if as_json else view)
    reporter.observe(contact.registry.observe)
    for fault in contact.load_observers():
        reporter.emit("warning.raised", run=contact.record.id, code=fault.code, message=str(fault))
    with listening() as ear:
        status = following.stay(contact, reporter, view, ear)
    following.summary(contact)
    return status
