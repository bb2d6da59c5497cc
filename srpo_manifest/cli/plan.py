"""`plan`: what apply would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.output import data, say, tell
from srpo_manifest.cli.saved import read_facts, read_saved, write
from srpo_manifest.planning.diff import diff
from srpo_manifest.planning.show import show
from srpo_manifest.runner import Runner

REFUSED = 4
SOMETHING = 6


@click.command("plan")
@manifest_options
@click.option("--facts", metavar="FILE", help="Plan from saved facts; no machine is asked.")
@click.option("--save-facts", metavar="FILE", help="Save the facts, which hold no secret.")
@click.option("--out", metavar="FILE", help="Save the plan, for `apply FILE`.")
@click.option("--diff", "other", metavar="FILE", help="Show what differs from this saved plan.")
@click.option("--origin", "origins", is_flag=True, help="Show where each flag's value comes from.")
@click.option("--again", is_flag=True, help="Run anew what has succeeded.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 where something would run.")
@click.option("--json", "as_json", is_flag=True, help="The plan as one JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Show what apply would do with MANIFEST, and the exact command. Nothing is changed but git's cache."""
    asked = said(context, given)
    runner = Runner(asked)
    facts = read_facts(given["facts"]) if given["facts"] else None
    decision = runner.plan(facts, again=given["again"])
    plan = decision.plan
    if given["save_facts"]:
        write(Path(given["save_facts"]), msgspec.json.encode(decision.facts))
    if given["out"]:
        write(Path(given["out"]), msgspec.json.encode(runner.save(decision)))
    if given["as_json"]:
        data(plan)
    elif given["other"]:
        print("\n".join(diff(read_saved(given["other"]).plan, plan)) or "no difference")
    else:
        print("\n".join(show(plan, origins=given["origins"])))
        say("")
        tell(decision.planned.findings)
    if not plan.applicable:
        return REFUSED
    return SOMETHING if given["detailed_exitcode"] and plan.job.action == "run" else 0
