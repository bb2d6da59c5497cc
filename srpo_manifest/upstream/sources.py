"""The files of a program, each looked over once: nodes by kind, what is around them, and what a name stands for."""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = Function | ast.Lambda | ast.ClassDef | ast.Module
Read: TypeAlias = Callable[[str], bytes | None]
Named: TypeAlias = "Function | ast.ClassDef | Source"

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SILENT = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)
_MOST_FILES = 16
_DEEPEST = 5
_Node = TypeVar("_Node", bound=ast.AST)


class Source:
    """One file: every node by its kind and in the order of the text."""

    def __init__(self, tree: ast.Module, path: str) -> None:
        self.tree = tree
        self.path = path
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        self.returning: set[ast.AST] = set()
        """What a function may be left from: each `return` and what is around it there."""
        self._kinds: dict[type[ast.AST], list[ast.AST]] = {}
        self._look_over()
        for back in self.each(ast.Return):
            inner: ast.AST = back
            while not isinstance(inner, FUNCTIONS) and inner not in self.returning:
                self.returning.add(inner)
                inner = self.parents[inner]
        self.functions: dict[str, list[Function]] = {}
        self.classes: dict[str, list[ast.ClassDef]] = {}
        for function in self.defined():
            self.functions.setdefault(function.name, []).append(function)
        for owner in self.each(ast.ClassDef):
            self.classes.setdefault(owner.name, []).append(owner)
        self.imports: dict[str, list[tuple[str, int, str]]] = {}
        for one in self.each(ast.Import):
            for each in one.names:
                self.imports.setdefault(each.asname or each.name, []).append((each.name, 0, ""))
        for other in self.each(ast.ImportFrom):
            for each in other.names:
                module = (other.module or "", other.level, each.name)
                self.imports.setdefault(each.asname or each.name, []).append(module)

        self.has_dotted = any("." in name for name in self.imports)

    def each(self, kind: type[_Node]) -> list[_Node]:
        """The nodes of just this kind."""
        return self._kinds.get(kind, [])  # type: ignore[return-value]  # the key is the type of what it holds

    def defined(self) -> Iterator[Function]:
        """Every function."""
        yield from self.each(ast.FunctionDef)
        yield from self.each(ast.AsyncFunctionDef)

    def outer(self) -> Iterator[tuple[Scope, list[str]]]:
        """Names that a scope takes from outside, by `global` and `nonlocal`."""
        yield from ((self.scopes[node], node.names) for node in self.each(ast.Global))
        yield from ((self.scopes[node], node.names) for node in self.each(ast.Nonlocal))

    def _look_over(self) -> None:
        waiting: list[tuple[ast.AST, Scope]] = [(self.tree, self.tree)]
        while waiting:
            node, scope = waiting.pop()
            self._kinds.setdefault(type(node), []).append(node)
            self.scopes[node] = scope
            if isinstance(node, SCOPES):
                scope = node
            inner: list[tuple[ast.AST, Scope]] = []
            for field in node._fields:
                value = getattr(node, field, None)
                for child in value if type(value) is list else (value,):
                    if isinstance(child, ast.AST) and not isinstance(child, _SILENT):
                        self.parents[child] = node
                        inner.append((child, scope))
            waiting.extend(reversed(inner))


class Sources:
    """The entry program, and those files of the repository that are needed to know its parser."""

    def __init__(self, entry: Source, read: Read | None) -> None:
        self.entry = entry
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        self.returning: set[ast.AST] = set()
        self._read = read
        self._files: dict[str, Source | None] = {}
        self._homes: dict[ast.AST, Source] = {}
        self._inner: dict[ast.AST, list[ast.Name]] = {}
        self._add(entry)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._homes.values())

    def __len__(self) -> int:
        return len(self._homes)

    @property
    def whole(self) -> bool:
        """Whether there are no further files to read."""
        return self._read is None

    def each(self, kind: type[_Node]) -> Iterator[_Node]:
        """The nodes of this kind, in all files."""
        for source in list(self):
            yield from source.each(kind)

    def home(self, node: ast.AST) -> Source:
        """The file that *node* stands in."""
        while not isinstance(scope := self.scopes[node], ast.Module):
            node = scope
        return self._homes[scope]

    def names_in(self, function: Function) -> list[ast.Name]:
        """Every name in *function*, those of functions inside it included."""
        if not self._inner:
            for name in self.each(ast.Name):
                scope: ast.AST = name
                while not isinstance(scope := self.scopes[scope], ast.Module):
                    self._inner.setdefault(scope, []).append(name)
        return self._inner.get(function, [])

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What is around *node*, from the inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def function_of(self, node: ast.AST) -> Function | None:
        """The function around *node*."""
        while not isinstance(scope := self.scopes[node], ast.Module):
            if isinstance(scope, FUNCTIONS):
                return scope
            node = scope
        return None

    def named(self, source: Source, name: str, *, load: bool = False, depth: int = 0) -> Named | None:
        """What *name* stands for in *source*, where only one thing can be meant; *load* reads further files for it."""
        functions, classes = source.functions.get(name, []), source.classes.get(name, [])
        outer = [each for each in functions if not isinstance(self.parents[each], ast.ClassDef)]
        imports = set(source.imports.get(name, ()))
        if len(outer) + len(classes) + len(imports) != 1 or depth > _DEEPEST:
            return None
        if outer or classes:
            return (outer or classes)[0]
        ((module, level, attribute),) = imports
        return self._imported(source, module, level, attribute, load=load, depth=depth)

    def _imported(
        self, source: Source, module: str, level: int, attribute: str, *, load: bool, depth: int
    ) -> Named | None:
        if not attribute:
            return self._file(source, module, level, load=load)
        if found := self._file(source, module, level, load=load):
            if named := self.named(found, attribute, load=load, depth=depth + 1):
                return named
            if not found.path.endswith("__init__.py"):
                return None
        return self._file(source, f"{module}.{attribute}".lstrip("."), level, load=load)

    def _file(self, source: Source, module: str, level: int, *, load: bool) -> Source | None:
        if not load and len(self._homes) == 1:
            return None
        here = posixpath.dirname(source.path)
        if level:
            folders = [posixpath.normpath(posixpath.join(here, *[".."] * (level - 1)))]
        else:
            folders = list(dict.fromkeys((posixpath.dirname(self.entry.path), "", "src")))
        inner = module.replace(".", "/")
        for folder in folders:
            stem = posixpath.normpath(posixpath.join(folder, inner))
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if found := self._at(path, load=load):
                    return found
        return None

    def _at(self, path: str, *, load: bool) -> Source | None:
        if path in self._files or not load or self._read is None or len(self._files) >= 8 * _MOST_FILES:
            return self._files.get(path)
        text = None if path.startswith("..") or len(self._homes) > _MOST_FILES else self._read(path)
        tree = None if text is None else parsed(text)
        self._files[path] = None if tree is None else self._add(Source(tree, path))
        return self._files[path]

    def _add(self, source: Source) -> Source:
        self.parents.update(source.parents)
        self.scopes.update(source.scopes)
        self.returning |= source.returning
        self._homes[source.tree] = source
        self._files[source.path] = source
        return source


def parsed(text: bytes) -> ast.Module | None:
    """The tree of another file of the program; None where it is no Python that can be read."""
    try:
        with warnings.catch_warnings():
            # Upstream's unescaped patterns are none of the user's business.
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
