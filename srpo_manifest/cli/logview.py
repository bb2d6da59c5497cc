"""Lines of a job's log on a terminal, as bytes, and as JSON."""

from __future__ import annotations

import shutil
import sys

from srpo_manifest.cli.output import line as json_line
from srpo_manifest.finding import visible
from srpo_manifest.reading.joblog import last_state, plain

_CLEAR = "\r\x1b[K"


class Bytes:
    """For a file or a pipe: any bytes, as they are."""

    def line(self, line: bytes, of: str = "") -> None:
        """Show a line, or a piece of one, at once; *of* names the machine where there are several."""
        sys.stdout.buffer.write((f"[{of}] ".encode() if of else b"") + line)
        sys.stdout.buffer.flush()

    def rest(self, rest: bytes) -> None:
        """Show nothing yet of a line that has no end."""


class Objects(Bytes):
    """One JSON object a line; what is no UTF-8 becomes `U+FFFD`."""

    def __init__(self, run: str) -> None:
        self._run = run

    def line(self, line: bytes, of: str = "") -> None:
        """Show a line without its end."""
        text = line.removesuffix(b"\n").decode("utf-8", "replace")
        json_line({"format": 1, "run": self._run, "line": text} | ({"place": of} if of else {}))


class Screen(Bytes):
    """For a person: no colours, and whatever else a terminal would obey or hide is spelled out."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._drawn = ""

    def line(self, line: bytes, of: str = "") -> None:
        """Show a line where its unfinished states were drawn."""
        print((_CLEAR if self._drawn else "") + visible((f"[{of}] " if of else "") + plain(line)), flush=True)
        self._drawn = ""

    def rest(self, rest: bytes) -> None:
        """Draw the newest state of a bar, as much as fits into one row."""
        state = visible(plain(last_state(rest)))[: shutil.get_terminal_size().columns - 1]
        if self._live and state != self._drawn:
            sys.stdout.write(_CLEAR + state)
            sys.stdout.flush()
            self._drawn = state
