"""`result.json`: what a run came to."""

from __future__ import annotations

from typing import Optional

from .artifacts import Artifacts
from .files import FORMAT, Record, now
from .job import Job
from .listings import size_of


def result_of(job: Job, outcome: str, reason: str, status: Optional[int], unkillable: list[int]) -> Record:
    """The whole of it, before the digests of checkpoints are known. *status* is the leader's; None where nobody knows it."""
    artifacts = job.artifacts
    return {
        "format": FORMAT,
        "run": job.node.run,
        "plan": job.rules["plan"],
        "dry_run": job.dry_run,
        "outcome": outcome,
        "exit": status,
        "reason": reason,
        "ended": now(),
        "checkpoints": [
            *(_told_whole(artifacts, path, size) for path, size in artifacts.whole.items()),
            *(_told_torn(artifacts, path) for path in artifacts.partial),
        ],
        "files": [{"path": path, "bytes": size} for found in artifacts.files.values() for path, size in found.items()],
        "images": [{"path": path, "bytes": size_of(files or {})} for path, files in artifacts.images.items()],
        "unkillable": unkillable,
    }


def _told_whole(artifacts: Artifacts, path: str, size: int) -> Record:
    files = _told_files(artifacts, path, "not computed yet")
    return {"path": path, "bytes": size, "whole": True, "reason": None, "files": files}


def _told_torn(artifacts: Artifacts, path: str) -> Record:
    size, why = size_of(artifacts.last[path]), artifacts.partial[path][1]
    files = _told_files(artifacts, path, "the checkpoint is not whole")
    return {"path": path, "bytes": size, "whole": False, "reason": why, "files": files}


def _told_files(artifacts: Artifacts, path: str, why: str) -> list[Record]:
    """Each without a digest, and why."""
    listing = sorted(artifacts.last[path].items())
    return [{"path": name, "bytes": size, "digest": None, "reason": why} for name, (size, _) in listing]
