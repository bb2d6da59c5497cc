"""`schema`: the manifest's JSON Schema."""

from __future__ import annotations

import click

from srpo_manifest.cli.output import data, tell
from srpo_manifest.reading.schema import draft_07, json_schema
from srpo_manifest.values.manifest import LauncherOptions, TransportOptions


@click.command("schema")
@click.option(
    "--dialect",
    type=click.Choice(["2020-12", "draft-07"]),
    default="2020-12",
    show_default=True,
    help="draft-07 is what editors read that know no newer one.",
)
@click.option("--with-plugins", is_flag=True, help="With the options of every backend that is installed.")
@click.option("--json", "as_json", is_flag=True, help="For symmetry: the output is JSON anyhow.")
def command(*, dialect: str, with_plugins: bool, as_json: bool) -> int:  # noqa: ARG001 - every verb takes it
    """Print the JSON Schema of a manifest, by default with the built-in backends alone."""
    schema = json_schema(*_installed()) if with_plugins else json_schema()
    data(draft_07(schema) if dialect == "draft-07" else schema)
    return 0


def _installed() -> tuple[dict[str, type[TransportOptions]], dict[str, type[LauncherOptions]]]:
    from srpo_manifest.engine.inventory import brought  # noqa: PLC0415 - plugins are imported on demand

    found = brought()
    for fault in found.faults:
        tell(fault.findings)
    return found.transports, found.launchers
