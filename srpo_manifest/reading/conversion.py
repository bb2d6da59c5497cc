"""Plain data to typed values, once; what is wrong is explained."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.tree import Node
from srpo_manifest.wording import ticked

A = TypeVar("A")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LONGEST = 1 << 63


def converted(data: Any, kind: type[A], place: Callable[[Key], Where | None], whole: str) -> A:
    """*data* as *kind*, strictly. *place* tells where a key was written, *whole* what the file is called.

    Raises: ManifestError `unknown-key`, `missing-key`, `wrong-type`, `invalid-value`, or `impossible-combination`.
    """
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        from srpo_manifest.reading.explain import explained  # noqa: PLC0415 - only a wrong file pays

        raise explained(error, data, kind, place, whole) from None


def sound(node: Node, key: Key = (), where: Where | None = None) -> None:
    """Refuse what no argument, variable, path or JSON number can hold.

    Raises: ManifestError `invalid-value` for a control character other than tab and newline, for infinity and nan, and
    for an integer beyond 64 bits.
    """
    where = node.where or where
    match node.value:
        case dict() | list():
            children = node.value.items() if isinstance(node.value, dict) else enumerate(node.value)
            for step, child in children:
                sound(child, (*key, step), where)
        case str() if found := _CONTROL.search(node.value):
            raise ManifestError(
                "invalid-value",
                f"{ticked(dotted(key))} holds the control character U+{ord(found[0]):04X}",
                "take it out: no argument, variable or path of ours holds one",
                where=where,
            )
        case float() if not math.isfinite(node.value):
            raise ManifestError(
                "invalid-value", f"{ticked(dotted(key))} is {node.value}, expected a finite number", where=where
            )
        case int() if not -_LONGEST <= node.value < _LONGEST:
            raise ManifestError(
                "invalid-value",
                f"{ticked(dotted(key))} needs more than 64 bits",
                "write a smaller integer",
                where=where,
            )
