"""One `add_argument` call: the flag that it declares."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from srpo_manifest.upstream.literals import Names, NotLiteral, literal
from srpo_manifest.values.contract import Action, Flag, Scalar, Setting
from srpo_manifest.wording import ticked

Type: TypeAlias = Literal["int", "float", "str", "bool", "other"]

_ACTIONS: dict[object, Action] = {
    "store": "store",
    "store_true": "store_true",
    "store_false": "store_false",
    "store_const": "store_const",
    "append": "append",
    "count": "count",
}
_TYPES: dict[str, Type] = {"int": "int", "float": "float", "str": "str", "bool": "bool"}
_KNOWN = (
    "action",
    "nargs",
    "const",
    "default",
    "type",
    "choices",
    "required",
    "help",
    "metavar",
    "dest",
    "version",
    "deprecated",
)
_REMAINDERS = {"REMAINDER": "...", "PARSER": "A..."}


class OddFlag(Exception):
    """The declaration cannot be read; the text says why."""


def flag_of(node: ast.Call, names: Names, own: Mapping[str, ast.AST | None] = MappingProxyType({})) -> Flag:
    """The flag that an `add_argument` call declares, as `argparse` will have it.

    *own* are the file's names for functions, classes and imports, which hide Python's own; a class of the file comes along.

    Raises: OddFlag.
    """
    spellings = [_spelling(each, names) for each in node.args]
    words = {word.arg or "": word.value for word in node.keywords}
    if "" in words:
        raise OddFlag(f"{ticked('**')} hides how {ticked((spellings or ['a flag'])[0])} is declared")
    if unknown := [word for word in words if word not in _KNOWN]:
        raise OddFlag(f"{ticked(unknown[0])} is nothing that `argparse` takes")
    positional = not any(each.startswith("-") for each in spellings)
    long = [each for each in spellings if each.startswith("--")]
    dest = _literal(words, "dest", names, spellings[0] if spellings and positional else None)
    named = (long or spellings or [str(dest)])[0]
    if dest is None:
        dest = named.lstrip("-").replace("-", "_")
    action = _action(words.get("action"), names)
    if action == "boolean":
        spellings += [f"--no-{each.removeprefix('--')}" for each in long]
    silent = _is_silent(words.get("action"))
    nargs = 0 if silent else _nargs(words.get("nargs"), names)
    unread: list[str] = []
    if action == "other" and not silent and not _is_plain(words["action"], own):
        unread += [field for field in ("nargs", "const", "default", "required") if field not in words]
    default = _default(words, names, action, unread)
    return Flag(
        name=named.lstrip("-"),
        aliases=tuple(each for each in spellings if each != f"--{named.lstrip('-')}") if not positional else (),
        dest=str(dest),
        positional=positional,
        type=_type(words.get("type"), own, unread),
        nargs=nargs,
        choices=_choices(words.get("choices"), names, unread),
        default=default,
        const=_const(words, names, action, unread),
        required=nargs not in ("?", "*") if positional else _literal(words, "required", names, otherwise=False) is True,
        action=action,
        line=node.lineno,
        unread=tuple(dict.fromkeys(unread)),
    )


def setting_of(value: object) -> Setting | None:
    """A literal as a contract's setting; None for what is none (a dict, bytes, a nested list)."""
    if isinstance(value, list):
        items = tuple(item for item in value if isinstance(item, bool | int | float | str))
        return items if len(items) == len(value) else None
    return value if isinstance(value, bool | int | float | str) else None


def _spelling(node: ast.expr, names: Names) -> str:
    try:
        text = literal(node, names)
    except NotLiteral:
        text = None
    if not isinstance(text, str) or not text:
        raise OddFlag(f"the flag's name {ticked(ast.unparse(node))} is known only when the program runs")
    return text


