"""Tables over tables: `extends`, profiles, parts and `--set`, each stronger than what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, Where
from srpo_manifest.reading.locate import Key, dotted, undotted
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import Source, decoded, few
from srpo_manifest.reading.tree import BROKEN, Node, marked
from srpo_manifest.wording import did_you_mean, listed, nearest, ticked

_KINDS: tuple[Key, ...] = (("backend", "transport"), ("backend", "launcher"), ("python",))
"""Tables that an overlay replaces as a whole when it says another `kind`."""


MOST_PROFILES = 64
"""Each is checked by itself, with all that is beneath it."""

Note: TypeAlias = Callable[[ManifestError], None]
"""Whoever collects what is wrong."""


class Read(NamedTuple):
    """A file as a tree, and what is wrong with its text: what is broken is `BROKEN` in the tree."""

    tree: Node
    findings: tuple[Finding, ...]


def tree_of(source: Source) -> Read:
    """The file as a tree. Raises: ManifestError `file-too-large` or `not-utf8`."""
    text = decoded(source.data, source.file)
    few(text, source.file)
    page = Page(text, source.file)
    root, mistakes = parse(text)
    return Read(marked(root, page), tuple(map(page.finding, mistakes)))


def merge(base: Node, over: Node, key: Key = ()) -> Node:
    """*over* laid on *base*: tables merge, all else is replaced.

    A table that sets `kind` replaces the whole table, a variable's reference the whole reference; `[[files]]` merge by
    `path`.
    """
    inside = key[2:] if key[:1] == ("profile",) else key
    if inside == ("files",) and isinstance(base.value, list) and isinstance(over.value, list):
        return Node(_by_path(base.value, over.value), over.mark)
    if base.table is None or over.table is None or (len(inside) == 2 and inside[0] == "env"):
        return over
    if inside in _KINDS and "kind" in over.table:
        return over
    merged = {
        name: merge(base.table[name], node, (*key, name)) if name in base.table else node
        for name, node in over.table.items()
    }
    return Node(base.table | merged, over.mark or base.mark)


def overlaid(base: Node, over: Node, note: Note, *, file: str, banned: Sequence[str]) -> Node:
    """*base* less what *over* drops, and then *over*'s keys. *banned* top-level keys make no sense in *file*.

    *note* hears `misplaced-key`, `unknown-drop` and `wrong-type`; what is wrong is left out.
    """
    table = over.table
    if table is None:
        if over.value is not BROKEN:
            note(ManifestError("wrong-type", "a profile is a table", where=over.where))
        return base
    for name in banned:
        if name in table:
            note(
                ManifestError(
                    "misplaced-key",
                    f"{ticked(name)} cannot stand in {file}",
                    "only the manifest itself says it: take it out here",
                    where=table[name].where,
                )
            )
    for key, where in _dropped(table.get("drop"), note):
        try:
            base = _without(base, key, where)
        except ManifestError as error:
            note(error)
    laid = merge(base, Node({name: node for name, node in table.items() if name not in ("drop", *banned)}))
    return laid._replace(mark=base.mark or over.mark)


def profiled(base: Node, names: Iterable[str], note: Note, file: str) -> Node:
    """*base* with its own profiles *names* laid on it, in this order; profiles that nobody asked for are gone.

    *note* hears `unknown-profile`, and what `overlaid` tells.
    """
    table = base.table or {}
    profile = table.get("profile") or Node({})
    merged = Node({name: node for name, node in table.items() if name != "profile"}, base.mark)
    profiles = profile.table
    if profiles is None:
        if profile.value is not BROKEN:
            note(ManifestError("wrong-type", "`profile` is a table of tables", where=profile.where))
        return merged
    if len(profiles) > MOST_PROFILES:
        message = f"{ticked(file)} has {len(profiles):,} profiles, and at most {MOST_PROFILES} are read"
        note(
            ManifestError(
                "file-too-large", message, "put some into files of their own, for `--with`", where=profile.where
            )
        )
    for name in names:
        if name in profiles:
            banned = ("schema", "extends", "profile")
            merged = overlaid(merged, profiles[name], note, file="a profile", banned=banned)
            continue
        note(
            ManifestError(
                "unknown-profile",
                f"there is no profile {ticked(name)} in {ticked(file)}",
                *did_you_mean(name, profiles),
                f"there is {listed(profiles, 'and')}" if profiles else f"write one: `[profile.{name}]`",
            )
        )
    return merged


def _dropped(drop: Node | None, note: Note) -> Iterable[tuple[Key, Where | None]]:
    if drop is None or drop.value is BROKEN:
        return
    if not isinstance(drop.value, list):
        note(ManifestError("wrong-type", "`drop` is an array of keys", where=drop.where))
        return
    for item in drop.value:
        key = undotted(item.value) if isinstance(item.value, str) else None
        if key is not None:
            yield key, item.where
        elif item.value is not BROKEN:
            note(
                ManifestError(
                    "invalid-value",
                    f"{ticked(item.value)} in `drop` is no key",
                    'write it as in the manifest: `drop = ["resources.port"]`',
                    where=item.where,
                )
            )


def _without(node: Node, key: Key, where: Where | None, above: Key = ()) -> Node:
    name, *rest = map(str, key)
    table = node.table or {}
    if name not in table:
        near = nearest(name, table)
        raise ManifestError(
            "unknown-drop",
            f"{ticked(dotted((*above, *key)))} is dropped, and is not set",
            *([f"did you mean {ticked(dotted((*above, near, *rest)))}?"] if near else []),
            where=where,
        )
    if not rest:
        return Node({one: child for one, child in table.items() if one != name}, node.mark)
    return Node(table | {name: _without(table[name], tuple(rest), where, (*above, name))}, node.mark)


def _by_path(base: list[Node], over: list[Node]) -> list[Node]:
    merged = list(base)
    positions = {_path(node): position for position, node in reversed(list(enumerate(base)))}
    for node in over:
        path = _path(node)
        if path is not None and path in positions:
            merged[positions[path]] = merge(merged[positions[path]], node)
        else:
            positions[path] = len(merged)
            merged.append(node)
    return merged


def _path(node: Node) -> str | None:
    path = node.at(("path",))
    return path.value if path is not None and isinstance(path.value, str) else None
