"""`plugins`: what is installed, what is broken, and how a new one begins."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from srpo_manifest import __version__
from srpo_manifest.bundling.quoting import quote
from srpo_manifest.cli import completion
from srpo_manifest.cli.colours import paint_for
from srpo_manifest.cli.output import data, say
from srpo_manifest.engine.inventory import installed
from srpo_manifest.engine.loading import built_in_trainers
from srpo_manifest.engine.scaffolding import KINDS, scaffold
from srpo_manifest.rendering import told

FORMAT = 1
WRONG = 2


@click.group("plugins")
def command() -> None:
    """What is installed beside the built-in parts, whether it is in order, and how to begin one."""


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


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=completion.plugins)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def check(*, names: tuple[str, ...], as_json: bool) -> int:
    """Say of every plugin, or of each NAME, who brings it, what it provides, and what is wrong with it.

    Each is loaded in a process of its own, and its hooks are asked. Exit status 2: something is wrong.
    """
    from srpo_manifest.engine.vetting import vetted  # noqa: PLC0415 - what lists plugins holds them against nothing

    found = vetted(names)
    good = all(one.good for one in found)
    if as_json:
        data({"format": FORMAT, "version": __version__, "good": good, "plugins": found})
        return 0 if good else WRONG
    for one in found:
        print("  ".join(filter(None, (one.name, f"{one.distribution} {one.version}".strip(), ", ".join(one.provides)))))
        for finding in one.findings:
            print(told(finding, paint_for(sys.stdout)))
    if not found:
        say("no plugin is installed")
    return 0 if good else WRONG


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="stage", show_default=True, help="What it brings.")
@click.option("--out", metavar="DIR", help="The folder, in place of `srpo-manifest-NAME`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def new(*, name: str, kind: str, out: str | None, as_json: bool) -> int:
    """Begin the plugin NAME: a distribution with an entry point, and with tests that pass."""
    folder = out or f"srpo-manifest-{name}"
    files = scaffold(name, kind, Path(folder))
    if as_json:
        data({"format": FORMAT, "name": name, "kind": kind, "folder": folder, "files": files})
        return 0
    print(folder)
    say(
        f"next: `cd {quote(folder)} && pip install -e '.[testing]' && pytest`, where srpo-manifest is installed",
        f"then: `srpo-manifest plugins check {name}`",
    )
    return 0
