"""Events: what happened, one object each, named `noun.past`. Every view is a fold over them."""

from __future__ import annotations

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
    "warning.raised": "`code`, `message` and, where known, `hints` and `path`",
    "contact.lost": "the target does not answer; `reason`",
    "contact.restored": "it answers again",
    "stop.asked": "`reason`",
    "checkpoint.awaited": "the end waits for a checkpoint being written, for `seconds` at most",
    "grace.started": "processes were told to end; those that are left in `seconds` are killed",
    "run.ended": "the last one: `outcome`, `exit`, `reason`",
}
