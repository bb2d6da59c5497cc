"""`validate`: check manifests; nothing is started, no network is opened."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from srpo_manifest.errors import ManifestError, PluginError, SrpoManifestError
from srpo_manifest.finding import Finding, told
from srpo_manifest.values.base import Value
from srpo_manifest.values.said import Said
from srpo_manifest.wording import plural

FORMAT = 1
WRONG = 2


class Checked(Value):
    """One file and what is wrong with it."""

    file: str
    findings: tuple[Finding, ...]


def quick(arguments: list[str]) -> int | None:
    """`validate FILE...` without options, the call that CI makes. Returns: None where click must read the line."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        return None
    return _report(_check(Said(manifest=file)) for file in _files(arguments))


def validate(said: Said, files: Iterable[str], *, as_json: bool) -> int:
    """Check every file in its own right. Returns: 2 where a finding of level deny is among what was found."""
    import msgspec  # noqa: PLC0415 - `quick` has it from the manifest

    checked = (_check(msgspec.structs.replace(said, manifest=file)) for file in _files(files))
    return _report(checked, as_json=as_json)


def _check(said: Said) -> Checked:
    """Decode the manifest, and ask the stages what they can say without a machine. One fault never hides a file."""
    from srpo_manifest.engine.checking import check  # noqa: PLC0415 - brings the decoder

    try:
        return Checked(file=said.manifest, findings=check(said))
    except (ManifestError, PluginError) as error:
        return Checked(file=said.manifest, findings=error.findings)
    except SrpoManifestError as error:
        return Checked(file=said.manifest, findings=error.findings)


def _files(given: Iterable[str]) -> Iterable[str]:
    """Files as they are; a folder means its `*.toml` with a top-level `schema`."""
    for path in given:
        if Path(path).is_dir():
            for file in sorted(Path(path).glob("*.toml")):
                if any(line.split(b"=")[0].strip() == b"schema" for line in file.read_bytes().splitlines()):
                    yield str(file)
        else:
            yield path


def _report(checked: Iterable[Checked], *, as_json: bool = False) -> int:
    found = list(checked)
    findings = [finding for one in found for finding in one.findings]
    wrong = sum(finding.level == "deny" for finding in findings)
    if as_json:
        from srpo_manifest.cli.output import data  # noqa: PLC0415 - people are served first

        data({"format": FORMAT, "files": found})
    else:
        for finding in findings:
            print(told(finding), end="\n\n")
        said = (
            f"{plural(wrong, 'error')} in {plural(len(found), 'manifest')}"
            if wrong
            else f"{plural(len(found), 'manifest')} good"
        )
        print(said, file=sys.stderr)
    return WRONG if wrong else 0
