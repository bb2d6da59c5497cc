"""`fmt`: manifests in the house form."""

from __future__ import annotations

import sys

import click

from srpo_manifest.cli.checking import STDIN, files_of, piped
from srpo_manifest.cli.rewriting import ended, rewriting_options
from srpo_manifest.engine.rewriting import Rewritten, rewritten
from srpo_manifest.errors import UsageError
from srpo_manifest.reading.formatting import formatted
from srpo_manifest.reading.toml import Source


@click.command("fmt")
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER|-]...")
@rewriting_options
def command(*, files: tuple[str, ...], check: bool, diff: bool, as_json: bool) -> int:
    """Bring each FILE, or the manifests in a FOLDER, into the house form; `-` stands for stdin, and goes to stdout.

    Blanks and line breaks change; values, their spelling, the order of keys and comments never do.
    """
    files = files or ("srpo.toml",)
    if STDIN not in files:
        found = [rewritten(file, _formatted) for file in files_of(files)]
        return ended(found, word="formatted", good="in the house form", check=check, diff=diff, as_json=as_json)
    if len(files) > 1 or (as_json and not (check or diff)):
        raise UsageError(
            "usage", "`-` stands alone, and its text is all of the output", "give `--json` with `--check` or `--diff`"
        )
    given = Source(file=STDIN, data=piped("fmt"))
    one = rewritten(STDIN, _formatted, source=given)
    if not (check or diff) and one.after is not None:
        if sys.stdout is not None:
            sys.stdout.buffer.write(one.after)
        return 0
    return ended([one], word="formatted", good="in the house form", check=True, diff=diff, as_json=as_json)


def _formatted(source: Source) -> Rewritten:
    return Rewritten(file=source.file, before=source.data, after=formatted(source))
