"""The JSON args file of the older wrapper."""

from __future__ import annotations

from functools import cache

from srpo_manifest.errors import ManifestError, ManifestErrors
from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted, unsound
from srpo_manifest.reading.jsontext import read_json, spans_of
from srpo_manifest.reading.locate import Key
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.toml import bounded, decoded
from srpo_manifest.reading.tree import grown
from srpo_manifest.values.manifest import ArgsFile


def parse_args_file(data: bytes, file: str) -> ArgsFile:
    """Read an args file.

    Shape: an object with `args` (array of strings), `env` (object of strings) and `working_dir` (string), each optional.
    Raises: ManifestError of `read_json`; `unknown-key`, `wrong-type` or `invalid-value`.
    """
    text = decoded(data, file)
    bounded(text, file)
    found = read_json(data, file)
    if not isinstance(found, dict):
        raise ManifestError(
            "wrong-type",
            "an args file holds one object",
            'write the arguments as `{"args": [...]}`',
            where=Where(file=file),
        )

    page, spans = Page(text, file), cache(spans_of)

    def place(key: Key) -> Where:
        return page.spot(spans(text)[key], key) if key else Where(file=file)

    args_file = converted(found, ArgsFile, lambda: grown(found, place), "the args file")
    if wrong := list(unsound(grown(found, place))):
        raise ManifestErrors(wrong)
    return args_file
