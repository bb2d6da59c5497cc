"""The `format` number that our own files begin with."""

from __future__ import annotations

from typing import Any

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.wording import ticked


def known_format(data: Any, known: int, file: str) -> None:
    """Refuse a file that a newer version wrote, before anything else in it is looked at.

    Raises: ManifestError `format-newer`.
    """
    found = data.get("format") if isinstance(data, dict) else None
    if isinstance(found, int) and found > known:
        raise ManifestError(
            "format-newer",
            f"{ticked(file)} has format {found}; this srpo-manifest knows {known}",
            "update srpo-manifest: `pip install -U srpo-manifest`",
            where=Where(file=file, key="format"),
        )
