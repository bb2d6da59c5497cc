"""Bringing outputs home, and telling how much came."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from srpo_manifest.cli.output import say, tell
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.fetching import Fetched, fetched
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.values.run import Record, Status
from srpo_manifest.wording import gigabytes, plural


def home_of(record: Record) -> Path:
    """The folder of this run's outputs on the controller."""
    return Path(record.to or Path(record.manifest).parent / "runs") / record.id


def brought(contact: Contact, status: Status, home: Path, wanted: Iterable[str]) -> tuple[list[Fetched], bool]:
    """Bring them, say what came, and where the run has ended say so there: `[end]` may wait for that.

    Returns: the files that are here, and whether nothing kept others from it.
    """
    found, faults = fetched(contact, status, home, wanted)
    new = [one for one in found if one.new]
    if new:
        say(f"fetched   {plural(len(new), 'file')}, {gigabytes(sum(one.bytes for one in new))}, to {home}")
    tell(faults)
    if status.state == "ended" and not faults and status.end is not None:
        contact.mark("fetched")
    return found, not faults


def brought_in_the_end(contact: Contact, status: Status) -> None:
    """What the manifest wants home comes; where it does not, the run's own outcome stays what it is."""
    record = contact.record
    if record.transport["kind"] == "local" or not record.fetch:
        return
    try:
        brought(contact, status, home_of(record), record.fetch)
    except SrpoManifestError as error:
        tell(error.findings)
        say(f"hint: `srpo-manifest fetch {record.id}` goes on where that broke off")
