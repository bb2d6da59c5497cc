"""Predicates over facts: the planner's half of what the supervisor asks again on the target."""

from __future__ import annotations

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
    return "true" if _holds(found.value, op, value) else "false"


def _holds(found: Any, op: Op, value: Any) -> bool:
    match op:
        case "present":
            return found not in _MISSING
        case "absent":
            return found in _MISSING
        case "equals":
            return str(found) == str(value)
        case "one-of":
            return str(found) in tuple(map(str, value))
        case "at-least" | "at-most":
            number = len(found) if isinstance(found, list) else found
            if isinstance(number, bool) or not isinstance(number, int | float):
                return False
            return bool(number >= value if op == "at-least" else number <= value)
