"""Signals that ask this process to end: heard at once, or held while something must not be cut."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
HANGUP: int | None = getattr(signal, "SIGHUP", None)


class Told(BaseException):
    """A signal came; `Ear.next` says which."""


class Ear:
    """Keeps the signals that came, in order; they interrupt only what runs in `awake`.

    *insisting* signals, where set, are an interruption in any case.
    """

    def __init__(self) -> None:
        self.insisting: int | None = None
        self._waiting: list[int] = []
        self._awake = False

    def told_to_stop(self) -> bool:
        """Whether any signal but a hang-up waits."""
        return any(number != HANGUP for number in self._waiting)

    def next(self) -> int | None:
        """The signal that came first, once; None where none waits."""
        return self._waiting.pop(0) if self._waiting else None

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """While the block runs, a signal raises Told; one that came before does so at once."""
        self._awake = True
        try:
            if self._waiting:
                raise Told
            yield
        finally:
            self._awake = False

    def hear(self, number: int) -> None:
        """Take a signal in."""
        self._waiting.append(number)
        if self._awake:
            self._awake = False
            raise Told
        if self.insisting is not None and len(self._waiting) >= self.insisting:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listening() -> Iterator[Ear]:
    """No signal is lost while the block runs."""
    ear = Ear()
    with heard(ear.hear):
        yield ear


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


def interrupt(_number: int) -> None:
    """Every signal is an interruption: the exit status is 130."""
    raise KeyboardInterrupt
