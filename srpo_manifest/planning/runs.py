"""Earlier runs of a manifest's name in the target's workspace."""

from __future__ import annotations

import msgspec

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.planning import anchors
from srpo_manifest.ports.direct import SUPERVISE
from srpo_manifest.ports.probes import Answer, TargetProbe
from srpo_manifest.values.facts import Known, PastRun, Unknown
from srpo_manifest.values.wanted import Wanted

RUNS = "target.runs"
_LIST = """cd -- {folder} 2>/dev/null || {{ echo '[]'; exit 0; }}
run=
for one in {name}-[0-9]*T*Z-*; do [ -f "$one/bundle/supervise.py" ] && run=$one; done
[ -n "$run" ] || {{ echo '[]'; exit 0; }}
{supervise}supervise runs . {name}
"""


def runs_probe(wanted: Wanted) -> TargetProbe:
    """Asks the newest run's own supervisor file, which knows every older format."""
    folder = shell(anchors.workspace(wanted) + f"/{anchors.RUNS_FOLDER}")
    return TargetProbe(
        name=RUNS,
        script=_LIST.format(folder=folder, name=quote(wanted.manifest.name), supervise=SUPERVISE),
        parse=parse_runs,
    )


def started_of(run: str) -> str:
    """When the run was made, by its id.

    >>> started_of("flux-hps-20260102T030405Z-abcdef")
    '2026-01-02T03:04:05.000Z'
    """
    stamp = run.rsplit("-", 2)[1]
    day, clock = stamp[:8], stamp[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}.000Z"


def parse_runs(answer: Answer) -> Known | Unknown:
    """A JSON list of PastRun."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    try:
        runs = msgspec.json.decode(answer.output, type=tuple[PastRun, ...])
    except msgspec.DecodeError as error:
        return Unknown(reason=f"the list of runs has an unknown shape: {error}")
    return Known(value=msgspec.to_builtins(runs))
