"""`lock`: pin the repository, or tell what a new pin would change."""

from __future__ import annotations

from typing import Any

import click

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.output import data, say
from srpo_manifest.planning.upgrade_show import compact, show
from srpo_manifest.runner import Runner
from srpo_manifest.values.lock import Pin

FORMAT = 1
MATTERS = 6


@click.command("lock")
@manifest_options
@click.option("--upgrade", is_flag=True, help="Ask what the ref means now, and pin that.")
@click.option(
    "--dry-run", is_flag=True, help="Tell what would change; write nothing; exit 6 where it matters to MANIFEST."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, *, upgrade: bool, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Pin MANIFEST's repository to a commit in srpo.lock, with everything that its script accepts.

    With --upgrade what changed since the locked commit is told first.
    """
    wishes = said(context, given)
    runner = Runner(wishes)
    upgrade = upgrade and not wishes.locked
    if dry_run:
        return _told(runner, _again(wishes.manifest, upgrade=upgrade), upgrade=upgrade, as_json=as_json)
    if upgrade:
        found = runner.changes()
        if found.report.locked is not None and found.report.locked != found.report.to:
            say(*compact(found.report))
        return _written(runner, found.pin, changed=runner.take(found), as_json=as_json)
    pin, changed = runner.relock()
    return _written(runner, pin, changed=changed, as_json=as_json)


def _told(runner: Runner, again: str, *, upgrade: bool, as_json: bool) -> int:
    report = runner.changes(upgrade=upgrade).report
    if as_json:
        data(report)
    elif report.url == "demo:":
        say("the demo is carried by the package: nothing is locked")
    else:
        print("\n".join(show(report, again)))
    return MATTERS if report.matters else 0


def _written(runner: Runner, pin: Pin, *, changed: bool, as_json: bool) -> int:
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


def _again(manifest: str, *, upgrade: bool) -> str:
    given = [] if manifest == "srpo.toml" else [quote(manifest)]
    return " ".join(["srpo-manifest lock", *(["--upgrade"] if upgrade else []), *given])
