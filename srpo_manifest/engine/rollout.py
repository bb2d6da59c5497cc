"""Starting a run on several machines: on all of them, or on none."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from srpo_manifest.engine.launching import launch
from srpo_manifest.engine.several import at_once
from srpo_manifest.errors import LaunchError, NameTaken, PlanRefused, PluginError, SrpoManifestError
from srpo_manifest.finding import Finding
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.run import Rank
from srpo_manifest.wording import listed

_CHUNK = 1 << 20
_ASK_SECONDS = 60.0
_END_SECONDS = 60.0
_AGAIN_SECONDS = 1.0


def roll_out(
    tar: Iterator[bytes],
    run: str,
    folder: str,
    values: Mapping[str, str],
    machines: Sequence[Transport],
    ranks: Sequence[Rank],
    launcher: Launcher,
    *,
    dry_run: bool,
    given_up: Callable[[], bool],
) -> None:
    """Start every node; where one cannot be, those that were are ended again.

    Of two that start at once, and keep machines from each other, the one whose id is the smaller waits until the other
    one has left.

    Raises: LaunchError with the code of what kept the first one; PlanRefused where another run was quicker;
    LaunchError `launch-unsure` where a node may go on.
    """
    broken = threading.Event()
    kept_out: set[int] = set()

    def start(machine: Transport, rank: Rank, spool: Path) -> None:
        until = None
        while True:
            try:
                launch(
                    _chunks(spool),
                    folder,
                    dict(values),
                    machine,
                    launcher,
                    dry_run=dry_run,
                    rank=rank,
                    given_up=lambda: broken.is_set() or given_up(),
                )
            except NameTaken as taken:
                kept_out.add(rank.index)
                until = until or time.monotonic() + _END_SECONDS
                waits = run < taken.run and len(kept_out) < len(machines) and time.monotonic() < until
                if not waits or broken.wait(_AGAIN_SECONDS):
                    broken.set()
                    raise
            except BaseException:
                broken.set()
                raise
            else:
                kept_out.discard(rank.index)
                return

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        spool = Path(scratch, "bundle.tar")
        with spool.open("wb") as file:
            file.writelines(tar)
        answers = at_once([partial(start, *each, spool) for each in zip(machines, ranks, strict=True)])
    faults = [
        (machine, answer)
        for machine, answer in zip(machines, answers, strict=True)
        if isinstance(answer, SrpoManifestError)
    ]
    if not faults:
        return
    begun = [
        rank.index
        for rank, answer in zip(ranks, answers, strict=True)
        if not isinstance(answer, SrpoManifestError) or _may_have_begun(answer)
    ]
    at, fault = min(faults, key=lambda one: _rank_of_cause(one[1]))
    told = str(fault) if fault.code == "launch-given-up" or at.place in str(fault) else f"{at.place}: {fault}"
    ends = at_once(
        [partial(_end, machines[node], node, folder, launcher, f"{at.place} was not started") for node in begun]
    )
    places = [machines[node].place for node in begun]
    left = [place for place, end in zip(places, ends, strict=True) if end is not True]
    taken_back = [place for place in places if place not in left]
    if taken_back:
        told += f"; what was started on {listed(taken_back, 'and')} was ended"
    if left:
        raise LaunchError(
            "launch-unsure",
            f"{told}; and what was started on {listed(left, 'and')} could not be ended",
            "`srpo-manifest stop last` tries again",
        )
    if isinstance(fault, PlanRefused):
        raise PlanRefused((Finding(code=fault.code, level="deny", message=told, hints=fault.findings[0].hints),))
    raise LaunchError(fault.code, told, *fault.findings[0].hints)


def _rank_of_cause(error: SrpoManifestError) -> tuple[bool, str]:
    """What a machine says of itself tells more than that it was given up; of the runs in the way, the first one stays."""
    return error.code in ("launch-given-up", "launch-unsure"), error.run if isinstance(error, NameTaken) else ""


def _may_have_begun(error: SrpoManifestError) -> bool:
    """Whether contact, or a plugin, broke off what may have been heard all the same."""
    return error.code == "launch-unsure" or isinstance(error, PluginError)


def _end(machine: Transport, node: int, folder: str, launcher: Launcher, why: str) -> bool:
    """Whether the node has ended, or never began."""
    stop = launcher.stop(folder, grace_seconds=0, checkpoint_seconds=0, reason=why, node=node)
    until = time.monotonic() + _END_SECONDS
    while time.monotonic() < until:
        machine.exec(stop, timeout_seconds=_ASK_SECONDS)  # again and again: it may only just have arrived
        try:
            answer = machine.exec(launcher.status(folder, node), timeout_seconds=_ASK_SECONDS)
            if launcher.parse_status(answer).state == "ended":
                return True
        except LaunchError as error:
            if error.code == "run-absent":
                return True
            raise
        time.sleep(0.2)
    return False


def _chunks(spool: Path) -> Iterator[bytes]:
    with spool.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
