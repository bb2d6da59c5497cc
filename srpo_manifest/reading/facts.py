"""Saved facts: JSON, one document."""

from __future__ import annotations

import msgspec

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.canonical import canonical_json
from srpo_manifest.reading.jsontext import read_json
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.facts import FORMAT, Facts
from srpo_manifest.wording import ticked

LIMIT_BYTES = 64 << 20


def render_facts(facts: Facts) -> bytes:
    """The facts as JSON with sorted keys."""
    return canonical_json(facts)


def parse_facts(data: bytes, file: str) -> Facts:
    """The inverse of `render_facts`.

    Raises: ManifestError of `read_json`; `format-newer`, or `facts-shape` for JSON that holds no facts.
    """
    found = read_json(data, file, limit_bytes=LIMIT_BYTES)
    known_format(found, FORMAT, file)
    try:
        return msgspec.convert(found, Facts, strict=True)
    except msgspec.ValidationError as error:
        raise ManifestError(
            "facts-shape",
            f"{ticked(file)} holds no saved facts: {error}",
            "`plan --save-facts FILE` writes them",
            where=Where(file=file),
        ) from None
