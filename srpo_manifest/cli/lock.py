"""`lock`: pin the repository."""

from __future__ import annotations

from typing import Any

import click

from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.output import data, say
from srpo_manifest.runner import Runner

FORMAT = 1


@click.command("lock")
@manifest_options
@click.option("--upgrade", is_flag=True, help="Ask what the ref means now, and pin that.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, *, upgrade: bool, as_json: bool, **given: Any) -> int:
    """Pin MANIFEST's repository to a commit in srpo.lock, with everything that its script accepts."""
    runner = Runner(said(context, given))
    pin, changed = runner.relock(upgrade=upgrade)
    path = str(runner.repositories.lock_path)
    if as_json:
        data({"format": FORMAT, "lock": path, "changed": changed, "url": pin.url, "ref": pin.ref, "commit": pin.commit, "tree": pin.tree})  # fmt: skip
        return 0
    print(f"{pin.url} {pin.ref or '(default branch)'} {pin.commit}")
    if pin.url == "demo:":
        say("the demo is carried by the package: nothing is locked")
    else:
        say(f"{path} {'written' if changed else 'is up to date'}")
    return 0
