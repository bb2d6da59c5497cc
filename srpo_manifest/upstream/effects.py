"""What becomes of a flag after it was parsed: whether the program reads it, and whether that does anything."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from srpo_manifest.upstream.bindings import PARSES, Bindings, Held
from srpo_manifest.upstream.needs import need_of
from srpo_manifest.upstream.paths import Paths
from srpo_manifest.upstream.sources import Function
from srpo_manifest.values.contract import Effect, Flag

_SEES_ALL = {"locals", "globals", "eval", "exec", "vars", "dir"}


def judge(bindings: Bindings, paths: Paths, namespaces: set[Held], flags: Iterable[Flag]) -> Iterator[Flag]:
    """The flags with `effect`, `read_at` and `needed_at`.

    "never-read" and "no-effect" are said only where the namespace is never out of sight in this file.
    """
    uses = _Uses(bindings, namespaces)
    entry = bindings.sources.entry
    for flag in flags:
        reads = uses.reads.get(flag.dest, [])
        effect: Effect
        if any(not uses.is_idle(node) for node in reads):
            effect = "used"
        elif uses.escapes or not namespaces or flag.action == "other" or flag.conditional:
            effect = "used" if reads else "unknown"
        else:
            effect = "no-effect" if reads else "never-read"
        here = [node for node in reads if bindings.sources.home(node) is entry]
        read_at = min((node.lineno for node in here), default=None)
        needed = need_of(flag, here, paths) if effect == "used" and flag.dest not in uses.written else None
        yield replace(
            flag,
            effect=effect,
            read_at=read_at,
            needed_at=needed.line if needed else None,
            needed_always=bool(needed and needed.always),
        )


class _Uses:
    """Every place where a namespace is read, and whether it gets out of sight."""

    def __init__(self, bindings: Bindings, namespaces: set[Held]) -> None:
        self.bindings = bindings
        self.sources = bindings.sources
        self.wanted = namespaces | {held._replace(kind="pair") for held in namespaces}
        self.reads: dict[str, list[ast.expr]] = {}
        self.written: set[str] = set()
        """Flags that the program sets by itself."""
        self.escapes = False
        held = [node for kind in _HOLDERS for node in self.sources.each(kind) if self._is_namespace(node)]
        names = {node.id for node in held if isinstance(node, ast.Name)}
        for node in held:
            if not isinstance(getattr(node, "ctx", None), ast.Store):
                self._use(node)
        for attribute in self.sources.each(ast.Attribute):
            if isinstance(attribute.value, ast.Name) and attribute.value.id in names:
                if isinstance(attribute.ctx, ast.Load):
                    # The same name in a function whose caller is not seen: taken for the namespace.
                    self.reads.setdefault(attribute.attr, []).append(attribute)
                else:
                    self.written.add(attribute.attr)
        for call in self.sources.each(ast.Call):
            match call:
                case ast.Call(func=ast.Name(id=name)) if name in _SEES_ALL:
                    self.escapes = True
                case ast.Call(func=ast.Attribute(attr=attr), args=args, keywords=words) if attr in PARSES:
                    self.escapes |= len(args) > 1 or any(word.arg == "namespace" for word in words)
                case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str(name)), _]):
                    self.written.add(name)
                case _:
                    pass

    def is_idle(self, node: ast.expr) -> bool:
        """Whether what is read here goes only into a name that nobody looks at."""
        parent: ast.AST = self.bindings.parents[node]
        if isinstance(parent, ast.If) and parent.test is node:
            return not parent.orelse and all(map(_does_nothing, parent.body))
        if isinstance(parent, ast.keyword):
            parent = self.bindings.parents[parent]
        if isinstance(parent, ast.Call):
            function = self.bindings.callee(parent)
            name = next((name for value, name in self.bindings.passed(parent) if value is node), None)
            return (
                function is not None
                and name is not None
                and not function.decorator_list
                and self._ignores(function, name)
            )
        function = self.sources.function_of(node)
        target = _target_of(node, parent, self.bindings)
        return function is not None and target is not None and self._ignores(function, target)

    def _is_namespace(self, node: ast.AST) -> bool:
        return any(held in self.wanted for held in self.bindings.holds(node))

    def _use(self, node: ast.expr) -> None:
        parent = self.bindings.parents[node]
        match parent:
            case ast.Attribute(attr=attr, ctx=ast.Load()) if parent.value is node:
                if attr.startswith("__"):
                    self.escapes = True
                else:
                    self.reads.setdefault(attr, []).append(parent)
            case ast.Attribute(attr=attr) if isinstance(self.bindings.parents[parent], ast.AugAssign):
                self.reads.setdefault(attr, []).append(parent)
            case ast.Attribute() | ast.Expr() | ast.FormattedValue() | ast.NamedExpr():
                pass
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr" as name),
                args=[first, ast.Constant(value=str(attr)), *_],
            ) if first is node:
                if name != "setattr":
                    self.reads.setdefault(attr, []).append(parent)
            case ast.Call(func=ast.Name(id="print")):
                pass
            case ast.Call() | ast.keyword():
                call = parent if isinstance(parent, ast.Call) else self.bindings.parents[parent]
                followed = isinstance(call, ast.Call) and any(value is node for value, _ in self.bindings.passed(call))
                self.escapes |= not followed
            case ast.Assign(targets=targets) | ast.Tuple(elts=targets):
                followed = isinstance(parent, ast.Assign) and not any(
                    isinstance(each, ast.Attribute) for each in targets
                )
                self.escapes |= not followed
            case ast.AnnAssign(target=ast.Name()) | ast.Subscript(slice=ast.Constant(value=0)):
                pass
            case ast.Return():
                function = self.sources.function_of(node)
                self.escapes |= function is None or not self._is_called(function)
            case _:
                self.escapes = True

    def _ignores(self, function: Function, name: str) -> bool:
        """Whether nothing in *function* looks at its variable *name*."""
        if any(name in names for _, names in self.sources.home(function).outer()):
            return False
        for each in self.sources.names_in(function):
            if each.id in _SEES_ALL:
                return False
            if each.id == name:
                stored = isinstance(each.ctx, ast.Store) and not isinstance(self.bindings.parents[each], ast.AugAssign)
                if not stored:
                    return False
        return True

    def _is_called(self, function: Function) -> bool:
        return any(self.bindings.callee(call) is function for call in self.sources.each(ast.Call))


_HOLDERS: tuple[type[ast.expr], ...] = (
    ast.Name, ast.Attribute, ast.NamedExpr, ast.Await, ast.IfExp, ast.Subscript, ast.Call,
)  # fmt: skip


def _does_nothing(node: ast.stmt) -> bool:
    """`pass`, a string, or an `assert` of an exception object, which is always true."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assert(test=ast.Call(func=ast.Name(id=name), args=args)):
            kind = getattr(builtins, name, None)
            plain = all(isinstance(each, ast.Constant) for each in args)
            return isinstance(kind, type) and issubclass(kind, Exception) and plain
        case _:
            return False


def _target_of(node: ast.expr, parent: ast.AST, bindings: Bindings) -> str | None:
    """The one name that `name = args.flag`, or its place in a pair of tuples, stores into."""
    position: int | None = None
    if isinstance(parent, ast.Tuple):
        position = parent.elts.index(node)
        parent = bindings.parents[parent]
    match parent:
        case ast.Assign(targets=[ast.Name(id=name)]) if position is None:
            return name
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if (
            position is not None and len(targets) == len(values) and isinstance(target := targets[position], ast.Name)
        ):
            return target.id
        case _:
            return None
