"""Saved plans: JSON, one document."""

from __future__ import annotations

import msgspec

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.facts import LIMIT_BYTES
from srpo_manifest.reading.jsontext import read_json
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.plan import FORMAT, SavedPlan
from srpo_manifest.wording import ticked


def render_saved_plan(saved: SavedPlan) -> bytes:
    """The saved plan as JSON."""
    return msgspec.json.encode(saved)


def parse_saved_plan(data: bytes, file: str) -> SavedPlan:
    """The inverse of `render_saved_plan`.

    Raises: ManifestError of `read_json`; `format-newer`, or `plan-shape` for JSON that holds no saved plan.
    """
    found = read_json(data, file, limit_bytes=LIMIT_BYTES)
    known_format(found, FORMAT, file)
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=SavedPlan)
    except msgspec.ValidationError as error:
        raise ManifestError(
            "plan-shape",
            f"{ticked(file)} holds no saved plan: {error}",
            "`plan --out FILE` writes one",
            where=Where(file=file),
        ) from None
