"""Events as lines for people, on stderr; every line is a fold over what came before."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from srpo_manifest.cli.output import say
from srpo_manifest.finding import visible
from srpo_manifest.wording import gigabytes

if TYPE_CHECKING:
    from rich.progress import Progress

_BETWEEN_SECONDS = 10.0
_FRAME = frozenset({"format", "seq", "time", "event", "run", "step", "total"})


class View:
    """Draws a run. On a terminal progress is a bar under the lines; elsewhere it is a line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._bar: Progress | None = None
        self._last = float("-inf")
        self._held = ""
        self._is_over = False

    def __call__(self, event: dict[str, Any]) -> None:
        """Draw one event."""
        draw = getattr(self, f"_{event['event'].replace('.', '_')}", None)
        if draw is not None:
            draw(event)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, text: str) -> None:
        if self._bar is None:
            say(visible(text))
        else:
            self._bar.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def _plan_made(self, event: dict[str, Any]) -> None:
        self._line(f"plan      {event['plan'][:12]}")

    def _phase_started(self, event: dict[str, Any]) -> None:
        if event["phase"] == "digests":
            limit = event.get("limit_seconds") or 0
            self._line(f"phase     digests of {gigabytes(event.get('bytes') or 0)}, for {limit:g} seconds at most")
        elif event["phase"] not in ("job", "ending"):
            self._line(f"phase     {event['phase']}")

    def _job_started(self, event: dict[str, Any]) -> None:
        self._line(f"started   {event['run']}")

    def _progress_made(self, event: dict[str, Any]) -> None:
        rest = "  ".join(f"{key} {event[key]}" for key in event if key not in _FRAME and event[key] is not None)
        step, total = event.get("step"), event.get("total")
        if self._live and isinstance(step, int) and isinstance(total, int):
            self._drawn().update(self._task, completed=step, total=total, rest=visible(rest))
            return
        self._held = f"progress  {step or '?'}/{total or '?'}  {rest}"
        if time.monotonic() - self._last >= _BETWEEN_SECONDS:
            self._progress_held()

    def _progress_held(self) -> None:
        """The newest progress that was not told yet."""
        if self._held:
            self._last, text, self._held = time.monotonic(), self._held, ""
            self._line(text)

    def _drawn(self) -> Progress:
        if self._bar is None:
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415 - likewise

            columns = (TextColumn("progress "), BarColumn(bar_width=24), MofNCompleteColumn())
            rest = TextColumn("{task.fields[rest]}", markup=False)
            self._bar = Progress(*columns, rest, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", rest="")
            self._bar.start()
        return self._bar

    def _checkpoint_written(self, event: dict[str, Any]) -> None:
        self._progress_held()
        self._line(f"saved     {event['path']} ({gigabytes(event.get('bytes') or 0)})")

    def _warning_raised(self, event: dict[str, Any]) -> None:
        self._line(f"warning[{event.get('code', 'trainer')}]: {event.get('message', '')}")
        for hint in event.get("hints") or ():
            self._line(f"hint: {hint}")

    def _contact_lost(self, event: dict[str, Any]) -> None:
        meanwhile = "" if self._is_over else "the run goes on, "
        self._line(f"contact lost: {event.get('reason', '')}; {meanwhile}trying again")

    def _contact_restored(self, _event: dict[str, Any]) -> None:
        self._line("contact restored")

    def _stop_asked(self, event: dict[str, Any]) -> None:
        self._line(f"stopping  {event.get('reason', '')}")

    def _checkpoint_awaited(self, event: dict[str, Any]) -> None:
        self._line(f"stopping  waiting for a checkpoint being written, up to {event.get('seconds') or 0:.0f} s")

    def _grace_started(self, event: dict[str, Any]) -> None:
        self._line(f"stopping  its processes were told to end; KILL in {event.get('seconds') or 0:.0f} s")

    def _run_ended(self, event: dict[str, Any]) -> None:
        self.close()
        self._progress_held()
        self._is_over = True
        reason = f": {event['reason']}" if event.get("reason") else ""
        self._line(f"ended     {event['outcome']}{reason}")
