"""Checking manifests and telling what was found; click is not needed for that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srpo_manifest.finding import Finding
    from srpo_manifest.values.said import Said

FORMAT = 1
_LOOKED_AT_BYTES = 1 << 20
STDIN = "-"
WRONG = 2


def quick(arguments: list[str]) -> int | None:
    """`validate FILE...` without options, the call that CI makes. Returns: None where click must read the line."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        return None
    from srpo_manifest.values.said import Said  # noqa: PLC0415 - whoever asks for a verb's help needs no decoder

    return report(Said(), arguments)


def report(said: Said, given: Iterable[str], *, style: str = "human") -> int:
    """Check every file in its own right; one that is wrong hides no other.

    Returns: 2 where a finding of level deny is among what was found.
    """
    import msgspec  # noqa: PLC0415 - see `quick`

    from srpo_manifest.engine.checking import findings  # noqa: PLC0415 - likewise

    files = list(files_of(given))
    return told([(file, findings(msgspec.structs.replace(said, manifest=file))) for file in files], style)


def told(files: Sequence[tuple[str, Sequence[Finding]]], style: str) -> int:
    """Tell what was found in each file, in *style*. Returns: 2 where a finding of level deny is among it."""
    wrong = sum(finding.level == "deny" for _, findings in files for finding in findings)
    if style == "human":
        _for_people(files, wrong)
    elif style == "json":
        from srpo_manifest.cli.output import data  # noqa: PLC0415 - see `quick`

        data({"format": FORMAT, "files": [{"file": file, "findings": findings} for file, findings in files]})
    else:
        from srpo_manifest.cli.formats import FORMATS, Checked  # noqa: PLC0415 - see `quick`

        if text := FORMATS[style]([Checked(file, findings) for file, findings in files]):
            print(text)
    return WRONG if wrong else 0


def _for_people(files: Sequence[tuple[str, Sequence[Finding]]], wrong: int) -> None:
    from srpo_manifest.cli.colours import paint_for  # noqa: PLC0415 - see `quick`
    from srpo_manifest.reading.edits import edits_of  # noqa: PLC0415 - likewise
    from srpo_manifest.rendering import told as shown  # noqa: PLC0415 - likewise
    from srpo_manifest.wording import plural  # noqa: PLC0415 - likewise

    for _, findings in files:
        for finding in findings:
            print(shown(finding, paint_for(sys.stdout)), end="\n\n")
    fixable = sum(bool(edits_of([finding], file)) for file, findings in files for finding in findings)
    verdict = f"{plural(wrong, 'error')} in {plural(len(files), 'manifest')}"
    more = f", {fixable} fixable with `--fix`" if fixable else ""
    print(f"{verdict}{more}" if wrong else f"{plural(len(files), 'manifest')} good", file=sys.stderr)
    if wrong and sys.stderr.isatty():
        first = next(finding.code for _, findings in files for finding in findings if finding.level == "deny")
        print(f"hint: `srpo-manifest explain {first}` tells more", file=sys.stderr)


def piped(verb: str) -> bytes:
    """All of stdin, up to what a manifest may have. Raises: UsageError where it is closed."""
    from srpo_manifest.errors import UsageError  # noqa: PLC0415 - see `quick`

    if sys.stdin is None:
        raise UsageError("usage", "`-` is stdin, which is closed", f"give it a text: `srpo-manifest {verb} - < FILE`")
    return sys.stdin.buffer.read(_LOOKED_AT_BYTES + 1)


def files_of(given: Iterable[str]) -> Iterable[str]:
    """Files as they are; a folder means the manifests in it.

    A folder without one, or that cannot be listed, counts as a file: who reads it tells why.
    """
    from srpo_manifest.engine.files import manifests_in  # noqa: PLC0415 - see `quick`

    for path in given:
        yield from (manifests_in(path) if os.path.isdir(path) else ()) or (path,)
