"""`logs`: what the job wrote."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import datetime

import click

from srpo_manifest.cli.logview import Bytes, Objects, Screen
from srpo_manifest.cli.output import say, tell_contact
from srpo_manifest.engine import records
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.node import Node
from srpo_manifest.engine.several import interleaved
from srpo_manifest.errors import UsageError
from srpo_manifest.ports.following import CHUNK_BYTES, Offsets
from srpo_manifest.reading.joblog import Lines, last_state, plain
from srpo_manifest.wording import listed, ticked

_AGO = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_SECONDS = (86400, 3600, 60, 1)
ANEW = "the log was cut or replaced on the target: from here on its new beginning"


@click.command("logs")
@click.argument("run", default="last")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Begin with the last so many lines.")
@click.option("--since", help="Begin with what was written since: `10m`, `1h30m`, or an ISO time.")
@click.option("--grep", help="Only lines in which this Python regular expression is found.")
@click.option("--raw", is_flag=True, help="Byte for byte, every state of a progress bar included.")
@click.option("--node", help="Only the log of this node, by its number or its machine's name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(
    *,
    run: str,
    follow: bool,
    lines: int | None,
    since: str | None,
    grep: str | None,
    raw: bool,
    node: str | None,
    as_json: bool,
) -> int:
    """Print the log of RUN, of each progress bar the last state; a terminal gets nothing that it would obey.

    Of several machines all logs are shown, each line with the name of its own.
    `--since` begins up to two seconds early, never late: so often the target notes how long its log is.
    `--grep` looks at lines without colours, and the exit status stays 0 where none is found.
    """
    pattern, moment = _pattern(grep), _moment(since)
    contact = Contact(records.find(run))
    show = (
        Objects(contact.record.id)
        if as_json
        else Screen(live=follow and pattern is None)
        if sys.stdout.isatty() and not raw
        else Bytes()
    )
    nodes = _chosen(contact, node, one=raw and not as_json)
    pieces = interleaved([_pieces(each, lines, moment, follow=follow) for each in nodes])
    if raw and pattern is None and not as_json:
        for _, piece in pieces:
            show.line(piece)
        return 0
    cuts = [Lines(raw=raw) for _ in nodes]
    names = [each.transport.place if nodes[1:] else "" for each in nodes]
    for index, piece in pieces:
        cut = cuts[index]
        for line in cut.feed(piece) if piece else cut.end():
            if pattern is None or pattern.search(plain(last_state(line.rstrip(b"\n")))):
                whole = line if line.endswith(b"\n") or not nodes[1:] else line + b"\n"
                show.line(whole, names[index])
        if not nodes[1:]:
            show.rest(cut.rest)
    return 0


def _chosen(contact: Contact, named: str | None, *, one: bool) -> tuple[Node, ...]:
    """The nodes whose logs are wanted. Raises: UsageError `node-unknown` or `node-unnamed`."""
    nodes = contact.nodes
    if named is not None:
        chosen = tuple(node for node in nodes if named in (str(node.index), node.transport.place))
        if not chosen:
            known = listed((f"{node.index} ({node.transport.place})" for node in nodes), "and")
            raise UsageError(
                "node-unknown", f"run {ticked(contact.record.id)} has no node {ticked(named)}", f"there is {known}"
            )
        return chosen[:1]
    if one and nodes[1:]:
        raise UsageError(
            "node-unnamed",
            f"`--raw` shows one log, and run {ticked(contact.record.id)} has {len(nodes)}",
            "choose one with `--node N`, or leave `--raw` out",
        )
    return nodes


def _pieces(node: Node, lines: int | None, moment: datetime | float | None, *, follow: bool) -> Iterator[bytes]:
    """The log as it comes; an empty piece ends a line that nothing more belongs to."""
    tries, wait_seconds = (None, 20.0) if follow else (3, 0.0)
    for chunk in node.chunks(
        Offsets(log=_begin(node, lines, moment)), wait_seconds=wait_seconds, lost=tell_contact, patience_tries=tries
    ):
        if chunk.log_anew:
            yield b""
            say(ANEW)
        if chunk.log:
            yield chunk.log
        if not follow and len(chunk.log) < CHUNK_BYTES:
            break
    yield b""


def _begin(node: Node, lines: int | None, moment: datetime | float | None) -> int:
    """The offset to begin at."""
    if lines is None and moment is None:
        return 0
    if isinstance(moment, datetime):
        place = node.seek(lines=lines, since=moment.timestamp())
    else:
        place = node.seek(lines=lines, ago_seconds=moment)
    if moment is not None and not place.timed:
        say("this run's supervisor noted no times: its whole log follows")
    return place.offset


def _moment(since: str | None) -> datetime | float | None:
    """A time, or seconds ago. Raises: UsageError `since-unreadable`."""
    if since is None:
        return None
    if (ago := _AGO.fullmatch(since)) and since:
        return float(sum(int(count or 0) * seconds for count, seconds in zip(ago.groups(), _SECONDS, strict=True)))
    try:
        return datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(
            "since-unreadable",
            f"{ticked(since)} is neither a duration nor a time",
            "give a duration such as `45s`, `10m`, `1h30m` or `2d`, or an ISO time such as `2026-03-01T12:00:00Z`",
        ) from None


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    """Raises: UsageError `pattern-invalid`."""
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise UsageError(
            "pattern-invalid",
            f"{ticked(grep)} is no regular expression of Python: {error}",
            "put a backslash before each of `. * + ? ( ) [ ] { } | ^ $` that is meant literally",
        ) from error
