"""srpo.toml to what is wanted: parsed, overlaid, and typed once.

document = parse_manifest(Source(file=…, data=…))
document = with_overlays(document, extends=…, profiles=…, parts=…, sets=…)   # `document.extends` names a file
document.named                                      # what else the engine has to bring before typing
wanted = read_manifest(document, folder=…, transports=…, launchers=…, …)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted, sound
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.overlay import merge, overlaid, profiled, tree_of
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.tree import Node, grown, origins, plain
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import SCHEMA, ArgsFile, LauncherOptions, Manifest, TransportOptions
from srpo_manifest.values.trainer import GENERIC, Trainer
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

A = TypeVar("A")
WHOLE = "the manifest"
_PART = ("schema", "extends")
_OVERLAY = ("schema", "extends", "profile")


class Named(Value):
    """What the manifest names and somebody has to bring; what is written wrong is left to typing."""

    transport: str = "local"
    launcher: str = "direct"
    plugins: tuple[str, ...] = ()
    model: str | None = None
    args_file: str | None = None


class Document(NamedTuple):
    """A manifest as a tree, and its name for people."""

    tree: Node
    file: str

    @property
    def extends(self) -> str | None:
        """The file that this one builds on."""
        return self._text("extends")

    @property
    def named(self) -> Named:
        """What it names. Say it after the overlays: they may name others."""
        plugins = self.tree.at(("plugins",))
        names = plugins.value if plugins and isinstance(plugins.value, list) else []
        return Named(
            transport=self._text("backend", "transport", "kind") or "local",
            launcher=self._text("backend", "launcher", "kind") or "direct",
            plugins=tuple(node.value for node in names if isinstance(node.value, str)),
            model=self._text("model", "type"),
            args_file=self._text("entry", "args_file"),
        )

    def place(self, key: Key) -> Where:
        """Where *key*, or what is nearest around it, was written; the file alone where nothing is."""
        return self.tree.place(key) or Where(file=self.file, key=dotted(key))

    def _text(self, *key: str) -> str | None:
        node = self.tree.at(key)
        return node.value if node and isinstance(node.value, str) else None


def parse_manifest(source: Source) -> Document:
    """The file alone, with a schema that is known here.

    Raises: ManifestError of `read_toml`; `missing-key`, `wrong-type`, `invalid-value` or `schema-newer` for `schema`.
    """
    document = Document(tree_of(source), source.file)
    _known_schema(document)
    return document


def remembered(data: dict[str, Any], file: str) -> Document:
    """A merged manifest as plain data, as `Wanted.data` holds it: nothing in it has a place."""
    return Document(grown(data, {}), file)


def with_overlays(
    document: Document,
    *,
    extends: Source | None = None,
    parts: Sequence[Source] = (),
    profiles: Sequence[str] = (),
    sets: Sequence[str] = (),
) -> Document:
    """*extends* beneath the manifest; above it profiles, parts and `--set`s, each group in its order.

    Profiles are those of the manifest and of *extends*; afterwards none is left.
    Raises: ManifestError of `read_toml`; `misplaced-key`, `unknown-drop`, `unknown-profile`, or `set-syntax`.
    """
    base = overlaid(Node({}), tree_of(extends), file="a file that is extended", banned=_PART) if extends else Node({})
    merged = profiled(overlaid(base, document.tree, file=WHOLE, banned=()), profiles, document.file)
    for part in parts:
        merged = overlaid(merged, tree_of(part), file="a `--with` part", banned=_OVERLAY)
    if sets:
        from srpo_manifest.reading.settings import setting  # noqa: PLC0415 - only `--set` pays

        for argument in sets:
            merged = overlaid(merged, setting(argument), file="`--set`", banned=_OVERLAY)
    return document._replace(tree=merged)


def read_manifest(
    document: Document,
    *,
    folder: str,
    transports: Mapping[str, type[TransportOptions]],
    launchers: Mapping[str, type[LauncherOptions]],
    args: Source | None = None,
    trainer: Trainer = GENERIC,
    passthrough: Sequence[str] = (),
    lints: Mapping[str, str] | None = None,
    bash: str | None = None,
) -> Wanted:
    """The typed manifest with everything that was said beside it.

    *document* has its overlays; *transports* and *launchers* are the options by kind, the named kinds among them. Env
    and working directory of *args* lie beneath the manifest's own.
    Raises: ManifestError `unknown-kind`, `unknown-key`, `missing-key`, `wrong-type`, `invalid-value`, or
    `impossible-combination`.
    """
    args_file = ArgsFile() if args is None else _args_file(args)
    document = document._replace(tree=merge(_beneath(args_file, args.file if args else ""), _complete(document.tree)))
    sound(document.tree)
    named = document.named
    transport = _kind(document, "transport", named.transport, transports)
    launcher = _kind(document, "launcher", named.launcher, launchers)
    data = plain(document.tree)
    return Wanted(
        manifest=converted(data, Manifest[transport, launcher], document.place, WHOLE),  # type: ignore[valid-type]
        folder=folder,
        file=document.file,
        args_file=args_file,
        trainer=trainer,
        passthrough=tuple(passthrough),
        origins=origins(document.tree),
        lints=dict(lints or {}),
        bash=bash,
        data=data,
    )


def _args_file(source: Source) -> ArgsFile:
    from srpo_manifest.reading.argsfile import parse_args_file  # noqa: PLC0415 - only who has one pays for JSON

    return parse_args_file(source.data, source.file)


def _known_schema(document: Document) -> None:
    node = document.tree.at(("schema",))
    if node is None:
        raise ManifestError(
            "missing-key",
            f"{WHOLE} needs `schema`",
            f"begin the file with `schema = {SCHEMA}`",
            where=Where(file=document.file),
        )
    schema = node.value
    if type(schema) is not int:
        raise ManifestError("wrong-type", "`schema` is not an integer", f"write `schema = {SCHEMA}`", where=node.where)
    if schema > SCHEMA:
        raise ManifestError(
            "schema-newer",
            f"this file needs a srpo-manifest that knows schema {schema}; this one knows {SCHEMA}",
            "update srpo-manifest: `pip install -U srpo-manifest`",
            where=node.where,
        )
    if schema != SCHEMA:
        raise ManifestError(
            "invalid-value", f"there was never a schema {schema}", f"write `schema = {SCHEMA}`", where=node.where
        )


def _complete(tree: Node) -> Node:
    """The tree with this machine and the plain launcher where their tables are absent."""
    table = tree.value
    backend = table.get("backend", Node({}))
    if backend.table is None:
        return tree
    usual = {"transport": Node({"kind": Node("local")}), "launcher": Node({"kind": Node("direct")})}
    return Node(table | {"backend": Node(usual | backend.table, backend.where)}, tree.where)


def _beneath(args: ArgsFile, file: str) -> Node:
    """The keys that an args file may give, weaker than all others."""

    def said(value: str, *key: str) -> Node:
        return Node(value, Where(file=file, key=dotted(key)))

    env = {name: said(value, "env", name) for name, value in args.env.items()}
    paths = {"working_dir": said(args.working_dir, "working_dir")} if args.working_dir is not None else {}
    return Node({name: Node(table) for name, table in (("env", env), ("paths", paths)) if table})


def _kind(document: Document, which: str, kind: str, known: Mapping[str, type[A]]) -> type[A]:
    """Raises: ManifestError `unknown-kind`."""
    if kind in known:
        return known[kind]
    raise ManifestError(
        "unknown-kind",
        f"there is no {which} of kind {ticked(kind)} here",
        *did_you_mean(kind, known),
        f"there is {listed(known, 'and')}; others come with a plugin of that name",
        where=document.place(("backend", which, "kind")),
    )
