"""How a program comes to a place: whether for certain, and with which known values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from srpo_manifest.upstream.bindings import Bindings
from srpo_manifest.upstream.literals import Names, NotLiteral, literal, unpacked
from srpo_manifest.upstream.sources import FUNCTIONS, Function, Scope, Source

_DEEPEST = 6
_MOST_ROUNDS = 400
_GUARDS = (
    ast.While, ast.Try, ast.TryStar, ast.Match, ast.IfExp, ast.BoolOp, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
_LISTS = ("body", "orelse", "finalbody", "handlers")


class Round(NamedTuple):
    """One time that a place is reached: the names with known values there, and whether it is reached for certain."""

    names: Names
    certain: bool


class Paths:
    """Calls, conditions and loops of a program."""

    def __init__(self, bindings: Bindings) -> None:
        self.bindings = bindings
        self.sources = bindings.sources
        self.sites: dict[Function, list[ast.Call]] = {}
        self._constants: dict[Scope, list[tuple[str, ast.expr]]] = {}
        self._values: dict[Scope, Names] = {}
        self._asked: set[ast.AST] = set()
        self.reached = self._reached()
        for call in self.sources.each(ast.Call):
            if (function := bindings.callee(call)) is not None and self.is_reached(call):
                self.sites.setdefault(function, []).append(call)

    def is_reached(self, node: ast.AST) -> bool:
        """Whether the program may come to *node* at all when it is run."""
        function = self.sources.function_of(node)
        if function is not None:
            return function in self.reached
        return self.sources.home(node) is self.sources.entry or not self._is_main_of_another(node)

    def is_certain(self, node: ast.AST) -> bool:
        """Whether the program comes to *node* whenever it is run."""
        if self.is_guarded(node):
            return False
        function = self.sources.function_of(node)
        if function is None or function in self._asked:
            return function is None
        if not (sites := self.sites.get(function)):
            return self.bindings.is_method(function) or function not in self.reached
        self._asked.add(function)
        try:
            return any(self.is_certain(site) for site in sites)
        finally:
            self._asked.discard(function)

    def rounds(self, node: ast.AST, depth: int = 0) -> list[Round]:
        """Each time that *node* is reached: loops over literals are unrolled, known arguments of calls are filled in.

        A condition on known values is decided.
        """
        around = list(self._inside(node))
        loops = [each for each in around if isinstance(each, ast.For) and each.iter is not node]
        tests = [each.test for each in around if isinstance(each, ast.If) and not _is_main(each.test)]
        function = self.sources.function_of(node)
        scope = function or self.sources.home(node).tree
        parts = (node, *(loop.iter for loop in loops), *tests)
        looked = {each.id for part in parts for each in ast.walk(part) if isinstance(each, ast.Name)}
        rounds = self._entries(function, looked, depth) if function else [Round({}, certain=True)]
        outer = self._outer(scope)
        guarded = self.is_guarded(node, tests=False)
        rounds = [Round({**outer, **each.names}, each.certain and not guarded) for each in rounds]
        for loop in reversed(loops):
            rounds = [one for each in rounds for one in self._unrolled(loop, each)][:_MOST_ROUNDS]
        known = [Round(self._with_locals(scope, each.names, looked), each.certain) for each in rounds]
        decided = [(each, self._decided(node, each.names)) for each in known]
        return [Round(each.names, each.certain and sure is True) for each, sure in decided if sure is not False]

    def is_guarded(self, node: ast.AST, *, loops: bool = True, tests: bool = True) -> bool:
        """Whether something in its own function may keep *node* from being run once; *loops* without known rounds and *tests* count."""
        for parent in self.sources.above(node):
            match parent:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Module():
                    return self._comes_after_a_return(parent, node)
                case ast.If(test=test):
                    if tests and node is not test and not (_is_main(test) and node in parent.body):
                        return True
                    if self._comes_after_a_return(parent, node):
                        return True
                    node = parent
                case ast.For(iter=iterable) if loops and node is not iterable and self._items(parent) is None:
                    return True
                case _ if isinstance(parent, _GUARDS) or self._comes_after_a_return(parent, node):
                    return True
                case _:
                    node = parent
        return False

    def _decided(self, node: ast.AST, names: Names) -> bool | None:
        """Whether the conditions around *node* let it be run, with these values; None where that is not known."""
        answer: bool | None = True
        for parent in self._inside(node):
            if isinstance(parent, ast.If) and node is not parent.test:
                try:
                    holds = _is_main(parent.test) or bool(literal(parent.test, names))
                except NotLiteral:
                    answer = None
                else:
                    if holds != (node in parent.body):
                        return False
            node = parent
        return answer

    def _comes_after_a_return(self, parent: ast.AST, node: ast.AST) -> bool:
        for field in _LISTS:
            found = getattr(parent, field, None)
            if isinstance(found, list) and node in found:
                return not self.sources.returning.isdisjoint(found[: found.index(node)])
        return False

    def _inside(self, node: ast.AST) -> Iterator[ast.AST]:
        """What is around *node* in its own function."""
        for parent in self.sources.above(node):
            if isinstance(parent, FUNCTIONS):
                return
            yield parent

    def _entries(self, function: Function, looked: set[str], depth: int) -> list[Round]:
        """The calls of *function*, as far as what is *looked* at depends on its parameters."""
        args = function.args
        parameters = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        names = {each.arg for each in parameters} & (looked | self._behind(function, looked))
        sites = self.sites.get(function, [])
        certain = self.is_certain(function.body[0])
        if not names or not sites or depth > _DEEPEST:
            return [Round({}, certain)]
        held: dict[str, list[object]] = {}
        for site in sites:
            for value, name in self.bindings.passed(site):
                if found := self.bindings.holds(value):
                    held.setdefault(name, []).append(found)
        if any(each != found[0] for found in held.values() for each in found):
            return [Round({}, certain)]
        defaults = dict(_defaults(function))
        rounds: list[Round] = []
        for site in sites:
            given = {name: value for value, name in self.bindings.passed(site)}
            hides = any(isinstance(each, ast.Starred) for each in site.args) or any(
                word.arg is None for word in site.keywords
            )
            for each in self.rounds(site, depth + 1):
                known: dict[str, object] = {}
                for name in names - held.keys():
                    if name in given:
                        _put(known, name, given[name], each.names)
                    elif name in defaults and not hides:
                        _put(known, name, defaults[name], self._outer(self.sources.scopes[function]))
                rounds.append(Round(known, each.certain))
        return rounds[:_MOST_ROUNDS]

    def _behind(self, function: Function, looked: set[str]) -> set[str]:
        """Names that the local names in *looked* are made of."""
        found: set[str] = set()
        for name, value in self._assigned(function):
            if name in looked:
                found |= {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
        return found

    def _unrolled(self, loop: ast.For, before: Round) -> Iterator[Round]:
        hidden = {each.id for each in ast.walk(loop.target) if isinstance(each, ast.Name)}
        kept = {name: value for name, value in before.names.items() if name not in hidden}
        items = self._items(loop, before.names)
        if items is None:
            yield Round(kept, certain=False)
            return
        for item in items:
            yield Round(kept | item, before.certain)

    def _items(self, loop: ast.For, names: Names | None = None) -> list[dict[str, object]] | None:
        """The names of each round; None where they are not known for certain."""
        if any(isinstance(each, ast.Break | ast.Continue) for each in ast.walk(loop)):
            return None
        if names is None:
            every = self.rounds(loop.iter) or [Round({}, certain=True)]
            found = [self._items(loop, each.names) for each in every]
            return None if any(each is None for each in found) else found[0]
        try:
            items = literal(loop.iter, names)
            items = list(items) if isinstance(items, dict) else items
            return [unpacked(loop.target, item) for item in items] if isinstance(items, list) else None
        except NotLiteral:
            return None

    def _outer(self, scope: Scope) -> Names:
        """Values of the module's names that *scope* does not hide."""
        if scope not in self._values:
            home = scope if isinstance(scope, ast.Module) else self.sources.home(scope).tree
            known: dict[str, object] = {}
            for name, value in self._assigned(home):
                _put(known, name, value, known)
            if scope is not home:
                hidden = self.bindings.locals_of(scope)
                known = {name: value for name, value in known.items() if name not in hidden}
            self._values[scope] = known
        return self._values[scope]

    def _with_locals(self, scope: Scope, names: Names, looked: set[str]) -> Names:
        if isinstance(scope, ast.Module):
            return names
        known = dict(names)
        for name, value in self._assigned(scope):
            if name in looked and name not in known:
                _put(known, name, value, known)
        return known

    def _assigned(self, scope: Scope) -> list[tuple[str, ast.expr]]:
        """Names of *scope* that are set once, to something that nothing changes."""
        if scope not in self._constants:
            home = scope if isinstance(scope, ast.Module) else None
            source = (
                self.sources.home(scope) if home is None else next(each for each in self.sources if each.tree is home)
            )
            self._constants[scope] = list(_constants(source, scope))
        return self._constants[scope]

    def _reached(self) -> set[Function]:
        """Functions that are named in what is run, from the entry's first line on."""
        methods: dict[str, list[Function]] = {}
        for owner in self.sources.each(ast.ClassDef):
            for each in owner.body:
                if isinstance(each, FUNCTIONS):
                    methods.setdefault(each.name, []).append(each)
        leads: dict[Function | None, set[Function]] = {}
        for source in self.sources:
            looked: list[ast.Name | ast.Attribute] = [*source.each(ast.Name), *source.each(ast.Attribute)]
            for node in looked:
                function = self.sources.function_of(node)
                if function is not None or source is self.sources.entry or not self._is_main_of_another(node):
                    leads.setdefault(function, set()).update(self._meant(source, node, methods))
        reached = {each for source in self.sources for each in source.defined() if each.decorator_list}
        waiting: list[Function | None] = [None, *reached]
        while waiting:
            for function in leads.get(waiting.pop(), set()) - reached:
                reached.add(function)
                waiting.append(function)
        return reached

    def _meant(
        self, source: Source, node: ast.Name | ast.Attribute, methods: dict[str, list[Function]]
    ) -> list[Function]:
        """The functions that may be run once *node* is looked at."""
        name = node.id if isinstance(node, ast.Name) else node.attr
        found: list[Function] = [] if isinstance(node, ast.Name) else methods.get(name, [])
        if isinstance(node, ast.Name) and name not in source.imports:
            owners = source.classes.get(name, [])
            found = source.functions.get(name, []) if not owners else []
        else:
            meant = self.bindings.meaning(node)
            owners = [meant] if isinstance(meant, ast.ClassDef) else []
            found = [*found, meant] if isinstance(meant, FUNCTIONS) else found
        return [*found, *(each for owner in owners for each in owner.body if isinstance(each, FUNCTIONS))]

    def _is_main_of_another(self, node: ast.AST) -> bool:
        return any(isinstance(each, ast.If) and _is_main(each.test) for each in self.sources.above(node))


