"""Values that stand in Python source: what an expression is for certain, without running it."""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Mapping

Names = Mapping[str, object]


class NotLiteral(Exception):
    """The expression is known only when the program runs."""


_BINARY: dict[type[ast.operator], Callable[[object, object], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_POWER_LIMIT = 64


def literal(node: ast.expr, names: Names) -> object:
    """The value of *node*: numbers, strings, lists, and simple sums of them. *names* are known values.

    Raises: NotLiteral.
    """
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [literal(item, names) for item in items]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not() as sign, operand=operand):
            return _signed(sign, literal(operand, names))
        case ast.BinOp(left=left, op=operation, right=right):
            return _combined(operation, literal(left, names), literal(right, names))
        case ast.JoinedStr(values=parts):
            return "".join(_formatted(part, names) for part in parts)
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return _float(text)
        case _:
            raise NotLiteral


def unpacked(target: ast.expr, value: object) -> dict[str, object]:
    """The names that `for target in ...` gives for one item.

    Raises: NotLiteral.
    """
    match target:
        case ast.Name(id=name):
            return {name: value}
        case ast.Tuple(elts=targets) | ast.List(elts=targets) if isinstance(value, list) and len(value) == len(targets):
            return {
                name: part
                for each, item in zip(targets, value, strict=True)
                for name, part in unpacked(each, item).items()
            }
        case _:
            raise NotLiteral


def constants(tree: ast.Module) -> dict[str, object]:
    """Names of the module that are set once, to a literal that nothing changes."""
    stored: Counter[str] = Counter()
    loaded: Counter[str] = Counter()
    only_read: Counter[str] = Counter()
    for node in ast.walk(tree):
        stored.update(_stored(node))
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                loaded[name] += 1
            case ast.For(iter=ast.Name(id=name)) | ast.keyword(value=ast.Name(id=name)):
                only_read[name] += 1
            case _:
                pass
    known: dict[str, object] = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if stored[name] == 1:
                try:
                    found = literal(value, known)
                except NotLiteral:
                    continue
                if isinstance(value, ast.Tuple) or not isinstance(found, list) or loaded[name] == only_read[name]:
                    known[name] = found
            case _:
                pass
    return known


def _stored(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(name=name, asname=other):
            return [other or name.partition(".")[0]]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
        case _:
            return []


def _signed(sign: ast.unaryop, value: object) -> object:
    if isinstance(sign, ast.Not):
        return not value
    if isinstance(value, int | float):
        return -value if isinstance(sign, ast.USub) else +value
    raise NotLiteral


def _combined(operation: ast.operator, left: object, right: object) -> object:
    if isinstance(left, str) and isinstance(right, str) and isinstance(operation, ast.Add):
        return left + right
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        raise NotLiteral
    try:
        if isinstance(operation, ast.Pow) and abs(right) <= _POWER_LIMIT and abs(left) <= 2**_POWER_LIMIT:
            return left**right
        return _BINARY[type(operation)](left, right)
    except (KeyError, ArithmeticError) as error:
        raise NotLiteral from error


def _formatted(part: ast.expr, names: Names) -> str:
    match part:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            found = literal(value, names)
            if isinstance(found, str | int):
                return str(found)
    raise NotLiteral


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise NotLiteral from error
