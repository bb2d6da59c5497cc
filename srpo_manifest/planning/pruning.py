"""Which runs, checkouts and leftovers go: nothing that is in use, the newest of each name never."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from srpo_manifest.values.pruned import Choice, Holdings, Item, OldRun, Wish
from srpo_manifest.wording import plural

DAY_SECONDS = 86400.0


def choose(holdings: Holdings, wish: Wish) -> Choice:
    """What of *holdings* goes by *wish*; each thing that it is about stands in one of the two lists."""
    reasons = dict(_reasons(holdings.runs, wish))
    going: list[Item] = []
    staying: list[Item] = []
    for run in holdings.runs:
        stays = reasons.get(run.id)
        if not _meant(run, wish):
            continue
        reason = stays or (run.outcome or "it ended")
        item = Item(kind="run", id=run.id, path=f"runs/{run.id}", bytes=run.bytes, reason=reason)
        (staying if stays else going).append(item)
    gone = {item.id for item in going}
    used = wish.trees | {run.tree for run in holdings.runs if run.id not in gone}
    for checkout in holdings.checkouts if wish.checkouts else ():
        stays = checkout.kept or _use(checkout.tree, used, wish, coming=bool(holdings.coming))
        item = Item(
            kind="checkout",
            id=checkout.tree,
            path=f"checkouts/{checkout.tree}",
            bytes=checkout.bytes,
            reason=stays or "no run that stays and no lock uses it",
        )
        (staying if stays else going).append(item)
    going += [
        Item(kind="leftover", id=left.id, path=left.path, bytes=left.bytes, reason="what made it was killed")
        for left in holdings.leftovers
    ]
    return Choice(going=tuple(going), staying=tuple(staying))


def _meant(run: OldRun, wish: Wish) -> bool:
    return (wish.names is None or run.name in wish.names) and (wish.ids is None or run.id in wish.ids)


def _reasons(runs: Iterable[OldRun], wish: Wish) -> Iterator[tuple[str, str]]:
    """Why runs stay, by id; the first reason counts."""
    found: dict[str, str] = {run.id: run.kept for run in runs if run.kept}
    for name in sorted({run.name for run in runs}):
        newest = sorted((run for run in runs if run.name == name), key=lambda run: run.id.rsplit("-", 2)[-2:])[::-1]
        for run in newest[: wish.keep]:
            found.setdefault(run.id, "it is the newest" if wish.keep == 1 else f"it is one of the newest {wish.keep}")
        if wish.keep:
            succeeded: dict[str, OldRun] = {}
            for run in newest:
                if run.outcome == "succeeded":
                    succeeded.setdefault(run.plan, run)
            for run in succeeded.values():
                found.setdefault(run.id, "its plan has succeeded: without it `apply` would train again")
        for run in newest:
            if run.age_seconds < wish.older_than_seconds:
                days = wish.older_than_seconds / DAY_SECONDS
                found.setdefault(run.id, f"it is younger than {plural(round(days), 'day')}")
    yield from found.items()


def _use(tree: str, used: frozenset[str] | set[str], wish: Wish, *, coming: bool) -> str | None:
    if tree in wish.trees:
        return "the lock, or the visible checkout, names it"
    if tree in used:
        return "a run that stays uses it"
    return "a run is on its way, and may want it" if coming else None
