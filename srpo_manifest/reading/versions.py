"""The version that a file was written for: `format` of our own files, `schema` of manifests."""

from __future__ import annotations

from typing import Any

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.values.manifest import SCHEMA
from srpo_manifest.wording import ticked

OLDEST_SCHEMA = 0
"""What `migrate` still knows."""


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


def known_schema(schema: object, where: Where) -> None:
    """Refuse a manifest of another version, before anything else in it is looked at; what is no version is left to others.

    Raises: ManifestError `schema-newer` or `schema-older`.
    """
    if type(schema) is not int or schema == SCHEMA or schema < OLDEST_SCHEMA:
        return
    if schema > SCHEMA:
        raise ManifestError(
            "schema-newer",
            f"this file needs a srpo-manifest that knows schema {schema}; this one knows {SCHEMA}",
            "update srpo-manifest: `pip install -U srpo-manifest`",
            where=where,
        )
    from shlex import quote  # noqa: PLC0415 - few files are so old

    raise ManifestError(
        "schema-older",
        f"this file has schema {schema}; this srpo-manifest reads schema {SCHEMA}",
        f"run `srpo-manifest migrate {quote(where.file)}`: it rewrites the file, and tells what it does",
        where=where,
    )
