"""`bundle`: the run's self-contained files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.cli.options import manifest_options, said
from srpo_manifest.cli.output import data, say, tell
from srpo_manifest.engine.launching import bundle_of
from srpo_manifest.runner import Runner

FORMAT = 1


@click.command("bundle")
@manifest_options
@click.option("--out", required=True, metavar="DIR", help="A new folder for the files.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_context
def command(context: click.Context, /, *, out: str, as_json: bool, **given: Any) -> int:
    """Write what apply would send for MANIFEST; `bash DIR/launch.sh` on the target runs it by hand."""
    runner = Runner(said(context, given))
    decision = runner.plan(again=True)
    decision.refuse()
    tell(decision.planned.findings)
    bundle = bundle_of(decision.planned)
    runner.packer().write(bundle, Path(out))
    if as_json:
        data({"format": FORMAT, "plan": bundle.plan, "folder": out, "files": [file.name for file in bundle.files]})
    else:
        say(f"bundle of plan {bundle.plan[:12]} in {out}: run it with `bash {quote(out)}/launch.sh`")
    return 0
