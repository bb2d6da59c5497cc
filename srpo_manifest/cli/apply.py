"""`apply`: do what the plan says."""

from __future__ import annotations

from typing import Any

import click

from srpo_manifest.cli import following
from srpo_manifest.cli.interrupts import listening
from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.output import line, say, tell
from srpo_manifest.cli.saved import alone, is_saved, read_saved
from srpo_manifest.cli.view import View
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.reporting import Reporter
from srpo_manifest.errors import LaunchError
from srpo_manifest.runner import Runner


@click.command("apply")
@manifest_options
@click.option("--detach", is_flag=True, help="Return once the target has the run, durably; print its id.")
@click.option("--dry-run", is_flag=True, help="Prepare and check on the target, and stop before the trainer.")
@click.option("--again", is_flag=True, help="Run anew what has succeeded.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
@click.pass_context
def command(context: click.Context, /, *, detach: bool, dry_run: bool, again: bool, as_json: bool, **given: Any) -> int:
    """Do what the plan of MANIFEST (or a saved plan, FILE.json) says, and follow the run to its end."""
    asked = said(context, given)
    view = View()
    reporter = Reporter(line if as_json else view)
    if is_saved(asked.manifest):
        alone(asked)
        runner = Runner(asked, emit=reporter.emit, saved=read_saved(asked.manifest))
        decision = runner.replan(again=again)
    else:
        runner = Runner(asked, emit=reporter.emit)
        decision = runner.plan(again=again or dry_run)
    reporter.observe(runner.registry.observe)
    decision.refuse()
    tell(decision.planned.findings)
    if decision.plan.job.action == "keep":
        say("there is nothing to do")
        return 0
    with listening() as ear:
        ear.insisting = 2
        try:
            record = runner.apply(decision, dry_run=dry_run, given_up=ear.told_to_stop)
        except LaunchError as error:
            if error.code != "launch-given-up":
                raise
            say(str(error))
            return following.STOPPED
        except KeyboardInterrupt:
            ear.insisting = None
            if runner.sent is None:
                raise
            return following.settle(Contact(runner.sent))
        ear.insisting = None
        contact = Contact(record)
        if detach and not ear.told_to_stop():
            if not as_json:
                print(record.id)
            say(f"`srpo-manifest attach {record.id}` follows it")
            return 0
        status = following.stay(contact, reporter, view, ear)
    following.summary(contact)
    return status
