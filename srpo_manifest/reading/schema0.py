"""Schema 0 to schema 1: the older wrapper's settings, each as the key that means the same today."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile
from typing import NamedTuple

from srpo_manifest.errors import ManifestErrors
from srpo_manifest.finding import Finding, Level, Where
from srpo_manifest.reading.conversion import converted, unsound
from srpo_manifest.reading.keys0 import ANCHORED, MOVED, NEEDED, PAIRS, TABLES, UNKNOWN, WHOLE, WORDS
from srpo_manifest.reading.locate import dotted
from srpo_manifest.reading.lockfile import inline
from srpo_manifest.reading.manifest import in_order
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.spelling0 import arguments, pair, variables, whole
from srpo_manifest.reading.steps import Old, Statement, Step, statements
from srpo_manifest.reading.tree import Node, marked, plain
from srpo_manifest.values.schema0 import Manifest0
from srpo_manifest.wording import ticked

_MADE = -2
_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:")


class _Line(NamedTuple):
    """A key of a table, with what stands above and behind it."""

    key: str
    value: str
    above: tuple[str, ...] = ()
    comment: str = ""
    number: int = _MADE
    """Of its statement in the old file."""


def to_1(old: Old) -> Step:
    """One step.

    Raises: ManifestErrors with everything that is no schema 0, or has no meaning in schema 1.
    """
    tree = marked(old.text.root, Page(old.text.text, old.file))
    wrong = list(unsound(tree))
    try:
        converted(plain(tree), Manifest0, lambda: tree, "a manifest of schema 0", wrong)
    except ManifestErrors as error:
        raise ManifestErrors(in_order(error.findings)) from None
    if wrong:
        raise ManifestErrors(in_order(wrong))
    step = _Step(old, tree)
    if step.wrong:
        raise ManifestErrors(in_order(step.wrong))
    return step.taken()


class _Step:
    def __init__(self, old: Old, tree: Node) -> None:
        self.old, self.tree = old, tree
        self.wrong: list[Finding] = []
        self.tables: dict[str, list[_Line]] = {name: [] for name in TABLES}
        self.findings: list[Finding] = []
        self.moved: list[tuple[str, str]] = []
        self.places: dict[str, Where] = {}
        self.head: tuple[str, ...] = ()
        self.left: list[str] = []
        found, self.tail = statements(old.text)
        for self.number, statement in enumerate(found):
            above = statement.above
            if not self.number and "" in above:
                end = len(above) - above[::-1].index("")
                self.head, above = above[:end], above[end:]
            self.statement(statement._replace(above=above))

    def statement(self, one: Statement) -> None:
        """Carry one key over, or say why not."""
        key = dotted(one.key)
        if key == "schema":
            self.put("schema", "1", one)
            self.put("name", inline(self.old.name))
            message = f"schema 0 has no `name`: the run is called {ticked(self.old.name)}, after its file or folder"
            self.note("name-made", "note", message, one, "call it as you like, before its first run")
            return
        new = MOVED.get(key) or f"entry.set.{key.removeprefix('srpo_')}"
        if isinstance(one.value, str) and not one.value.strip():
            self.leave(one, "note", "an empty text set nothing")
        elif key in UNKNOWN:
            self.leave(one, "warn" if one.value else "note", UNKNOWN[key])
        elif key in WHOLE and whole(one.value) is None:
            flag = f"--{key.removeprefix('srpo_')}"
            self.leave(one, "warn", f"{ticked(flag)} takes a whole number, and the trainer refuses others")
        else:
            try:
                self.carry(key, new, one)
            except ValueError as error:
                message = f"{ticked(key)} cannot be read: {error}"
                self.wrong.append(_finding("invalid-value", "deny", message, self.where(one)))

    def carry(self, key: str, new: str, one: Statement) -> None:
        """Write the key by its new name. Raises: ValueError where the value has no meaning."""
        if key == "srpo_extra_env":
            for number, (name, value) in enumerate(variables(one.value)):
                self.put(f"env.{name}", value, one if not number else one._replace(above=(), comment=""))
            return
        if key in ANCHORED and not _ABSOLUTE.match(one.value):
            message = f"{ticked(one.value)} is a relative path: it begins at {ANCHORED[key]} now, not where the wrapper was started"
            hint = "write an absolute path, or one from there, if it lies elsewhere"
            self.note("path-moved", "warn", message, one, hint)
        self.put(new, _value(key, one), one)

    def put(self, new: str, value: str, one: Statement | None = None) -> None:
        """A line of the new file, and where it comes from."""
        table, _, name = new.rpartition(".")
        self.tables[table].append(
            _Line(name, value, one.above, one.comment, self.number) if one else _Line(name, value)
        )
        old = dotted(one.key) if one else ""
        if old != new:
            self.moved.append((old, new))
        if one:
            self.places[new] = self.where(one)

    def leave(self, one: Statement, level: Level, why: str) -> None:
        """Keep the key as a comment."""
        key = dotted(one.key)
        message, hint = f"{ticked(key)} is not carried over: {why}", "it stands as a comment at the end of the new file"
        self.note("not-carried" if level == "warn" else "left-out", level, message, one, hint)
        line = f"{key} = {one.spelled} {one.comment}".rstrip()
        self.left += [*filter(None, one.above), *(f"# {part}".rstrip() for part in line.split("\n"))]
        self.moved.append((key, ""))

    def note(self, code: str, level: Level, message: str, one: Statement, hint: str) -> None:
        """Tell something of a key."""
        self.findings.append(_finding(code, level, message, self.where(one), hint))

    def where(self, one: Statement) -> Where:
        """The key's place."""
        return self.tree.place(one.key) or Where(file=self.old.file)

    def taken(self) -> Step:
        """The new text: tables in the order of the documentation, keys in that of the old file."""
        for table, (key, value) in NEEDED.items():
            lines = self.tables[table]
            if (lines or table == "model") and all(line.key != key for line in lines):
                lines.insert(0, _Line(key, value))
        text = [*self.head]
        for table, lines in self.tables.items():
            text += ["", f"[{table}]"] if table and lines else []
            text += _table(lines)
        text += ["", "# Not carried over from schema 0:", *self.left] if self.left else []
        text += ["", *self.tail] if any(self.tail) else []
        return Step("\n".join(text) + "\n", tuple(self.findings), tuple(self.moved), self.places)


def _table(lines: list[_Line]) -> Iterator[str]:
    """Blank lines stay between those that were neighbours."""
    width = max((len(line.key) for line in lines), default=0)
    before = _MADE
    for line in lines:
        yield from line.above if line.number == before + 1 else dropwhile(lambda text: not text, line.above)
        yield f"{line.key.ljust(width)} = {line.value} {line.comment}".rstrip()
        before = line.number


def _value(key: str, one: Statement) -> str:
    if key in WORDS:
        return WORDS[key][one.value]
    if key in PAIRS:
        return pair(one.value, PAIRS[key])
    if key == "srpo_extra_args":
        return arguments(one.value)
    return (whole(one.value) if key in WHOLE else None) or one.spelled


def _finding(code: str, level: Level, message: str, where: Where, *hints: str) -> Finding:
    return Finding(code=code, level=level, message=message, hints=hints, where=where)
