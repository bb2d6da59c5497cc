"""`events.jsonl`: what is told, without secrets, and what was told before."""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import time
from typing import Any, Iterable, Optional, Sequence

from .files import FORMAT, Node, Record, format_of, now, opened, read_json, typed

SHORTEST_SECRET = 6
REASON_BYTES, TOLD_BYTES = 120, 400
"""Of a reason: in its slot, and in the result and the last event."""


def newer_parts(node: Node, story: Story, slots: Sequence[Optional[Record]], result: Optional[Record]) -> list[str]:
    """Files that a later version of this one wrote: they are read as far as they are understood, and never rewritten."""
    parts = {
        "rules.json": format_of(read_json(os.path.join(node.bundle, "rules.json"))),
        "slots": max(map(format_of, slots)),
        "events.jsonl": story.format,
        "result.json": format_of(result),
    }
    return [name for name, found in parts.items() if found > FORMAT]


def short(reason: str, limit: int = REASON_BYTES) -> str:
    """*reason* as one printable line of at most *limit* bytes, which fits into a slot."""
    line = "".join(character for character in " ".join(reason.split()) if character.isprintable())
    return line.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def spellings(secrets: Iterable[str]) -> list[str]:
    """What must not be told: values, their lines, and both as base64, in URLs and with escapes; the longest first."""
    import base64
    import urllib.parse

    texts = {text for secret in secrets for text in (secret, *secret.splitlines()) if len(text) >= SHORTEST_SECRET}
    found = set(texts)
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        found |= {urllib.parse.quote(data), urllib.parse.quote(data, safe=""), urllib.parse.quote_plus(data)}
        found |= {
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
            repr(data)[2:-1],
        }
        for before in range(3):
            # what stands around it reaches into the first and the last character
            whole = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
            middle = whole[(0, 2, 3)[before] : len(whole) - ((before + len(data)) % 3 != 0)]
            found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return sorted((text for text in found if len(text) >= SHORTEST_SECRET), key=len, reverse=True)


class Events:
    """Appends events, one `write` each. That one cannot be written stops nothing."""

    def __init__(self, node: Node, secrets: Iterable[str] = ()) -> None:
        self.run = node.run
        self.secrets = spellings(secrets)
        self.file = opened(node.path("events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.torn = False

    def append(self, event: str, **data: object) -> None:
        """Tell of *event*; secrets in its texts become `***`."""
        envelope = {"format": FORMAT, "time": now(), "event": event, "run": self.run}
        told = {name: self.redacted(value) for name, value in data.items()}
        line = json.dumps({**envelope, **told, **envelope}).encode() + b"\n"
        line = b"\n" + line if self.torn else line
        try:
            self.torn = os.write(self.file, line) < len(line)
        except OSError:
            self.torn = True

    def ended(self, outcome: str, status: Optional[int], reason: str) -> None:
        """Tell the last event, durably."""
        self.append("run.ended", outcome=outcome, exit=status, reason=reason)
        with contextlib.suppress(OSError):
            os.fsync(self.file)

    def redacted(self, value: Any) -> Any:
        """*value*, its texts without secrets."""
        if isinstance(value, list):
            return [self.redacted(one) for one in value]
        if isinstance(value, str):
            for secret in self.secrets:
                value = value.replace(secret, "***")
        return value


class Story:
    """What the events tell so far."""

    def __init__(self, path: str) -> None:
        self.phase: Optional[str] = None
        self.progress: Optional[Record] = None
        self.checkpoints: dict[str, int] = {}
        self.images: set[str] = set()
        self.torn: set[str] = set()
        """Checkpoints that were told not to be whole."""
        self.warned: set[str] = set()
        self.warnings: list[Record] = []
        self.started = self.stopping = self.ended = False
        self.format: float = FORMAT
        self.awaits, self.until = "", 0.0
        """What the end waits for, a checkpoint or the processes, and until when."""
        progress = None
        with contextlib.suppress(FileNotFoundError), open(path, "rb", opener=opened) as lines:
            for line in lines:
                if b'"event": "progress.made"' in line:
                    progress = line
                else:
                    self._read(line)
        if progress:
            self._read(progress)

    def _read(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._tell(json.loads(line))

    def _tell(self, told: Record) -> None:
        event = told["event"]
        self.format = max(self.format, format_of(told))
        if event == "phase.started":
            self.phase = typed(told["phase"], str)
        elif event == "job.started":
            self.started = True
        elif event == "progress.made":
            self.progress = {name: told[name] for name in told if name not in ("format", "time", "event", "run")}
        elif event == "checkpoint.written":
            self.checkpoints[typed(told["path"], str)] = typed(told["bytes"], int)
        elif event == "image.written":
            self.images.add(typed(told["path"], str))
        elif event == "warning.raised":
            warning: Record = {name: typed(told[name], str) for name in ("time", "code", "message")}
            hints = [typed(hint, str) for hint in told.get("hints", [])]
            self.warned.add(warning["code"])
            if warning["code"] == "checkpoint-torn" and "path" in told:
                self.torn.add(typed(told["path"], str))
            self.warnings.append({**warning, "hints": hints})
        elif event == "stop.asked":
            self.stopping = True
        elif event in ("checkpoint.awaited", "grace.started"):
            self.awaits = "checkpoint" if event == "checkpoint.awaited" else "processes"
            self.until = calendar.timegm(time.strptime(told["time"][:19], "%Y-%m-%dT%H:%M:%S")) + told["seconds"]
        elif event == "run.ended":
            self.ended = True
