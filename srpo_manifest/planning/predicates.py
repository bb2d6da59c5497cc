"""Predicates over facts: the planner's half of what the supervisor asks again on the target."""

from __future__ import annotations

import contextlib
from typing import Any, Literal, TypeAlias

from srpo_manifest.values.facts import Facts, Unknown
from srpo_manifest.values.plan import Op

Truth: TypeAlias = Literal["true", "false", "unknown"]
_MISSING: tuple[object, ...] = (None, "", [], {})


def holds(facts: Facts, fact: str, op: Op, value: object) -> Truth:
    """Whether the fact satisfies the predicate; what is not known is said to be unknown."""
    found = facts.facts.get(fact)
    if found is None or isinstance(found, Unknown):
        return "unknown"
    return "true" if satisfies(found.value, op, value) else "false"


def satisfies(found: Any, op: Op, value: Any) -> bool:
    """Whether *found* does. A text that is a number counts as one; what is no number satisfies no comparison of numbers."""
    match op:
        case "present":
            return found not in _MISSING
        case "absent":
            return found in _MISSING
        case "equals":
            return _same(found, value)
        case "one-of":
            return any(_same(found, one) for one in value)
        case _:
            return _compared(_number(len(found) if isinstance(found, list) else found), op, _number(value))


def _compared(found: float | None, op: Op, limit: float | None) -> bool:
    if found is None or limit is None:
        return False
    match op:
        case "at-least":
            return found >= limit
        case "at-most":
            return found <= limit
        case "less-than":
            return found < limit
        case _:
            return limit != 0 and found % limit == 0


def _same(found: Any, value: Any) -> bool:
    """Equal as numbers where both are, else as texts: what the supervisor does with what a probe prints."""
    number, other = _number(found), _number(value)
    return str(found) == str(value) if number is None or other is None else number == other


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return None
