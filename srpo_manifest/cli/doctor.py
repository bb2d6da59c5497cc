"""`doctor`: whether everything is there, and what to do where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srpo_manifest.cli import completion
from srpo_manifest.cli.options import said, shared_options
from srpo_manifest.cli.output import data
from srpo_manifest.planning.checkup import checkup, shown
from srpo_manifest.wording import plural

FINDINGS = 4
DEFAULT = "srpo.toml"


@click.command("doctor")
@click.argument("manifest", required=False, shell_complete=completion.files)
@shared_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, *, as_json: bool, **given: Any) -> int:
    """Ask MANIFEST's target and this machine everything that a run needs, and tell what to do about each finding.

    Without a manifest: this machine alone.
    """
    from srpo_manifest.runner import Runner, examine_this_machine  # noqa: PLC0415 - a verb's help needs no decoder

    named = given.pop("manifest")
    has_manifest = named is not None or Path(DEFAULT).is_file()
    beside = said(context, given | {"manifest": named or DEFAULT})
    decision = Runner(beside).examine() if has_manifest else examine_this_machine()
    found = checkup(decision.wanted, decision.facts, decision.planned, has_manifest=has_manifest)
    if as_json:
        data(found)
    else:
        print("\n".join(shown(found)))
        print(f"\n{plural(found.findings, 'finding')}" if found.findings else "\nnothing is wrong")
    return FINDINGS if found.findings else 0
