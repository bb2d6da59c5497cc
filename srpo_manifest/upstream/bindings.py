"""Which expressions of a program hold its argument parser, or the namespace that the parser gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = Function | ast.Lambda | ast.ClassDef | ast.Module
Kind: TypeAlias = Literal["parser", "subparsers", "namespace", "pair"]

GROUPS = ("add_argument_group", "add_mutually_exclusive_group")
PARSES: dict[str, Kind] = {
    "parse_args": "namespace",
    "parse_intermixed_args": "namespace",
    "parse_known_args": "pair",
    "parse_known_intermixed_args": "pair",
}
_ROUNDS = 20


class Held(NamedTuple):
    """What an expression holds: a parser, or something made from it. `made` is the call that makes the parser."""

    kind: Kind
    made: ast.Call


class Bindings:
    """Follows parsers and namespaces through assignments, calls and returns of one file."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }
        self.functions: dict[str, list[Function]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self._modules: set[str] = set()
        self._makers: set[str] = set()
        self._locals: dict[Scope, set[str]] = {tree: set()}
        self._names: dict[tuple[Scope | None, str], set[Held]] = {}
        self._returns: dict[Function, set[Held]] = {}
        self._declare()
        for _ in range(_ROUNDS):
            if not self._spread():
                break

    def holds(self, node: ast.AST) -> set[Held]:
        """What the expression *node* may hold."""
        match node:
            case ast.Name(id=name):
                return self._names.get((self._scope_of(node, name), name), set())
            case ast.Attribute(attr=name):
                return self._names.get((None, name), set())
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.holds(value)
            case ast.IfExp(body=one, orelse=other):
                return self.holds(one) | self.holds(other)
            case ast.Subscript(value=value, slice=ast.Constant(value=0)):
                return {held._replace(kind="namespace") for held in self.holds(value) if held.kind == "pair"}
            case ast.Call():
                return self._holds_call(node)
            case _:
                return set()

    def is_maker(self, node: ast.Call) -> bool:
        """Whether the call makes an `argparse` parser."""
        match node.func:
            case ast.Attribute(value=ast.Name(id=module), attr="ArgumentParser"):
                return module in self._modules
            case ast.Name(id=name):
                return name in self._makers
            case _:
                return False

    def callee(self, node: ast.Call) -> Function | None:
        """The function of this file that the call runs, where there is only one."""
        match node.func:
            case ast.Name(id=name) if name in self.classes:
                return _method(self.classes[name], "__init__")
            case ast.Name(id=name) if len(self.functions.get(name, ())) == 1:
                found = self.functions[name][0]
                return None if isinstance(self.parents[found], ast.ClassDef) else found
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                owner = next((each for each in self._above(node) if isinstance(each, ast.ClassDef)), None)
                return _method(owner, name) if owner else None
            case _:
                return None

    def passed(self, call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        """Each argument of a call of this file's functions, with the parameter that takes it."""
        function = self.callee(call)
        if function is None:
            return
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if isinstance(self.parents[function], ast.ClassDef):
            names = names[1:]
        for value, name in zip(call.args, names, strict=False):
            if isinstance(value, ast.Starred):
                return
            yield value, name
        names += [each.arg for each in function.args.kwonlyargs]
        yield from ((word.value, word.arg) for word in call.keywords if word.arg in names)

    def function_of(self, node: ast.AST) -> Function | None:
        """The function around *node*."""
        return next((each for each in self._above(node) if isinstance(each, Function)), None)

    def _above(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def _declare(self) -> None:
        for node in ast.walk(self.tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions.setdefault(node.name, []).append(node)
                case ast.ClassDef():
                    self.classes[node.name] = node
                case ast.Import(names=names):
                    self._modules |= {each.asname or each.name for each in names if each.name == "argparse"}
                case ast.ImportFrom(module="argparse", names=names):
                    self._makers |= {each.asname or each.name for each in names if each.name in ("ArgumentParser", "*")}
                case _:
                    pass
            match node:
                case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args) | ast.Lambda(args=args):
                    every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
                    self._locals.setdefault(node, set()).update(each.arg for each in every if each)
                case ast.Name(id=name, ctx=ast.Store()):
                    self._locals.setdefault(self._scope(node), set()).add(name)
                case _:
                    pass
        if "*" in self._makers:
            self._makers.add("ArgumentParser")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Global | ast.Nonlocal):
                self._locals.get(self._scope(node), set()).difference_update(node.names)
                self._locals[self.tree].update(node.names if isinstance(node, ast.Global) else ())
        self._makers |= {name for name, node in self.classes.items() if self._is_plain_parser(node)}

    def _is_plain_parser(self, node: ast.ClassDef) -> bool:
        """A parser class of the file that only reports errors in its own way."""
        methods = {each.name for each in node.body if isinstance(each, Function)}
        bases = [self.is_maker(ast.Call(func=base, args=[], keywords=[])) for base in node.bases]
        return any(bases) and methods <= {"error", "exit", "format_help", "format_usage", "print_help"}

    def _scope(self, node: ast.AST) -> Scope:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)
        return next(each for each in self._above(node) if isinstance(each, kinds))

    def _scope_of(self, node: ast.AST, name: str) -> Scope:
        """The scope whose *name* is meant at *node*."""
        scope = self._scope(node)
        first = True
        while not isinstance(scope, ast.Module):
            if name in self._locals.get(scope, ()) and (first or not isinstance(scope, ast.ClassDef)):
                return scope
            scope, first = self._scope(scope), False
        return scope

    def _holds_call(self, node: ast.Call) -> set[Held]:
        if self.is_maker(node):
            return {Held("parser", node)}
        if (function := self.callee(node)) is not None and not isinstance(self.parents[function], ast.ClassDef):
            return self._returns.get(function, set())
        if isinstance(node.func, ast.Attribute) and (owners := self.holds(node.func.value)):
            return {made for held in owners if (made := _made_by(node.func.attr, held))}
        return set()

    def _spread(self) -> bool:
        """Carry what is held one step on; whether anything new came of it."""
        before = sum(map(len, self._names.values())) + sum(map(len, self._returns.values()))
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind(target, value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value)
                ):
                    self._bind(target, value)
                case ast.Return(value=ast.expr() as value) if function := self.function_of(node):
                    self._returns.setdefault(function, set()).update(self.holds(value))
                case ast.Call() if function := self.callee(node):
                    for value, name in self.passed(node):
                        self._names.setdefault((function, name), set()).update(self.holds(value))
                case _:
                    pass
        return sum(map(len, self._names.values())) + sum(map(len, self._returns.values())) > before

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))):
                for one, other in zip(targets, values, strict=False):
                    self._bind(one, other)
            case ((ast.Tuple(elts=[first, *_]) | ast.List(elts=[first, *_])), _):
                self._put(first, {held._replace(kind="namespace") for held in self.holds(value) if held.kind == "pair"})
            case _:
                self._put(target, self.holds(value))

    def _put(self, target: ast.expr, held: set[Held]) -> None:
        match target:
            case ast.Name(id=name):
                self._names.setdefault((self._scope_of(target, name), name), set()).update(held)
            case ast.Attribute(attr=name):
                self._names.setdefault((None, name), set()).update(held)
            case _:
                pass


def _method(owner: ast.ClassDef, name: str) -> Function | None:
    found = [each for each in owner.body if isinstance(each, Function) and each.name == name]
    return found[0] if len(found) == 1 else None


def _made_by(method: str, held: Held) -> Held | None:
    if held.kind == "parser" and method in GROUPS:
        return held
    if held.kind == "parser" and method in PARSES:
        return held._replace(kind=PARSES[method])
    if (held.kind, method) == ("parser", "add_subparsers") or held.kind == "subparsers":
        return held._replace(kind="subparsers")
    return None
