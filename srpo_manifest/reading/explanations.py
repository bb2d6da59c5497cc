"""Explanations of codes, read from the file that a plugin brings, and the codes that its source tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from srpo_manifest.reading.conversion import converted
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import decoded, parsed
from srpo_manifest.reading.tree import marked
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.explanation import FORMAT, Area


def parse_explanations(data: bytes, file: str) -> Area:
    """Read one area of codes. Raises: ManifestError of `read_toml` and `converted`; `format-newer`."""
    text = decoded(data, file)
    found = parsed(text, file)
    known_format(found, FORMAT, file)
    return converted(found, Area, lambda: marked(parse(text).root, Page(text, file)), "the file of explanations")


_TELLERS = {"FactError", "LaunchError", "ManifestError", "PluginError", "TransportError"}
"""What takes a code first; of others it has that name."""


def told_codes(source: bytes) -> Iterator[str]:
    """Codes that stand as they are in a Python *source*: of errors, checks and findings. None of one that is no Python.

    >>> list(told_codes(b'raise TransportError("host-unknown", text)'))
    ['host-unknown']
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        for word in (*given, *(call.args[:1] if name in _TELLERS else ())):
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                yield word.value
