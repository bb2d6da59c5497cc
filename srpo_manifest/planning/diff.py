"""What differs between two plans, path by path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from srpo_manifest.values.plan import Plan

_NOT_IN_ID = ("id:", "forecast", "options", "manifest", "warnings", "refusals", "notes", "repo.ref", "repo.url")
_KEYED = {"options": "name", "steps": "id", "checks": "code", "assumes": "fact"}
_ABSENT = object()


def diff(before: Plan, after: Plan) -> list[str]:
    """One line a difference: `job.argv[12]: "20" → "40"`. Nothing for equal plans; the ids come first."""
    old, new = (msgspec.json.decode(msgspec.json.encode(plan)) for plan in (before, after))
    return list(_differences("", old, new))


def differences(before: Plan, after: Plan) -> list[str]:
    """As `diff`, of two plans whose ids differ: what enters the id, where that can be told."""
    every = diff(before, after)
    return [line for line in every if not line.startswith(_NOT_IN_ID)] or every


def _differences(path: str, old: Any, new: Any) -> Iterable[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(f"{path}.{key}" if path else str(key), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        key = _KEYED.get(path)
        if key:
            yield from _differences(path, _by(key, old), _by(key, new))
            return
        for position in range(max(len(old), len(new))):
            yield from _differences(
                f"{path}[{position}]",
                old[position] if position < len(old) else _ABSENT,
                new[position] if position < len(new) else _ABSENT,
            )
    else:
        yield f"{path}: {_shown(old)} → {_shown(new)}"


def _by(key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The items by name; of several with one name the later ones are numbered."""
    named: dict[str, Any] = {}
    for item in items:
        name = item[key]
        count = sum(known == name or known.startswith(f"{name}#") for known in named)
        named[f"{name}#{count + 1}" if count else name] = item
    return named


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else msgspec.json.encode(value).decode()
