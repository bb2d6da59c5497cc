"""The hooks: six stages in fixed order, and what a plugin may bring beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from srpo_manifest.ports.backend import LauncherKind, TransportKind
from srpo_manifest.ports.stage import StageHandler
from srpo_manifest.values.wanted import Wanted

GROUP = "srpo_manifest"
"""The entry-point group; an entry's name is the plugin's name and, for backends and trainers, the kind."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def srpo_resolve_repo(wanted: Wanted) -> StageHandler | None:
    """First stage: which source, at which commit, and how its tree comes to the target.

    One answer: a plugin that the manifest names beats the built-in git; two plugins' answers are an error naming both.
    The handler's probes must bring the fact `repo.pin` (a `values.lock.Pin`). Return None to leave it to others.
    """


@hookspec
def srpo_resolve_bash(wanted: Wanted) -> StageHandler | None:
    """Second stage: which bash runs things on the target.

    One answer: two plugins' answers are an error naming both. Return None to leave it to others.
    """


@hookspec
def srpo_build_env(wanted: Wanted) -> StageHandler | None:
    """Third stage: the job's environment and interpreter.

    Many answers, ordered by plugin name after the built-in; of two `Variable`s of one name the heavier wins, the
    manifest's own weigh 1.
    """


@hookspec
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """Fourth stage: what must be there, carried or checked before the trainer starts.

    Many answers, ordered by plugin name after the built-in: all of them count.
    """


@hookspec
def srpo_launch(wanted: Wanted) -> StageHandler | None:
    """Fifth stage: the trainer's command, one `JobStep`.

    One answer: two plugins' answers are an error naming both. Return None to leave it to others.
    """


@hookspec
def srpo_on_stop(wanted: Wanted) -> StageHandler | None:
    """Last stage: the run has ended, outcome given; what is proposed are `AtEnd` steps.

    Many answers, ordered by plugin name: each step has its share of the grace, and one that fails ends no other.
    """


@hookspec
def srpo_transport() -> TransportKind | None:
    """A transport that the plugin brings, of the kind that is the plugin's name.

    One answer a plugin: the one that `backend.transport.kind` names is asked. Two distributions with that name are an error.
    """


@hookspec
def srpo_launcher() -> LauncherKind | None:
    """A launcher that the plugin brings, of the kind that is the plugin's name.

    One answer a plugin: the one that `backend.launcher.kind` names is asked. Two distributions with that name are an error.
    """


@hookspec
def srpo_trainer() -> Iterable[bytes] | None:
    """Trainer descriptions that the plugin brings: the bytes of TOML files.

    Many answers: the first description with the name that `model.type` gives is taken; those that ship come before all.
    """


@hookspec
def srpo_explanations() -> Iterable[bytes] | None:
    """What `explain` tells of the codes that the plugin's errors, checks and findings have: the bytes of TOML files.

    Each has `format = 1`, a `title`, and a table `[codes.CODE]` with `title` and `text` for each code; `level`, `bad` and `good` as
    in the files that ship (`srpo_manifest/explanations`). Many answers: our own code words come before all.
    """


@hookspec
def srpo_observe(event: dict[str, Any]) -> None:
    """Called on the client for every event of a followed run, by `apply` and `attach`.

    Every observer is called. A fault is told once and never reaches the run; an observer that hung is asked no more.
    """
