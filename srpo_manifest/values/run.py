"""A run: one apply. Its record on the controller, and what the target says of it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from srpo_manifest.values.base import Value

FORMAT = 1
State: TypeAlias = Literal["pending", "preparing", "running", "stopping", "ended"]
Outcome: TypeAlias = Literal["succeeded", "failed", "stopped", "unverified", "lost"]

Mark: TypeAlias = Literal["fetched", "keep"]


class Record(Value):
    """`runs/ID/record.json` of the controller: enough to ask, stop and read the run without its manifest.

    `transport` and `launcher` are the frozen `[backend]` tables; `folder` is
    the run's folder on the target, in the plan's spelling (`${target.home}/…`).
    """

    format: int
    id: str
    name: str
    plan: str
    manifest: str
    """Path of the manifest file on the controller."""
    workspace: str
    folder: str
    transport: dict[str, Any]
    launcher: dict[str, Any]
    plugins: tuple[str, ...] = ()
    started: str = ""
    fetch: tuple[str, ...] = ("images", "logs")
    """What comes home, as `outputs.fetch` says."""
    to: str = ""
    """The folder on the controller for it; empty in records before this field: `runs` beside the manifest."""


class CheckpointFile(Value):
    """A file of a checkpoint; `path` is relative to it, and empty where the checkpoint is that file."""

    path: str
    bytes: int
    digest: str | None = None
    """The sha256 of its bytes."""
    reason: str | None = None
    """Why there is no digest."""


class Checkpoint(Value):
    """A checkpoint as the target sees it."""

    path: str
    bytes: int
    whole: bool
    reason: str | None = None
    """Why it is not whole."""
    files: tuple[CheckpointFile, ...] = ()
    """Told when the run has ended; supervisors before this field told none."""


class Raised(Value):
    """A warning of the run."""

    time: str
    code: str
    message: str
    hints: tuple[str, ...] = ()


class Ending(Value):
    """What a run that is being ended waits for, and for how many seconds more at most."""

    awaits: Literal["checkpoint", "processes"]
    seconds: float


class End(Value):
    """How the command stands that the manifest wants after the end; `due` is when it runs at the latest."""

    command: tuple[str, ...]
    state: Literal["waiting", "started", "ended", "called-off", "lost"]
    due: str
    reason: str | None = None
    exit: int | None = None


class Rank(Value):
    """A node among several of a run: its number and its machine's name for people, and where all of them meet."""

    index: int
    chief: str
    port: int
    place: str = ""
    nodes: int = 0
    """How many there are; 0 where their supervisors are not connected."""
    peers_port: int = 0
    """Where the supervisors meet, at the same address."""
    token: str = ""
    """By which they know one another: a secret of the run."""


class NodeStatus(Value):
    """How one of several nodes is; without a state it could not be asked, and `reason` says why."""

    node: int
    place: str
    state: State | None = None
    outcome: Outcome | None = None
    exit: int | None = None
    reason: str | None = None
    ended: str | None = None
    end: End | None = None


class Status(Value):
    """What the target says: the answer of the supervisor's `status`."""

    format: int
    run: str
    state: State
    outcome: Outcome | None = None
    exit: int | None = None
    reason: str | None = None
    phase: str | None = None
    alive: bool = False
    ending: Ending | None = None
    progress: dict[str, Any] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    images: int = 0
    warnings: tuple[Raised, ...] = ()
    started: str | None = None
    ended: str | None = None
    damaged: tuple[str, ...] = ()
    unfinished: bool | None = None
    """It lost its supervisors, and nobody has taken it over yet; supervisors before this field never are."""
    end: End | None = None
    nodes: tuple[NodeStatus, ...] = ()
    """Each of several; empty where there is one."""
