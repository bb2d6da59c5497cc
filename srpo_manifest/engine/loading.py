"""A manifest file and everything that it names, to what is wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from srpo_manifest import upstream
from srpo_manifest.engine.files import manifests_in, read_source, root_of
from srpo_manifest.errors import ManifestError, PluginError
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.manifest import Document, Named, parse_manifest, read_manifest, remembered, with_overlays
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.tree import plain
from srpo_manifest.values.manifest import (
    DirectOptions,
    LauncherOptions,
    LocalOptions,
    TransportOptions,
    UnreadLauncherOptions,
    UnreadTransportOptions,
)
from srpo_manifest.values.said import Said
from srpo_manifest.values.trainer import GENERIC, Trainer
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, nearest, ticked

if TYPE_CHECKING:
    from srpo_manifest.engine.registry import Registry
    from srpo_manifest.values.plan import SavedPlan


_TRANSPORT, _LAUNCHER = (("backend", which, "kind") for which in ("transport", "launcher"))
_TRAINERS = os.path.join(os.path.dirname(upstream.__file__), "trainers")
"""Each description twice: TOML for people, and the same as JSON, generated, which is read in a seventh of the time."""


def load(said: Said, text: bytes | None = None, *, remains: bool = False) -> Wanted:
    """Read the manifest, or *text* in its place, and the files that it names, and type the whole once, or what *remains* of it.

    Raises: ManifestError; PluginError for a plugin that it names.
    """
    path = os.path.abspath(said.manifest)
    folder = os.path.dirname(path)
    root = root_of(folder)
    for what in (folder, *said.passthrough, *said.sets, said.bash or ""):
        if not _is_text(what):
            raise ManifestError(
                "not-utf8", f"{ticked(what)} is not UTF-8, and a plan cannot hold it", "spell it in UTF-8"
            )
    document = parse_manifest(source_of(said) if text is None else Source(file=said.manifest, data=text))
    document, extends = _beside(document, document.extends, said, root, "extends")
    parts = []
    for part in said.parts:
        try:
            parts.append(read_source(part))
        except ManifestError as error:
            document = document.noted(error)
    document = with_overlays(
        document,
        extends=extends,
        parts=parts,
        profiles=said.profiles,
        sets=said.sets,
    )
    document, args = _beside(document, document.named.args_file, said, root, "entry.args_file")
    return _typed(document, said, folder, args, remains=remains)


def source_of(said: Said) -> Source:
    """The manifest file itself, which must not lead out of its git root.

    Raises: ManifestError `no-manifest` for a folder, and those of `read_source`.
    """
    path = os.path.abspath(said.manifest)
    if os.path.isdir(path) and os.access(path, os.R_OK):
        found = manifests_in(said.manifest)
        raise ManifestError(
            "no-manifest",
            f"{ticked(said.manifest)} is a folder" if found else f"no manifest is in {ticked(said.manifest)}",
            f"name {listed(found)}"
            if found
            else "name a file: a manifest is `srpo.toml`, or a `*.toml` with `schema = 1`",
        )
    return read_source(path, shown=said.manifest, root=root_of(os.path.dirname(path)))


def profiles(said: Said, text: bytes | None = None) -> tuple[str, ...]:
    """Names of the profiles that the manifest itself has; none of one that cannot be read."""
    try:
        data = source_of(said).data if text is None else text
        if b"profile" not in data:
            return ()
        found = parse_manifest(Source(file=said.manifest, data=data)).tree.at(("profile",))
    except ManifestError:
        return ()
    return tuple(found.table or ()) if found else ()


def unsaved(saved: SavedPlan, said: Said) -> Wanted:
    """What a saved plan was made from. Raises: ManifestError; PluginError."""
    before = saved.said
    document = remembered(msgspec.json.decode(saved.manifest), str(before.get("file", said.manifest)))
    args = Source(file="the saved args file", data=msgspec.json.encode(before.get("args_file", {})))
    beside = msgspec.structs.replace(
        said,
        passthrough=tuple(before.get("passthrough", ())),
        lints=dict(before.get("lints", {})),
        bash=before.get("bash"),
    )
    return _typed(document, beside, os.path.dirname(os.path.abspath(document.file)), args)


def load_plugins(wanted: Wanted) -> Registry:
    """A registry with the plugins that the manifest names; where it names none, one that all of these share.

    Raises: PluginError.
    """
    names = plugin_names(wanted)
    registry = _new_registry() if names else built_in_registry()
    for name, key in names:
        registry.load(name, key=_asking(key))
    return registry


def _new_registry() -> Registry:
    from srpo_manifest.engine.registry import Registry  # noqa: PLC0415 - most of what `validate` can spare

    return Registry()


built_in_registry = cache(_new_registry)


def plugin_names(wanted: Wanted) -> list[tuple[str, Key]]:
    """The plugins that the manifest names, each with the key that asks for it; one that brings a trainer may not be among them."""
    manifest = wanted.manifest
    return list(
        _plugins(
            Named(
                transport=manifest.backend.transport.kind,
                launcher=manifest.backend.launcher.kind,
                plugins=manifest.plugins,
                model=manifest.model.type,
            )
        )
    )


def built_in_trainers() -> tuple[str, ...]:
    """Names of the descriptions that ship with us."""
    return ("generic", *sorted(name.removesuffix(".toml") for name in os.listdir(_TRAINERS) if name.endswith(".toml")))


def _typed(document: Document, said: Said, folder: str, args: Source | None, *, remains: bool = False) -> Wanted:
    named = document.named
    transports: dict[str, type[TransportOptions]] = {"local": LocalOptions}
    launchers: dict[str, type[LauncherOptions]] = {"direct": DirectOptions}
    registry = None
    if plugins := list(_plugins(named)):
        registry = _new_registry()
        for name, key in plugins:
            try:
                if said.without_plugins:
                    registry.find(name, key=_asking(key))
                    transports[name], launchers[name] = UnreadTransportOptions, UnreadLauncherOptions
                    continue
                registry.load(name, key=_asking(key))
                if key == _TRANSPORT:
                    options = registry.transport(name).options
                    _tried(document, registry, name, options, "transport")
                    transports[name] = options
                elif key == _LAUNCHER:
                    starting = registry.launcher(name).options
                    _tried(document, registry, name, starting, "launcher")
                    launchers[name] = starting
            except PluginError as error:
                document = document.noted(error, document.place(key))
    trainer = GENERIC
    try:
        trainer = _trainer(document, named.model, registry, without_plugins=said.without_plugins)
    except ManifestError as error:
        document = document.noted(error)
    return read_manifest(
        document,
        folder=folder,
        transports=transports,
        launchers=launchers,
        args=args,
        trainer=trainer,
        passthrough=said.passthrough,
        lints=said.lints,
        bash=said.bash,
        remains=remains,
    )


def _tried(
    document: Document, registry: Registry, name: str, options: type[TransportOptions | LauncherOptions], what: str
) -> None:
    """Raises: PluginError for what options raise of their own; what is wrong with the table is found with all else."""
    if table := document.tree.at(("backend", what)):
        with suppress(msgspec.ValidationError):
            registry.decoded(name, plain(table), options)


def _plugins(named: Named) -> Iterator[tuple[str, Key]]:
    """Names to look up among the entry points, each with the key that asks for it."""
    yield from ((name, ("plugins", at)) for at, name in enumerate(named.plugins) if name)
    if named.transport != "local":
        yield named.transport, _TRANSPORT
    if named.launcher != "direct":
        yield named.launcher, _LAUNCHER


def _asking(key: Key) -> str:
    """The key as people know it: which one of an array's is of no interest."""
    return dotted(tuple(step for step in key if isinstance(step, str)))


