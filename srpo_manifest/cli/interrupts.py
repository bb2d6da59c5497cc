"""Signals that ask this process to end: heard at once, or held while something must not be cut."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
HANGUP: int | None = getattr(signal, "SIGHUP", None)


@contextlib.contextmanager
def heard(handle: Callable[[int], None]) -> Iterator[None]:
    """While the block runs, each of the signals calls *handle* with its number.

    What the caller's shell ignores (nohup, a job in the background of a script) stays ignored.
    """

    def react(number: int, _frame: FrameType | None) -> None:
        handle(number)

    numbers = (getattr(signal, name, None) for name in _NAMES)
    meant = [number for number in numbers if number is not None and signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, react) for number in meant}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[list[int]]:
    """Signals wait in a list until the block is done; a second one cuts it all the same."""
    waiting: list[int] = []

    def handle(number: int) -> None:
        if waiting:
            raise KeyboardInterrupt
        waiting.append(number)

    with heard(handle):
        yield waiting


def interrupt(_number: int) -> None:
    """Every signal is an interruption: the exit status is 130."""
    raise KeyboardInterrupt
