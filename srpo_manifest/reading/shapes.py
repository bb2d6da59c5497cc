"""What a type says of a key: msgspec's own description of it, walked. Imported where something is to be explained."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

import msgspec.inspect as shape

from srpo_manifest.reading.locate import Key
from srpo_manifest.wording import listed, ticked

Shape: TypeAlias = shape.Type

_KINDS: dict[type[Shape], str] = {
    shape.StrType: "string",
    shape.BoolType: "boolean",
    shape.IntType: "integer",
    shape.FloatType: "number",
    shape.StructType: "table",
    shape.DictType: "table",
    shape.VarTupleType: "array",
}


@cache
def info(kind: Any) -> Shape:
    """What msgspec says of a type."""
    return shape.type_info(kind)


def shape_of(kind: Any, key: Key = ()) -> Shape | None:
    """What type *kind* says of *key*; None where it knows no such key."""
    node: Shape | None = info(kind)
    for step in key:
        node = shape_in(node, step)
    return node


def shape_in(node: Shape | None, step: str | int) -> Shape | None:
    """What *node* says of one key, or of an item."""
    return next((found for one in alternatives(node) if (found := _inside(one, step)) is not None), None)


def alternatives(node: Shape | None) -> Iterator[Shape]:
    """The members of a union, without descriptions and null."""
    if isinstance(node, shape.Metadata):
        yield from alternatives(node.type)
    elif isinstance(node, shape.UnionType):
        for member in node.types:
            yield from alternatives(member)
    elif node is not None and not isinstance(node, shape.NoneType):
        yield node


def kinds(node: Shape | None) -> list[str]:
    """The kinds of value that are accepted, in a manifest's words."""
    found = dict.fromkeys(
        kind_of(one.values[0]) if isinstance(one, shape.LiteralType) else _KINDS.get(type(one), "")
        for one in alternatives(node)
    )
    return [kind for kind in found if kind]


def kind_of(value: object) -> str:
    """The kind of a plain value, in a manifest's words."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "table"
        case list() | tuple():
            return "array"
        case _:
            return "null" if value is None else "date or time"


def known_keys(node: Shape | None) -> dict[str, Shape]:
    """The keys of the struct that *node* is; empty where it is none."""
    return {
        field.encode_name: field.type
        for one in alternatives(node)
        if isinstance(one, shape.StructType)
        for field in one.fields
    }


def choices(node: Shape | None) -> list[Any]:
    """The literals that are accepted; empty where it takes no literals."""
    return [value for one in alternatives(node) if isinstance(one, shape.LiteralType) for value in one.values]


def key_shape(node: Shape | None) -> Shape | None:
    """What names a table of free names takes."""
    return next((one.key_type for one in alternatives(node) if isinstance(one, shape.DictType)), None)


def description(node: Shape | None) -> str:
    """What is said of the text itself, where something is, else of the key."""
    if isinstance(node, shape.Metadata):
        own: str = (node.extra_json_schema or {}).get("description", "")
        return description(node.type) or own
    if isinstance(node, shape.UnionType):
        return next((found for member in node.types if (found := description(member))), "")
    return ""


def bounds_of(one: Shape) -> str:
    """What values of *one* are held to, in words; empty where nothing is."""
    match one:
        case shape.LiteralType(values=values):
            return listed(values)
        case shape.StrType(pattern=str(pattern)):
            shown = pattern.removeprefix(r"\A").removesuffix(r"\Z")
            return f"text that matches {ticked(shown)}" + (f", up to {one.max_length}" if one.max_length else "")
        case shape.StrType() if one.max_length:
            return f"{one.min_length or 0} to {one.max_length:,} characters"
        case shape.IntType(ge=int(least), le=int(most)):
            return f"an integer from {least:,} to {most:,}"
        case shape.IntType(ge=int(least)):
            return f"an integer of {least:,} or more"
        case shape.FloatType() if one.gt is not None and one.le is not None:
            return f"a number above {one.gt:g}, up to {one.le:,g}"
        case shape.VarTupleType() if one.max_length:
            return f"{one.min_length or 0} to {one.max_length:,}"
        case shape.VarTupleType() if one.min_length:
            return f"{one.min_length} or more"
    return ""


def _inside(node: Shape, step: str | int) -> Shape | None:
    if isinstance(node, shape.StructType):
        return known_keys(node).get(str(step))
    if isinstance(node, shape.DictType) and isinstance(step, str):
        return node.value_type
    if isinstance(node, shape.VarTupleType) and isinstance(step, int):
        return node.item_type
    return None
