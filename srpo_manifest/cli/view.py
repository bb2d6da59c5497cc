"""Events as lines for people, on stderr; every line is a fold over what came before."""

from __future__ import annotations

import sys
import time
from typing import Any

from srpo_manifest.cli.output import gigabytes, say
from srpo_manifest.finding import visible

_BETWEEN_SECONDS = 10.0


class View:
    """Draws a run. On a terminal progress stays on one line; elsewhere it is a line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._drawn = False
        self._last = float("-inf")
        self.images = 0
        self.checkpoints: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        """Draw one event."""
        name = event["event"].replace(".", "_")
        draw = getattr(self, f"_{name}", None)
        if draw is not None:
            draw(event)

    def close(self) -> None:
        """End a line that stands open."""
        if self._drawn:
            sys.stderr.write("\n")
            self._drawn = False

    def _line(self, text: str) -> None:
        self.close()
        say(visible(text))

    def _plan_made(self, event: dict[str, Any]) -> None:
        self._line(f"plan      {event['plan'][:12]}")

    def _phase_started(self, event: dict[str, Any]) -> None:
        if event["phase"] != "job":
            self._line(f"phase     {event['phase']}")

    def _job_started(self, event: dict[str, Any]) -> None:
        self._line(f"started   {event['run']}")

    def _progress_made(self, event: dict[str, Any]) -> None:
        rest = [f"{key} {event[key]}" for key in event if key not in _FRAME and event[key] is not None]
        text = visible(f"progress  {event.get('step', '?')}/{event.get('total', '?')}  {'  '.join(rest)}")
        if self._live:
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()
            self._drawn = True
        elif time.monotonic() - self._last >= _BETWEEN_SECONDS:
            self._last = time.monotonic()
            say(text)

    def _checkpoint_written(self, event: dict[str, Any]) -> None:
        self.checkpoints.append(event["path"])
        self._line(f"saved     {event['path']} ({gigabytes(event.get('bytes') or 0)})")

    def _image_written(self, _event: dict[str, Any]) -> None:
        self.images += 1

    def _warning_raised(self, event: dict[str, Any]) -> None:
        self._line(f"warning[{event.get('code', 'trainer')}]: {event.get('message', '')}")

    def _contact_lost(self, event: dict[str, Any]) -> None:
        self._line(f"contact lost: {event.get('reason', '')}; the run goes on, trying again")

    def _contact_restored(self, _event: dict[str, Any]) -> None:
        self._line("contact restored")

    def _stop_asked(self, event: dict[str, Any]) -> None:
        self._line(f"stopping  {event.get('reason', '')}")

    def _run_ended(self, event: dict[str, Any]) -> None:
        reason = f": {event['reason']}" if event.get("reason") else ""
        self._line(f"ended     {event['outcome']}{reason}")


_FRAME = frozenset({"format", "seq", "time", "event", "run", "step", "total"})
