"""A stage's handler: which questions it asks, and what it proposes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from srpo_manifest.ports.probes import Probe
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.step import Proposal
from srpo_manifest.values.wanted import Wanted


class StageHandler(Protocol):
    """Pure: all inputs are arguments; nothing is read, started or remembered."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        """Which facts are needed, given those at hand. Asked again until nothing new comes."""

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        """What to do, or why not. A fact that is Unknown is said, never guessed."""
