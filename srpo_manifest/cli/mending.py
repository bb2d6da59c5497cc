"""`validate --fix` and `--diff`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from srpo_manifest.cli.checking import WRONG
from srpo_manifest.cli.output import say, tell
from srpo_manifest.cli.patch import show
from srpo_manifest.engine.fixing import mended
from srpo_manifest.engine.loading import source_of
from srpo_manifest.engine.rewriting import write
from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, visible
from srpo_manifest.values.said import Said
from srpo_manifest.wording import plural


def mend(said: Said, file: str) -> tuple[str, Sequence[Finding]]:
    """Mend one file. Returns: the file, and what is still found."""
    said = msgspec.structs.replace(said, manifest=file)
    try:
        after, count, findings = mended(said, source_of(said).data)
        if count:
            write(file, after)
            say(f"{visible(file)}: {plural(count, 'edit')} made")
    except ManifestError as error:
        return file, error.findings
    return file, findings


def difference(said: Said, files: Iterable[str]) -> int:
    """Print how the files would be mended, as a patch. Returns: 2 where there is anything to mend, or wrong."""
    status = 0
    for file in files:
        one = msgspec.structs.replace(said, manifest=file)
        try:
            before = source_of(one).data
        except ManifestError as error:
            tell(error.findings)
            status = WRONG
            continue
        after, _, findings = mended(one, before)
        show(before, after, file)
        wrong = before != after or any(finding.level == "deny" for finding in findings)
        status = WRONG if wrong else status
    return status
