"""The characters that bash takes for a stretch of source: None where that is not certain."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from tree_sitter import Node

NAME = r"[A-Za-z_][A-Za-z0-9_]*"

_SPECIAL = r"\s\\(){}<>|&;$`\"'~*?\[\]"
# A tilde after `=` or `:` may be a home where the word looks like an assignment, which no option does.
_BARE = re.compile(rf"(?:\\[\s\S]|[^{_SPECIAL}]|\]|(?<=[^=:])~)*|-(?:\\[\s\S]|[^{_SPECIAL}]|[\]~])*")
_ASSIGNED = re.compile(rf"(?:\\[\s\S]|[^{_SPECIAL}]|[\]\[*?{{}}]|(?<=[^=:])~)*")
_DOUBLE = re.compile(r'(?:[^\\$`"]|\\[\s\S]|\$(?=[\s.,/%]))*')
_ANSI = re.compile(
    r"\\(?:(?P<letter>[abeEfnrtv\\'\"?])|(?P<octal>[0-7]{1,3})|(?P<control>c)"
    r"|x(?P<x>[0-9a-fA-F]{1,2})|u(?P<u>[0-9a-fA-F]{1,4})|U(?P<U>[0-9a-fA-F]{1,8}))"
)
_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_OPERATIONS: dict[bytes, Callable[[int, int], int]] = {b"+": operator.add, b"-": operator.sub, b"*": operator.mul}


def unquoted(source: str, *, assigned: bool = False) -> str | None:
    r"""Bare characters and `\x`. *assigned*: on the right of `=`, where file names and braces are not expanded.

    >>> unquoted("a\\ b")
    'a b'
    """
    if not (_ASSIGNED if assigned else _BARE).fullmatch(source):
        return None
    return re.sub(r"\\([\s\S])", lambda match: match[1].replace("\n", ""), source)


def double_quoted(source: str) -> str | None:
    """What stands in `"..."` between expansions."""
    if not _DOUBLE.fullmatch(source):
        return None
    return re.sub(r'\\([$`"\\\n])', lambda match: match[1].replace("\n", ""), source)


def ansi_c(source: str) -> str | None:
    r"""What stands in `$'...'`; None for bytes beyond ASCII, NUL and control letters."""
    known = True

    def decoded(match: re.Match[str]) -> str:
        nonlocal known
        if match["letter"]:
            return _LETTERS[match["letter"]]
        octal, digits = match["octal"], match["x"] or match["u"] or match["U"] or "0"
        code = int(octal, 8) if octal else int(digits, 16)
        known &= 0 < code < 128
        return chr(code) if known else ""

    text = _ANSI.sub(decoded, source)
    return text if known else None


def arithmetic(node: Node, value: Callable[[str], str | None]) -> int | None:
    """The number of `$((...))` where it is made of decimal numbers with `+`, `-` and `*`. *value* knows variables."""
    text = (node.text or b"").decode("utf-8", "replace").strip()
    match node.type:
        case "arithmetic_expansion" | "parenthesized_expression":
            inner = node.named_children
            return arithmetic(inner[0], value) if len(inner) == 1 else None
        case "binary_expression":
            left, sign, right = (node.child_by_field_name(name) for name in ("left", "operator", "right"))
            operation = _OPERATIONS.get(sign.text or b"") if sign else None
            a = arithmetic(left, value) if left else None
            b = arithmetic(right, value) if right else None
            if operation is None or a is None or b is None:
                return None
            result = operation(a, b)
            return result if abs(result) < 2**63 else None
        case "number":
            return _integer(text)
        case "variable_name":
            return _integer(value(text))
        case "simple_expansion" | "expansion" if name := re.fullmatch(rf"\$(?:({NAME})|\{{({NAME})\}})", text):
            return _integer(value(name[1] or name[2]))
        case _:
            return None


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None
