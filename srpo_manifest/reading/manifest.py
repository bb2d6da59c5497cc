"""srpo.toml to what is wanted: parsed, overlaid, and typed once.

document = parse_manifest(Source(file=…, data=…))
document = with_overlays(document, extends=…, profiles=…, parts=…, sets=…)   # `document.extends` names a file
document.named                                      # what else the engine has to bring before typing
wanted = read_manifest(document, folder=…, transports=…, launchers=…, …)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from srpo_manifest.errors import ManifestError, ManifestErrors, SrpoManifestError
from srpo_manifest.finding import Finding, Where
from srpo_manifest.reading.conversion import converted, sound, unsound
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.overlay import merge, overlaid, profiled, tree_of
from srpo_manifest.reading.toml import Source, decoded
from srpo_manifest.reading.tree import BROKEN, Node, Origins, grown, plain
from srpo_manifest.reading.versions import known_schema
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import SCHEMA, AnyManifest, ArgsFile, LauncherOptions, Manifest, TransportOptions
from srpo_manifest.values.trainer import GENERIC, Trainer
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, nearest, ticked

A = TypeVar("A")
WHOLE = "the manifest"
_PART = ("schema", "extends")
_OVERLAY = ("schema", "extends", "profile")


class Named(Value):
    """What the manifest names and somebody has to bring; what is written wrong is left to typing."""

    transport: str = "local"
    launcher: str = "direct"
    plugins: tuple[str, ...] = ()
    """One that is written wrong has no name."""
    model: str | None = None
    args_file: str | None = None


class Document(NamedTuple):
    """A manifest as a tree, its name for people, and what is known to be wrong with it."""

    tree: Node
    file: str
    findings: tuple[Finding, ...] = ()

    def noted(self, error: SrpoManifestError, where: Where | None = None) -> Document:
        """The same with what *error* found, perhaps at another place: `read_manifest` tells it with everything else."""
        found = (replace(one, where=where) if where else one for one in error.findings)
        return self._replace(findings=(*self.findings, *found))

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
            plugins=tuple(node.value if isinstance(node.value, str) else "" for node in names),
            model=self._text("model", "type"),
            args_file=self._text("entry", "args_file"),
        )

    def place(self, key: Key) -> Where:
        """Where the value of *key*, or the key that is nearest around it, was written; the file alone where nothing is."""
        node = self.tree.at(key)
        value = node.where_value if node else None
        return value or self.tree.place(key) or Where(file=self.file, key=dotted(key))

    def _text(self, *key: str) -> str | None:
        node = self.tree.at(key)
        return node.value if node and isinstance(node.value, str) else None


def parse_manifest(source: Source) -> Document:
    """The file alone, with a schema that is known here.

    Raises: ManifestError `file-too-large`, `not-utf8`, `schema-newer`, or `schema-older`; those of `known_as_toml`.
    """
    tree, findings = tree_of(source)
    if findings:
        from srpo_manifest.reading.foreign import known_as_toml  # noqa: PLC0415 - only a wrong file pays

        known_as_toml(decoded(source.data, source.file), source.file)
    return _known_schema(Document(tree, source.file, findings))


def remembered(data: dict[str, Any], file: str) -> Document:
    """A merged manifest as plain data, as `Wanted.data` holds it: nothing in it has a place."""
    return Document(grown(data), file)


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
    What is wrong is noted, and left out: the codes of `tree_of`, `misplaced-key`, `unknown-drop`, `unknown-profile`, `set-syntax`.
    """
    found = list(document.findings)

    def note(error: ManifestError) -> None:
        found.extend(error.findings)

    def read(part: Source) -> Node:
        tree, findings = tree_of(part)
        found.extend(findings)
        return tree

    base = Node({})
    if extends:
        base = overlaid(base, read(extends), note, file="a file that is extended", banned=_PART)
    merged = profiled(overlaid(base, document.tree, note, file=WHOLE, banned=()), profiles, note, document.file)
    for part in parts:
        merged = overlaid(merged, read(part), note, file="a `--with` part", banned=_OVERLAY)
    if sets:
        from srpo_manifest.reading.settings import setting  # noqa: PLC0415 - only `--set` pays

        for argument in sets:
            try:
                merged = overlaid(merged, setting(argument), note, file="`--set`", banned=_OVERLAY)
            except ManifestError as error:
                note(error)
    return Document(merged, document.file, tuple(found))


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
    remains: bool = False,
) -> Wanted:
    """The typed manifest with everything that was said beside it.

    *document* has its overlays; *transports* and *launchers* are the options by kind, the named kinds among them. Env
    and working directory of *args* lie beneath the manifest's own. Where *remains* are wanted, what is wrong is left out,
    and a stranger stands in for a name, a model or a backend.
    Raises: ManifestErrors with every mistake, those that *document* carries among them: `unknown-kind`, `unknown-key`,
    `missing-key`, `wrong-type`, `invalid-value`, `impossible-combination`.
    """
    args_file = ArgsFile()
    try:
        args_file = args_file if args is None else _args_file(args)
    except ManifestError as error:
        document = document.noted(error)
    document = document._replace(tree=merge(_beneath(args_file, args.file if args else ""), _complete(document.tree)))
    document, kind = _typed(document, transports, launchers)
    if remains:
        from srpo_manifest.reading.violations import remains as remaining  # noqa: PLC0415 - only a wrong file pays

        tree = remaining(sound(document.tree), kind, grown(_STRANGER))
        document, kind = _typed(document._replace(tree=tree), transports, launchers)
    data = plain(document.tree)
    found = [] if remains else [*document.findings, *unsound(document.tree)]
    try:
        manifest = converted(data, kind, lambda: document.tree, WHOLE, found)
    except ManifestErrors as error:
        raise ManifestErrors(_causes(error.findings)) from None
    if found:
        from srpo_manifest.reading.violations import violations  # noqa: PLC0415 - only a wrong file pays

        # what cannot be read is left out of the data, and its name may be wrong as well
        raise ManifestErrors(_causes((*found, *violations(document.tree, kind, WHOLE))))
    return Wanted(
        manifest=manifest,
        folder=folder,
        file=document.file,
        args_file=args_file,
        trainer=trainer,
        passthrough=tuple(passthrough),
        origins=Origins(document.tree),
        values=Origins(document.tree, of_values=True),
        lints=dict(lints or {}),
        bash=bash,
        data=data,
    )