def _literal(words: dict[str, ast.expr], key: str, names: Names, otherwise: object) -> object:
    """The keyword's value.

    Raises: OddFlag where it is given and no literal.
    """
    if key not in words:
        return otherwise
    try:
        return literal(words[key], names)
    except NotLiteral:
        raise OddFlag(f"{ticked(key + '=' + ast.unparse(words[key]))} is known only when the program runs") from None


def _action(node: ast.expr | None, names: Names) -> Action:
    match node:
        case None:
            return "store"
        case ast.Attribute(attr="BooleanOptionalAction") | ast.Name(id="BooleanOptionalAction"):
            return "boolean"
        case _:
            try:
                return _ACTIONS.get(literal(node, names), "other")
            except (NotLiteral, TypeError):
                return "other"


def _is_plain(node: ast.expr, own: Mapping[str, ast.AST | None]) -> bool:
    """Whether the action takes its values as `store` does: `argparse`'s own, or a class that only has its own `__call__`."""
    if isinstance(node, ast.Constant):
        return True
    match own.get(node.id) if isinstance(node, ast.Name) else None:
        case ast.ClassDef(bases=[ast.Attribute(attr="Action") | ast.Name(id="Action")], body=body):
            return not any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in body)
        case _:
            return False


def _is_silent(node: ast.expr | None) -> bool:
    """Whether the action is one of `argparse`'s own that take no value and have no word in the contract."""
    return isinstance(node, ast.Constant) and node.value in ("version", "help", "append_const")


def _type(node: ast.expr | None, own: Mapping[str, ast.AST | None], unread: list[str]) -> Type | None:
    match node:
        case None | ast.Constant(value=None):
            return None
        case ast.Name(id=name) if name in _TYPES and name not in own:
            return _TYPES[name]
        case ast.Name() | ast.Attribute() | ast.Lambda() | ast.Constant():
            return "other"
        case _:
            unread.append("type")
            return "other"


def _nargs(node: ast.expr | None, names: Names) -> int | str | None:
    match node:
        case None:
            return None
        case ast.Attribute(attr=("REMAINDER" | "PARSER") as name) | ast.Name(id=("REMAINDER" | "PARSER") as name):
            return _REMAINDERS[name]
        case ast.Attribute(attr="OPTIONAL" | "ZERO_OR_MORE" | "ONE_OR_MORE" as name):
            return {"OPTIONAL": "?", "ZERO_OR_MORE": "*", "ONE_OR_MORE": "+"}[name]
        case _:
            value = _literal({"nargs": node}, "nargs", names, None)
            if value is None or isinstance(value, int | str):
                return value
            raise OddFlag(f"`nargs={ast.unparse(node)}` is nothing that `argparse` takes")


def _choices(node: ast.expr | None, names: Names, unread: list[str]) -> tuple[Scalar, ...] | None:
    """Choices that are not known bind nobody: the program itself checks them."""
    if node is None:
        return None
    try:
        found = literal(node, names)
    except NotLiteral:
        unread.append("choices")
        return None
    if found is None:
        return None
    setting = setting_of(list(found) if isinstance(found, dict | str) else found)
    if not isinstance(setting, tuple):
        unread.append("choices")
        return None
    return setting


def _default(words: dict[str, ast.expr], names: Names, action: Action, unread: list[str]) -> Setting | None:
    if "default" not in words:
        return {"store_true": False, "store_false": True}.get(action)
    return _setting(words["default"], "default", names, unread)


def _const(words: dict[str, ast.expr], names: Names, action: Action, unread: list[str]) -> Setting | None:
    if "const" not in words:
        return {"store_true": True, "store_false": False}.get(action)
    return _setting(words["const"], "const", names, unread)


def _setting(node: ast.expr, field: str, names: Names, unread: list[str]) -> Setting | None:
    try:
        value = literal(node, names)
    except NotLiteral:
        unread.append(field)
        return None
    setting = setting_of(value)
    if setting is None and value is not None:
        unread.append(field)
    return setting
