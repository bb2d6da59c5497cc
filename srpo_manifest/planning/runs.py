"""Earlier runs of a manifest's name in the target's workspace."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.planning import anchors
from srpo_manifest.ports.direct import SUPERVISE
from srpo_manifest.ports.probes import Answer, TargetProbe
from srpo_manifest.values.facts import Known, PastRun, Unknown
from srpo_manifest.values.wanted import Wanted

RUNS = "target.runs"
_ID = re.compile(r".+-(?P<day>\d{8})T(?P<clock>\d{6})Z-[^-]{6}")
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
    """When the run was made, by its id; empty for any other name.

    >>> started_of("flux-hps-20260102T030405Z-abcdef")
    '2026-01-02T03:04:05.000Z'
    """
    found = _ID.fullmatch(run)
    if found is None:
        return ""
    day, clock = found["day"], found["clock"]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}.000Z"


def parse_runs(answer: Answer) -> Known | Unknown:
    """A JSON list of PastRun; one of another shape, as a supervisor may tell of damaged files, hides no other."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    try:
        runs = [_past(row) for row in msgspec.json.decode(answer.output, type=list[dict[str, Any]])]
    except msgspec.DecodeError as error:
        return Unknown(reason=f"the list of runs has an unknown shape: {error}")
    return Known(value=msgspec.to_builtins(runs))


def _past(row: dict[str, Any]) -> PastRun:
    """Raises: msgspec.ValidationError where not even an id is there."""
    run, why = msgspec.convert(row.get("id"), str), ""
    try:
        found = msgspec.convert(row, PastRun)
    except msgspec.ValidationError as error:
        why = f"its files have another shape: {error}"
    if not why and _ID.fullmatch(run):
        return found
    return PastRun(id=run, plan="", state="unreadable", reason=why or "it has a name that is none of a run")
