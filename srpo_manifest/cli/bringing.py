"""Bringing outputs home, and telling how much came."""

from __future__ import annotations

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


def brought(contact: Contact, status: Status, home: Path, wanted: set[str]) -> tuple[list[Fetched], bool]:
    """Bring them, say what came, and where all that the manifest wants is here in the end say so there: `[end]` may wait for that.

    Returns: the files that are here, and whether nothing kept others from it.
    """
    found, faults = fetched(contact, status, home, wanted)
    good = not any(fault.level == "deny" for fault in faults)
    new = [one for one in found if one.new]
    if new:
        say(f"fetched   {plural(len(new), 'file')}, {gigabytes(sum(one.bytes for one in new))}, to {home}")
    tell(faults)
    lacking = {*contact.record.fetch} - wanted - ({"last-checkpoint"} if "checkpoints" in wanted else set())
    if status.end is not None and status.state == "ended" and good and not lacking:
        contact.mark("fetched")
    return found, good


def brought_in_the_end(contact: Contact, status: Status) -> None:
    """What the manifest wants home comes; where it does not, the run's own outcome stays what it is."""
    record = contact.record
    if record.transport["kind"] == "local" or not record.fetch:
        return
    try:
        brought(contact, status, home_of(record), {*record.fetch})
    except SrpoManifestError as error:
        tell(error.findings)
        say(f"hint: `srpo-manifest fetch {record.id}` goes on where that broke off")
