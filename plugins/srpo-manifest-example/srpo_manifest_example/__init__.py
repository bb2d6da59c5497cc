"""What a plugin can be: a ledger of runs on the target, and a program on the client that hears the news."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from typing import Any

from srpo_manifest.plugin import AtEnd, Facts, Probe, Proposal, StageHandler, Wanted, hookimpl, quote

NEWS = {"run.ended": "outcome", "warning.raised": "message", "contact.lost": "reason"}
PATIENCE_SECONDS = 10


class Ledger:
    """Needs to know nothing of the target: the run's id and its outcome are variables there."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:  # noqa: ARG002, D102 - as StageHandler says
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:  # noqa: ARG002, D102 - likewise
        path = wanted.manifest.env.get("SRPO_LEDGER")
        if isinstance(path, str):
            script = f'echo "$SRPO_RUN_ID $SRPO_RUN_OUTCOME" >>{quote(path)}'
            yield AtEnd(id="ledger", script=script, reason="`SRPO_LEDGER` is to know how it ended")


@hookimpl
def srpo_on_stop(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - the handler is asked with it again
    """At every end, however it comes about."""
    return Ledger()


@hookimpl
def srpo_observe(event: dict[str, Any]) -> None:
    """Tell the program of `SRPO_NOTIFY`; that it fails is told in its turn, and changes nothing."""
    program = os.environ.get("SRPO_NOTIFY")
    if program and event["event"] in NEWS:
        words = (event["event"], event["run"], str(event[NEWS[event["event"]]]))
        subprocess.run([program, *words], check=True, timeout=PATIENCE_SECONDS, stdout=subprocess.DEVNULL)  # noqa: S603 - the user names it
