"""How long we wait for code that is not ours."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 30.0
NAME = "SRPO_MANIFEST_PLUGIN_SECONDS"


class Hung(BaseException):
    """The time is over. No `except Exception` of a plugin takes it for its own."""


def patience_seconds() -> float:
    """As SRPO_MANIFEST_PLUGIN_SECONDS says, else 30."""
    try:
        return max(0.1, float(os.environ.get(NAME, _SECONDS)))
    except ValueError:
        return _SECONDS


@contextmanager
def bounded(seconds: float | None) -> Iterator[None]:
    """Raises Hung in what takes longer; where no timer is at hand (Windows, other threads) Ctrl-C is the way out."""
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not hasattr(signal, "setitimer") or not main:
        yield
        return

    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
