"""The JSON args file of the older wrapper."""

from __future__ import annotations

from srpo_manifest.errors import ManifestError, ManifestErrors
from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted, unsound
from srpo_manifest.reading.jsontext import read_json
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.tree import grown
from srpo_manifest.values.manifest import ArgsFile


def parse_args_file(data: bytes, file: str) -> ArgsFile:
    """Read an args file.

    Shape: an object with `args` (array of strings), `env` (object of strings) and `working_dir` (string), each optional.
    Raises: ManifestError of `read_json`; `unknown-key`, `wrong-type` or `invalid-value`.
    """
    found = read_json(data, file)
    if not isinstance(found, dict):
        raise ManifestError(
            "wrong-type",
            "an args file holds one object",
            'write the arguments as `{"args": [...]}`',
            where=Where(file=file),
        )

    def place(key: Key) -> Where:
        return Where(file=file, key=dotted(key))

    tree = grown(found, place)
    if wrong := list(unsound(tree)):
        raise ManifestErrors(wrong)
    return converted(found, ArgsFile, lambda: tree, "the args file")
