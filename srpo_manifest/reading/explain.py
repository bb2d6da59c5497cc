"""msgspec's verdict, explained: it names the first fault in one line, without place, choices or near misses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import msgspec.inspect

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.shapes import (
    Shape,
    alternatives,
    choices,
    description,
    key_shape,
    kind_of,
    kinds,
    known_keys,
    shape_in,
    shape_of,
)
from srpo_manifest.wording import did_you_mean, listed, plural, ticked

Place: TypeAlias = Callable[[Key], Where | None]

_SAID = re.compile(r"(.*)(?: - at (`key` in )?`\$((?:\.\w+|\[\d+\]|\[\.\.\.\])*)`)\Z", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")
_NAMED = re.compile(r"`([^`]*)`")
_SUGGESTED = 3
_SHORT = 60


def explained(error: msgspec.ValidationError, data: Any, kind: Any, place: Place, whole: str) -> ManifestError:
    """The ManifestError for what `msgspec.convert(data, kind)` said; *whole* is the file, for people.

    Returns: `unknown-key`, `missing-key`, `wrong-type`, `invalid-value`, or `impossible-combination`.
    """
    stray = next(_strays(data, shape_of(kind)), None)
    if stray is not None:
        return _unknown(stray[:-1], str(stray[-1]), data, kind, place, whole)
    found = _SAID.fullmatch(str(error))
    said, of_name, path = found.groups() if found else (str(error), None, "")
    key = _key_of(str(error), path, data, kind, of_name=bool(of_name))
    named = _NAMED.findall(said)
    if said.startswith("Object missing required field"):
        return _missing(key, named[0], kind, place, whole)
    if of_name:
        return _misnamed(key, kind, place(key))
    if said.startswith(("Expected", "Invalid")):
        return _misfit(key, _at(data, key), shape_of(kind, key), place(key))
    culprit = next((name for name in named if _at(data, (*key, name)) is not None), None)
    return ManifestError(
        "impossible-combination",
        f"in {_told(key, whole)}, {said}",
        where=place((*key, culprit) if culprit else key),
    )


def _strays(data: Any, node: Shape | None) -> Iterator[Key]:
    """Keys that their structs do not know, in the order of the data: found without the verdict, which quotes them bare."""
    known = known_keys(node)
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        if known and step not in known:
            yield (step,)
        elif (inside := shape_in(node, step)) is not None:
            yield from ((step, *tail) for tail in _strays(value, inside))


def _unknown(key: Key, name: str, data: Any, kind: Any, place: Place, whole: str) -> ManifestError:
    known = dict(known_keys(shape_of(kind, key)))
    table = taker = _told(key, whole)
    if key[:1] == ("backend",) and "kind" in known:
        del known["kind"]
        taker = f"{key[1]} {ticked(_at(data, (*key, 'kind')))}"
    near = did_you_mean(name, known)
    elsewhere = [] if near else [dotted(one) for one in _homes(name, kind)][:_SUGGESTED]
    return ManifestError(
        "unknown-key",
        f"unknown key {ticked(name)} in {table}",
        *near,
        *([f"there is {listed(elsewhere)}"] if elsewhere else []),
        f"{taker} takes {listed(known)}",
        where=place((*key, name)),
    )


def _missing(key: Key, name: str, kind: Any, place: Place, whole: str) -> ManifestError:
    wanted = shape_of(kind, (*key, name))
    example = f"[{dotted((*key, name))}]" if kinds(wanted) == ["table"] else f"{name} = …"
    meaning = description(wanted).rstrip(".")
    return ManifestError(
        "missing-key",
        f"{_told(key, whole)} needs {ticked(name)}",
        f"write {ticked(example)}" + (f": {meaning[:1].lower()}{meaning[1:]}" if meaning else ""),
        where=place(key),
    )


def _misfit(key: Key, value: Any, wanted: Shape | None, where: Where | None) -> ManifestError:
    name, found, expected = ticked(dotted(key)), kind_of(value), kinds(wanted)
    if found not in expected and not (found == "integer" and "number" in expected):
        return ManifestError(
            "wrong-type", f"{name} is {_a(found)}, expected {_or(expected)}", *_cure(key, found, expected), where=where
        )
    words = choices(wanted)
    bounds = listed(words) if words else next((text for one in alternatives(wanted) if (text := _bounds(one))), "")
    return ManifestError(
        "invalid-value",
        f"{name} is {_shown(key, value)}, expected {bounds or 'another value'}",
        *(did_you_mean(value, words) if words and isinstance(value, str) else _meaning(wanted)),
        where=where,
    )


def _misnamed(key: Key, kind: Any, where: Where | None) -> ManifestError:
    wanted = key_shape(shape_of(kind, key[:-1]))
    return ManifestError(
        "invalid-value",
        f"{ticked(key[-1])} cannot stand in {ticked(dotted(key[:-1]))}, expected {next(map(_bounds, alternatives(wanted)))}",
        *_meaning(wanted),
        where=where,
    )


def _shown(key: Key, value: Any) -> str:
    """The value, where it is short and no secret."""
    if isinstance(value, list):
        return plural(len(value), "item")
    return (
        ticked(value)
        if key[0] != "env" and len(str(value)) <= _SHORT
        else f"a text of {plural(len(value), 'character')}"
    )


def _bounds(one: Shape) -> str:
    match one:
        case msgspec.inspect.StrType(pattern=str(pattern)):
            shown = pattern.removeprefix(r"\A").removesuffix(r"\Z")
            return f"text that matches {ticked(shown)}" + (f", up to {one.max_length}" if one.max_length else "")
        case msgspec.inspect.StrType() if one.max_length:
            return f"{one.min_length or 0} to {one.max_length:,} characters"
        case msgspec.inspect.IntType(ge=int(least), le=int(most)):
            return f"an integer from {least:,} to {most:,}"
        case msgspec.inspect.FloatType() if one.gt is not None and one.le is not None:
            return f"a number above {one.gt:g}, up to {one.le:,g}"
        case msgspec.inspect.VarTupleType() if one.max_length:
            return f"{one.min_length or 0} to {one.max_length:,}"
    return ""


def _meaning(wanted: Shape | None) -> tuple[str, ...]:
    """What a text is, in words, beside a pattern that few people read. A whole sentence tells of its key instead."""
    said = description(wanted)
    patterned = any(isinstance(one, msgspec.inspect.StrType) and one.pattern for one in alternatives(wanted))
    return (f"give {said}",) if patterned and said and not said.endswith(".") else ()


def _cure(key: Key, found: str, expected: list[str]) -> tuple[str, ...]:
    if found == "string" and {"integer", "number", "boolean"} & {*expected}:
        return ("take the quotes away",)
    if "string" in expected and found in ("integer", "number", "boolean", "date or time"):
        return ("put it in quotes",)
    if expected == ["array"]:
        return ("put it in brackets: `[…]`",)
    if "table" in expected:
        return (f"write its keys under `[{dotted(key)}]`",)
    return ()


def _or(expected: list[str]) -> str:
    words = [_a(word) for word in expected]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'ai' else 'a'} {noun}"


def _told(key: Key, whole: str) -> str:
    return ticked(dotted(key)) if key else whole


def _homes(name: str, kind: Any, key: Key = ()) -> Iterator[Key]:
    """Every key of that name in the whole type."""
    for step, node in known_keys(shape_of(kind, key)).items():
        if step == name and key:
            yield (*key, step)
        if known_keys(node):
            yield from _homes(name, kind, (*key, step))


def _key_of(message: str, path: str, data: Any, kind: Any, *, of_name: bool) -> Key:
    """The verdict's path with the names that it leaves out (`[...]`) found again."""
    key: Key = ()
    for step in _STEP.finditer(path):
        name, index = step.groups()
        if name is None and index is None:
            key = (*key, _culprit(message, key, data, kind))
        else:
            key = (*key, name if name is not None else int(index))
    return (*key, _culprit(message, key, data, kind)) if of_name else key


def _culprit(message: str, key: Key, data: Any, kind: Any) -> str:
    """The name in the table at *key* that the verdict is about: half of the names at a time are left out."""
    names = list(_at(data, key))
    while len(names) > 1:
        half = names[: len(names) // 2]
        table = {name: _at(data, key)[name] for name in half}
        try:
            msgspec.convert(_with(data, key, table), kind, strict=True)
        except msgspec.ValidationError as error:
            names = half if str(error) == message else names[len(half) :]
        else:
            names = names[len(half) :]
    return str(names[0])


def _with(data: Any, key: Key, table: dict[str, Any]) -> Any:
    if not key:
        return table
    copy = data.copy()
    copy[key[0]] = _with(data[key[0]], key[1:], table)
    return copy


def _at(data: Any, key: Key) -> Any:
    for step in key:
        if isinstance(data, dict):
            data = data.get(step)
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) else None
    return data
