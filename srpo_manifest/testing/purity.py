"""What code reads beside its arguments, as far as that can be seen: files, processes, the network, the clock, the environment."""

from __future__ import annotations

import datetime as dt
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from srpo_manifest.engine.patience import NAME as PATIENCE

_EVENTS = (
    "open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.system", "os.exec", "os.fork", "os.posix_spawn",
    "os.putenv", "os.unsetenv", "os.chdir", "shutil.", "socket.", "subprocess.", "tempfile.", "urllib.",
)  # fmt: skip
_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "localtime", "gmtime", "ctime", "sleep")
_CODE = (".py", ".pyc", ".so")
_seen: list[tuple[int, list[str]]] = []


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The list of what this thread reads beside what it is given, filled as it does. Modules may still be imported."""
    found: list[str] = []
    with monkeypatch.context() as patched:
        for name in _CLOCKS:
            patched.setattr(time, name, lambda *_, name=name: _told(found, f"time.{name}"))
        patched.setattr(dt, "datetime", _clockless(dt.datetime, found))
        patched.setattr(dt, "date", _clockless(dt.date, found))
        patched.setattr(os, "environ", _Environment(os.environ, found))
        _listen()
        _seen.append((threading.get_ident(), found))
        try:
            yield found
        finally:
            _seen.pop()


def _told(found: list[str], what: str) -> float:
    found.append(what)
    return 0.0


def _clockless(kind: type, found: list[str]) -> type:
    def now(_cls: type, *_: object) -> object:
        found.append(f"the time, by {kind.__name__}")
        return kind(2001, 1, 1)

    return type(kind.__name__, (kind,), {name: classmethod(now) for name in ("now", "utcnow", "today")})


class _Environment(dict[str, str]):
    """Variables, each of whose readers is told."""

    def __init__(self, known: object, found: list[str]) -> None:
        super().__init__(known)  # type: ignore[call-overload] # what os.environ is made of
        self._found = found

    def __getitem__(self, name: str) -> str:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override] # what os.environ has
        self._note(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._note("all of it")
        return super().__iter__()

    def _note(self, name: object) -> None:
        if name != PATIENCE:
            self._found.append(f"the environment: {name}")


def _heard(event: str, given: tuple[object, ...]) -> None:
    if not _seen or _seen[-1][0] != threading.get_ident() or not event.startswith(_EVENTS):
        return
    what = str(given[0]) if given else ""
    if not (event in ("open", "os.listdir", "os.scandir") and (what.endswith(_CODE) or what in sys.path)):
        _seen[-1][1].append(f"{event} {what}")


def _listen() -> None:
    """Once for the process: what listens to its audit cannot be taken away again."""
    if not getattr(_listen, "done", False):
        sys.addaudithook(_heard)
        _listen.done = True  # type: ignore[attr-defined] # a mark of ours
