"""The one order of everything in a plan."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.values.base import Value
from srpo_manifest.values.plan import STAGES, Stage
from srpo_manifest.values.step import Proposal

BUILTIN = "srpo-manifest"


class Proposed(Value):
    """A proposal, with the stage and the plugin that it comes from. `turn` is its place in that answer."""

    stage: Stage
    provider: str
    turn: int
    proposal: Proposal


def ordered(proposed: Iterable[Proposed]) -> tuple[Proposed, ...]:
    """By stage, then built-in before plugins, then plugin name, then as proposed: loading order plays no part."""
    return tuple(
        sorted(proposed, key=lambda one: (STAGES.index(one.stage), one.provider != BUILTIN, one.provider, one.turn))
    )
