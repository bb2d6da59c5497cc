"""Several nodes, one run: how it is, and when those that go on have to be ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from srpo_manifest.values.base import Value
from srpo_manifest.values.run import NodeStatus, Outcome, Raised, Status

_UNDER_WAY = ("stopping", "pending", "preparing", "running")
"""The run is in the first of these that a node is in."""
DRY = "dry run"
"""The supervisor's reason for the success of one."""
_WORST: tuple[Outcome, ...] = ("failed", "lost", "unverified")
SEEN_LAST = "seen-last"
"""The warning of a status that is remembered: its machine could not be asked."""
UNSEEN = "node-unseen"
"""That of a success where another node could not be asked."""


class Seen(Value):
    """A node's own answer, or why there was none; *place* is its machine for people."""

    place: str
    status: Status | None = None
    why: str = ""


def whole_run(nodes: Sequence[Seen]) -> Status:
    """The run's state. The first node tells of progress and artifacts; it has ended once all have.

    Where the first one has what the run was to make, nodes that cannot be asked change nothing.
    Raises: ValueError where the first node did not answer.
    """
    first = nodes[0].status
    if first is None:
        raise ValueError("without its first node nothing is known of a run")
    if not nodes[1:]:
        return first
    told = told_nodes(nodes)
    warnings = tuple(dict.fromkeys((*first.warnings, *_warnings(nodes))))
    status = msgspec.structs.replace(first, nodes=told, warnings=warnings)
    going = [one.state for one in told if one.state != "ended"]
    if going and not any(going) and first.outcome == "succeeded" and first.reason != DRY:
        unseen = tuple(_unseen(index, node, first) for index, node in enumerate(nodes) if node.status is None)
        return msgspec.structs.replace(status, warnings=(*warnings, *unseen))
    if going:
        state = next((state for state in _UNDER_WAY if state in going), "stopping")
        if first.state == "ended" and state != "pending":
            state = "stopping"
        return msgspec.structs.replace(status, state=state, outcome=None, exit=None, reason=None)
    worst = _first_fault(nodes)
    if first.outcome == "succeeded" or worst in (None, 0):
        return status
    node = nodes[worst or 0]
    assert node.status is not None  # noqa: S101 - it ended
    return msgspec.structs.replace(
        status,
        outcome=node.status.outcome,
        exit=node.status.exit,
        reason=f"{_named(worst or 0, node)}: {node.status.reason}",
    )


def remembered(last: Status, why: str) -> Status:
    """How a run ended whose machine cannot be asked, for the reason *why*: that was seen before, and does not change."""
    told = Raised(time=last.ended or "", code=SEEN_LAST, message=f"{why}; this was seen last")
    return msgspec.structs.replace(last, warnings=(*last.warnings, told))


def is_seen_last(status: Status) -> bool:
    """Whether it is remembered, as its machine could not be asked."""
    return any(one.code == SEEN_LAST for one in status.warnings)


def reason_to_end(nodes: Sequence[Seen], *, just_succeeded: bool = False) -> str | None:
    """Why the nodes that go on have to be ended: without one of them the others would wait for ever.

    Where the first one has *just_succeeded* they may still come to their own end, whatever others meet without it; in a
    dry run none needs another.
    """
    statuses = [node.status for node in nodes]
    if just_succeeded or all(status is not None and status.state == "ended" for status in statuses):
        return None
    worst = _first_fault(nodes)
    if worst is not None:
        node = nodes[worst]
        assert node.status is not None  # noqa: S101 - it ended
        return f"{_named(worst, node)} {node.status.outcome}: {node.status.reason}"
    for index, status in enumerate(statuses):
        if status is None or status.state != "ended":
            continue
        if status.outcome == "stopped" or (index == 0 and status.reason != DRY):
            return f"{_named(index, nodes[index])} {status.outcome}"
    return None


def _first_fault(nodes: Sequence[Seen]) -> int | None:
    """The node that ended badly before the others did."""
    bad = [
        (node.status.ended or "", index)
        for index, node in enumerate(nodes)
        if node.status is not None and node.status.state == "ended" and node.status.outcome in _WORST
    ]
    return min(bad)[1] if bad else None


def told_nodes(nodes: Sequence[Seen]) -> tuple[NodeStatus, ...]:
    """Each of them in short."""
    return tuple(map(_told, range(len(nodes)), nodes))


def _told(index: int, node: Seen) -> NodeStatus:
    if node.status is None:
        return NodeStatus(node=index, place=node.place, reason=node.why)
    status = node.status
    return NodeStatus(
        node=index,
        place=node.place,
        state=status.state,
        outcome=status.outcome,
        exit=status.exit,
        reason=status.reason,
        ended=status.ended,
        end=status.end,
    )


def _unseen(index: int, node: Seen, first: Status) -> Raised:
    return Raised(
        time=first.ended or "",
        code=UNSEEN,
        message=f"how {_named(index, node)} has ended is not known: {node.why}; the first node has what the run was to make",
        hints=(f"`srpo-manifest status {first.run}` asks again, and ends what goes on there",),
    )


def _warnings(nodes: Sequence[Seen]) -> list[Raised]:
    return [
        msgspec.structs.replace(warning, message=f"{_named(index, node)}: {warning.message}")
        for index, node in enumerate(nodes)
        if index and node.status is not None
        for warning in node.status.warnings
    ]


def _named(index: int, node: Seen) -> str:
    return f"node {index} ({node.place})"
