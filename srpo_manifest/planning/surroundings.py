"""What changed around an entry: files that somebody names, and findings that came or went."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from srpo_manifest.finding import Finding, Where
from srpo_manifest.planning.upgrade import items
from srpo_manifest.values.lock import EntryContract
from srpo_manifest.values.upgrade import Change, FileChange, Findings
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked

_LITERAL = re.compile(r"(`[^`]*`)")


def files_named(wanted: Wanted, entry: EntryContract) -> dict[str, str]:
    """Files of the checkout that the description, the script or the manifest names; those of the entry tell themselves."""
    found = dict.fromkeys(_paths(entry), "an argument of the script")
    found |= {rule.file: "the trainer description" for rule in wanted.trainer.evidence.values()}
    for word in wanted.manifest.entry.command or ():
        if word.startswith("${repo.dir}/"):
            found[word.removeprefix("${repo.dir}/")] = "`entry.command`"
    own = {contract.path for contract in (entry.script, entry.arguments) if contract is not None}
    return {path: who for path, who in found.items() if path not in own}


def of_files(changed: Iterable[FileChange], named: Mapping[str, str]) -> tuple[Change, ...]:
    """Changes of the files of the checkout that somebody *named*: by path, who did."""
    found = []
    for one in changed:
        path = one.path if one.path in named else one.to
        if path is None or path not in named:
            continue
        same = one.before is not None and one.path == one.to
        moved = f"; it is {ticked(one.to)} now" if one.to not in (None, path) else ""
        found.append(
            Change(
                what="file",
                name=path,
                field="text" if same else "",
                before=one.before if same else one.before and one.path,
                after=one.after if same else one.to,
                why=f"{named[path]} names it{moved}",
                where=Where(file=one.to) if one.to else None,
                was=Where(file=one.path) if one.before else None,
            )
        )
    return tuple(found)


def of_findings(before: Iterable[Finding], after: Iterable[Finding]) -> Findings:
    """Findings that one side alone has; a line that moved makes no other finding."""
    old, new = ({_essence(finding): finding for finding in found} for found in (before, after))
    return Findings(
        new=tuple(finding for key, finding in new.items() if key not in old),
        gone=tuple(finding for key, finding in old.items() if key not in new),
    )


def grave(findings: Findings) -> bool:
    """Whether a refusal or a warning came or went."""
    return any(finding.level in ("deny", "warn") for finding in (*findings.new, *findings.gone))


def _paths(entry: EntryContract) -> Iterator[str]:
    """Arguments of the script that may be paths, as they would stand in the checkout; `file.py:name` is one as well."""
    for launch in entry.script.launches if entry.script else ():
        for values, _ in items(launch.arguments).values():
            for value in values:
                if "/" in value or "." in value:
                    yield posixpath.normpath(value.partition(":")[0])


def _essence(finding: Finding) -> tuple[str, str, str, str]:
    """What makes it the finding it is: of its message not the bare numbers, which are lines and counts."""
    words = [part if part.startswith("`") else re.sub(r"\d+", "", part) for part in _LITERAL.split(finding.message)]
    return finding.code, finding.level, "".join(words), finding.where.key if finding.where else ""