def _constants(source: Source, scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    whole = isinstance(scope, ast.Module)
    stored: dict[str, int] = {}
    for name in _stored(source, None if whole else scope):
        stored[name] = stored.get(name, 0) + 1
    loaded: dict[str, int] = {}
    for each in source.each(ast.Name):
        if isinstance(each.ctx, ast.Load) and not _is_only_read(source.parents[each], each):
            loaded[each.id] = loaded.get(each.id, 0) + 1
    for assign in source.each(ast.Assign):
        if source.scopes[assign] is scope and (not whole or source.parents[assign] is scope):
            match assign.targets:
                case [ast.Name(id=name)] if stored[name] == 1 and _is_fixed(assign.value, name, loaded):
                    yield name, assign.value


def _is_fixed(value: ast.expr, name: str, loaded: dict[str, int]) -> bool:
    """Whether nobody can change the value: a list or dict that is handed to others can be."""
    return not isinstance(value, ast.List | ast.Set | ast.Dict | ast.Call) or name not in loaded


def _is_only_read(parent: ast.AST, name: ast.Name) -> bool:
    match parent:
        case ast.For(iter=iterable):
            return iterable is name
        case ast.keyword() | ast.BinOp() | ast.Compare() | ast.FormattedValue() | ast.Subscript(ctx=ast.Load()):
            return True
        case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "len" | "set" | "enumerate" | "zip" | "str")):
            return True
        case ast.Attribute(attr="keys" | "values" | "items" | "get" | "join"):
            return True
        case _:
            return False


