"""Everything that is wrong with data that is to be of a type: msgspec's verdict names the first fault alone, without a place.

One mistake is told once: a key that is nearly one of the known ones counts as that one, what cannot be read is no
second mistake, and a rule over several keys is asked where each of them is right.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect as shape
from msgspec.structs import replace

from srpo_manifest.discretion import hushed
from srpo_manifest.finding import Finding, Fix, Where
from srpo_manifest.reading.locate import Key, displayed, dotted
from srpo_manifest.reading.page import is_secret
from srpo_manifest.reading.shapes import (
    Shape,
    alternatives,
    bounds_of,
    choices,
    description,
    info,
    kind_of,
    kinds,
    known_keys,
    shape_of,
)
from srpo_manifest.reading.spanned import MOST_MISTAKES
from srpo_manifest.reading.tree import BROKEN, Mark, Node, plain
from srpo_manifest.values.manifest import ArgsFile
from srpo_manifest.wording import listed, nearest, plural, related, surely, ticked

_NAMED = re.compile(r"`([^`]*)`")
_UNITS = {"_hours": "hours", "_minutes": "minutes", "_seconds": "seconds", "_gib": "GiB"}
_SUGGESTED = 3
_MANY = 25
"""So many keys are no help to whoever has only misspelt one."""
_FLAG = "a flag of the trainer belongs to `[entry.set]`"
_VARIABLE = "a variable of the job belongs to `[env]`"
_SHORT = 60
_FORMS = ("table", "array")
"""What has parts of its own, which are looked at where the key that is meant takes it."""


def violations(tree: Node, kind: Any, whole: str) -> list[Finding]:
    """What of *tree* does not fit the type *kind*, in the order of the tree; *whole* is the file, for people.

    Codes: `unknown-key`, `missing-key`, `wrong-type`, `invalid-value`, `impossible-combination`.
    """
    walk = _Walk(tree, kind, whole)
    walk.visit(tree, info(kind), (), Node({}))
    return walk.found


def remains(tree: Node, kind: Any, spare: Node) -> Node:
    """*tree* without what does not fit the type *kind*, and with what is *spare* where something that it needs is left out."""
    return _Walk(tree, kind, "").visit(tree, info(kind), (), spare) or spare


class _Walk:
    def __init__(self, tree: Node, kind: Any, whole: str) -> None:
        self.tree, self.kind, self.whole = tree, kind, whole
        self.found: list[Finding] = []

    def visit(self, node: Node, wanted: Shape | None, key: Key, spare: Node | None = None) -> Node | None:
        """What of *node* is as *wanted*; what is not is told, and gives way to what is *spare*."""
        if node.value is BROKEN or len(self.found) >= MOST_MISTAKES:
            return None
        found = kind_of(node.value)
        fitting = [one for one in alternatives(wanted) if _takes(one, found)]
        if not fitting:
            self._wrong_type(node, wanted, key, found)
            return None
        one = fitting[0]
        if isinstance(one, shape.StructType):
            return self._struct(node, one, key, spare or Node({}))
        if isinstance(one, shape.DictType):
            return self._names(node, one, key)
        if isinstance(one, shape.VarTupleType):
            return self._items(node, one, wanted, key)
        return node if self._bounded(node, wanted, fitting, key, node.value) else None

    def _items(self, node: Node, one: shape.VarTupleType, wanted: Shape | None, key: Key) -> Node | None:
        right = [self.visit(item, one.item_type, (*key, number)) for number, item in enumerate(node.value)]
        kept = [item for item in right if item is not None]
        if not self._bounded(node, wanted, [one], key, len(right)) or len(kept) < len(right):
            return None
        return node if all(map(operator.is_, kept, node.value)) else Node(kept, node.mark)

    def _struct(self, node: Node, wanted: shape.StructType, key: Key, spare: Node) -> Node | None:
        known = {field.encode_name: field for field in wanted.fields}
        meant: dict[str, str] = {}
        slips: set[str] = set()
        doubtful: set[str] = set()
        kept: dict[str, Node] = {}
        for name in node.value:
            if name not in known and len(self.found) >= MOST_MISTAKES:
                return None
            if name not in known:
                if not wanted.forbid_unknown_fields:
                    kept[name] = node.value[name]
                    continue
                free = [other for other in known if not _is_written(node, other) and other not in slips]
                near = self._likely(name, free)
                sure = near is not None and surely(name, near, known, _homes(self.kind))
                if near:
                    meant[name] = near
                    slips.add(near)
                form = kind_of(node.value[name].value)
                if not sure and (near is None or form not in _FORMS or form not in kinds(known[near].type)):
                    doubtful.add(name)
                if near or node.value[name].value is not BROKEN:
                    self._unknown(node, wanted, key, name, near, sure=sure)
            else:
                meant[name] = name
        missing = [name for name, field in known.items() if field.required and name not in meant.values()]
        # what cannot be read at all may be the very key
        lost = any(child.value is BROKEN and name not in meant for name, child in node.value.items())
        for name in missing if not lost else ():
            self._missing(node, key, name)
        for name, field in meant.items():
            if name not in doubtful:  # of another key's value nobody knows whether it is wrong
                right = self.visit(node.value[name], known[field].type, (*key, name), spare.at((field,)))
                kept |= {} if right is None else {field: right}
        if not missing and all(kept.get(name) is child for name, child in node.value.items()):
            return node if self._agrees(node, self.kind if not key else wanted.cls, key) else None
        lent = {name: one for name, one in spare.value.items() if known[name].required and name not in kept}
        rest = Node(kept | lent, node.mark)
        if any(field.required and name not in rest.value for name, field in known.items()):
            return None
        # what is lent may be of another kind
        return rest if not key or lent or _converts(rest, wanted.cls) else None

    def _likely(self, name: str, known: Collection[str]) -> str | None:
        """The key that is meant most likely: by its spelling where that can be nothing else, by what it is made of, or nearly."""
        near = nearest(name, known)
        if near and surely(name, near, known, _homes(self.kind)):
            return near
        return related(name, known) or near

    def _agrees(self, node: Node, kind: Any, key: Key) -> bool:
        """Whether the keys of a table, each of which is right, go together."""
        try:
            msgspec.convert(plain(node), kind, strict=True)
        except msgspec.ValidationError as error:
            said = re.sub(r" - at `\$[^`]*`\Z", "", str(error))
            culprits = [name for name in _NAMED.findall(said) if node.table and name in node.table]
            where = node.value[culprits[0]].where if culprits else self._around(key)
            message = f"in {self._told(key)}, {said}"
            self._tell("impossible-combination", message, where)
            return False
        return True

    def _names(self, node: Node, wanted: shape.DictType, key: Key) -> Node | None:
        kept: dict[str, Node] = {}
        for name, child in node.value.items():
            if len(self.found) >= MOST_MISTAKES:
                return None
            bounds = next((text for one in alternatives(wanted.key_type) if (text := _broken_bounds(one, name))), "")
            if bounds:
                message = f"{ticked(displayed((name,)))} cannot stand in {ticked(displayed(key))}, expected {bounds}"
                self._tell("invalid-value", message, child.where, *_meaning(wanted.key_type))
            right = self.visit(child, wanted.value_type, (*key, name))
            kept |= {} if right is None or bounds else {name: right}
        return node if all(kept.get(name) is child for name, child in node.value.items()) else Node(kept, node.mark)

    def _unknown(
        self, node: Node, wanted: shape.StructType, key: Key, name: str, near: str | None, *, sure: bool
    ) -> None:
        known = {field.encode_name: field.type for field in wanted.fields}
        table = taker = self._told(key)
        if key[:1] == ("backend",) and "kind" in known:
            del known["kind"]
            taker = f"{key[1]} {ticked(plain(node).get('kind'))}"
        likely = near or self._likely(name, known)
        mark = node.value[name].mark
        self._tell(
            "unknown-key",
            f"unknown key {ticked(displayed((name,)))} in {table}",
            node.value[name].where,
            *([f"did you mean {ticked(likely)}?"] if likely else self._homes(name, node.value[name])),
            *([] if near and len(known) > _MANY else [f"{taker} takes {listed(known)}"]),
            fix=near if sure else None,
            places=mark.mentions if isinstance(mark, Mark) else (),
        )

    def _homes(self, name: str, child: Node) -> list[str]:
        """Where a key belongs that nobody knows where it stands."""
        if tables := _homes(self.kind).get(name, [])[:_SUGGESTED]:
            home = "above the first header" if "" in tables else f"to {listed(f'[{table}]' for table in tables)}"
            return [f"{ticked(displayed((name,)))} belongs {home}"]
        if child.table is not None or shape_of(self.kind, ("entry", "set")) is None:
            return []
        return [_VARIABLE if name.isupper() else _FLAG]

    def _missing(self, node: Node, key: Key, name: str) -> None:
        wanted = shape_of(self.kind, (*key, name))
        example = f"[{displayed((*key, name))}]" if kinds(wanted) == ["table"] else f"{name} = …"
        meaning = description(wanted).rstrip(".")
        where = node.where or self._around(key)
        self._tell(
            "missing-key",
            f"{self._told(key)} needs {ticked(name)}",
            where and replace(where, key=displayed((*key, name))),
            f"write {ticked(example)}" + (f": {meaning[:1].lower()}{meaning[1:]}" if meaning else ""),
        )

    def _wrong_type(self, node: Node, wanted: Shape | None, key: Key, found: str) -> None:
        expected = kinds(wanted)
        message = f"{ticked(displayed(key)) if key else self.whole} is {_a(found)}, expected {_or(expected)}"
        hints, fix = _cure(key, node.value, found, expected)
        if len(words := choices(wanted)) > 1:
            hints = (f"write one of {listed(words)}",)
        hints = () if "table" in expected and self.kind is ArgsFile else hints
        fix = fix if node.is_editable else None
        self._tell("wrong-type", message, node.where_value or self._around(key), *hints, fix=fix)

    def _bounded(self, node: Node, wanted: Shape | None, fitting: list[Shape], key: Key, value: Any) -> bool:
        """Whether one of the *fitting* alternatives takes *value*: the length of an array, or a scalar."""
        bounds = [_broken_bounds(one, value) for one in fitting]
        if not all(bounds):
            return True
        words = choices(wanted)
        expected = listed(words) if words else next((text for text in bounds if text), "")
        shown = _shown(key, node.value)
        near = nearest(value, words) if words and isinstance(value, str) else None
        hints = (
            [f"did you mean {ticked(near)}?"]
            if near
            else []
            if words
            else [*_meaning(wanted), *_spelling(value, fitting)]
        )
        message = f"{ticked(displayed(key))} is {shown}, expected {expected or 'another value'}"
        self._tell(
            "invalid-value",
            message,
            node.where_value or self._around(key),
            *hints,
            fix=f'"{near}"' if near and surely(value, near, words) and node.is_editable else None,
        )
        return False

    def _tell(
        self,
        code: str,
        message: str,
        where: Where | None,
        *hints: str,
        fix: str | None = None,
        places: tuple[Where, ...] = (),
    ) -> None:
        edit = None if fix is None else Fix(replacement=fix, places=places)
        self.found.append(Finding(code=code, level="deny", message=message, hints=hints, where=where, fix=edit))

    def _around(self, key: Key) -> Where | None:
        """The place of what is nearest around *key*."""
        return self.tree.place(key) or self.tree.where

    def _told(self, key: Key) -> str:
        return ticked(displayed(key)) if key else self.whole


def _converts(node: Node, kind: Any) -> bool:
    try:
        msgspec.convert(plain(node), kind, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _is_written(node: Node, name: str) -> bool:
    """Whether somebody wrote that key: what is filled in has no place."""
    return name in node.value and node.value[name].mark is not None


def _takes(one: Shape, found: str) -> bool:
    """Whether a value of that kind can be one of *one* at all."""
    if isinstance(one, shape.AnyType):
        return True
    taken = kinds(one)
    return found in taken or (found == "integer" and "number" in taken)


def _broken_bounds(one: Shape, value: Any) -> str:
    """What bounds *value* is out of; empty where it is within them, or *one* has none."""
    match one:
        case shape.LiteralType(values=values):
            held = any(type(value) is type(choice) and value == choice for choice in values)
        case shape.StrType(min_length=least, max_length=most, pattern=pattern):
            held = (least or 0) <= len(value) <= (len(value) if most is None else most)
            held = held and (pattern is None or re.search(pattern, value) is not None)
        case shape.IntType() | shape.FloatType():
            held = (
                (one.ge is None or value >= one.ge)
                and (one.gt is None or value > one.gt)
                and (one.le is None or value <= one.le)
                and (one.lt is None or value < one.lt)
            )
        case shape.VarTupleType(min_length=least, max_length=most):
            held = (least or 0) <= value <= (value if most is None else most)
        case _:
            held = True
    return "" if held else bounds_of(one) or "another value"


def _shown(key: Key, value: Any) -> str:
    """The value, where it is short and no secret."""
    if isinstance(value, list):
        return plural(len(value), "item")
    return (
        ticked(value)
        if not is_secret(key) and len(str(value)) <= _SHORT
        else f"a text of {plural(len(str(value)), 'character')}"
    )


def _spelling(value: Any, fitting: list[Shape]) -> tuple[str, ...]:
    """The text in small letters and dashes, where that would do."""
    if not isinstance(value, str) or hushed(value) != value:
        return ()
    plain = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    fits = plain and plain != value and any(not _broken_bounds(one, plain) for one in fitting)
    return (f"{ticked(plain)} would do",) if fits else ()


def _meaning(wanted: Shape | None) -> tuple[str, ...]:
    """What a text is, in words, beside a pattern that few people read. A whole sentence tells of its key instead."""
    said = description(wanted)
    patterned = any(isinstance(one, shape.StrType) and one.pattern for one in alternatives(wanted))
    return (f"give {said}",) if patterned and said and not said.endswith(".") else ()


def _cure(key: Key, value: Any, found: str, expected: list[str]) -> tuple[tuple[str, ...], str | None]:
    """What to do about a value of another kind, and what to write in its place where that is certain."""
    if found == "string" and {"integer", "number", "boolean"} & {*expected}:
        return _unquoted(key, value, expected)
    if "string" in expected and found in ("integer", "number", "boolean", "date or time"):
        return ("put it in quotes",), None
    if expected == ["array"]:
        return ("put it in brackets: `[…]`",), None
    if "table" in expected:
        return (f"write its keys under `[{displayed(key)}]`",), None
    return (), None


def _unquoted(key: Key, value: str, expected: list[str]) -> tuple[tuple[str, ...], str | None]:
    """What a string stands for, where a number or a boolean is expected."""
    if re.fullmatch(r"true|false" if "boolean" in expected else r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", value):
        return ("take the quotes away",), value
    number = re.match(r"[ \t]*([+-]?[0-9]+(?:\.[0-9]+)?)[ \t]*([A-Za-z]*)", value)
    if number is None or "boolean" in expected:
        return (f"write {_or(expected)}, without quotes",), None
    unit = next((said for end, said in _UNITS.items() if str(key[-1]).endswith(end)), "")
    if not unit:
        return (f"write the number alone: {ticked(number[1])}",), None
    same = number[2][:1].lower() in ("", unit[0].lower())
    return (f"write a number of {unit}" + (f": {ticked(number[1])}" if same else ""),), None


def _or(expected: list[str]) -> str:
    words = [_a(word) for word in expected]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'ai' else 'a'} {noun}"


@cache
def _homes(kind: Any) -> dict[str, list[str]]:
    """The tables that have a key, by its name."""
    homes: dict[str, list[str]] = {}
    for key in _walked(kind, ()):
        homes.setdefault(str(key[-1]), []).append(dotted(key[:-1]))
    return homes


def _walked(kind: Any, key: Key) -> Iterator[Key]:
    for step, node in known_keys(shape_of(kind, key)).items():
        yield (*key, step)
        if known_keys(node):
            yield from _walked(kind, (*key, step))
