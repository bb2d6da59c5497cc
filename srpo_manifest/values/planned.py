"""A decision, with the content behind its digests: what a bundle is rendered from."""

from __future__ import annotations

from srpo_manifest.finding import Finding
from srpo_manifest.values.base import Value
from srpo_manifest.values.plan import Plan, SecretRef, Stage
from srpo_manifest.values.step import Check, JobStep, Proposal
from srpo_manifest.values.trainer import LogRule
from srpo_manifest.values.words import Word


class Proposed(Value):
    """A proposal, with the stage and the plugin that it comes from. `turn` is its place in that answer."""

    stage: Stage
    provider: str
    turn: int
    proposal: Proposal


class Planned(Value):
    """The plan and what it was made of.

    `checks` are those whose state only the target can tell, with the level that holds.
    """

    plan: Plan
    proposed: tuple[Proposed, ...]
    job: JobStep | None
    env: dict[str, Word | SecretRef]
    workspace: Word
    cwd: Word
    checkout: Word
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...] = ()
    """Refusals, warnings and notes, each in file order, with the lines that they are about."""
    log: tuple[LogRule, ...] = ()
    port: int | None = None
    python: Word | None = None
    """The training interpreter, where `[python]` says its path."""
