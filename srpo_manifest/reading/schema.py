"""The manifest's JSON Schema, draft 2020-12, from the very structs that decode it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from srpo_manifest.values.manifest import (
    AnyManifest,
    DirectOptions,
    LauncherOptions,
    LocalOptions,
    TransportOptions,
)

_REF = "#/$defs/{name}"
_LOCAL: Mapping[str, type[TransportOptions]] = {"local": LocalOptions}
_DIRECT: Mapping[str, type[LauncherOptions]] = {"direct": DirectOptions}
_OVERLAY = "A profile: keys that are laid over the manifest's with `--profile`."
_DROP = "Keys to remove before these are laid on, such as `resources.port`."


def json_schema(
    transports: Mapping[str, type[TransportOptions]] = _LOCAL,
    launchers: Mapping[str, type[LauncherOptions]] = _DIRECT,
) -> dict[str, Any]:
    """The schema of a manifest; tables of a kind that is not given are left open, as its plugin alone knows them.

    What a file must say depends on `extends`: a manifest that extends another may leave the rest to it. Gaps against
    the decoder, which JSON Schema has no words for: rules between keys, control characters, and what `extends` brings.
    """
    kinds = (*transports.values(), *launchers.values())
    (_, *refs), found = msgspec.json.schema_components((AnyManifest, *kinds), ref_template=_REF)
    names = {ref["$ref"].rpartition("/")[2] for ref in refs}
    definitions = {name: _plain(definition) for name, definition in found.items()}
    manifest = next(definitions.pop(name) for name in list(definitions) if name.startswith("Manifest"))
    backend = next(definitions.pop(name) for name in list(definitions) if name.startswith("Backend"))
    definitions = {
        name: definition
        for name, definition in definitions.items()
        if name in names or name not in ("TransportOptions", "LauncherOptions")
    }
    for which, known in (("transport", transports), ("launcher", launchers)):
        backend["properties"][which] = _of_kind(backend["properties"][which]["description"], known, refs, kinds)
    return {}
