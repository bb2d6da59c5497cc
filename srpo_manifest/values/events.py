"""Events: what happened, one object each, named `noun.past`. Every view is a fold over them."""

from __future__ import annotations

from typing import Any

import msgspec

FORMAT = 1

EVENTS: dict[str, str] = {
    "stream.opened": "the first of every stream; `version` is ours",
    "facts.gathered": "`known` and `unknown` count the facts",
    "plan.made": "`plan` is its id; `warnings`, `refusals` count",
    "phase.started": "`phase` names what the run is at",
    "step.finished": "`step`, `action` and, where known, `seconds`",
    "job.started": "the trainer's process was started",
    "progress.made": "`step`, `total`, and what else the log tells, such as `loss`",
    "checkpoint.written": "`path` and `bytes` of a whole checkpoint",
    "image.written": "`path` and `bytes` of a preview",
    "warning.raised": "`code` and `message`",
    "contact.lost": "the target does not answer; `reason`",
    "contact.restored": "it answers again",
    "stop.asked": "`reason`",
    "run.ended": "the last one: `outcome`, `exit`, `reason`",
}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `data` are its own keys, flat beside the others in JSON."""

    event: str
    seq: int = 0
    time: str = ""
    run: str = ""
    data: dict[str, Any] = {}

    def flat(self) -> dict[str, Any]:
        """The JSON object: `{format, seq, time, event, run, ...}`."""
        return {"format": FORMAT, "seq": self.seq, "time": self.time, "event": self.event, "run": self.run} | self.data
