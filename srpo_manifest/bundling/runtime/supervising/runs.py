"""All runs of a workspace that have one name."""

from __future__ import annotations

import contextlib
import json
import os
import re

from .adopting import go_on
from .files import FORMAT, Node, Record, Refused, format_of, opened, plainly, read_json, typed
from .listings import listing, size_of
from .locks import is_held
from .processes import boot_id, same
from .slots import END, read_slots
from .status import status_of
from .story import short


def runs(folder: str, name: str) -> int:
    """Go on with those runs of one name that lost their supervisors, and print all of them, the newest first.

    One that cannot be read hides no other.
    """
    told = []
    for run in runs_of(folder, name):
        told.append(told_or_why(os.path.join(folder, run)))
        if told[-1]["unfinished"]:
            with contextlib.suppress(Refused, OSError):
                go_on(newest_attempt(os.path.join(folder, run)))
            told[-1] = told_or_why(os.path.join(folder, run))
    print(json.dumps(told))
    return 0


def told_or_why(folder: str) -> Record:
    """The run as `told_run` has it, or why it cannot be read."""
    try:
        if not os.path.islink(folder):
            return told_run(folder)
        why = "it is a link"
    except OSError as error:
        why = short(plainly(error))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = short(f"its files have another shape: {error!r}")
    return {
        "id": os.path.basename(folder),
        "plan": "",
        "state": "unreadable",
        "outcome": None,
        "whole": False,
        "unfinished": False,
        "reason": why,
    }


def runs_of(folder: str, name: str) -> list[str]:
    """Ids of the runs of one name, the newest first."""
    shape = re.compile(re.escape(name) + r"-\d{8}T\d{6}Z-[^-]{6}")
    return sorted(filter(shape.fullmatch, os.listdir(folder)), reverse=True)


def newest_attempt(folder: str) -> Node:
    """Its first node."""
    attempts = sorted(name for name in os.listdir(folder) if name.startswith("attempt-"))
    return Node(os.path.join(folder, attempts[-1] if attempts else "attempt-1", "node-0"))


def told_run(folder: str) -> Record:
    """The newest attempt's state, and whether all that it left is still there; the story of one that is over is not read."""
    node = newest_attempt(folder)
    result, end = read_json(node.path("result.json")), read_slots(node.path("slots"))[0][END]
    result = result if result and format_of(result) <= FORMAT else None
    over = (end or result) and not is_held(node.path("lock"))
    found = (
        {"state": "ended", "outcome": (end or result or {})["outcome"], "unfinished": False}
        if over
        else status_of(node)
    )
    if found["state"] == "pending" and not is_starting(folder):
        found = {"state": "ended", "outcome": "lost", "unfinished": False}
    rules = result or read_json(os.path.join(node.bundle, "rules.json")) or {}
    whole = found["outcome"] == "succeeded" and result is not None and not result["dry_run"]
    return {
        "id": os.path.basename(folder),
        "plan": typed(rules.get("plan", ""), str),
        "state": found["state"],
        "outcome": found["outcome"] and typed(found["outcome"], str),
        "whole": whole and all(map(is_there, (*result["checkpoints"], *result["files"]))),
        "unfinished": found["unfinished"],
    }


def is_starting(folder: str) -> bool:
    """Whether a process lives that `starting` names: number, start, and the beginning of the boot id."""
    boot, path = boot_id(), os.path.join(folder, "starting")
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii", opener=opened) as lines:
        for pid, start, of in (line.strip().split("-") for line in lines):
            found = same(int(pid), int(start)) if boot.startswith(of) else None
            if found and found.state not in "ZX":
                return True
    return False


def is_there(left: Record) -> bool:
    """Whether what a run left whole has as many bytes as then."""
    return not left.get("whole", True) or size_of(listing(left["path"])) == left["bytes"]
