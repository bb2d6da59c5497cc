"""Waiting for what must come."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def until(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Return once *holds* does; a test fails where that takes longer."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
