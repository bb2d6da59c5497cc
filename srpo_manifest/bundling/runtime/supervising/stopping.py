"""What others ask of a run."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Optional

from .adopting import go_on
from .files import Node, Refused, opened, sync_folder
from .status import status_of
from .stops import ask_stop


def stop(node: Node, reason: str, grace: Optional[float], checkpoint: Optional[float]) -> int:
    """Ask for a stop, which the supervisor carries out, and print the state."""
    if not os.path.isdir(node.folder):
        raise Refused("run-unknown", f"there is no run in `{node.folder}`", "name the folder of one of its nodes", 66)
    with contextlib.suppress(Refused):
        go_on(node)
    found = status_of(node)
    if found["state"] == "ended":
        print(f"note: run `{node.run}` has ended already: {found['outcome']}", file=sys.stderr)
    else:
        ask_stop(node, reason, grace, checkpoint)
        found = status_of(node)
    print(json.dumps(found))
    return 0


def mark(node: Node, what: str) -> int:
    """Say that the outputs came home, or that the command after the end is called off, and print the state."""
    if not os.path.isdir(node.folder):
        raise Refused("run-unknown", f"there is no run in `{node.folder}`", "name the folder of one of its nodes", 66)
    os.close(opened(node.path(what), os.O_WRONLY | os.O_CREAT))
    sync_folder(node.folder)
    print(json.dumps(status_of(node)))
    return 0
