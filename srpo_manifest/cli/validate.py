"""`validate`: check manifests; nothing is started, no network is opened."""

from __future__ import annotations

from typing import Any

import click
from msgspec.structs import replace

from srpo_manifest.cli import completion
from srpo_manifest.cli.checking import STDIN, files_of, piped, report, told
from srpo_manifest.cli.formats import FORMATS
from srpo_manifest.cli.options import said, shared_options
from srpo_manifest.errors import UsageError


@click.command("validate")
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...", shell_complete=completion.files)
@shared_options
@click.option(
    "--format",
    "style",
    type=click.Choice(["human", "json", *FORMATS]),
    default="human",
    help="For people, for programs, or for a CI system.",
)
@click.option("--json", "as_json", is_flag=True, help="As `--format json`.")
@click.option("--fix", is_flag=True, help="Mend what can be mended, and tell what is left.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, nothing else.")
@click.option(
    "--no-plugins", is_flag=True, help="Import no plugin: see only whether those that are named are installed."
)
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    manifests: tuple[str, ...],
    style: str,
    as_json: bool,
    fix: bool,
    diff: bool,
    no_plugins: bool,
    **given: Any,
) -> int:
    """Check each MANIFEST, or those in a folder, or stdin (`-`): its form, and its trainer's flags where srpo.lock knows them."""
    if diff and (fix or as_json or style != "human"):
        raise UsageError(
            "usage", "`--diff` prints a patch, and nothing else", "leave `--fix`, `--format` and `--json` out beside it"
        )
    style = "json" if as_json else style
    wanted, files = replace(said(context, given), without_plugins=no_plugins), manifests or ("srpo.toml",)
    if STDIN in files:
        if len(files) > 1 or fix or diff:
            raise UsageError("usage", "`-` stands alone, and is only checked", "name a file for `--fix` and `--diff`")
        from srpo_manifest.engine.checking import findings  # noqa: PLC0415 - most files have a name

        return told([(STDIN, findings(replace(wanted, manifest=STDIN), piped("validate")))], style)
    if not (fix or diff):
        return report(wanted, files, style=style)
    from srpo_manifest.cli.mending import difference, mend  # noqa: PLC0415 - most files are only checked

    return (
        difference(wanted, files_of(files)) if diff else told([mend(wanted, file) for file in files_of(files)], style)
    )
