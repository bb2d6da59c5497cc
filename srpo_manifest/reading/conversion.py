"""Plain data to typed values, once; what is wrong is explained."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from srpo_manifest.errors import ManifestErrors
from srpo_manifest.finding import Finding, Fix
from srpo_manifest.reading.locate import Key, displayed
from srpo_manifest.reading.page import is_secret
from srpo_manifest.reading.tree import BROKEN, Node
from srpo_manifest.wording import ticked

A = TypeVar("A")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ESCAPED_PATH = re.compile(r"[A-Za-z]:(?:[\b\t\n\f\r]|[\\/].*?[\b\t\n\f\r])\w")
_SPELLED = {ord(character): f"\\{letter}" for character, letter in zip("\b\t\n\f\r", "btnfr", strict=True)}
_LONGEST = 1 << 63


def converted(data: Any, kind: type[A], tree: Callable[[], Node], whole: str, known: Iterable[Finding] = ()) -> A:
    """*data* as *kind*, strictly. *tree* tells where each key was written, *whole* what the file is called.

    Raises: ManifestErrors with what is *known* to be wrong and everything that `violations` finds.
    """
    known = tuple(known)
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        from srpo_manifest.reading.violations import violations  # noqa: PLC0415 - only a wrong file pays

        found = (*known, *violations(tree(), kind, whole))
        if not found:
            raise AssertionError(f"msgspec alone refuses this: {error}") from None
        raise ManifestErrors(found) from None


def unsound(node: Node, key: Key = (), around: Node | None = None) -> Iterator[Finding]:
    """What no argument, variable, path or JSON number can hold.

    Codes: `invalid-value` for a control character other than tab and newline, for infinity and nan, and for an integer
    beyond 64 bits.
    """
    match node.value:
        case dict() | list():
            children = node.value.items() if isinstance(node.value, dict) else enumerate(node.value)
            for step, child in children:
                if _is_plain(child.value):
                    continue
                near = node if node.mark else around
                yield from unsound(child, (*key, step), near if child.mark is None else None)
        case str() if _ESCAPED_PATH.match(node.value):
            path = f"'{node.value.translate(_SPELLED)}'"
            hint = "put it in single quotes"
            yield Finding(
                code="bad-escape",
                level="deny",
                message=f"{ticked(displayed(key))} is a Windows path, and in double quotes a backslash escapes",
                hints=(hint if is_secret(key) else f"{hint}: {ticked(path)}",),
                where=node.where_value or (around and around.where),
                fix=Fix(replacement=path) if node.is_editable and path.count("'") == 2 else None,
            )
        case str() if found := _CONTROL.search(node.value):
            yield Finding(
                code="invalid-value",
                level="deny",
                message=f"{ticked(displayed(key))} holds the control character U+{ord(found[0]):04X}",
                hints=("take it out: no argument, variable or path of ours holds one",),
                where=node.where_value or (around and around.where),
            )
        case float() if not math.isfinite(node.value):
            yield Finding(
                code="invalid-value",
                level="deny",
                message=f"{ticked(displayed(key))} is {node.value}, expected a finite number",
                where=node.where_value or (around and around.where),
            )
        case int() if not -_LONGEST <= node.value < _LONGEST:
            yield Finding(
                code="invalid-value",
                level="deny",
                message=f"{ticked(displayed(key))} needs more than 64 bits",
                hints=("write a smaller integer",),
                where=node.where_value or (around and around.where),
            )


def sound(node: Node) -> Node:
    """The tree in which whatever `unsound` tells of is broken."""
    match node.value:
        case dict():
            return node._replace(value={name: sound(child) for name, child in node.value.items()})
        case list():
            return node._replace(value=[sound(child) for child in node.value])
    return node if next(unsound(node), None) is None else node._replace(value=BROKEN)


def _is_plain(value: Any) -> bool:
    """Whether nothing can be said against it, as against nearly every value: no generator is made for it."""
    if type(value) is int:
        return -_LONGEST <= value < _LONGEST
    return type(value) is bool or (
        isinstance(value, str) and _CONTROL.search(value) is None and _ESCAPED_PATH.match(value) is None
    )
