"""`prune`: remove what runs left and nobody needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from srpo_manifest.cli.options import overlaid, overlay_options
from srpo_manifest.cli.output import data, say, tell
from srpo_manifest.engine import lockfiles, pruning, records
from srpo_manifest.engine.loading import load
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.finding import visible
from srpo_manifest.planning.pruning import DAY_SECONDS
from srpo_manifest.values.pruned import FORMAT, Choice, Item, Removed, Wish
from srpo_manifest.values.said import Said
from srpo_manifest.wording import gigabytes, plural

LEFT = 5


@click.command("prune")
@click.option(
    "-m", "--manifest", metavar="MANIFEST", help="This manifest's runs on its target, and checkouts that nothing needs."
)
@click.option(
    "--keep", type=click.IntRange(min=0), default=1, show_default=True, help="The newest runs of each name stay."
)
@click.option(
    "--older-than", "days", type=click.FloatRange(min=0), default=0.0, metavar="DAYS", help="Younger ones stay."
)
@click.option("--cache", is_flag=True, help="The repositories in this machine's cache instead.")
@click.option("--yes", is_flag=True, help="Delete; without it only tell what would go.")
@overlay_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    *, manifest: str | None, keep: int, days: float, cache: bool, yes: bool, as_json: bool, **given: Any
) -> int:
    """Tell which run folders, checkouts and records can go, and with --yes remove them.

    What runs, or cannot be asked, stays; so does every result outside the workspace's .srpo folder.
    """
    said = overlaid(manifest, given)
    wish = Wish(keep=keep, older_than_seconds=days * DAY_SECONDS)
    going: list[tuple[str, Item]] = []
    staying: list[tuple[str, Item]] = []
    done: list[Removed] = []

    def looked_at(place: str, choice: Choice) -> None:
        going.extend((place, item) for item in choice.going)
        staying.extend((place, item) for item in choice.staying)

    if cache:
        choice = pruning.mirrors(wish.older_than_seconds)
        looked_at("this machine", choice)
        _told(going, as_json=as_json)
        done += pruning.take_mirrors(choice) if yes else ()
    else:
        found = list(_looked(said, wish))
        tell(one.fault for one in found if one.fault)
        for one in found:
            looked_at(one.place, one.choice)
        _told(going, as_json=as_json)
        for one in found if yes else ():
            done += pruning.take(one)
    return _ended(going, staying, done, yes=yes, as_json=as_json)


def _looked(said: Said | None, wish: Wish) -> Iterable[pruning.Looked]:
    known = records.survey().records
    if said is not None:
        wanted = load(said)
        yield from pruning.look(pruning.of_manifest(wanted, lockfiles.find(wanted.folder, None), wish, known))
        return
    for target in pruning.of_records(known, wish):
        try:
            yield from pruning.look(target)
        except SrpoManifestError as error:
            tell([pruning.unreached(target, error)])


def _told(going: list[tuple[str, Item]], *, as_json: bool) -> None:
    """All of it, before anything is deleted."""
    if as_json:
        return
    for place, item in going:
        size = f"  {gigabytes(item.bytes)}" if item.bytes else ""
        print(visible(f"{item.kind:8}  {item.id}{size}  {item.reason}  ({place}: {item.path})"), flush=True)


def _ended(
    going: list[tuple[str, Item]],
    staying: list[tuple[str, Item]],
    done: list[Removed],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    failed = {one.path: one.reason for one in done if not one.removed}
    freed = sum(item.bytes for _, item in going if item.path not in failed)
    if as_json:
        data(
            {
                "format": FORMAT,
                "deleted": yes,
                "bytes": freed,
                "going": [_row(place, item) | {"failed": failed.get(item.path)} for place, item in going],
                "staying": [_row(place, item) for place, item in staying],
            }
        )
    else:
        for path, reason in failed.items():
            say(visible(f"warning[not-removed]: {path} is still there: {reason}"))
        _summed(len(going) - len(failed), len(failed), freed, staying, yes=yes)
    return LEFT if failed else 0


def _summed(count: int, failed: int, freed: int, staying: list[tuple[str, Item]], *, yes: bool) -> None:
    for place, item in staying:
        say(visible(f"stays: {item.kind} {item.id}: {item.reason} ({place})"))
    if failed and not count:
        say(f"nothing was deleted: {plural(failed, 'thing')} could not be")
    elif not count:
        say("there is nothing to delete")
    elif yes:
        say(f"{plural(count, 'thing')} deleted, {gigabytes(freed)}")
    else:
        say(f"nothing was deleted: `--yes` deletes {plural(count, 'thing')}, {gigabytes(freed)}")
    say("checkpoints and other results outside `.srpo` are never touched")


def _row(place: str, item: Item) -> dict[str, object]:
    return {
        "kind": item.kind,
        "id": item.id,
        "place": place,
        "path": item.path,
        "bytes": item.bytes,
        "reason": item.reason,
    }
