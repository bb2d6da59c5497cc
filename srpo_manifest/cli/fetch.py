"""`fetch`: a run's outputs come home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from srpo_manifest.cli.bringing import brought, home_of
from srpo_manifest.cli.output import data, say, tell_contact
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.fetching import Fetched
from srpo_manifest.engine.link import patiently
from srpo_manifest.ports.following import Chunk

FORMAT = 1
BAD = 5
_AT_LEAST_SECONDS = 30.0
_CHECKPOINTS = {"none": set[str](), "last": {"last-checkpoint"}, "all": {"checkpoints"}}


@click.command("fetch")
@click.argument("run", default="last")
@click.option(
    "--checkpoints",
    type=click.Choice([*_CHECKPOINTS]),
    help="Which checkpoints come along; otherwise what `outputs.fetch` said.",
)
@click.option("--to", metavar="FOLDER", help="A folder for runs, in place of `outputs.to`.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(*, run: str, checkpoints: str | None, to: str | None, follow: bool, as_json: bool) -> int:
    """Bring images, logs and checkpoints of RUN home; what is here already is not sent again."""
    contact = Contact(records.find(run))
    record = contact.record
    wanted = {*record.fetch}
    if checkpoints:
        wanted = wanted - {"checkpoints", "last-checkpoint"} | _CHECKPOINTS[checkpoints]
    home = Path(to).expanduser().absolute() / record.id if to else home_of(record)
    found: dict[str, Fetched] = {}
    chunks = contact.chunks()
    ended = False
    while not ended:
        status = patiently(contact.status, tell_contact)
        ended = status.state == "ended" or not follow
        here, good = brought(contact, status, home, wanted)
        for one in here:
            kept = found.get(one.path)
            found[one.path] = one if kept is None or one.new else kept
        if not ended:
            _until_there_is_more(chunks)
    if as_json:
        files = [found[path] for path in sorted(found)]
        data(
            {
                "format": FORMAT,
                "run": record.id,
                "folder": str(home),
                "complete": status.state == "ended" and good,
                "files": files,
            }
        )
        return 0 if good else BAD
    print(home)
    if status.state != "ended":
        say(f"{record.id} is {status.state}: `srpo-manifest fetch {record.id}` brings what comes later")
    return 0 if good else BAD


def _until_there_is_more(chunks: Iterator[Chunk]) -> None:
    began = time.monotonic()
    for chunk in chunks:
        written = any(event["event"] in ("image.written", "checkpoint.written") for event in chunk.events)
        if written or chunk.state == "ended" or time.monotonic() - began > _AT_LEAST_SECONDS:
            return
