"""What can be told of a manifest's key: from the types that decode it, which give the JSON Schema as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as shape
from msgspec import NODEFAULT, Struct, ValidationError, convert

from srpo_manifest.reading.locate import Key, dotted, undotted
from srpo_manifest.reading.lockfile import inline
from srpo_manifest.reading.schema import json_schema
from srpo_manifest.reading.shapes import Shape, alternatives, bounds_of, choices, info, kinds, shape_in
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import AnyManifest
from srpo_manifest.wording import listed, plural

_BACKENDS: tuple[Key, ...] = (("backend", "transport"), ("backend", "launcher"))
_USUAL = (("backend",), *_BACKENDS)
"""Tables that are filled in where nobody writes them."""
_OVERLAYS = ("profile", "drop")
"""Keys that are gone once a manifest is merged; the schema alone tells of them."""


class KeyText(Value):
    """One key. `kinds` are those of its value, `items` those of an array's items; `takes` tells its bounds.

    `default` and `example` are TOML, empty where there is none; `keys` are those of a table, with what they say.
    """

    key: str
    kinds: tuple[str, ...]
    says: str
    items: tuple[str, ...] = ()
    required: bool = False
    default: str = ""
    takes: str = ""
    example: str = ""
    keys: dict[str, str] = {}


def every_key(kind: Any = AnyManifest) -> tuple[str, ...]:
    """All keys of a manifest of *kind* that have a name of their own, tables before what is in them; `files.path` is one of each file."""
    return (*map(dotted, _walked(info(kind), ())), *_OVERLAYS)


def table_of_backend(spelled: str) -> str | None:
    """`transport` or `launcher`, where *spelled* means that table of the backend; its other keys come with a plugin."""
    key = _key(spelled) or ()
    within = key[2:] if key[:1] == ("profile",) else key
    return str(within[1]) if within in _BACKENDS else None


def key_text(spelled: str, examples: dict[str, Any], kind: Any = AnyManifest) -> KeyText | None:
    """What is told of the key that *spelled* means, such as `repo.ref`, `[entry.set]` or `profile.smoke.repo.ref`.

    *examples* has a value for each key. Returns: None where a manifest of *kind* has no such key.
    """
    key = _key(spelled)
    if not key:
        return None
    if key[0] in _OVERLAYS and len(key) < 3:
        return _overlay(key, examples) if key[0] == "profile" or len(key) == 1 else None
    within = key[2:] if key[0] == "profile" else key
    node: Shape | None = info(kind)
    field: shape.Field | None = None
    says = ""
    for step in map(str, within):
        table = _item(node)
        if step.isdigit() and table is not node:
            node = table
            continue
        field = _fields(table).get(step)
        node = field.type if field else shape_in(table, step)
        if node is None:
            return None
        says = _said(node) or says
    item = _item(node)
    return KeyText(
        key=dotted(key),
        kinds=tuple(kinds(node)),
        items=tuple(kinds(item)) if item is not node else (),
        says=says,
        required=bool(field and field.required and within not in _USUAL),
        default=_default(field),
        takes=_takes(node),
        example=_example(key, examples),
        keys={name: _said(child.type) or _takes(child.type) for name, child in _fields(item).items()},
    )


def _key(spelled: str) -> Key | None:
    return undotted(spelled.replace("[]", "").strip("[] "))


def _overlay(key: Key, examples: dict[str, Any]) -> KeyText:
    said = json_schema()["properties"][key[0]]
    kind = {"array": "array", "object": "table"}[said["type"]]
    return KeyText(key=dotted(key), kinds=(kind,), says=said["description"], example=_example(key[:1], examples))


def _walked(node: Shape | None, key: Key) -> Iterator[Key]:
    for name, field in _fields(_item(node)).items():
        yield (*key, name)
        yield from _walked(field.type, (*key, name))


def _fields(node: Shape | None) -> dict[str, shape.Field]:
    return {
        field.encode_name: field
        for one in alternatives(node)
        if isinstance(one, shape.StructType)
        for field in one.fields
    }


def _item(node: Shape | None) -> Shape | None:
    """What an array holds; anything else is itself."""
    return next((one.item_type for one in alternatives(node) if isinstance(one, shape.VarTupleType)), node)


def _said(node: Shape | None) -> str:
    """What the type says of the key itself."""
    if isinstance(node, shape.Metadata):
        own: str = (node.extra_json_schema or {}).get("description", "")
        return own or _said(node.type)
    if isinstance(node, shape.UnionType):
        return next(
            (found for member in node.types if isinstance(member, shape.Metadata) and (found := _said(member))), ""
        )
    if isinstance(node, shape.StructType):
        return (node.cls.__doc__ or "").split("\n")[0]
    return ""


def _default(field: shape.Field | None) -> str:
    if field is None or field.default is NODEFAULT or field.default is None or isinstance(field.default, Struct):
        return ""
    return inline(field.default)


def _takes(node: Shape | None) -> str:
    words = choices(node)
    if words:
        return listed(words)
    counted = [
        plural(one.max_length, "item") if one.min_length == one.max_length else f"{bounds_of(one)} items"
        for one in alternatives(node)
        if isinstance(one, shape.VarTupleType) and one.max_length
    ]
    return "; or ".join(counted or [text for one in alternatives(node) if (text := bounds_of(one))])


def _example(key: Key, examples: dict[str, Any]) -> str:
    """Lines of a manifest that set *key*, with what it cannot stand without; none for a table whose keys tell of themselves."""
    above, within = (key[:2], key[2:]) if key[0] == "profile" and len(key) > 2 else ((), key)
    node: Shape | None = info(AnyManifest)
    value: Any = examples
    several = False
    for step in (step for step in map(str, within[:-1]) if not step.isdigit()):
        node, value = shape_in(_item(node), step), value.get(step) if isinstance(value, dict) else None
        several = isinstance(value, list)
        value = value[0] if several else value
    name = str(within[-1])
    wanted = shape_in(_item(node), name)
    if not isinstance(value, dict) or name not in value or (kinds(wanted) == ["table"] and _fields(wanted)):
        return ""
    if wanted is None and isinstance(value[name], dict):
        return "\n".join(_table(key, value[name]))
    if kinds(wanted) == ["table"]:
        return "\n".join([f"[{dotted(key)}]", *_pairs(value[name])])
    if isinstance(value[name], list) and isinstance(value[name][0], dict):
        return "\n".join([f"[[{dotted(key)}]]", *_pairs(value[name][0])])
    header = dotted((*above, *(step for step in within[:-1] if not str(step).isdigit())))
    pairs = _pairs(_beside(_item(node), name, value) if len(within) > 1 else {name: value[name]})
    return "\n".join([*([f"[[{header}]]" if several else f"[{header}]"] if header else ()), *pairs])


def _beside(node: Shape | None, name: str, table: dict[str, Any]) -> dict[str, Any]:
    """*name* of *table* with the keys that it needs: those that are required, and one more where rules want it."""
    kind = next((one.cls for one in alternatives(node) if isinstance(one, shape.StructType)), None)
    needed = {one for one, field in _fields(node).items() if field.required and one in table}
    for more in ("", *table) if kind else ():
        found = {one: value for one, value in table.items() if one in {name, more, *needed}}
        try:
            convert(found, kind)
        except ValidationError:
            continue
        return found
    return {name: table[name]}


def _table(key: Key, table: dict[str, Any]) -> Iterator[str]:
    below = {name: value for name, value in table.items() if isinstance(value, dict)}
    own = {name: value for name, value in table.items() if name not in below}
    if own:
        yield f"[{dotted(key)}]"
        yield from _pairs(own)
    for name, value in below.items():
        yield from _table((*key, name), value)


def _pairs(table: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, table))
    return (f"{name:{width}} = {inline(value)}" for name, value in table.items())
