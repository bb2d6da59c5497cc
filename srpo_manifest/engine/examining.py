"""Examining: the plan's questions and the doctor's, asked together and decided as a plan is."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from srpo_manifest import __version__
from srpo_manifest.builtin import bash
from srpo_manifest.builtin.examination import Examination
from srpo_manifest.engine.deciding import Decision, decided_with, open_transport
from srpo_manifest.engine.gather import Pins, gather
from srpo_manifest.engine.home import cache_folder, state_folder
from srpo_manifest.engine.parts import Part
from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import TransportError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.manifest import (
    Backend,
    DirectOptions,
    Entry,
    LauncherOptions,
    LocalOptions,
    Manifest,
    Model,
    TransportOptions,
)
from srpo_manifest.values.plan import Provider
from srpo_manifest.values.wanted import Wanted

_OURS = Provider(name=BUILTIN, version=__version__)


def examined(wanted: Wanted, registry: Registry, repositories: Pins, lock: str) -> Decision:
    """Everything that the plan and the doctor want to know. *lock* says how the lock file is.

    A target that cannot be reached leaves its facts unknown, with the reason. Raises: PluginError.
    """
    return _examined(wanted, registry, repositories, registry.parts(wanted), lock)


def this_machine(registry: Registry, repositories: Pins) -> Decision:
    """Without a manifest: this machine as a target, and as a controller."""
    wanted = nobodys(str(Path.cwd()))
    parts = (Part("resolve-bash", _OURS, bash.srpo_resolve_bash(wanted)),)
    return _examined(wanted, registry, repositories, parts, "there is no manifest")


def nobodys(folder: str) -> Wanted:
    """What is wanted where nobody wants anything."""
    transport: TransportOptions = LocalOptions(kind="local")
    launcher: LauncherOptions = DirectOptions(kind="direct")
    manifest = Manifest(
        schema=1,
        name="doctor",
        model=Model(type="generic"),
        entry=Entry(command=("true",)),
        backend=Backend(transport=transport, launcher=launcher),
    )
    return Wanted(manifest=manifest, folder=folder)


def _examined(wanted: Wanted, registry: Registry, repositories: Pins, parts: tuple[Part, ...], lock: str) -> Decision:
    parts = (*parts, Part("pre-launch", _OURS, Examination()))
    before = time.time()
    try:
        facts = gather(wanted, parts, repositories, lambda known: open_transport(wanted, registry, known))
    except TransportError as error:
        facts = gather(wanted, parts, repositories, _unreached(error))
    facts = facts.joined(_of_this_machine(lock) | _skew(facts, before, time.time()))
    return decided_with(wanted, facts, registry, parts)


def _unreached(error: TransportError) -> Callable[[Facts], Transport]:
    def fail(_known: Facts) -> Transport:
        raise error

    return fail


def _of_this_machine(lock: str) -> dict[str, Known | Unknown]:
    keys = [path for path in (Path.home() / ".ssh").glob("id_*") if path.suffix != ".pub"]
    return {
        "controller.client": Known(
            value=f"srpo-manifest {__version__}, Python {platform.python_version()}, {platform.system()}"
        ),
        "controller.cache": Known(value=_writable(cache_folder())),
        "controller.state": Known(value=_writable(state_folder())),
        "controller.lock": Known(value=lock),
        "controller.ssh-keys": Known(value=len(keys)),
    }


def _writable(folder: Path) -> str:
    at = folder
    while not at.exists() and at != at.parent:
        at = at.parent
    return "writable" if at.is_dir() and os.access(at, os.W_OK | os.X_OK) else str(at)


def _skew(facts: Facts, before: float, after: float) -> dict[str, Known | Unknown]:
    """How far the target's clock lies outside the time in which it was asked. Units: seconds."""
    clock = facts.get("target.clock", int)
    if isinstance(clock, Unknown):
        return {"target.skew-seconds": clock}
    return {"target.skew-seconds": Known(value=round(max(before - 1 - clock, clock - after, 0)))}
