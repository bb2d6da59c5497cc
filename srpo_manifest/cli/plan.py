"""`plan`: what apply would do."""

from __future__ import annotations

from typing import Any

import click

from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.planning import Asked, plan


@click.command("plan")
@manifest_options
@click.option("--facts", metavar="FILE", help="Plan from saved facts; no machine is asked.")
@click.option("--save-facts", metavar="FILE", help="Save the facts, which hold no secret.")
@click.option("--out", metavar="FILE", help="Save the plan, for `apply FILE`.")
@click.option("--diff", "other", metavar="FILE", help="Show what differs from this saved plan.")
@click.option("--origin", "origins", is_flag=True, help="Show where each flag's value comes from.")
@click.option("--again", is_flag=True, help="Run anew what has succeeded.")
@click.option(
    "--trace",
    is_flag=True,
    help="Run upstream's script in a scratch folder of this machine, launching nothing, and compare.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 where something would run.")
@click.option("--json", "as_json", is_flag=True, help="The plan as one JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Show what apply would do with MANIFEST, and the exact command. Nothing is changed but git's cache."""
    return plan(said(context, given), Asked(**given))
