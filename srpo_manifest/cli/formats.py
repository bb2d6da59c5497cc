"""Findings in the formats of CI systems. All of them are text; none holds more than a finding tells."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from srpo_manifest import __version__
from srpo_manifest.finding import Finding, Spot, Where, visible


class Checked(NamedTuple):
    """A file and what was found in it; places of findings may lie in other files."""

    file: str
    findings: Sequence[Finding]


Format: TypeAlias = Callable[[Sequence[Checked]], str]


def github(files: Sequence[Checked]) -> str:
    """Workflow commands, one a line. GitHub shows ten of a kind in a step, fifty in a job.

    Source: "Workflow commands for GitHub Actions".
    """
    kinds = {"deny": "error", "warn": "warning"}
    lines = []
    for file, finding in _each(files):
        where = _where(file, finding)
        place: dict[str, object] = {"file": where.file}
        if where.line:
            place |= {"line": where.line, "endLine": where.line, "col": where.column, "endColumn": _end(where)}
        place["title"] = f"srpo-manifest {finding.code}"
        told = ",".join(f"{key}={_commanded(str(value), ':,')}" for key, value in place.items())
        lines.append(f"::{kinds.get(finding.level, 'notice')} {told}::{_commanded(_message(finding))}")
    return "\n".join(lines)


def gitlab(files: Sequence[Checked]) -> str:
    """A code quality report: an array of issues, whose fingerprints survive lines that move.

    Source: GitLab, "Code Quality report format".
    """
    severities = {"deny": "major", "warn": "minor"}
    seen: Counter[str] = Counter()
    issues = []
    for file, finding in _each(files):
        where = _where(file, finding)
        positions = {
            "begin": {"line": where.line or 1, "column": where.column or 1},
            "end": {"line": where.line or 1, "column": _end(where) if where.line else 1},
        }
        issues.append(
            {
                "description": _message(finding),
                "check_name": finding.code,
                "fingerprint": _fingerprint(where, finding, seen),
                "severity": severities.get(finding.level, "info"),
                "location": {"path": _path(where), "positions": positions},
            }
        )
    return json.dumps(issues, indent=2, ensure_ascii=False)


def sarif(files: Sequence[Checked]) -> str:
    """SARIF 2.1.0: columns count characters, a fix replaces what the place marks, a rule says what `explain` says of its code.

    Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
    """
    levels = {"deny": "error", "warn": "warning"}
    seen: Counter[str] = Counter()
    results = []
    for file, finding in _each(files):
        where = _where(file, finding)
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "level": levels.get(finding.level, "note"),
            "message": {"text": _message(finding)},
            "locations": [_location(where)],
            "partialFingerprints": {"srpoManifest/v1": _fingerprint(where, finding, seen)},
        }
        if finding.related:
            result["relatedLocations"] = [
                _location(one.where) | {"message": {"text": visible(one.message)}} for one in finding.related
            ]
        if finding.fix and where.line:
            inserted = {"insertedContent": {"text": finding.fix.replacement}}
            change = {
                "artifactLocation": _artifact(where),
                "replacements": [{"deletedRegion": _region(one)} | inserted for one in finding.fix.places or (where,)],
            }
            result["fixes"] = [
                {"description": {"text": f"write `{finding.fix.replacement}`"}, "artifactChanges": [change]}
            ]
        results.append(result)
    rules = _rules(sorted({finding.code for _, finding in _each(files)}))
    driver = {"name": "srpo-manifest", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def junit(files: Sequence[Checked]) -> str:
    """A test suite a file: a case for each error, one that passes where there is none; warnings are its output.

    Source: the JUnit XML that Jenkins and GitLab read.
    """
    suites = []
    for file, findings in files:
        wrong = [one for one in findings if one.level == "deny"]
        others = [one for one in findings if one.level != "deny"]
        cases = [
            f"    <testcase classname={_attribute(file)} name={_attribute(_case(file, one))}>\n"
            f"      <failure type={_attribute(one.code)} message={_attribute(one.message)}>{escape(_printable(_message(one)))}</failure>\n"
            "    </testcase>"
            for one in wrong
        ] or [f"    <testcase classname={_attribute(file)} name={_attribute('validate')}/>"]
        told = "\n".join(f"{one.code}: {_message(one)}" for one in others)
        out = [f"    <system-out>{escape(_printable(told))}</system-out>"] if told else []
        head = f'  <testsuite name={_attribute(file)} tests="{len(cases)}" failures="{len(wrong)}" errors="0">'
        suites.append("\n".join([head, *cases, *out, "  </testsuite>"]))
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", *suites, "</testsuites>"])


FORMATS: Mapping[str, Format] = {"github": github, "gitlab": gitlab, "sarif": sarif, "junit": junit}


def _each(files: Sequence[Checked]) -> list[tuple[str, Finding]]:
    return [(file, finding) for file, findings in files for finding in findings]


def _where(file: str, finding: Finding) -> Where:
    return finding.where or Where(file=file)


def _end(where: Where) -> int:
    return where.column + (where.width if isinstance(where, Spot) else 1)


def _message(finding: Finding) -> str:
    return "\n".join(map(visible, [finding.message, *(f"hint: {hint}" for hint in finding.hints)]))


def _commanded(text: str, more: str = "") -> str:
    """*text* as a workflow command holds it: nothing in it ends the command or begins another."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return visible(text)


