"""A file that is no TOML at all: told as what it is, by one error in place of hundreds."""

from __future__ import annotations

import re

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.literals import STATEMENT
from srpo_manifest.wording import ticked

_YAML = re.compile(r"\s*+(?:#[^\n]*+\n\s*+)*+(?:---(?:\s|\Z)|[\w.-]+:(?:\s|\Z))")


def known_as_toml(text: str, file: str) -> None:
    """Refuse a text with mistakes that was never meant as TOML.

    Raises: ManifestError `not-toml`, `not-utf8`, or `control-character`.
    """
    where = Where(file=file)
    if 3 * text.count("\0") > len(text):
        raise ManifestError("not-utf8", f"{ticked(file)} is UTF-16, expected UTF-8", "save it as UTF-8", where=where)
    if text.count("\r") > 1 and "\n" not in text:
        message = f"the lines of {ticked(file)} end with a carriage return alone"
        raise ManifestError("control-character", message, "save it with the line ends of Unix or Windows", where=where)
    kind = "JSON" if text.lstrip().startswith("{") else "YAML" if _YAML.match(text) and not _has_statement(text) else ""
    if kind:
        message = f"{ticked(file)} is {kind}, and a manifest is TOML"
        raise ManifestError(
            "not-toml", message, "write `key = value`, and `[name]` before the keys of a table", where=where
        )


def _has_statement(text: str) -> bool:
    return any(STATEMENT.match(f"{line}\n") for line in text.split("\n"))
