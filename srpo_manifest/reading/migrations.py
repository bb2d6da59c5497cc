"""From an older schema to today's, one version at a time.

A new version freezes the structs of the one before (`values/schemaN.py`) and adds one step here: a function of a text of that
version that gives the text of the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, Where
from srpo_manifest.reading.formatting import Text, read_text
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.schema0 import to_1
from srpo_manifest.reading.steps import Old, Step
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.versions import known_schema
from srpo_manifest.values.manifest import SCHEMA
from srpo_manifest.wording import ticked

STEPS: Mapping[int, Callable[[Old], Step]] = {0: to_1}


class Migrated(NamedTuple):
    """The text of the newest version. Findings and places are of the text that was read."""

    text: str
    findings: tuple[Finding, ...]
    moved: tuple[tuple[str, str], ...]
    """Keys, each with its new name; one that was made has no old one."""
    places: Mapping[str, Where]
    """Where each new key comes from."""

    def at_home(self, finding: Finding) -> Finding:
        """What is found in the new text, at its place in the old one."""
        found = _at_home(finding, self.places)
        if found.where is None or finding.where is None or found.where == finding.where:
            return found
        hint = f"this line would be {ticked(finding.where.key)}: mend it here, or take it out and write it anew after the migration"
        return replace(found, hints=(*found.hints, hint), fix=None)


def migrated(
    source: Source, name: str, *, steps: Mapping[int, Callable[[Old], Step]] = STEPS, newest: int = SCHEMA
) -> Migrated | None:
    """The manifest as the *newest* version has it; None where it is of that version. *name* is for a run that has none.

    Raises: ManifestError of `read_text` and of the step that refuses; `schema-newer`; `missing-key` or `invalid-value` of `schema`.
    """
    text = read_text(source)
    version = _version(text, source.file, steps, newest)
    done: Migrated | None = None
    for one in range(version, newest):
        if done:
            text = read_text(Source(file=source.file, data=done.text.encode()))
        done = _joined(done, steps[one](Old(text, source.file, name)))
    return done


def _joined(before: Migrated | None, step: Step) -> Migrated:
    """Both steps as one, told of the text before the first."""
    if before is None:
        return Migrated(*step)
    later: dict[str, list[str]] = {}
    for old, new in step.moved:
        later.setdefault(old, []).append(new)
    moved = [(old, newer) for old, new in before.moved for newer in ((later.pop(new, []) if new else []) or [new])]
    moved += [(old, new) for old, news in later.items() for new in news]
    return Migrated(
        step.text,
        (*before.findings, *(_at_home(finding, before.places) for finding in step.findings)),
        tuple(moved),
        {new: _place(where, before.places) for new, where in step.places.items()},
    )


def _at_home(finding: Finding, places: Mapping[str, Where]) -> Finding:
    return replace(finding, where=_place(finding.where, places)) if finding.where else finding


def _place(where: Where, places: Mapping[str, Where]) -> Where:
    if where.file not in {place.file for place in places.values()}:
        return where
    key = where.key
    while key:
        if key in places:
            return places[key]
        key = key.rpartition(".")[0]
    return Where(file=where.file, key=where.key)


def _version(text: Text, file: str, steps: Mapping[int, Callable[[Old], Step]], newest: int) -> int:
    item = text.root.value.get("schema")
    if item is None:
        raise ManifestError(
            "missing-key",
            "the manifest needs `schema`",
            f"begin it with `schema = {newest}`, or with `schema = 0` where its keys are those of the older wrapper",
            where=Where(file=file),
        )
    where = Page(text.text, file).spot(item.span, ("schema",))
    version = item.value
    if type(version) is int and (version in steps or version == newest):
        return version
    known_schema(version, where)
    hint = f"write one of {min(steps)} to {newest}"
    raise ManifestError("invalid-value", "`schema` is no version that there ever was", hint, where=where)
