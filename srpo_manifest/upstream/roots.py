"""Which of a program's parsers reads the command line."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from srpo_manifest.upstream.bindings import PARSES, Bindings, Held
from srpo_manifest.upstream.paths import Paths

Given: TypeAlias = Literal["line", "rest", "other", "unknown"]


class Parse(NamedTuple):
    """One `parse_args`: the parser, what it is given, and whether unknown flags end the program."""

    node: ast.Call
    made: ast.Call
    given: Given
    strict: bool


class Roots(NamedTuple):
    """The parsers whose flags the command line may hold."""

    makers: tuple[ast.Call, ...] = ()
    allows_unknown: bool = False
    several: bool = False
    """Any one of them may be the one: no flag is certain."""
    doubts: tuple[tuple[ast.Call, str], ...] = ()


def parse_of(node: ast.Call, held: Held, bindings: Bindings) -> Parse:
    """What a call of `parse_args` or its kin does."""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else "parse_args"
    words = {word.arg: word.value for word in node.keywords}
    given = node.args[0] if node.args else words.get("args")
    return Parse(node, held.made, _given(given, bindings), PARSES[method] == "namespace")


def chosen(parses: Sequence[Parse], paths: Paths) -> Roots:
    """The parsers that read the command line, as far as that can be proven."""
    parses = [parse for parse in parses if parse.given != "other"] or list(parses)
    doubts = tuple(
        (parse.node, "what is parsed here is not known to be the command line")
        for parse in parses
        if parse.given == "unknown"
    )
    makers = tuple(dict.fromkeys(parse.made for parse in parses))
    strict = [parse for parse in parses if parse.strict]
    if len(makers) < 2:
        return Roots(makers, allows_unknown=bool(parses) and not strict, doubts=doubts)
    certain = all(paths.is_certain(parse.node) for parse in parses)
    if certain and not doubts and len({parse.made for parse in strict}) == 1:
        if all(parse.given == "rest" for parse in strict):
            return Roots(makers, doubts=doubts)
        if all(parse.given == "line" for parse in strict):
            return Roots((strict[0].made,), doubts=doubts)
    if certain and not doubts and not strict:
        return Roots(makers, allows_unknown=True)
    second = next(parse.node for parse in parses if parse.made is not parses[0].made)
    doubts += ((second, "more than one parser reads the command line"),)
    return Roots(makers, allows_unknown=not strict, several=True, doubts=doubts)


def _given(node: ast.expr | None, bindings: Bindings) -> Given:
    match node:
        case None | ast.Constant(value=None):
            return "line"
        case ast.Subscript(
            value=ast.Attribute(value=ast.Name(id="sys"), attr="argv"),
            slice=ast.Slice(lower=ast.Constant(value=1), upper=None, step=None),
        ):
            return "line"
        case ast.List() | ast.Tuple():
            return "other"
        case ast.Name(id=name) if any(held.kind == "rest" for held in bindings.holds(node)):
            return "rest"
        case ast.Name(id=name) if isinstance(
            scope := bindings.scope_of(node, name), ast.FunctionDef | ast.AsyncFunctionDef
        ):
            args = scope.args
            parameters = {each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
            return "line" if name in parameters else "unknown"
        case _:
            return "unknown"
