"""The one order of everything in a plan."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.values.plan import STAGES
from srpo_manifest.values.planned import Proposed

BUILTIN = "srpo-manifest"


def ordered(proposed: Iterable[Proposed]) -> tuple[Proposed, ...]:
    """By stage, then built-in before plugins, then plugin name, then as proposed: loading order plays no part."""
    return tuple(
        sorted(proposed, key=lambda one: (STAGES.index(one.stage), one.provider != BUILTIN, one.provider, one.turn))
    )
