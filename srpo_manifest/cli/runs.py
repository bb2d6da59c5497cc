"""`runs`: the runs on record here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from srpo_manifest.cli.options import overlaid, overlay_options
from srpo_manifest.cli.output import data, say, tell
from srpo_manifest.engine import records
from srpo_manifest.engine.records import Brief
from srpo_manifest.errors import PluginError, SrpoManifestError
from srpo_manifest.finding import visible
from srpo_manifest.planning.nodes import is_seen_last
from srpo_manifest.values.run import FORMAT as RECORD_FORMAT
from srpo_manifest.values.run import Record, Status
from srpo_manifest.values.said import Said
from srpo_manifest.wording import plural

if TYPE_CHECKING:
    from srpo_manifest.engine.contact import Contact

FORMAT = 1


@click.command("runs")
@click.option("--refresh", is_flag=True, help="Ask every run's target, in parallel.")
@click.option(
    "-m",
    "--manifest",
    metavar="MANIFEST",
    help="List the runs of this manifest's name on its target instead, and restore their records where they are missing here.",
)
@overlay_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(*, refresh: bool, manifest: str | None, as_json: bool, **given: Any) -> int:
    """List the runs on record here, newest first, with what was last seen of each."""
    said = overlaid(manifest, given)
    if said is not None:
        return _on_target(said, as_json=as_json)
    known = records.survey()
    found = known.records[::-1]
    if refresh:
        with ThreadPoolExecutor(max_workers=16) as pool:
            rows = list(pool.map(_asked, found, _reached(found)))
    else:
        rows = [_row(record, records.seen_briefly(record.id), "not-asked") for record in found]
    if as_json:
        damaged = [
            {"id": one.id, "code": one.finding.code, "message": one.finding.message, "hints": one.finding.hints}
            for one in known.damaged
        ]
        data({"format": FORMAT, "runs": rows, "damaged": damaged})
        return 0
    for row in rows:
        lost = "  (no contact)" if row["contact"] == "lost" else ""
        newer = "  (newer record)" if row["newer"] else ""
        state = row["outcome"] or row["state"] or "not asked yet"
        print(visible(f"{row['id']}  {state}{lost}{newer}  {row['manifest']}"))
    if not rows:
        say("no run is on record here")
    tell(one.finding for one in known.damaged)
    return 0


def _on_target(said: Said, *, as_json: bool) -> int:
    """What the target knows: runs that were started from another machine, or by hand, among them."""
    from srpo_manifest.runner import Runner  # noqa: PLC0415 - a list from records needs no manifest

    runner = Runner(said)
    found = runner.runs()
    restored = [record.id for record in runner.restore(found)]
    if as_json:
        data({"format": FORMAT, "runs": found, "damaged": [], "restored": restored})
        return 0
    for run in found:
        why = f": {run.reason}" if run.reason else ""
        print(visible(f"{run.id}  {run.outcome or run.state}{why}{'  whole' if run.whole else ''}"))
    if not found:
        say("no run of this name is on the target")
    if restored:
        told = ", ".join(restored[:5]) + (" …" if len(restored) > 5 else "")
        say(f"{plural(len(restored), 'record')} restored here from the target: {told}")
    return 0


def _reached(found: Iterable[Record]) -> list[Contact | None]:
    """Ways to the targets, opened on this thread: only here a timer ends a plugin that hangs, and once is enough."""
    from srpo_manifest.engine.contact import Contact  # noqa: PLC0415 - only --refresh needs the backends

    contacts: list[Contact | None] = []
    hung: set[tuple[str, str]] = set()
    for record in found:
        contact = None
        with contextlib.suppress(SrpoManifestError):
            usable = records.usable(record)
            kinds = usable.transport["kind"], usable.launcher["kind"]
            try:
                contact = None if kinds in hung else Contact(usable)
            except PluginError as error:
                if error.code == "plugin-hung":
                    hung.add(kinds)
        contacts.append(contact)
    return contacts


def _asked(record: Record, contact: Contact | None) -> dict[str, Any]:
    try:
        status = contact.status() if contact else None
    except SrpoManifestError:
        status = None
    if status is None:
        return _row(record, records.seen_briefly(record.id), "lost")
    return _row(record, status, "lost" if is_seen_last(status) else "ok")


def _row(record: Record, status: Status | Brief, contact: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "plan": record.plan,
        "manifest": record.manifest,
        "started": record.started,
        "state": status.state,
        "outcome": status.outcome,
        "contact": contact,
        "newer": record.format > RECORD_FORMAT,
    }
