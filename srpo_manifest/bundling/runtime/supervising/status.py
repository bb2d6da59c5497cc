"""What a folder tells of its run. Nothing but its files is needed."""

from __future__ import annotations

import contextlib
import json
import os
import time

from .ending import end_of
from .files import FORMAT, Node, Record, newer_run, now, read_json, typed
from .life import is_copy, is_supervised, is_unfollowed, lost_reason
from .listings import listing, size_of
from .locks import is_held
from .slots import read_slots
from .story import Story, newer_parts


def status_of(node: Node) -> Record:
    """The answer of `status`, in the shape of `srpo_manifest.values.run.Status`."""
    slots, damaged = read_slots(node.path("slots"))
    identity, ended, end = slots
    copied = identity is not None and is_copy(node, identity)
    alive = is_held(node.path("lock")) or (not end and not copied and is_supervised(identity))
    if identity and not os.path.exists(node.path("events.jsonl")):
        damaged.append("events.jsonl")
    story = Story(node.path("events.jsonl"))
    written = read_json(node.path("result.json"))
    result = written if written and is_sound(written) else None
    if result is None and os.path.lexists(node.path("result.json")):
        damaged.append("result.json")
    state, outcome, reason = "pending", None, None
    if not alive and (end or result):
        state, outcome, reason = "ended", (end or result).get("outcome"), (result or end).get("reason")
    elif not alive and os.path.exists(node.path("slots")):
        why = (
            f"its folder is a copy of that of run `{identity['run']}`" if identity and copied else lost_reason(identity)
        )
        state, outcome, reason = "ended", "lost", why
    elif story.stopping or ended or end or story.phase == "ending" or os.path.exists(node.path("stop.req")):
        state = "stopping"
    elif identity:
        state = "running" if story.started else "preparing"
    newer = newer_parts(node, story, slots, written)
    left = {one["path"]: one for one in (result or {}).get("checkpoints", ()) if not newer}
    checkpoints = {
        path: {
            "path": path,
            "bytes": size,
            "whole": size_of(listing(path)) == size,
            "reason": None if size_of(listing(path)) == size else "it has another size than it was told with",
            "files": left.get(path, {}).get("files", []),
        }
        for path, size in story.checkpoints.items()
    }
    checkpoints.update({path: one for path, one in left.items() if not one["whole"]})
    if newer:
        told = newer_run(node, newer)
        story.warnings.append({"time": now(), "code": told.code, "message": str(told), "hints": [told.hint]})
    return {
        "format": FORMAT,
        "run": node.run,
        "state": state,
        "outcome": outcome,
        "exit": (ended or result or {}).get("code", (result or {}).get("exit")),
        "reason": reason,
        "phase": story.phase,
        "alive": alive,
        "ending": {"awaits": story.awaits, "seconds": max(0, round(story.until - time.time()))}
        if story.awaits and state == "stopping"
        else None,
        "progress": story.progress,
        "checkpoints": list(checkpoints.values()),
        "images": len(story.images),
        "warnings": story.warnings,
        "started": identity and identity.get("time"),
        "ended": (end or {}).get("time", (result or {}).get("ended")),
        "damaged": damaged,
        "unfinished": state == "ended"
        and (is_unfollowed(node, identity) if end else outcome == "lost" and not (written or newer or copied)),
        "end": end_of(node),
    }


def is_sound(result: Record) -> bool:
    """Whether what is read of a result has the types that are written."""
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        typed(result["outcome"], str)
        for name in ("reason", "ended"):
            typed(result.get(name, ""), str)
        typed(result.get("exit") or 0, int)
        for one in result.get("checkpoints", ()):
            typed(one["path"], str), typed(one["bytes"], int), typed(one["whole"], bool)
        return True
    return False


def status(node: Node) -> int:
    """Print the state."""
    print(json.dumps(status_of(node)))
    return 0
