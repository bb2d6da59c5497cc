"""Values that stand in Python source: what an expression is for certain, without running it."""

from __future__ import annotations

import ast
import operator
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
_LONGEST = 1000
_LATE = object()


def literal(node: ast.expr, names: Names) -> object:
    """The value of *node*: numbers, strings, lists, dicts, and simple sums of them. *names* are known values.

    Raises: NotLiteral.
    """
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names and names[name] is not _LATE:
            return names[name]
        case ast.Dict(keys=keys, values=values):
            return {_key(key, names): _perhaps(value, names) for key, value in zip(keys, values, strict=True)}
        case ast.Subscript(value=whole, slice=place):
            return _item(literal(whole, names), literal(place, names))
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
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _LISTING:
            return _listed(name, [literal(each, names) for each in args])
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args, keywords=[]):
            return _answer(literal(value, names), attr, [literal(each, names) for each in args])
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


def _key(node: ast.expr | None, names: Names) -> object:
    key = None if node is None else literal(node, names)
    if isinstance(key, str | int | float):
        return key
    raise NotLiteral


def _perhaps(node: ast.expr, names: Names) -> object:
    try:
        return literal(node, names)
    except NotLiteral:
        return _LATE


def _item(whole: object, place: object) -> object:
    found: object = _LATE
    try:
        match whole, place:
            case dict(), _:
                found = whole[place]
            case ((list() | str()), int()):
                found = whole[place]
            case _:
                pass
    except (LookupError, TypeError) as error:
        raise NotLiteral from error
    if found is _LATE:
        raise NotLiteral
    return found


_LISTING = ("list", "tuple", "sorted", "range", "enumerate", "zip", "str")


def _listed(name: str, given: list[object]) -> object:
    """What a function of Python's own makes of known values."""
    try:
        match name, given:
            case "list" | "tuple", [list() | dict() | str() as items]:
                return list(items)
            case "sorted", [list() | dict() as items]:
                return sorted(items)
            case "range", [int() as end] if end <= _LONGEST:
                return list(range(end))
            case "range", [int() as start, int() as end] if end - start <= _LONGEST:
                return list(range(start, end))
            case "enumerate", [list() | str() as items]:
                return [list(pair) for pair in enumerate(items)]
            case "zip", [*lists] if all(isinstance(each, list) for each in lists):
                return [list(items) for items in zip(*lists, strict=False)]
            case "str", [str() | int() as value]:
                return str(value)
            case _:
                pass
    except (TypeError, ValueError):
        pass
    raise NotLiteral


def _answer(value: object, method: str, given: list[object]) -> object:
    """What a method of a known value gives."""
    match value, method, given:
        case dict(), "keys", []:
            return list(value)
        case dict(), "values", []:
            return list(value.values())
        case dict(), "items", []:
            return [list(pair) for pair in value.items()]
        case str(), ("lower" | "upper" | "title"), []:
            return getattr(value, method)()
        case str(), "replace", [str(old), str(new)]:
            return value.replace(old, new)
        case str(), "join", [list(items)] if all(isinstance(each, str) for each in items):
            return value.join(items)
        case str(), "split", [] | [str()]:
            try:
                return value.split(*given)  # type: ignore[arg-type]  # the case says so
            except ValueError:
                pass
        case _:
            pass
    raise NotLiteral


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
