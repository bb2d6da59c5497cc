"""Pruning: ask a target what its `.srpo` holds, have it remove what was chosen, and follow with the records here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.bundling.render import PYTHONS
from srpo_manifest.engine import lockfiles, records
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import LaunchError, SrpoManifestError, TransportError
from srpo_manifest.finding import Finding
from srpo_manifest.planning.anchors import CHECKOUTS, beneath, workspace
from srpo_manifest.planning.pruning import choose
from srpo_manifest.ports.transport import Transport, machines
from srpo_manifest.reading.words import parse_word
from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.pruned import FORMAT, Choice, Done, Holdings, Item, Removed, Wish
from srpo_manifest.values.run import FORMAT as RUN_FORMAT
from srpo_manifest.values.run import Record
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked

ASK_SECONDS = 600.0
FRESH_SECONDS = 3600.0
"""A record that is younger may be one of a launch that goes on."""
_TEXT = """cd -- {folder} 2>/dev/null || {{ echo '{{"format": 1, "there": false, "done": []}}'; exit; }}
[ ! -L ../.srpo ] || {{ echo "$PWD is a link" >&2; exit 1; }}
for python in {pythons}; do
  "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null </dev/null && exec "$python" -I - {words}
done
echo 'no Python of 3.9 or newer answers' >&2
exit 69
"""
_SHOWN = """readlink -- {path} 2>/dev/null || true
"""


class Target(Value):
    """One `.srpo` and what is wished of it."""

    transport: dict[str, Any]
    workspace: str
    wish: Wish
    records: tuple[Record, ...] = ()
    """Those of its runs that are here."""


class Looked(Value):
    """What was found on a machine of a target, and chosen."""

    target: Target
    place: str
    choice: Choice
    machine: int = 0
    """Its number: the records here go with what is on the first."""
    fault: Finding | None = None
    """Why nothing was seen there."""


def of_manifest(wanted: Wanted, lock: str, wish: Wish, known: Iterable[Record]) -> Target:
    """The manifest's target: runs of its name, checkouts that neither a run nor its lock needs.

    Raises: ManifestError for a lock that cannot be read; TransportError.
    """
    manifest = wanted.manifest
    transport = msgspec.to_builtins(manifest.backend.transport)
    at = str(workspace(wanted))
    target = Target(
        transport=transport,
        workspace=at,
        wish=wish,
        records=tuple(
            record
            for record in known
            if record.name == manifest.name and record.workspace == at and _same(record.transport, transport)
        ),
    )
    shown = _opened(target).exec(
        _SHOWN.format(path=shell(beneath(workspace(wanted), manifest.repo.path))), timeout_seconds=ASK_SECONDS
    )
    trees = {pin.tree for pin in lockfiles.read(lock).pins}
    if f"/{CHECKOUTS}/" in shown.text:
        trees.add(shown.text.rpartition("/")[2])
    chosen = msgspec.structs.replace(
        wish, names=frozenset({manifest.name}), checkouts=True, trees=wish.trees | frozenset(trees)
    )
    return msgspec.structs.replace(target, wish=chosen)


def of_records(known: Iterable[Record], wish: Wish) -> Iterator[Target]:
    """The targets of all records, each with its own runs; those that a newer version wrote are its own to prune."""
    found: dict[bytes, list[Record]] = {}
    for record in known:
        if record.format > RUN_FORMAT:
            continue
        key = msgspec.json.encode([_plain(record.transport), record.workspace], order="deterministic")
        found.setdefault(key, []).append(record)
    for group in found.values():
        ids = frozenset(record.id for record in group)
        yield Target(
            transport=group[0].transport,
            workspace=group[0].workspace,
            wish=msgspec.structs.replace(wish, ids=ids),
            records=tuple(group),
        )


def look(target: Target) -> list[Looked]:
    """Ask every machine what is there, and choose; the first comes last.

    Records stay where a machine was not seen. Raises: TransportError; LaunchError; PluginError for the first machine.
    """
    first, *others = machines(_opened(target))
    found = []
    for number, machine in enumerate(others, 1):
        try:
            found.append(_look(target, machine, number))
        except SrpoManifestError as error:
            found.append(
                Looked(
                    target=target, place=machine.place, choice=Choice(), machine=number, fault=unreached(target, error)
                )
            )
    if any(one.fault for one in found):
        target = msgspec.structs.replace(target, records=())
    return [*found, _look(target, first, 0)]


def _look(target: Target, transport: Transport, number: int) -> Looked:
    holdings = _asked(transport, target, Holdings, "survey")
    choice = choose(holdings, target.wish)
    there = {run.id for run in holdings.runs} | set(holdings.coming)
    lone = [] if number or not holdings.there else [record for record in target.records if record.id not in there]
    fresh = [record for record in lone if _age_seconds(record) < FRESH_SECONDS]
    choice = msgspec.structs.replace(
        choice,
        going=(
            *choice.going,
            *(_record(one, "its run is not on the target any more") for one in lone if one not in fresh),
        ),
        staying=(*choice.staying, *(_record(one, "its run may be on its way") for one in fresh)),
    )
    return Looked(target=target, place=transport.place, choice=choice, machine=number)


def take(looked: Looked) -> Iterator[Removed]:
    """Remove what was chosen: on the target first, then the records of what is gone there.

    Raises: TransportError; LaunchError.
    """
    wanted = [item for item in looked.choice.going if item.kind != "record"]
    wanted.sort(key=lambda item: item.kind == "checkout")  # what uses them goes first
    mine = {} if looked.machine else {record.id: record for record in looked.target.records}
    if wanted:
        request = msgspec.json.encode([{"kind": item.kind, "path": item.path} for item in wanted]).decode()
        machine = machines(_opened(looked.target))[looked.machine]
        for one in _asked(machine, looked.target, Done, "remove", request).done:
            yield one
            run = one.path.partition("/")[2]
            if one.removed and one.kind == "run" and run in mine:
                records.discard(mine[run])
    for item in looked.choice.going:
        if item.kind == "record":
            records.discard(mine[item.id])
            yield Removed(kind="record", path=item.path, removed=True)


def mirrors(older_than_seconds: float) -> Choice:
    """The repositories in the cache; one that is in use stays."""
    from srpo_manifest.engine.locks import is_held  # noqa: PLC0415 - few prune the cache

    going: list[Item] = []
    staying: list[Item] = []
    for folder in sorted([*cache_folder().glob("repositories/*.git"), *cache_folder().glob("demo/*.git")]):
        try:
            age = datetime.now(UTC).timestamp() - folder.stat().st_mtime
            size = sum(file.lstat().st_size for file in folder.rglob("*"))
        except FileNotFoundError:
            continue  # another `prune` was quicker
        young = "it was fetched lately" if age < older_than_seconds else None
        stays = "a process works at it" if is_held(folder) else young
        item = Item(
            kind="mirror",
            id=folder.name,
            path=str(folder),
            reason=stays or "it can be fetched again",
            bytes=size,
        )
        (staying if stays else going).append(item)
    return Choice(going=tuple(going), staying=tuple(staying))


def take_mirrors(choice: Choice) -> Iterator[Removed]:
    """Remove them, each while nobody else may use it."""
    from srpo_manifest.engine.locks import held  # noqa: PLC0415 - likewise
    from srpo_manifest.engine.store import clean, remove_folder  # noqa: PLC0415 - likewise

    for folder in {Path(item.path).parent for item in choice.going}:
        clean(folder)
    for item in choice.going:
        reason = None
        try:
            with held(Path(item.path), code="mirror-held", patience_seconds=0.0):
                remove_folder(Path(item.path))
        except SrpoManifestError as error:
            reason = str(error)
        except FileNotFoundError:
            pass  # another `prune` was quicker
        except OSError as error:
            reason = f"it cannot be removed: {error.strerror}"
        yield Removed(kind="mirror", path=item.path, removed=reason is None, reason=reason)


def unreached(target: Target, error: SrpoManifestError) -> Finding:
    """What is said of a target that does not answer."""
    return Finding(
        code="target-unreached",
        level="warn",
        message=f"the runs in {ticked(target.workspace.replace('${target.home}', '~'))} are left alone: {error}",
        hints=error.findings[0].hints,
    )


def _opened(target: Target) -> Transport:
    registry = Registry()
    kind = target.transport["kind"]
    if kind != "local":
        registry.load(kind, key="backend")
    options = registry.recorded(target.transport, registry.transport(kind).options)
    return registry.open_transport(options, None, Facts())


def _asked(transport: Transport, target: Target, kind: type[Any], *words: str) -> Any:
    program = resources.files("srpo_manifest.bundling").joinpath("runtime/prune.py").read_bytes()
    script = _TEXT.format(
        folder=shell(parse_word(target.workspace) + "/.srpo"),
        pythons=" ".join(PYTHONS),
        words=" ".join(map(quote, words)),
    )
    answer = transport.exec(script, (program,), timeout_seconds=ASK_SECONDS)
    if answer.status != 0:
        raise LaunchError("prune-failed", f"{transport.place} does not tell what is there: {answer.complaint}")
    try:
        found = msgspec.json.decode(answer.output, type=kind)
    except msgspec.DecodeError as error:
        raise LaunchError("prune-failed", f"{transport.place} answers in an unknown shape: {error}") from error
    if found.format != FORMAT:
        raise TransportError("prune-failed", f"{transport.place} answers in format {found.format}")
    return found


def _record(record: Record, reason: str) -> Item:
    return Item(kind="record", id=record.id, path=f"records of this machine/{record.id}", reason=reason)


def _age_seconds(record: Record) -> float:
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(record.started)).total_seconds()
    except ValueError:
        return 0.0


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _plain(one) == _plain(other)


def _plain(transport: dict[str, Any]) -> dict[str, Any]:
    """Which bash answers does not make it another place."""
    return {key: value for key, value in transport.items() if key != "bash" and value is not None}