def _path(where: Where) -> str:
    """The file's name; of one that is no UTF-8, what is none is spelled as people see it."""
    return where.file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _fingerprint(where: Where, finding: Finding, seen: Counter[str]) -> str:
    """Without lines; the second finding of the same words in a file has another one."""
    what = json.dumps([where.file, finding.code, where.key, finding.message])
    seen[what] += 1
    return hashlib.sha256(f"{what} {seen[what]}".encode()).hexdigest()


def _rules(codes: Sequence[str]) -> list[dict[str, Any]]:
    """What is told of each code; a plugin's own has its name alone."""
    from srpo_manifest.engine.explaining import areas  # noqa: PLC0415 - one format of five

    known = {code: one for area in areas().values() for code, one in area.codes.items()}
    rules: list[dict[str, Any]] = []
    for code in codes:
        rule: dict[str, Any] = {"id": code}
        if one := known.get(code):
            examples = [(word, text) for word, text in (("Wrong", one.bad), ("Right", one.good)) if text]
            rule |= {
                "shortDescription": {"text": one.title},
                "fullDescription": {"text": one.text},
                "help": {
                    "text": one.text + "".join(f"\n{word}:\n\n{text}" for word, text in examples),
                    "markdown": one.text + "".join(f"\n{word}:\n\n```toml\n{text}```\n" for word, text in examples),
                },
            }
        rules.append(rule)
    return rules


def _location(where: Where) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(where)}
    if where.line:
        physical["region"] = _region(where)
    named = {"logicalLocations": [{"fullyQualifiedName": visible(where.key)}]} if where.key else {}
    return {"physicalLocation": physical} | named


def _artifact(where: Where) -> dict[str, str]:
    """A path beneath the place that is checked is one of the repository."""
    from urllib.parse import quote  # noqa: PLC0415 - one format of five

    path = quote(where.file.replace("\\", "/"), safe="/~", errors="surrogateescape")
    return {"uri": path} if path.startswith("/") else {"uri": path, "uriBaseId": "%SRCROOT%"}


def _region(where: Where) -> dict[str, int]:
    return {
        "startLine": where.line,
        "startColumn": where.column,
        "endLine": where.line,
        "endColumn": _end(where),
    }


def _case(file: str, finding: Finding) -> str:
    where = _where(file, finding)
    return f"{finding.code} {where.line}:{where.column} {where.key}".strip()


def _printable(text: str) -> str:
    """What XML can hold."""
    return "\n".join(map(visible, text.split("\n")))


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))