def _trainer(document: Document, name: str | None, registry: Registry | None, *, without_plugins: bool) -> Trainer:
    """The description that `model.type` names: ours, or that of a plugin in the manifest, or of that name."""
    if name is None or name == "generic":
        return GENERIC
    if name in built_in_trainers():
        return msgspec.json.decode(read_source(os.path.join(_TRAINERS, f"{name}.json")).data, type=Trainer)
    if registry is None:
        registry = _new_registry()
    names = registry.names()
    if without_plugins and (name in names or document.named.plugins):
        return GENERIC
    if name in names:
        registry.load(name, key="model.type")
    from srpo_manifest.reading.trainer import parse_trainer  # noqa: PLC0415 - ours were parsed when they were made

    for data in registry.trainers():
        trainer = parse_trainer(data, f"{name}.toml")
        if trainer.name == name:
            return trainer
    known = [*built_in_trainers(), *names]
    raise ManifestError(
        "unknown-trainer",
        f"no trainer description is named {ticked(name)}",
        *did_you_mean(name, known),
        f"there are {listed(built_in_trainers(), 'and')}, and those that plugins bring",
        where=document.place(("model", "type")),
    )


def _is_text(what: str) -> bool:
    """Whether it is more than the bytes of a command line."""
    try:
        what.encode()
    except UnicodeEncodeError:
        return False
    return True


def _beside(document: Document, name: str | None, said: Said, root: str, key: str) -> tuple[Document, Source | None]:
    """A file that the manifest names, under its path from the current folder; where it cannot be read, that is noted."""
    if name is None:
        return document, None
    path = os.path.join(os.path.dirname(said.manifest), name)
    plain = os.path.normpath(path)
    shown = plain if os.path.realpath(plain) == os.path.realpath(path) else path
    try:
        return document, read_source(os.path.abspath(path), shown=shown, root=root)
    except ManifestError as error:
        if error.code == "file-missing":
            error = ManifestError(error.code, str(error), *_near(path, name), *error.findings[0].hints)
        return document.noted(error, document.place(tuple(key.split(".")))), None


def _near(path: str, name: str) -> tuple[str, ...]:
    """The file beside *path* that *name* may mean."""
    try:
        names = sorted(os.listdir(os.path.dirname(path) or "."))
    except OSError:
        return ()
    near = nearest(os.path.basename(name), names)
    return (f"did you mean {ticked(os.path.join(os.path.dirname(name), near))}?",) if near else ()
