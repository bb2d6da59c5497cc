"""Every error that a user can meet, and the exit code it ends with.

    SrpoManifestError
    ├── ManifestError      2   the manifest, or what was said beside it, is wrong
    │   └── ManifestErrors 2   several mistakes, told at once
    ├── UsageError         2   the command line is wrong
    ├── PluginError        2   a plugin is missing, broken or in conflict
    ├── PlanRefused        4   the manifest decodes, and the plan says no
    │   └── StalePlan      4   a saved plan no longer fits the facts
    ├── TransportError     5   a place or a program could not be reached or started
    └── LaunchError        5   the job was not started
        └── ContactLost    5   the job was started; what became of it is not known here

A run that ended badly (exit 1) and an interruption (130) are results, not errors. Anything else is our bug (3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from srpo_manifest.finding import Finding, Where


class SrpoManifestError(Exception):
    """A fault with a code, one sentence, hints, and perhaps a place in a file."""

    exit_code: ClassVar[int] = 3

    def __init__(self, code: str, message: str, *hints: str, where: Where | None = None) -> None:
        super().__init__(message)
        self.findings: tuple[Finding, ...] = (
            Finding(code=code, level="deny", message=message, hints=hints, where=where),
        )

    @property
    def code(self) -> str:
        """The code word of the first finding."""
        return self.findings[0].code


class ManifestError(SrpoManifestError):
    """The manifest does not say something that can be planned."""

    exit_code = 2


class ManifestErrors(ManifestError):
    """Every mistake that was found, in the order of the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        Exception.__init__(self, "; ".join(finding.message for finding in self.findings))


class UsageError(SrpoManifestError):
    """The command line does not say what to do."""

    exit_code = 2


class PluginError(SrpoManifestError):
    """A plugin is missing, broken, or answers where another does."""

    exit_code = 2


class PlanRefused(SrpoManifestError):
    """The plan holds findings of level deny: nothing was started."""

    exit_code = 4

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        Exception.__init__(self, "; ".join(finding.message for finding in findings))
        self.findings = findings


class StalePlan(PlanRefused):
    """The saved plan rests on facts that no longer hold."""


class NameTaken(PlanRefused):
    """A run of this name was quicker on the target; *run* is its id, empty where the target did not tell it."""

    def __init__(self, findings: tuple[Finding, ...], run: str) -> None:
        super().__init__(findings)
        self.run = run


class TransportError(SrpoManifestError):
    """A place or a program could not be reached."""

    exit_code = 5


class LaunchError(SrpoManifestError):
    """The job was not started, or its state cannot be told."""

    exit_code = 5


class ContactLost(LaunchError):
    """The target does not answer; the job may go on."""


class FactError(SrpoManifestError):
    """An answer has another shape than its parser knows: the fact is unknown, with this reason."""

    exit_code = 5
