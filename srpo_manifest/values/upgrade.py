"""What changed between two commits, for one manifest: the document that `lock --dry-run --json` prints."""

from typing import Any, Literal, TypeAlias

import msgspec

from srpo_manifest.finding import Finding, Where
from srpo_manifest.values.base import Value

FORMAT = 1
What: TypeAlias = Literal[
    "script", "entry", "mode", "flag", "argument", "launcher", "launch", "variable", "file", "rule",
    "folder", "forwarding", "gap", "program", "import", "lock", "text",
]  # fmt: skip
ORDER: tuple[What, ...] = What.__args__  # type: ignore[attr-defined]
"""The most important first."""


class Change(Value):
    """One difference. `field` names the part of *name* that differs; empty, the whole of it came or went.

    `before` and `after` are JSON values; None on one side of a whole says that it is not there. `where` is the place at
    the new commit, `was` at the old. `matters` is told of this manifest, with `why`.
    """

    what: What
    name: str
    field: str = ""
    before: Any = None
    after: Any = None
    matters: bool = False
    why: str = ""
    where: Where | None = None
    was: Where | None = None


class FileChange(Value):
    """One path that two trees differ in. `to` is another path than `path` where git takes it for renamed.

    `before` and `after` are blob ids, hex; None where the file is not there.
    """

    path: str
    to: str | None
    before: str | None
    after: str | None


class Side(Value):
    """One of the two commits; `date` is the committer's, ISO 8601, None where the commit is not at hand."""

    commit: str
    date: str | None = None


class Span(Value):
    """Commits between: `added` are of the new side alone, `gone` of the old side alone (0 where it is an ancestor)."""

    added: int
    gone: int


class Findings(Value):
    """Findings of `validate` that one side alone has."""

    new: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()


class Report(Value):
    """The whole answer. `from` is null where nothing is locked, `commits` where the locked commit is not at hand.

    `plan` are lines of what differs between the two plans, as they would be on a stand-in for the target.
    """

    format: int
    name: str
    """The manifest's file."""
    url: str
    ref: str | None
    script: str | None
    lock: str
    locked: Side | None = msgspec.field(name="from")
    to: Side
    commits: Span | None
    files: int | None
    """How many paths of the tree differ."""
    matters: bool
    changes: tuple[Change, ...]
    findings: Findings
    same_plan: bool
    """The plans have one id, their commits aside."""
    plan: tuple[str, ...]
    notes: tuple[str, ...]
