"""Which expressions of a program hold its argument parser, or the namespace that the parser gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from srpo_manifest.upstream.sources import FUNCTIONS, Function, Named, Scope, Source, Sources

Kind: TypeAlias = Literal["parser", "subparsers", "namespace", "pair", "rest"]

GROUPS = ("add_argument_group", "add_mutually_exclusive_group")
PARSES: dict[str, Kind] = {
    "parse_args": "namespace",
    "parse_intermixed_args": "namespace",
    "parse_known_args": "pair",
    "parse_known_intermixed_args": "pair",
}
_ROUNDS = 20
_ABOUT_PARSERS = re.compile(r"(?<!kw)args|argument|pars|opts|option|flags|cli$", re.IGNORECASE)
_OWN_WORDS = {"error", "exit", "format_help", "format_usage", "print_help"}


class Held(NamedTuple):
    """What an expression holds: a parser, or something made from it. `made` is the call that makes the parser."""

    kind: Kind
    made: ast.Call


class Bindings:
    """Follows parsers and namespaces through assignments, calls and returns, into other files where they lead there."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.parents = sources.parents
        self._names: dict[tuple[Scope | None, str], set[Held]] = {}
        self._returns: dict[Function, set[Held]] = {}
        self._instances: dict[tuple[Scope | None, str], set[ast.ClassDef | None]] = {}
        self._locals: dict[Scope, set[str]] = {}
        self._declared: set[Source] = set()
        self._plain: dict[ast.ClassDef, bool] = {}
        self._meanings: dict[ast.expr, Named | None] = {}
        self._stores: dict[tuple[Scope, str], list[tuple[ast.Assign, ast.expr]]] = {}
        self._odd: set[tuple[Scope, str]] = set()
        """Names that are set in other ways than by a plain assignment."""
        self._callees: dict[ast.Call, Function | None] = {}
        self._called: set[str] = set()
        """Names that hold anything."""
        self._flows: dict[Source, list[tuple[ast.expr, ast.expr]]] = {}
        self._spread_all()

    def load_called(self, reached: set[Function]) -> bool:
        """Read the files of what the program calls; whether there were any more."""
        before = len(self.sources)
        for node in list(self.sources.each(ast.Call)):
            function = self.sources.function_of(node)
            if function in reached or (function is None and self.sources.home(node) is self.sources.entry):
                self._named(node.func, load=True)
        if len(self.sources) == before:
            return False
        self._spread_all()
        return True

    def holds(self, node: ast.AST) -> set[Held]:
        """What the expression *node* may hold."""
        match node:
            case ast.Name(id=name):
                if name not in self._called:
                    return set()
                held = self._names.get((scope := self.scope_of(node, name), name), set())
                return held if len(held) < 2 else self._latest(node, scope, held)
            case ast.Attribute(attr=name):
                held = self._names.get((None, name), set())
                return held if len(held) < 2 else self._own(node, held)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.holds(value)
            case ast.IfExp(body=one, orelse=other):
                return self.holds(one) | self.holds(other)
            case ast.Subscript(value=value, slice=ast.Constant(value=0 | 1 as place)):
                kind: Kind = "namespace" if place == 0 else "rest"
                return {held._replace(kind=kind) for held in self.holds(value) if held.kind == "pair"}
            case ast.Call():
                return self._holds_call(node)
            case _:
                return set()

    def _latest(self, node: ast.Name, scope: Scope, held: set[Held]) -> set[Held]:
        """What the name holds since it was last set, where that certainly came before."""
        if self.sources.scopes[node] is not scope or (scope, node.id) in self._odd:
            return held
        place = (node.lineno, node.col_offset)
        before = [each for each in self._stores.get((scope, node.id), ()) if _end(each[0]) < place]
        if not before:
            return held
        statement, value = max(before, key=lambda each: _end(each[0]))
        around = {node, *self.sources.above(node)}
        block = next((found for found in _blocks(self.parents[statement]) if statement in found), [])
        return self.holds(value) if not around.isdisjoint(block) else held

    def _own(self, node: ast.Attribute, held: set[Held]) -> set[Held]:
        """Of several objects' attributes, that of the class around *node*."""
        owner = self._class_of(node)
        own = {each for each in held if self._class_of(each.made) is owner}
        return own or held

    def _class_of(self, node: ast.AST) -> ast.AST | None:
        return next((each for each in self.sources.above(node) if isinstance(each, ast.ClassDef)), None)

    def is_maker(self, node: ast.Call) -> bool:
        """Whether the call makes an `argparse` parser, one of a command included."""
        match node.func:
            case ast.Attribute(value=receiver, attr="add_parser"):
                return any(held.kind == "subparsers" for held in self.holds(receiver))
            case func:
                return self._makes(func)

    def callee(self, node: ast.Call) -> Function | None:
        """The function of these files that the call runs, where there is only one."""
        if node not in self._callees:
            self._callees[node] = self._callee(node)
        return self._callees[node]

    def _callee(self, node: ast.Call) -> Function | None:
        match node.func:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                owner = next((each for each in self.sources.above(node) if isinstance(each, ast.ClassDef)), None)
                return self._method(owner, attr) if owner else None
            case ast.Attribute(value=ast.Call(func=maker), attr=attr) if isinstance(
                made := self._named(maker), ast.ClassDef
            ):
                return self._method(made, attr)
            case ast.Attribute(value=ast.Name(id=name) as receiver, attr=attr) if owners := self._instances.get(
                (self.scope_of(receiver, name), name)
            ):
                owner = next(iter(owners)) if len(owners) == 1 else None
                return self._method(owner, attr) if owner else None
            case func:
                found = self._named(func)
                if isinstance(found, ast.ClassDef):
                    return self._method(found, "__init__")
                return found if isinstance(found, FUNCTIONS) else None

    def passed(self, call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        """Each argument of a call of these files' functions, with the parameter that takes it."""
        function = self.callee(call)
        if function is None:
            return
        names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        if self.is_method(function):
            names = names[1:]
        for value, name in zip(call.args, names, strict=False):
            if isinstance(value, ast.Starred):
                return
            yield value, name
        names += [each.arg for each in function.args.kwonlyargs]
        yield from ((word.value, word.arg) for word in call.keywords if word.arg in names)

    def is_method(self, function: Function) -> bool:
        """Whether the first parameter is the object."""
        static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
        return isinstance(self.parents[function], ast.ClassDef) and not static

    def scope_of(self, node: ast.AST, name: str) -> Scope:
        """The scope whose *name* is meant at *node*."""
        scope = self.sources.scopes[node]
        first = True
        while not isinstance(scope, ast.Module):
            if name in self._locals.get(scope, ()) and (first or not isinstance(scope, ast.ClassDef)):
                return scope
            scope, first = self.sources.scopes[scope], False
        return scope

    def meaning(self, func: ast.expr) -> Named | None:
        """The function, class or file that an expression names."""
        return self._named(func)

    def locals_of(self, scope: Scope) -> set[str]:
        """The names that *scope* has for itself."""
        return self._locals.get(scope, set())

    def _named(self, func: ast.expr, *, load: bool = False) -> Named | None:
        if func not in self._meanings or (load and self._meanings[func] is None):
            self._meanings[func] = self._meaning(func, load=load)
        return self._meanings[func]

    def _meaning(self, func: ast.expr, *, load: bool) -> Named | None:
        match func:
            case ast.Name(id=name):
                if not isinstance(scope := self.scope_of(func, name), ast.Module):
                    inner = [
                        each for each in self.sources.home(func).functions.get(name, ()) if self.parents[each] is scope
                    ]
                    return inner[0] if len(inner) == 1 else None
                return self.sources.named(self.sources.home(func), name, load=load)
            case ast.Attribute(value=value, attr=attr):
                owner = self._named(value, load=load)
                if isinstance(owner, Source):
                    return self.sources.named(owner, attr, load=load)
                home = self.sources.home(func)
                if home.has_dotted and isinstance(value, ast.Attribute):
                    found = self.sources.named(home, ast.unparse(value), load=load)
                    if isinstance(found, Source):
                        return self.sources.named(found, attr, load=load)
                if isinstance(owner, ast.ClassDef):
                    return self._method(owner, attr)
        return None

    def _makes(self, func: ast.expr) -> bool:
        home = self.sources.home(func) if func in self.sources.scopes else self.sources.entry
        match func:
            case ast.Attribute(value=ast.Name(id=module), attr="ArgumentParser"):
                return ("argparse", 0, "") in home.imports.get(module, ())
            case ast.Name(id=name):
                imports = home.imports.get(name, ())
                if ("argparse", 0, "ArgumentParser") in imports:
                    return True
                if name == "ArgumentParser" and ("argparse", 0, "*") in home.imports.get("*", ()):
                    return True
                found = self._named(func)
                return isinstance(found, ast.ClassDef) and self._is_plain_parser(found)
            case _:
                return False

    def _is_plain_parser(self, node: ast.ClassDef) -> bool:
        """A parser class of these files that only reports errors in its own way."""
        if node not in self._plain:
            self._plain[node] = False
            methods = {each.name for each in node.body if isinstance(each, FUNCTIONS)}
            self._plain[node] = methods <= _OWN_WORDS and any(map(self._makes, node.bases))
        return self._plain[node]

    def _method(self, owner: ast.ClassDef, name: str, depth: int = 0) -> Function | None:
        """The method of a class or of what it derives from, where no class that derives from it has another."""
        found = [each for each in owner.body if isinstance(each, FUNCTIONS) and each.name == name]
        if depth == 0 and name != "__init__" and self._is_overridden(owner, name):
            return None
        if found:
            return found[0] if len(found) == 1 else None
        bases = [base for each in owner.bases if isinstance(base := self._named(each), ast.ClassDef)]
        return self._method(bases[0], name, depth + 1) if len(bases) == 1 == len(owner.bases) and depth < 8 else None

    def _is_overridden(self, owner: ast.ClassDef, name: str) -> bool:
        return any(
            base is owner
            for other in self.sources.each(ast.ClassDef)
            if any(isinstance(each, FUNCTIONS) and each.name == name for each in other.body)
            for base in map(self._named, other.bases)
        )

    def _declare(self, source: Source) -> None:
        self._declared.add(source)
        self._meanings.clear()
        self._callees.clear()
        flows = [(target, each.value) for each in source.each(ast.Assign) for target in each.targets]
        flows += [(noted.target, noted.value) for noted in source.each(ast.AnnAssign) if noted.value is not None]
        flows += [(named.target, named.value) for named in source.each(ast.NamedExpr)]
        self._flows[source] = [flow for flow in flows if isinstance(flow[1], _MAY_HOLD)]
        takers: list[Function | ast.Lambda] = [*source.defined(), *source.each(ast.Lambda)]
        for node in takers:
            args = node.args
            every = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
            self._locals.setdefault(node, set()).update(each.arg for each in every if each)
        for name in source.each(ast.Name):
            if not isinstance(name.ctx, ast.Load):
                self._locals.setdefault(source.scopes[name], set()).add(name.id)
                if not isinstance(source.parents[name], ast.Assign):
                    self._odd.add((source.scopes[name], name.id))
        for function in source.defined():
            self._locals.setdefault(source.scopes[function], set()).add(function.name)
        for scope, names in source.outer():
            self._locals.get(scope, set()).difference_update(names)
            self._locals.setdefault(source.tree, set()).update(names)

        for assign in source.each(ast.Assign):
            for target in assign.targets:
                if isinstance(target, ast.Name):
                    place = (self.scope_of(target, target.id), target.id)
                    self._stores.setdefault(place, []).append((assign, assign.value))

    def _holds_call(self, node: ast.Call) -> set[Held]:
        if self.is_maker(node):
            return {Held("parser", node)}
        if (function := self.callee(node)) is not None and function.name != "__init__":
            return self._returns.get(function, set())
        if isinstance(node.func, ast.Attribute) and (owners := self.holds(node.func.value)):
            return {made for held in owners if (made := _made_by(node.func.attr, held))}
        return set()

    def _spread_all(self) -> None:
        for _ in range(_ROUNDS):
            for source in list(self.sources):
                if source not in self._declared:
                    self._declare(source)
            if not self._spread():
                break

    def _spread(self) -> bool:
        """Carry what is held one step on; whether anything new came of it."""
        before = self._known()
        for source in list(self.sources):
            for target, value in self._flows.get(source, ()):
                self._bind(target, value)
            for back in source.each(ast.Return):
                if back.value is not None and (function := self.sources.function_of(back)):
                    self._returns.setdefault(function, set()).update(self.holds(back.value))
            for call in source.each(ast.Call):
                if not self.sources.whole:
                    self._load_for(call)
                if (call.args or call.keywords) and (function := self.callee(call)):
                    for given, name in self.passed(call):
                        if held := self.holds(given):
                            self._keep(function, name, held)
        return self._known() > before

    def _known(self) -> int:
        held = sum(map(len, self._names.values())) + sum(map(len, self._returns.values()))
        return held + sum(map(len, self._instances.values())) + len(self.sources)

    def _load_for(self, call: ast.Call) -> None:
        """Read the file of a function that takes a parser, or whose name says that it makes one."""
        match call.func:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                given = (*call.args, *(word.value for word in call.keywords))
                takes = any(held.kind in ("parser", "subparsers") for each in given for held in self.holds(each))
                if takes or (_ABOUT_PARSERS.search(name) and name not in _METHODS):
                    self._named(call.func, load=True)
                    self._callees.pop(call, None)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=values) | ast.List(elts=values))):
                for one, other in zip(targets, values, strict=False):
                    self._bind(one, other)
            case ((ast.Tuple(elts=[first, *others]) | ast.List(elts=[first, *others])), _):
                pairs = [held for held in self.holds(value) if held.kind == "pair"]
                self._put(first, {held._replace(kind="namespace") for held in pairs})
                for other in others:
                    self._put(other, {held._replace(kind="rest") for held in pairs})
            case _:
                self._put(target, self.holds(value))
                if isinstance(target, ast.Name):
                    owner = self._named(value.func) if isinstance(value, ast.Call) else None
                    known = owner if isinstance(owner, ast.ClassDef) else None
                    place = (self.scope_of(target, target.id), target.id)
                    if (known or place in self._instances) and known not in self._instances.get(place, ()):
                        self._instances.setdefault(place, set()).add(known)
                        self._callees.clear()

    def _put(self, target: ast.expr, held: set[Held]) -> None:
        match target:
            case ast.Name(id=name):
                place: Scope | None = self.scope_of(target, name)
            case ast.Attribute(attr=name):
                place = None
            case _:
                return
        if held:
            self._keep(place, name, held)

    def _keep(self, place: Scope | None, name: str, held: set[Held]) -> None:
        self._called.add(name)
        self._names.setdefault((place, name), set()).update(held)


_MAY_HOLD = (
    ast.Name, ast.Attribute, ast.NamedExpr, ast.Await, ast.IfExp, ast.Subscript, ast.Call, ast.Tuple, ast.List,
)  # fmt: skip
_METHODS = {*GROUPS, *PARSES, "add_argument", "add_parser", "add_subparsers", "ArgumentParser"}


def _end(node: ast.stmt) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _blocks(node: ast.AST) -> list[list[ast.AST]]:
    found = (getattr(node, field, None) for field in ("body", "orelse", "finalbody"))
    return [each for each in found if isinstance(each, list)]


def _made_by(method: str, held: Held) -> Held | None:
    if held.kind == "parser" and method in GROUPS:
        return held
    if held.kind == "parser" and method in PARSES:
        return held._replace(kind=PARSES[method])
    if (held.kind, method) == ("parser", "add_subparsers"):
        return held._replace(kind="subparsers")
    return None
