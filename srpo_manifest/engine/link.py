"""A target on the other end of a link that may be slow, or away for a while: asked patiently, read in fitting pieces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from srpo_manifest.errors import TransportError
from srpo_manifest.ports.fetching import reading
from srpo_manifest.ports.probes import Answer
from srpo_manifest.ports.transport import Transport

A = TypeVar("A")
_LEAST_BYTES, _FIRST_BYTES, _MOST_BYTES = 64 << 10, 1 << 20, 16 << 20
_QUICK_SECONDS = 4.0
_ASK_SECONDS = 60.0
_PAUSES = (0.5, 2.0, 5.0, 10.0, 30.0)
"""Between tries while the target cannot be reached."""


def patiently(ask: Callable[[], A], lost: Callable[[str], None] = lambda _: None) -> A:
    """What *ask* answers; *lost* hears why it has to be asked again. Raises: TransportError where the target stays out of reach."""
    for number, pause in enumerate(_PAUSES):
        try:
            return ask()
        except TransportError as error:
            if number == 0:
                lost(str(error))
            time.sleep(pause)
    return ask()


class Link:
    """A transport, and how much one answer may hold: more where it is fast, less where it is slow."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.bytes = _FIRST_BYTES

    def ask(self, script: str, timeout_seconds: float = _ASK_SECONDS) -> Answer:
        """Raises: TransportError where the target stays out of reach."""
        return patiently(lambda: self._transport.exec(script, timeout_seconds=timeout_seconds))

    def read(self, path: str, at: int, most: int) -> Answer:
        """Bytes of *path*, which is shell text, from *at* on: as many as come in a few seconds, and *most* at most.

        Raises: TransportError where the target stays out of reach.
        """
        while True:
            began = time.monotonic()
            script = reading(path, at, min(self.bytes, most))
            try:
                answer = self._transport.exec(script, timeout_seconds=_ASK_SECONDS)
            except TransportError as error:
                if error.code != "command-timeout" or self.bytes <= _LEAST_BYTES:
                    return self.ask(script)
                self.bytes = max(_LEAST_BYTES, self.bytes // 8)
                continue
            quick = time.monotonic() - began < _QUICK_SECONDS
            self.bytes = min(_MOST_BYTES, self.bytes * 2) if quick else max(_LEAST_BYTES, self.bytes // 2)
            return answer
