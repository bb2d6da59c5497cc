"""`schema`: the manifest's JSON Schema."""

from __future__ import annotations

import click

from srpo_manifest.cli.output import data
from srpo_manifest.reading.schema import json_schema


@click.command("schema")
@click.option("--json", "as_json", is_flag=True, help="For symmetry: the output is JSON anyhow.")
def command(*, as_json: bool) -> int:  # noqa: ARG001 - every verb takes it
    """Print the JSON Schema (2020-12) of a manifest with the built-in backends."""
    data(json_schema())
    return 0
