"""The manifest's JSON Schema, from the very structs that decode it: draft 2020-12, and draft-07 for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from srpo_manifest.values.manifest import (
    AnyManifest,
    DirectOptions,
    LauncherOptions,
    LocalOptions,
    TransportOptions,
)

Schema: TypeAlias = dict[str, Any]

_REF = "#/$defs/{name}"
_LOCAL: Mapping[str, type[TransportOptions]] = {"local": LocalOptions}
_DIRECT: Mapping[str, type[LauncherOptions]] = {"direct": DirectOptions}
_DROP: Schema = {
    "description": "Keys to remove from what these are laid on, such as `resources.port`.",
    "type": "array",
    "items": {"type": "string"},
}
_OPEN: Schema = {"additionalProperties": True}
"""Said of parts that only add something: tombi takes silence for a closed table."""
_NEEDED: Schema = {
    "required": ["name", "model"],
    "properties": {
        "model": {"required": ["type"], **_OPEN},
        "backend": {
            "properties": {"transport": {"required": ["kind"], **_OPEN}, "launcher": {"required": ["kind"], **_OPEN}},
            **_OPEN,
        },
    },
    **_OPEN,
}
_BESIDE = ("description", "default", "examples")


def json_schema(
    transports: Mapping[str, type[TransportOptions]] = _LOCAL, launchers: Mapping[str, type[LauncherOptions]] = _DIRECT
) -> Schema:
    """The schema of a manifest. A backend table of another kind is left open: its plugin alone knows its keys.

    What is required is required of a file that extends none: the rest may stand in the other one. JSON Schema has no
    words for rules between keys, and none for control characters: the decoder refuses what this accepts there.
    """
    refs, found = msgspec.json.schema_components(
        (AnyManifest, *transports.values(), *launchers.values()), ref_template=_REF
    )
    names = [ref["$ref"].rpartition("/")[2] for ref in refs]
    definitions = {name: _plain(definition) for name, definition in found.items()}
    manifest = definitions.pop(names[0])
    backend = definitions.pop(manifest["properties"]["backend"]["$ref"].rpartition("/")[2])
    manifest["properties"]["backend"]["$ref"] = _REF.format(name="Backend")
    own = iter(names[1:])
    for which, known in (("Transport", transports), ("Launcher", launchers)):
        said = definitions[f"{which}Options"]["properties"]["kind"]
        kinds = {kind: f"{which}-{kind}" for kind in known}
        for name in kinds.values():  # whatever its class is called, and whoever else calls one so
            options = definitions.pop(next(own))
            options["properties"]["kind"] = {"description": said["description"], **options["properties"]["kind"]}
            definitions[name] = options
        definitions[f"{which}Options"] = _of_kind(said, kinds)
    del backend["required"], definitions["Model"]["required"]
    laid = {name: node for name, node in manifest["properties"].items() if name not in ("schema", "extends")}
    overlay = {"type": "object", "properties": {**laid, "drop": _DROP}, "additionalProperties": False}
    profiles = {
        "description": "Overlays by name, for `--profile NAME`.",
        "type": "object",
        "additionalProperties": {"$ref": _REF.format(name="Overlay")},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "srpo.toml",
        **manifest,
        "properties": {**manifest["properties"], "profile": profiles, "drop": _DROP},
        "required": ["schema"],
        "if": {"required": ["extends"], **_OPEN},
        "else": _NEEDED,
        "$defs": {**definitions, "Backend": backend, "Overlay": overlay},
    }


def _of_kind(said: Schema, kinds: Mapping[str, str]) -> Schema:
    """A table whose `kind` says which definition holds."""
    return {
        "type": "object",
        "properties": {"kind": {**said, "examples": [*kinds]}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"], **_OPEN},
                "then": {"$ref": _REF.format(name=name)},
            }
            for kind, name in kinds.items()
        ],
        **_OPEN,
    }


def draft_07(schema: Schema) -> Schema:
    """The same in draft-07, which taplo and older editors read: `definitions`, and nothing beside a `$ref`."""
    definitions = {name: _draft_07(node) for name, node in schema["$defs"].items()}
    rest = {name: value for name, value in schema.items() if name not in ("$schema", "$defs")}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_draft_07(rest), "definitions": definitions}


def _draft_07(node: Any) -> Any:
    if isinstance(node, list):
        return [_draft_07(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {
        name: {key: _draft_07(value) for key, value in child.items()} if name == "properties" else _draft_07(child)
        for name, child in node.items()
        if name not in ("$ref", *_BESIDE)
    }
    found |= {name: node[name] for name in _BESIDE if name in node}
    if "$ref" in node:
        reference = {"$ref": node["$ref"].replace("#/$defs/", "#/definitions/")}
        return {**found, "allOf": [reference]} if found else reference
    return found


def _plain(node: Any) -> Any:
    """What editors read alike: no null (TOML has none), ECMA's anchors, `const` for one value, no default of a table."""
    if not isinstance(node, dict):
        return node
    node = {name: value for name, value in node.items() if name != "title"}
    members = [member for member in node.pop("anyOf", ()) if member != {"type": "null"}]
    if len(members) == 1:
        node = {**members[0], **node}
    elif members:
        node["anyOf"] = [_plain(member) for member in members]
    if "pattern" in node:
        node["pattern"] = node["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    if len(node.get("enum", ())) == 1:
        node["const"] = node.pop("enum")[0]
    if node.get("default", 0) is None or isinstance(node.get("default"), dict):
        del node["default"]
    if not node.get("required", True):
        del node["required"]
    for name in ("items", "additionalProperties", "propertyNames"):
        if name in node:
            node[name] = _plain(node[name])
    if "properties" in node:
        node["properties"] = {name: _plain(value) for name, value in node["properties"].items()}
    return node
