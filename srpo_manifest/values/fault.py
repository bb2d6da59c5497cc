"""A finding on its way to its place."""

from __future__ import annotations

from srpo_manifest.finding import Finding
from srpo_manifest.values.base import Value


class Fault(Value):
    """A finding whose place is a manifest key: the planner finds the line.

    A `final` one tells why there can be no run at all: no lint lowers it. An `observed` one rests on what a machine
    answered: `validate`, which asks none, leaves it out.
    """

    finding: Finding
    key: str = ""
    final: bool = False
    observed: bool = False
