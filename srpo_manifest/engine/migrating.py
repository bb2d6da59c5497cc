"""Manifests of an older schema, as today's: only what then validates is given."""

from __future__ import annotations

import re
from pathlib import Path

from srpo_manifest.engine.checking import findings
from srpo_manifest.engine.rewriting import Rewritten
from srpo_manifest.errors import ManifestErrors
from srpo_manifest.reading.formatting import formatted
from srpo_manifest.reading.lineends import as_in
from srpo_manifest.reading.migrations import migrated as migrated_text
from srpo_manifest.reading.toml import Source
from srpo_manifest.values.said import Said

_USUAL = "srpo"
_LONGEST = 40


def migrated(source: Source) -> Rewritten:
    """The manifest as today's schema has it, in the house form; the same bytes where it is of that schema already.

    Raises: ManifestError of `reading.migrations`; ManifestErrors with what `validate` would refuse, at the places of the old text.
    """
    new = migrated_text(source, run_name(source.file))
    if new is None:
        return Rewritten(file=source.file, before=source.data, after=source.data)
    data = formatted(Source(file=source.file, data=as_in(source.data, new.text)))
    wrong = [one for one in findings(Said(manifest=source.file), data) if one.level == "deny"]
    if wrong:
        raise ManifestErrors(map(new.at_home, wrong))
    return Rewritten(file=source.file, before=source.data, after=data, findings=new.findings, moved=new.moved)


def run_name(file: str) -> str:
    """A name for runs of a manifest that has none: its file's, or its folder's where the file is called as all are.

    >>> run_name("/home/me/Flux HPS/srpo.toml"), run_name("big_run.toml")
    ('flux-hps', 'big-run')
    """
    path = Path(file).absolute()
    words = re.sub("[^a-z0-9]+", "-", (path.parent.name if path.stem == _USUAL else path.stem).lower())
    return words.strip("-")[:_LONGEST].strip("-") or _USUAL
