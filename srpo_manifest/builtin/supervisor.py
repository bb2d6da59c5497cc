"""Stage pre-launch: who can supervise on the target, Python or, with weaker promises, bash."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.builtin.pythonless import NEWER, SUPERVISOR, python_needed
from srpo_manifest.plugin import (
    PYTHONS,
    Check,
    Facts,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Wanted,
    anchors,
    hookimpl,
    quote,
    shell,
)

_FALLBACK = "target.fallback"
_PYTHON = """for python in {candidates}; do
  found=$("$python" -I -S -c 'import sys
if sys.version_info >= (3, 9): print(sys.executable, "%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
  [ -z "$found" ] || {{ echo "$found"; break; }}
done
"""
# what `launch.sh` looks for, too
_COMPLETE = """for program in flock setsid dd stat sync realpath head tail tr sort wc grep sed od; do
  type -P "$program" >/dev/null || { echo "it has no $program"; exit; }
done
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) && echo complete || echo "bash $BASH_VERSION is older than 4.4"
"""


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """The built-in answer where the launcher starts the supervisor on the very target that is asked."""
    return Supervisor() if wanted.manifest.backend.launcher.kind == "direct" else None


class Supervisor:
    """Python of 3.9 or newer is wanted, and bash takes its place where there is none."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        exact = anchors.interpreter(wanted)
        candidates = " ".join([*map(quote, PYTHONS), *([shell(exact)] if exact else [])])
        yield TargetProbe(name=SUPERVISOR, script=_PYTHON.format(candidates=candidates), parse=parse_presence)
        yield TargetProbe(name=_FALLBACK, script=_COMPLETE, parse=parse_presence)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        yield Check(
            code="supervisor-weaker",
            level="warn",
            fact=SUPERVISOR,
            op="present",
            value=None,
            message="the target has no Python of 3.9 or newer: bash would supervise, with weaker promises (no progress, no stalls seen, no digests; `status` lists them)",
            hints=(NEWER,),
        )
        if wanted.manifest.end is not None:
            yield python_needed(
                "the command of `[end]` is run by a supervisor in Python", "leave `[end]` out", key="end"
            )
        if facts.get(SUPERVISOR, str) == "":
            yield Check(
                code="supervisor-missing",
                level="deny",
                fact=_FALLBACK,
                op="equals",
                value="complete",
                message="the target has no Python of 3.9 or newer, and bash cannot supervise there: {found}",
                hints=(NEWER,),
            )
