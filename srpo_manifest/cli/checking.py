"""Checking manifests and telling what was found; click is not needed for that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srpo_manifest.finding import Finding
    from srpo_manifest.values.said import Said

FORMAT = 1
WRONG = 2
_LOOKED_AT_BYTES = 1 << 20


def quick(arguments: list[str]) -> int | None:
    """`validate FILE...` without options, the call that CI makes. Returns: None where click must read the line."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        return None
    from srpo_manifest.values.said import Said  # noqa: PLC0415 - whoever asks for a verb's help needs no decoder

    return report(Said(), arguments)


def report(said: Said, given: Iterable[str], *, as_json: bool = False) -> int:
    """Check every file in its own right; one that is wrong hides no other.

    Returns: 2 where a finding of level deny is among what was found.
    """
    import msgspec  # noqa: PLC0415 - see `quick`

    from srpo_manifest.finding import told  # noqa: PLC0415 - likewise
    from srpo_manifest.wording import plural  # noqa: PLC0415 - likewise

    files = list(_files(given))
    found = [_check(msgspec.structs.replace(said, manifest=file)) for file in files]
    wrong = sum(finding.level == "deny" for findings in found for finding in findings)
    if as_json:
        rows = [{"file": file, "findings": findings} for file, findings in zip(files, found, strict=True)]
        print(msgspec.json.format(msgspec.json.encode({"format": FORMAT, "files": rows}), indent=2).decode())
    else:
        for findings in found:
            for finding in findings:
                print(told(finding), end="\n\n")
        verdict = f"{plural(wrong, 'error')} in {plural(len(files), 'manifest')}"
        print(verdict if wrong else f"{plural(len(files), 'manifest')} good", file=sys.stderr)
    return WRONG if wrong else 0


def _check(said: Said) -> tuple[Finding, ...]:
    from srpo_manifest.engine.checking import check  # noqa: PLC0415 - see `quick`
    from srpo_manifest.errors import SrpoManifestError  # noqa: PLC0415 - likewise

    try:
        return check(said)
    except SrpoManifestError as error:
        return error.findings


def _files(given: Iterable[str]) -> Iterable[str]:
    """Files as they are; a folder means its `*.toml` with a top-level `schema`."""
    for path in given:
        if not os.path.isdir(path):
            yield path
            continue
        for name in sorted(os.listdir(path)):
            if name.endswith(".toml") and _has_schema(os.path.join(path, name)):
                yield os.path.join(path, name)


def _has_schema(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return any(line.partition(b"=")[0].strip() == b"schema" for line in file.read(_LOOKED_AT_BYTES).splitlines())