def _causes(findings: Iterable[Finding]) -> list[Finding]:
    """In order, without keys that are missing from a table of which a line is lost: it may be the very key."""
    found = in_order(findings)
    lost = set(_lost(found))
    return [one for one in found if one.code != "missing-key" or _around(one.where) not in lost]


def _lost(findings: Iterable[Finding]) -> Iterator[str]:
    """The tables of which a line is lost."""
    for one in findings:
        if one.where and (one.code == "bad-key" or (one.code == "header-open" and one.fix is None)):
            yield one.where.key


def _around(where: Where | None) -> str:
    return where.key.rpartition(".")[0] if where else ""


def by_place(findings: Iterable[Finding]) -> list[Finding]:
    """By file as they come, line and column."""
    placed = [(one.where or Where(file=""), one) for one in findings]
    files = {where.file: -number for number, (where, _) in reversed([*enumerate(placed)])}
    placed.sort(key=lambda one: (-files[one[0].file], one[0].line, one[0].column))
    return [finding for _, finding in placed]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By place; of two at one, the first."""
    found: dict[tuple[str, int, int, str], Finding] = {}
    for finding in findings:
        where = finding.where or Where(file="")
        found.setdefault((where.file, where.line, where.column, "" if where.line else finding.message), finding)
    return by_place(found.values())


def _args_file(source: Source) -> ArgsFile:
    from srpo_manifest.reading.argsfile import parse_args_file  # noqa: PLC0415 - only who has one pays for JSON

    return parse_args_file(source.data, source.file)


def _known_schema(document: Document) -> Document:
    """The document, as if it had the schema that it lacks. Raises: ManifestError of `known_schema`, and nothing beside it."""
    node = document.tree.at(("schema",))
    schema = node.value if node else None
    if type(schema) is int and schema == SCHEMA:
        return document
    where = (node.where_value if node else None) or Where(file=document.file)
    known_schema(schema, where)
    if schema is BROKEN or (node is None and _may_be_lost(document)):
        fault = None
    elif node is None and (
        found := next((name for name, one in document.tree.value.items() if "schema" in (one.table or {})), "")
    ):
        return _raised(document, found)
    elif node is None and _is_older(document.tree.value):
        message = f"{WHOLE} needs `schema`, and has keys of the older wrapper"
        hint = "begin the file with `schema = 0`, and run `srpo-manifest migrate` on it"
        raise ManifestError("missing-key", message, hint, where=where)
    elif node is None:
        fault = ManifestError(
            "missing-key", f"{WHOLE} needs `schema`", f"begin the file with `schema = {SCHEMA}`", where=where
        )
    elif type(schema) is not int:
        fault = ManifestError("wrong-type", "`schema` is not an integer", f"write `schema = {SCHEMA}`", where=where)
    else:
        message = f"there was never a schema {schema}"
        fault = ManifestError("invalid-value", message, f"write `schema = {SCHEMA}`", where=where)
    if fault is None:
        return document
    known = Node(SCHEMA, node.mark if node else None)
    return document._replace(tree=Node({"schema": known} | document.tree.value | {"schema": known})).noted(fault)


def _may_be_lost(document: Document) -> bool:
    """Whether a line that cannot be read, or a key that nobody knows, may be the schema."""
    if "" in _lost(document.findings):
        return True
    return any(
        nearest(name, Manifest.__struct_fields__) == "schema"
        or (one.value is BROKEN and name not in Manifest.__struct_fields__)
        for name, one in document.tree.value.items()
    )


def _is_older(table: Mapping[str, Node]) -> bool:
    """Whether it has a key of the older wrapper."""
    from srpo_manifest.reading.keys0 import MOVED  # noqa: PLC0415 - few files are so old

    return any(name.startswith("srpo_") or name in MOVED for name in table)


def _raised(document: Document, name: str) -> Document:
    """The document, as if the schema that stands in the table *name* stood above it, which is noted."""
    table = document.tree.value[name]
    rest = dict(table.value)
    where = rest.pop("schema").where
    tree = Node(document.tree.value | {"schema": Node(SCHEMA), name: Node(rest, table.mark)}, document.tree.mark)
    message = f"`schema` stands in `[{name}]`, as it is below that header"
    error = ManifestError("misplaced-key", message, "move it above the first header", where=where)
    return document._replace(tree=tree).noted(error)


_STRANGER = {
    "schema": SCHEMA,
    "name": "unknown",
    "model": {"type": GENERIC.name},
    "backend": {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}},
}


def _typed(
    document: Document, transports: Mapping[str, type[TransportOptions]], launchers: Mapping[str, type[LauncherOptions]]
) -> tuple[Document, type[AnyManifest]]:
    """The document, and the type that the kinds in it make; one that nobody knows is noted."""
    named = document.named
    document, transport = _kind(document, "transport", named.transport, transports)
    document, launcher = _kind(document, "launcher", named.launcher, launchers)
    return document, Manifest[transport, launcher]  # type: ignore[valid-type]


def _complete(tree: Node) -> Node:
    """The tree with this machine and the plain launcher where their tables are absent."""
    table = tree.value
    backend = table.get("backend", Node({}))
    if backend.table is None:
        return tree
    usual = {"transport": Node({"kind": Node("local")}), "launcher": Node({"kind": Node("direct")})}
    return Node(table | {"backend": Node(usual | backend.table, backend.mark)}, tree.mark)


def _beneath(args: ArgsFile, file: str) -> Node:
    """The keys that an args file may give, weaker than all others."""

    def said(value: str, *key: str) -> Node:
        return Node(value, Where(file=file, key=dotted(key)))

    env = {name: said(value, "env", name) for name, value in args.env.items()}
    paths = {"working_dir": said(args.working_dir, "working_dir")} if args.working_dir is not None else {}
    return Node({name: Node(table) for name, table in (("env", env), ("paths", paths)) if table})


def _kind(document: Document, which: str, kind: str, known: Mapping[str, type[A]]) -> tuple[Document, type[A]]:
    """The options that `backend.WHICH` has; one that nobody knows is noted, and counts as the plain one."""
    if kind in known:
        return document, known[kind]
    error = ManifestError(
        "unknown-kind",
        f"there is no {which} of kind {ticked(kind)} here",
        *did_you_mean(kind, known),
        f"there is {listed(known, 'and')}; others come with a plugin of that name",
        where=document.place(("backend", which, "kind")),
    )
    plainest = next(iter(known))
    backend = document.tree.value["backend"]
    table = backend.table | {which: Node({"kind": Node(plainest)}, backend.mark)}
    tree = Node(document.tree.value | {"backend": Node(table, backend.mark)})
    return document._replace(tree=tree).noted(error), known[plainest]
