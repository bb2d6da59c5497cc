"""How a bash is reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from srpo_manifest.ports.probes import Answer


class Transport(Protocol):
    """One method reaches a place; everything else is built on it."""

    @property
    def place(self) -> str:
        """The place's name for people: `this machine`, `gpu-1`."""

    def exec(self, script: str, data: Iterable[bytes] = (), *, timeout_seconds: float) -> Answer:
        """Run *script* in a fresh bash there, with *data* as its standard input, and wait for it.

        Bytes arrive and come back exactly. The exit status is the script's own. Several threads may call at once.
        Raises: TransportError where the place could not be reached or did not answer in time; whatever the script had
        started by then is ended on this side.
        """


def machines(transport: Transport) -> tuple[Transport, ...]:
    """The places of a run's nodes in order: that of the first, and *others* of a transport that reaches several."""
    return (transport, *getattr(transport, "others", ()))
