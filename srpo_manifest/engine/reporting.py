"""The one stream of events: numbered, stamped, shown to observers, and handed to whoever draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog

from srpo_manifest import __version__
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.values.events import FORMAT

EventDict: TypeAlias = MutableMapping[str, Any]
Sink: TypeAlias = Callable[[dict[str, Any]], None]
Observe: TypeAlias = Callable[[dict[str, Any]], Iterable[SrpoManifestError]]


def _nobody(_event: dict[str, Any]) -> Iterable[SrpoManifestError]:
    return ()


class Reporter:
    """Emits events, as structlog does: each passes a chain of processors, and the sink is its end.

    An observer's fault becomes one `warning.raised` event, told once for each code and sentence.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._observe: Observe = _nobody
        self._seq = 0
        self._told: set[str] = set()
        self._log = structlog.wrap_logger(
            self, processors=[self._numbered, self._handed], wrapper_class=structlog.BoundLogger
        )
        self.emit("stream.opened", version=__version__)

    def observe(self, observe: Observe) -> None:
        """From now on *observe* sees every event."""
        self._observe = observe

    def emit(self, event: str, **data: Any) -> None:
        """Emit *event*; `run` and `time` may stand among *data*."""
        self._log.msg(event, **data)

    def msg(self, event: dict[str, Any]) -> None:
        """The end of the chain."""
        self._sink(event)
        if event["event"] == "warning.raised":
            return
        for fault in self._observe(event):
            if str(fault) not in self._told:
                self._told.add(str(fault))
                self.emit("warning.raised", run=event["run"], code=fault.code, message=str(fault))

    def _numbered(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        name, run = event.pop("event"), event.pop("run", "")
        time = event.pop("time", None) or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event.pop("format", None)
        event.pop("seq", None)
        whole = {"format": FORMAT, "seq": self._seq, "time": time, "event": name, "run": run} | dict(event)
        self._seq += 1
        return whole

    def _handed(self, _logger: object, _method: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
        return (event,), {}
