"""Stage pre-launch: results of an earlier run that this one would write over, where outputs are not kept apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from srpo_manifest.builtin.command import finals_of
from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.plugin import (
    Check,
    Facts,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Value,
    Wanted,
    anchors,
    artifact_pattern,
    hookimpl,
    quote,
    shell,
    ticked,
)


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """The built-in answer where `outputs.per_run` is off."""
    return None if wanted.manifest.outputs.per_run else EarlierResults()


class EarlierResults:
    """Upstream writes over checkpoints and pictures of the same name, and appends to its log."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        for place in _places(wanted, facts):
            yield TargetProbe(name=place.fact, script=place.probe, parse=parse_presence)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        for place in _places(wanted, facts):
            yield Check(
                code=place.code,
                level="deny",
                fact=place.fact,
                op="absent",
                value=None,
                message=f"{ticked('{found}')} of an earlier run is there, and this run would write over it",
                hints=("move it away, or set `outputs.per_run = true`, which gives every run a place of its own",),
                probe=place.probe,
                key="outputs.per_run",
            )


class _Place(Value):
    """Where results of one kind land."""

    code: str
    fact: str
    probe: str


def _places(wanted: Wanted, facts: Facts) -> Iterable[_Place]:
    artifacts, finals = wanted.trainer.artifacts, finals_of(wanted, facts)
    for code, template in (("output-used", artifacts.checkpoints), ("images-used", artifacts.images)):
        pattern = artifact_pattern(template, finals)
        if pattern is None or "${" in pattern:
            continue
        spelled = "".join(part if part in "*?" else quote(part) for part in re.split(r"([*?])", pattern) if part)
        here = shell(anchors.working_dir(wanted))
        probe = f'cd -- {here} 2>/dev/null || exit 0\nfor at in {spelled}; do [ ! -e "$at" ] || {{ printf \'%s\\n\' "$at"; break; }}; done\n'
        yield _Place(code=code, fact=f"target.{code}", probe=probe)
