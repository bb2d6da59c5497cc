"""`status`: how a run is."""

from __future__ import annotations

import click
import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.cli.output import data
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.errors import SrpoManifestError, TransportError
from srpo_manifest.finding import visible
from srpo_manifest.planning.nodes import is_seen_last
from srpo_manifest.values.run import Checkpoint, CheckpointFile, End, Ending, NodeStatus, Status
from srpo_manifest.wording import gigabytes


@click.command("status")
@click.argument("run", default="last")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(*, run: str, as_json: bool) -> int:
    """Ask the target how RUN is: an id, its beginning, a name, or `last`."""
    record = records.find(run)
    contact = Contact(record)
    try:
        status = contact.status()
    except SrpoManifestError as error:
        last = records.seen(record.id)
        if last and contact.told:
            last = msgspec.structs.replace(last, nodes=contact.told)
        if as_json and (isinstance(error, TransportError) or error.code == "run-absent"):
            data((msgspec.to_builtins(last) if last else {}) | {"contact": "lost", "reason": str(error)})
        elif last and isinstance(error, TransportError):
            print("\n".join(["as it was seen last:", *lines(last, contact.where)]))
        raise
    if as_json:
        data(
            msgspec.to_builtins(status) | {"contact": "lost" if is_seen_last(status) else "ok", "folder": contact.where}
        )
    else:
        print("\n".join(lines(status, contact.where)))
    return 0


def lines(status: Status, where: str) -> list[str]:
    """The state as lines for people."""
    found = [f"{status.run}  {status.outcome or status.state}" + (f": {status.reason}" if status.reason else "")]
    if status.phase and status.state != "ended":
        found.append(f"  phase       {status.phase}")
    found += [f"  {node(one)}" for one in status.nodes]
    if status.ending:
        found.append(f"  stopping    {awaited(status.ending)}")
    if status.progress:
        found.append("  progress    " + "  ".join(f"{key} {value}" for key, value in status.progress.items()))
    for checkpoint in status.checkpoints:
        found.append(f"  {told(checkpoint)}  {gigabytes(checkpoint.bytes)}")
        found += [digest(file) for file in checkpoint.files if checkpoint.whole]
    if status.images:
        found.append(f"  previews    {status.images}")
    if status.end:
        found.append(end(status.run, status.end))
    found += [end(status.run, one.end, one.place) for one in status.nodes[1:] if one.end]
    for warning in status.warnings:
        found.append(f"  warning     [{warning.code}] {warning.time}: {warning.message}")
        found += [f"    hint: {hint}" for hint in warning.hints]
    found += [f"  damaged     {what}" for what in status.damaged]
    return [visible(line) for line in [*found, f"  folder      {where}"]]


def node(one: NodeStatus) -> str:
    """One of several machines as people read it."""
    how = one.outcome or one.state or "no contact"
    return f"node {one.node:<6} {one.place}  {how}" + (f": {one.reason}" if one.reason else "")


def told(checkpoint: Checkpoint) -> str:
    """A checkpoint as people read it: which, and what is wrong with it."""
    broken = "" if checkpoint.whole else "  not whole" + (f": {checkpoint.reason}" if checkpoint.reason else "")
    return f"checkpoint  {checkpoint.path}{broken}"


def awaited(ending: Ending) -> str:
    """What the end waits for."""
    if ending.awaits == "checkpoint":
        return f"waiting for a checkpoint being written, up to {ending.seconds:.0f} s"
    return f"its processes were told to end; KILL in {ending.seconds:.0f} s"


def end(run: str, told: End, place: str = "") -> str:
    """The command after the end as a line for people; *place* where another node than the first one runs it."""
    shown, reason = " ".join(map(quote, told.command)), f": {told.reason}" if told.reason else ""
    match told.state:
        case "waiting":
            state = f"runs at {told.due} at the latest; `srpo-manifest stop --no-end {run}` calls it off"
        case "ended":
            state = f"ended with status {told.exit}{reason}"
        case _:
            state = f"{told.state}{reason}"
    return f"  end         {f'on {place}: ' if place else ''}`{shown}` {state}"


def digest(file: CheckpointFile) -> str:
    """A file of a checkpoint as a line for people."""
    told = f"sha256:{file.digest}" if file.digest else f"no digest: {file.reason}"
    return f"    {told}" + (f"  {file.path}  {gigabytes(file.bytes)}" if file.path else "")
