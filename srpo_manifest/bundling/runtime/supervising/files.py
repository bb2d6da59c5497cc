"""The run's folder: its paths, its JSON files, and what is refused."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
import time
from typing import Any, Optional

FORMAT = 1
CHUNK_BYTES = 1 << 20
PEERS = "peers.json"
Record = dict[str, Any]


class Refused(Exception):
    """What was asked for is not done: a code, one sentence, what to do, and the exit status."""

    def __init__(self, code: str, message: str, hint: str, status: int) -> None:
        super().__init__(message)
        self.code, self.hint, self.status = code, hint, status


class Node:
    """The paths of `RUN/attempt-N/node-I`."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)
        self.run_folder = os.path.dirname(os.path.dirname(self.folder))
        self.run = os.path.basename(self.run_folder)
        numbered = re.search(r"/node-(\d+)$", self.folder)
        self.index = int(numbered[1]) if numbered else 0
        """Its number among the run's nodes."""
        self.bundle = os.path.join(self.run_folder, "bundle")
        self.workspace = os.path.realpath(os.path.join(self.run_folder, "..", "..", ".."))

    def path(self, name: str) -> str:
        """Of a file of this folder."""
        return os.path.join(self.folder, name)

    def rules(self) -> Record:
        """What the plan said. Raises: Refused where `rules.json` cannot be read."""
        path = os.path.join(self.bundle, "rules.json")
        rules = read_json(path)
        if format_of(rules) > FORMAT:
            raise newer_run(self, ["rules.json"])
        if rules is None or rules.get("format") != FORMAT:
            message = f"`{path}` does not hold rules of format {FORMAT}"
            raise Refused("bundle-incomplete", message, "unpack the whole bundle", 2)
        if self.index:  # the first node alone writes what counts
            rules = {**rules, "done": {"exit_zero": True}, "artifacts": {}}
        return rules


def is_absent(path: str) -> bool:
    """Whether there is certainly nothing; what cannot be asked just now may be there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def now() -> str:
    """The wall clock, for people."""
    return moment(0)


def moment(later: float) -> str:
    """The wall clock in so many seconds."""
    seconds = time.time() + later
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}Z"


def opened(path: str, flags: int = os.O_RDONLY) -> int:
    """A file of a run, as `open` takes it for an opener. Raises: OSError, also for a pipe, which might be waited at for ever."""
    odd = OSError(errno.EINVAL, "it is no regular file", path)
    try:
        file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise odd if error.errno == errno.ENXIO else error from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise odd
    os.set_blocking(file, True)
    return file


def read_json(path: str) -> Optional[Record]:
    """The object in *path*; None where there is none, or it is torn."""
    try:
        with open(path, "rb", opener=opened) as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def plainly(error: OSError) -> str:
    """The file and what is wrong with it, for people."""
    return f"`{error.filename}`: {error.strerror}" if error.filename else error.strerror or str(error)


def typed(value: Any, kind: type[Any]) -> Any:
    """*value*, which a file held. Raises: TypeError where it is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def format_of(record: Optional[Record]) -> float:
    """The format of a record; one that says none is of the first."""
    found = (record or {}).get("format", 1)
    return found if isinstance(found, (int, float)) else math.inf


def newer_run(node: Node, parts: list[str]) -> Refused:
    """It is only read, and a stop can be asked for."""
    message = f"run `{node.run}` was written by a later version: {', '.join(parts)} of a format above {FORMAT}"
    return Refused("run-newer", message, "use the version that started it; a stop can be asked for all the same", 76)


def write_json(path: str, record: Record) -> None:
    """Write *record* durably, or leave what was there."""
    aside = f"{path}.{os.getpid()}"
    try:
        with open(opened(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync_folder(os.path.dirname(path))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def sync_folder(path: str) -> None:
    """Make durable what was created or renamed in it."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
