"""`plugins list`: what is installed, and what is broken."""

from __future__ import annotations

import click

from srpo_manifest.cli.output import data, say
from srpo_manifest.engine.loading import built_in_trainers
from srpo_manifest.engine.registry import installed

FORMAT = 1


@click.group("plugins")
def command() -> None:
    """What is installed beside the built-in parts."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_(*, as_json: bool) -> int:
    """List every plugin with what it provides; each is loaded to find out."""
    found = installed()
    built_in = {"transports": ["local"], "launchers": ["direct"], "trainers": built_in_trainers()}
    if as_json:
        data({"format": FORMAT, "built_in": built_in, "plugins": found})
        return 0
    for what, names in built_in.items():
        print(f"built-in {what}: {', '.join(names)}")
    for plugin in found:
        print(f"{plugin.name}  {plugin.distribution} {plugin.version}  {plugin.fault or ', '.join(plugin.provides)}")
    if not found:
        say("no plugin is installed")
    return 0
