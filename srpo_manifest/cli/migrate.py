"""`migrate`: manifests of an older schema, rewritten as today's."""

from __future__ import annotations

import click

from srpo_manifest.cli.checking import files_of
from srpo_manifest.cli.rewriting import ended, rewriting_options
from srpo_manifest.engine.migrating import migrated
from srpo_manifest.engine.rewriting import rewritten


@click.command("migrate")
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER]...")
@rewriting_options
def command(*, files: tuple[str, ...], check: bool, diff: bool, as_json: bool) -> int:
    """Rewrite each FILE, or the manifests in a FOLDER, with the keys of today's schema; one that has it stays as it is.

    Comments stay with their keys. What cannot be carried over is told and kept as a comment; what would not validate is refused.
    """
    found = [rewritten(file, migrated) for file in files_of(files or ("srpo.toml",))]
    return ended(found, word="migrated", good="of today's schema", check=check, diff=diff, as_json=as_json)
