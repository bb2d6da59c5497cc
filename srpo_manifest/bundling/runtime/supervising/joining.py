"""`peers.json`: this node's part in the connection between supervisors."""

from __future__ import annotations

import contextlib
import glob
import os
from typing import TYPE_CHECKING, Optional

from .files import FORMAT, PEERS, Node, read_json, write_json
from .job import Job

if TYPE_CHECKING:
    from .peers import Peer


def peers_of(job: Job) -> Optional[Peer]:
    """This node's connection to the others of its run; None where it has none. Raises: what a damaged `peers.json` brings."""
    told = read_json(job.node.path(PEERS))
    if told is None or told.get("format") != FORMAT:
        return None
    from .peers import joined  # most runs have one node, and need no sockets

    found = joined(job.node.index, told)
    found.is_needed = not job.dry_run
    return found


def keep_done(node: Node, peers: Peer) -> None:
    """Write down which nodes need not be told any more, for supervisors that come later."""
    told = read_json(node.path(PEERS)) if peers.done_with else None
    if told is not None and told.get("done_with", []) != peers.done_with:
        with contextlib.suppress(OSError):
            write_json(node.path(PEERS), {**told, "done_with": peers.done_with})


def forget_peers(node: Node) -> None:
    """Delete the token, with what a supervisor left that died while it wrote."""
    path = node.path(PEERS)
    for one in (path, *glob.glob(f"{glob.escape(path)}.*")):
        with contextlib.suppress(OSError):
            os.unlink(one)


def settle_peers(node: Node) -> None:
    """Look up the first node's address: while a run is watched there is no time for it."""
    told = read_json(node.path(PEERS))
    if told and told.get("format") == FORMAT:
        from .peers import numeric

        write_json(node.path(PEERS), {**told, "chief": numeric(str(told.get("chief")))})
