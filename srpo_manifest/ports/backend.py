"""What a plugin brings to reach a place, or to start a job there."""

from __future__ import annotations

from typing import Protocol

from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.manifest import LauncherOptions, TransportOptions
from srpo_manifest.values.wanted import Wanted


class TransportKind(Protocol):
    """A kind of transport: its manifest keys, and how one is made."""

    @property
    def options(self) -> type[TransportOptions]:
        """The struct of `[backend.transport]` for this kind."""

    def open(self, options: TransportOptions, wanted: Wanted | None, facts: Facts) -> Transport:
        """A transport to the place. *wanted* is None where only a record is at hand (`status`, `stop`).

        Raises: TransportError where what it needs on the controller is missing.
        """


class LauncherKind(Protocol):
    """A kind of launcher: its manifest keys, and how one is made."""

    @property
    def options(self) -> type[LauncherOptions]:
        """The struct of `[backend.launcher]` for this kind."""

    def open(self, options: LauncherOptions) -> Launcher:
        """A launcher."""
