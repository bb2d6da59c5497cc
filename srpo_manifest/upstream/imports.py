"""Modules that a program cannot start without: read from its source and from the files of its own that it imports."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Import

LIMIT = 5000
"""So many files of its own are read at most."""


def read_imports(
    entry: str,
    files: Collection[str],
    roots: Sequence[str],
    read: Callable[[Iterable[str]], Mapping[str, bytes]],
) -> dict[str, Import]:
    """Follow the imports of the program *entry*, a path in the checkout that has *files*.

    Only what is surely run at its start counts: nothing in a `try`, a function, or under a condition. *roots* are the folders of
    the checkout that its modules are looked for in, in this order; *read* brings the bytes of files.
    Returns: the modules that the checkout does not have, by their first name, and the checkout's own that are folders
        without `__init__.py`, which any package of that name in the interpreter takes the place of.
    """
    closure = _Closure(files, roots)
    closure.visit(entry)
    while new := closure.unread():
        found = read(new)
        for path in new:
            if (tree := _parsed(found.get(path))) is not None:
                closure.follow(path, tree, is_entry=path == entry)
    return dict(sorted(closure.found.items()))


class _Named(Value):
    """A module that a statement names, and what of it: `level` counts the dots before it."""

    name: str
    line: int
    level: int = 0
    parts: tuple[str, ...] = ()


class _Closure:
    """The files that are reached, and what leads out of them."""

    def __init__(self, files: Collection[str], roots: Sequence[str]) -> None:
        self.files = frozenset(path for path in files if path.endswith(".py"))
        self.folders = {folder for path in self.files for folder in _folders(path)}
        self.roots = tuple(dict.fromkeys("" if root == "." else f"{posixpath.normpath(root)}/" for root in roots))
        self.reached: dict[str, None] = {}
        self.done: set[str] = set()
        self.found: dict[str, Import] = {}

    def unread(self) -> list[str]:
        new = [path for path in self.reached if path not in self.done][: LIMIT - len(self.done)]
        self.done.update(new)
        return new

    def visit(self, path: str) -> None:
        self.reached.setdefault(path)

    def follow(self, path: str, tree: ast.Module, *, is_entry: bool) -> None:
        for named in _imports(tree.body, is_entry=is_entry):
            if named.level:
                folder = path
                for _ in range(named.level):
                    folder = posixpath.dirname(folder)
                self._inside(f"{folder}/" if folder else "", named)
            else:
                self._absolute(named, f"{path}:{named.line}")

    def _absolute(self, named: _Named, at: str) -> None:
        first = named.name.partition(".")[0]
        whole = next((root for root in self.roots if self._is_module(f"{root}{first}")), None)
        root = (
            whole if whole is not None else next((one for one in self.roots if f"{one}{first}" in self.folders), None)
        )
        if whole is None:
            self.found.setdefault(first, Import(at=at, own=root is not None))
        if root is not None:
            self._inside(root, named)

    def _inside(self, folder: str, named: _Named) -> None:
        """Every module on the way to what is named, and the names themselves where they are modules."""
        at = folder
        for part in filter(None, named.name.split(".")):
            self._reach(f"{at}{part}")
            at = f"{at}{part}/"
        for part in named.parts:
            self._reach(f"{at}{part}")

    def _reach(self, stem: str) -> None:
        path = next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if path in self.files), None)
        if path is not None:
            self.visit(path)

    def _is_module(self, stem: str) -> bool:
        return f"{stem}/__init__.py" in self.files or f"{stem}.py" in self.files


def _folders(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _imports(body: Iterable[ast.stmt], *, is_entry: bool) -> Iterator[_Named]:
    """What the statements surely import when they run."""
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from (_Named(name=alias.name, line=node.lineno) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level) if module != "__future__":
                parts = tuple(alias.name for alias in names)
                yield _Named(name=module or "", line=node.lineno, level=level, parts=parts)
            case ast.If() if is_entry and _is_main(node.test):
                yield from _imports(node.body, is_entry=True)
            case ast.If(orelse=otherwise) if _is_for_types(node.test):
                yield from _imports(otherwise, is_entry=is_entry)
            case ast.Try(handlers=[], body=tried, finalbody=last):
                yield from _imports([*tried, *last], is_entry=is_entry)
            case ast.Try(finalbody=last):
                yield from _imports(last, is_entry=is_entry)
            case ast.With(body=inner) | ast.ClassDef(body=inner):
                yield from _imports(inner, is_entry=is_entry)
            case _:
                pass


def _is_main(test: ast.expr) -> bool:
    return re.fullmatch(r"""__name__ == ['"]__main__['"]""", ast.unparse(test)) is not None


def _is_for_types(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _parsed(source: bytes | None) -> ast.Module | None:
    try:
        return None if source is None else ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
