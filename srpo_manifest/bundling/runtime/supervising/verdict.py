"""What a run came to, and why: decided once nothing is left of its job."""

from __future__ import annotations

from typing import Optional

from .checking import CHECKS_REFUSED
from .files import read_json
from .forks import NEVER_STARTED
from .job import Job
from .life import lost_reason
from .log import last_lines, lines_after
from .story import Story
from .telling import ending, telling


def verdict(job: Job, story: Story, cause: Optional[str], reason: str, status: Optional[int]) -> tuple[str, str]:
    """The outcome and its reason.

    *cause* and *reason* are what it was ended for, None and empty where nobody ended it; *status* is the leader's, None
    where nobody knows it.
    """
    if job.restarted:
        return "lost", lost_reason(job.left)
    refused = refusal(job)
    if refused or cause == "refused":
        return "failed", refused or reason
    if not cause and status is not None and _never_arrived(job, story):
        told = telling(last_lines(job.node.path("log")))
        why = ending(status) + (f": {told.line}" if told.strong else "")
        return "failed", f"the script never handed over its launch: {why}"
    lacking = job.artifacts.lacking(None if cause else status)
    if cause == "done" or not (lacking or job.dry_run):
        return "succeeded", reason if cause == "done" else "the done rule holds"
    if cause:
        return "stopped", reason + ("; killed after the grace" if "grace-passed" in story.warned else "")
    if status == 0 and job.dry_run:
        return "succeeded", "dry run"
    if status is None and job.adopted:
        return "lost", lost_reason(job.left)
    told = telling(last_lines(job.node.path("log")))
    if status == 0:
        return "unverified", f"exit status 0 with {', '.join(lacking)}" + (f": {told.line}" if told.strong else "")
    if status is None or (status == NEVER_STARTED and not story.phase):
        return "failed", "it was never started"
    if status == CHECKS_REFUSED and story.phase == "checks":
        return "failed", "checks refused to start the trainer" + (f": {told.line}" if told.strong else "")
    worker = f" ({told.worker})" if told.worker else ""
    telling_enough = told.strong or (told.line and status > 0)
    return "failed", ending(status) + worker + (f": {told.line}" if telling_enough else "")


def refusal(job: Job) -> Optional[str]:
    """Why what the script handed over was not started; None where nothing was refused."""
    found = read_json(job.node.path("refused.json")) if "shim" in job.rules else None
    return found and found["reason"]


def _never_arrived(job: Job, story: Story) -> bool:
    """Whether the script was started and its launch was not: then nothing that it left counts."""
    begun = "script" in lines_after(job.node.path("phases"), 0, last=True)[0]
    return "shim" in job.rules and begun and not story.started
