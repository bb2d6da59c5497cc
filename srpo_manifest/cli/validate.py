"""`validate`: check manifests; nothing is started, no network is opened."""

from __future__ import annotations

from typing import Any

import click

from srpo_manifest.cli.checking import report
from srpo_manifest.cli.options import said, shared_options


@click.command("validate")
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...")
@shared_options
@click.option(
    "--format", "style", type=click.Choice(["human", "json"]), default="human", help="For people, or one JSON document."
)
@click.option("--json", "as_json", is_flag=True, help="As `--format json`.")
@click.pass_context
def command(context: click.Context, /, *, manifests: tuple[str, ...], style: str, as_json: bool, **given: Any) -> int:
    """Check each MANIFEST, or those in a folder: its form, and its trainer's flags where srpo.lock knows them."""
    return report(said(context, given), manifests or ("srpo.toml",), as_json=as_json or style == "json")
