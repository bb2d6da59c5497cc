"""`logs`: what the job wrote."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click

from srpo_manifest.cli.output import line, say
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.finding import visible


@click.command("logs")
@click.argument("run", default="last")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(*, run: str, follow: bool, as_json: bool) -> int:
    """Print the log of RUN byte for byte; on a terminal, what it would obey or hide is spelled out."""
    contact = Contact(records.find(run))
    with contextlib.suppress(KeyboardInterrupt):
        pieces = _log(contact, follow=follow)
        if as_json:
            for text in _lines(pieces):
                line({"format": 1, "run": contact.record.id, "line": text})
        elif sys.stdout.isatty():
            for text in _lines(pieces):
                print("\n".join(map(visible, text.split("\r"))), flush=True)
        else:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
    return 0


def _log(contact: Contact, *, follow: bool) -> Iterator[bytes]:
    def lost(reason: str | None) -> None:
        say(f"contact lost: {reason}; trying again" if reason else "contact restored")

    tries = None if follow else 0
    for chunk in contact.chunks(log=0, wait_seconds=20.0 if follow else 0.0, lost=lost, patience_tries=tries):
        if chunk.log:
            yield chunk.log
        if not follow and not chunk.log and not chunk.events:
            return


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Whole lines; the last one even when it has no end."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (one.decode("utf-8", "replace") for one in whole)
    if rest:
        yield rest.decode("utf-8", "replace")