def _stored(source: Source, scope: Scope | None) -> Iterator[str]:
    for name in source.each(ast.Name):
        if not isinstance(name.ctx, ast.Load) and (scope is None or source.scopes[name] is scope):
            yield name.id
    yield from (node.name for node in source.defined() if scope in (None, source.scopes[node]))
    yield from (node.name for node in source.each(ast.ClassDef) if scope in (None, source.scopes[node]))
    for argument in source.each(ast.arg):
        if scope is None or scope in (source.parents[source.parents[argument]], source.scopes[argument]):
            yield argument.arg
    for alias in source.each(ast.alias):
        yield alias.asname or alias.name.partition(".")[0]
    for _, names in source.outer():
        yield from names
    caught = [node.name for node in source.each(ast.ExceptHandler)]
    caught += [node.name for node in source.each(ast.MatchAs)]
    caught += [node.name for node in source.each(ast.MatchStar)]
    yield from filter(None, caught)


def _defaults(function: Function) -> Iterator[tuple[str, ast.expr]]:
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    for argument, value in zip(reversed(positional), reversed(args.defaults), strict=False):
        yield argument.arg, value
    for argument, other in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if other is not None:
            yield argument.arg, other


def _put(known: dict[str, object], name: str, value: ast.expr, names: Names) -> None:
    try:
        known[name] = literal(value, names)
    except NotLiteral:
        known.pop(name, None)


def _is_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=one, ops=[ast.Eq()], comparators=[other]):
            names = [each.id for each in (one, other) if isinstance(each, ast.Name)]
            texts = [each.value for each in (one, other) if isinstance(each, ast.Constant)]
            return (names, texts) == (["__name__"], ["__main__"])
        case _:
            return False
