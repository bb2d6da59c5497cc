#!/usr/bin/env python3
"""The supervisor of a run on one machine: starts the job, watches it, ends it, and leaves its story in plain files.

Two processes supervise, `outer` above `inner`, and both are subreapers: when one dies, the kernel hands the job to
the other, which goes on from what the files and one shared page tell. When both die, `adopt` starts two new ones.
Readers (`status`, `follow`) need the files alone. Standard library only, Python 3.9 or newer, Linux. The files are
described in `docs/run-folder.md`.
"""

from __future__ import annotations

import argparse
import calendar
import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import glob
import json
import math
import mmap
import os
import re
import signal
import stat
import sys
import time
import zlib
from typing import Any, Callable, Iterable, Iterator, NamedTuple, NoReturn, Optional, Sequence

FORMAT = 1
SLOT_BYTES = 512
IDENTITY, EXIT, END = range(3)
NEVER_STARTED, CHECKS_REFUSED = 71, 78
LOOK_SECONDS = 0.5
"""Between two looks at files: what did not change in between is taken to be finished."""
TOLD_PROCESSES = 240
FROZEN_SECONDS = 1.0
"""Who comes to its next step later than that did not run meanwhile."""
KILL_SECONDS = 20.0
"""From the first KILL to giving up on processes that even KILL does not reach; rules may say `kill_seconds`."""
GONE_SECONDS = 20.0
"""How long a run's folder must be gone to count as removed; rules may say `gone_seconds`."""
STALLED_SECONDS = 60.0
"""An inner supervisor that has taken no step for so long is told of; rules may say `stalled_seconds`."""
CARE_SECONDS = 2.0
"""Between two looks of the outer supervisor at the inner one."""
ADOPT_SECONDS = 2.0
"""How long `adopt` waits for the end of a run that may have ended already."""
LONGEST_CGROUP = 150
"""Bytes of a path that slot 0 has room for."""
BYPASS_SECONDS = 30.0
"""How long a script's program may run before its launch was handed over: a wrapper like `timeout` shows its words first."""
CHUNK_BYTES = 1 << 20
MARK_BYTES = 256
INDEX_SECONDS = 2.0
"""Between two notes of the log's size; what is asked for by time begins so much early at most."""
BEHIND_BYTES = 64 << 20
"""A log that is read this far behind its end is read on near its end: the supervisor stays small and quick."""
LINE_BYTES = 16 << 10
LONGEST_HEADER = 100_000_000
"""Source: safetensors' own limit."""
SHORTEST_SECRET = 6
LONGEST_WORD = 131_071
"""Source: execve(2), MAX_ARG_STRLEN."""
COARSE_SECONDS = 2.5
"""How long files must rest that tell little: times in whole seconds, or no marker that was written after the weights."""
TORN_SECONDS = 10.0
"""How long a checkpoint that is not whole must rest, while the trainer goes on, before that is told."""
TORN_TOLD = 3
"""So many are told one by one, the others are counted at the end."""
PICTURE_BYTES = 32 << 20
"""A picture that is larger is told of, not copied."""
DIGEST_SECONDS = 300.0
GATE_SECONDS = 120.0
"""How long a launch waits for another one of its name."""
SPINNING_SHARE = 0.1
"""Of a core: what waits uses less, and what goes round in a loop more."""
RESTARTS = 2
"""How often steps begin again without a checkpoint before that is told."""
REASON_BYTES, TOLD_BYTES = 120, 400
"""Of a reason: in its slot, and in the result and the last event."""
TORN_HINT = "see whether the disk is full, or the trainer was killed while saving; the files are kept"
SAVING_PHASE = "saving-checkpoint"
DIGESTS = "checkpoints.sha256"
PEERS = "peers.json"
OUTCOMES = {"done": "succeeded", "stop": "stopped", "refused": "failed"}
"""What a run comes to that is ended for that cause."""
FETCHED, KEEP = "fetched", "keep"
"""Marks: the outputs came home; the command after the end is called off."""
END_SECONDS = 1.0
"""Between two looks while the command after the end waits."""
WAKE = signal.SIGUSR1
ASKED = signal.SIGUSR2
"""A stop was asked for, and a full disk kept the request from being written."""
STOPS = {signal.SIGTERM, signal.SIGINT, ASKED}
SIGNALS = STOPS | {WAKE, signal.SIGCHLD}
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PIDFD_GET_INFO, PIDFD_INFO_EXIT, PIDFD_INFO_BYTES = 0xC040FF0B, 8, 64
"""Source: linux/pidfd.h, Linux 6.15; the exit status is the last number of the first 64 bytes."""

Record = dict[str, Any]
Listing = dict[str, tuple[int, int]]
"""Size and modification time in nanoseconds of each file below a path, by relative name; a file's own name is empty."""


class Refused(Exception):
    """What was asked for is not done: a code, one sentence, what to do, and the exit status."""

    def __init__(self, code: str, message: str, hint: str, status: int) -> None:
        super().__init__(message)
        self.code, self.hint, self.status = code, hint, status


# The run's folder ---------------------------------------------------------------------------------------------------


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


def newer_parts(node: Node, story: Story, slots: Sequence[Optional[Record]], result: Optional[Record]) -> list[str]:
    """Files that a later version of this one wrote: they are read as far as they are understood, and never rewritten."""
    parts = {
        "rules.json": format_of(read_json(os.path.join(node.bundle, "rules.json"))),
        "slots": max(map(format_of, slots)),
        "events.jsonl": story.format,
        "result.json": format_of(result),
    }
    return [name for name, found in parts.items() if found > FORMAT]


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


def fits(record: Record) -> bool:
    """Whether a slot can hold it."""
    return len(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")) <= SLOT_BYTES - 9


class Slots:
    """Records that were given their space before anything started: a full disk cannot keep them from being written."""

    def __init__(self, path: str, there: bool = False) -> None:
        self.file = opened(path, os.O_RDWR | (0 if there else os.O_CREAT | os.O_EXCL))
        if there:
            return
        os.write(self.file, b" " * SLOT_BYTES * 3)
        os.fsync(self.file)
        sync_folder(os.path.dirname(path))

    def write(self, index: int, record: Record) -> None:
        """Fill a slot, durably; *record* takes less than 500 bytes."""
        text = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
        os.pwrite(
            self.file, b"%s#%08x" % (text, zlib.crc32(text)) + b" " * (SLOT_BYTES - len(text) - 9), index * SLOT_BYTES
        )
        os.fsync(self.file)


def read_slots(path: str) -> tuple[list[Optional[Record]], list[str]]:
    """The three records, None for each that is blank or torn, and the names of the torn ones."""
    records: list[Optional[Record]] = []
    torn = []
    try:
        with open(path, "rb", opener=opened) as file:
            data = file.read(SLOT_BYTES * 3)
    except FileNotFoundError:
        return [None] * 3, []
    if len(data) < SLOT_BYTES * 3:
        torn.append("slots")
    for index in range(3):
        text, _, check = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES].rstrip(b" ").rpartition(b"#")
        good = text and check == b"%08x" % zlib.crc32(text)
        found = None
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text) if good else None
        records.append(found if isinstance(found, dict) else None)
        if records[-1] is None and (text or check):
            torn.append(f"slot {index}")
    return records, torn


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


# Processes ----------------------------------------------------------------------------------------------------------


class Process(NamedTuple):
    """A pid means one process only together with its start, in ticks since boot."""

    pid: int
    start: int
    parent: int
    group: int
    state: str
    ticks: int
    """What it and the children that it waited for have used of the processors."""


def stat_of(pid: int) -> list[bytes]:
    """The fields of its `stat` from the third on; none where it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()
    return []


def process(pid: int) -> Optional[Process]:
    """The process of that number, dead but unreaped ones included. Source: proc_pid_stat(5)."""
    fields = stat_of(pid)
    if not fields:
        return None
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[19]), int(fields[1]), int(fields[2]), fields[0].decode(), ticks)


def identity(pid: int) -> list[int]:
    """Pid and start of a process that is there."""
    found = process(pid)
    return [pid, found.start if found else 0]


def same(pid: int, start: int) -> Optional[Process]:
    """The process if it is still that one."""
    found = process(pid)
    return found if found and found.start == start else None


def boot_id() -> str:
    """Pids mean something within one boot only."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def exit_of(pid: int, start: int, witness: Optional[int]) -> Optional[int]:
    """How a process ended that is nobody's child here: its unreaped body tells, else the pidfd opened while it lived.

    Returns: None where neither does, or it lives. Source: proc_pid_stat(5), whose field 52 is 0 for who may not read it.
    """
    body = stat_of(pid)
    if body and int(body[19]) == start:
        with contextlib.suppress(PermissionError):
            try:
                os.readlink(f"/proc/{pid}/exe")
            except FileNotFoundError:
                return os.waitstatus_to_exitcode(int(body[49])) if body[0] == b"Z" else None
        return None
    record = bytearray(PIDFD_INFO_EXIT.to_bytes(8, sys.byteorder)) + bytes(PIDFD_INFO_BYTES - 8)
    with contextlib.suppress(OSError):
        if witness is not None:
            fcntl.ioctl(witness, PIDFD_GET_INFO, record)
            if int.from_bytes(record[:8], sys.byteorder) & PIDFD_INFO_EXIT:
                return os.waitstatus_to_exitcode(int.from_bytes(record[-4:], sys.byteorder, signed=True))
    return None


def members(cgroup: str) -> set[int]:
    """Who is in it, without those below."""
    with contextlib.suppress(OSError), open(os.path.join(cgroup, "cgroup.procs"), encoding="ascii") as file:
        return set(map(int, file.read().split()))
    return set()


def own_cgroups() -> Iterator[str]:
    """The folder of this process's cgroup of version 2, wherever that is mounted. Source: cgroups(7)."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        own = [line[3:].rstrip("\n") for line in file if line.startswith("0::/")]
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        mounts = [fields[1] for fields in map(str.split, file) if fields[2] == "cgroup2"]
    return (os.path.normpath(at + path) for at in mounts for path in own)


def enclose(name: str, pid: int) -> Optional[str]:
    """Put a process into a new cgroup of that name. Returns: its folder; None where none may be made."""
    with contextlib.suppress(OSError):
        for own in own_cgroups():
            made = os.path.join(own, f"srpo-{name}")
            if len(os.fsencode(made)) <= LONGEST_CGROUP and os.getpid() in members(own):
                os.mkdir(made)
                if tell_cgroup(made, "cgroup.procs", pid):
                    return made
                os.rmdir(made)
    return None


def cgroup_of(node: Node) -> str:
    """The name of the node's own."""
    return f"{node.run}.{node.index}" if node.index else node.run


def tell_cgroup(cgroup: str, name: str, value: int) -> bool:
    """Write one number to a file of a cgroup, where there is one. Returns: whether it was taken."""
    with contextlib.suppress(OSError):
        if cgroup:
            with open(os.path.join(cgroup, name), "wb", buffering=0) as file:
                return file.write(b"%d" % value) > 0
    return False


def remove_cgroup(cgroup: str) -> None:
    """Remove a cgroup with those below it; one with living processes stays."""
    for at, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(at)


def tree(
    run: str, supervisors: Iterable[Sequence[int]] = (), leader: Sequence[int] = (), cgroup: str = "", index: int = 0
) -> list[Process]:
    """Every living process of one of the run's nodes, without its supervisors.

    These are those that carry their ids, those below a supervisor, the leader with those below it, and those in the cgroup.
    """
    every = {pid: found for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (found := process(pid))}
    roots = {pid for pid, start in supervisors if pid in every and every[pid].start == start}
    strangers = roots | {os.getpid()}
    own = {pid for at, _, _ in os.walk(cgroup) for pid in members(at)}
    if leader and leader[0] in every and every[leader[0]].start == leader[1]:
        roots = roots | {leader[0]}
        own.add(leader[0])
    marks = {f"SRPO_RUN_ID={run}".encode(), b"SRPO_RUN_INDEX=%d" % index}

    def below(found: Process) -> bool:
        for _ in range(64):
            if found.parent in roots:
                return True
            if found.parent not in every:
                return False
            found = every[found.parent]
        return False

    def carries(pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return marks <= {*file.read().split(b"\0")}
        except OSError:
            return False

    return [
        found
        for pid, found in every.items()
        if pid not in strangers and found.state not in "ZX" and (pid in own or below(found) or carries(pid))
    ]


def starts(pid: int, entry: str) -> bool:
    """Whether that process is a Python with *entry*, or a path that ends so, among its words; `deliver.py` is none."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            program, *words = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    python = os.path.basename(program).startswith("python") and not any(
        word.endswith("/deliver.py") for word in words[:2]
    )
    return python and any(f"/{word}".endswith(f"/{entry}") for word in words)


def open_pidfd(pid: int) -> Optional[int]:
    """A handle on a process that is there; None where the kernel, or a filter of a container, has none to give.

    Raises: ProcessLookupError where it is gone.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, PermissionError):
        return None
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return None


def has_pidfd() -> bool:
    """Whether a process can be signalled so that its number does not matter."""
    handle = open_pidfd(os.getpid())
    if handle is not None:
        os.close(handle)
    return handle is not None


def send(target: Process, number: int) -> None:
    """Signal exactly that process, never one that got its number later."""
    try:
        handle = open_pidfd(target.pid)
    except OSError:
        return
    try:
        if same(target.pid, target.start) is None:
            return
        if handle is None:
            os.kill(target.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        if handle is not None:
            os.close(handle)


def ended_children() -> Iterator[tuple[int, int]]:
    """Children that ended, with their status.

    Each is reaped after it was handed out: whoever is killed in between leaves it to the other supervisor.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        yield ended.si_pid, ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        os.waitpid(ended.si_pid, 0)


# Artifacts and the log ----------------------------------------------------------------------------------------------


def expand(text: str, words: dict[str, str], spelled: Callable[[str], str] = str) -> str:
    """*text* with its late words bound; `$$` is one literal `$`."""

    def bound(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else spelled(words[match[1]]) if match[1] in words else match[0]

    return re.sub(r"\$\$|\$\{([a-z.]+)\}", bound, text)


def listing(path: str) -> Listing:
    """The files below *path*, or the file itself; what vanishes meanwhile is left out, a link to nothing is empty."""
    found: Listing = {}
    names = [""]
    if os.path.isdir(path):
        names = [os.path.relpath(os.path.join(at, name), path) for at, _, files in os.walk(path) for name in files]
    for name in names:
        with contextlib.suppress(OSError):
            at = inside(path, name)
            found[name] = (0, os.lstat(at).st_mtime_ns)
            stat = os.stat(at)
            found[name] = (stat.st_size, stat.st_mtime_ns)
    return found


def inside(path: str, name: str) -> str:
    """The file that a listing of *path* calls *name*."""
    return os.path.join(path, name) if name else path


def identities(path: str, files: Iterable[str]) -> set[tuple[int, int, int, int]]:
    """What stays of files when they, or the folder that they lie in, get another name."""
    found = set()
    for name in files:
        with contextlib.suppress(OSError):
            stat = os.stat(inside(path, name))
            found.add((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def is_coarse(files: Listing) -> bool:
    """Whether a file's time is one of whole seconds, as some file systems tell it: it may hide a change."""
    return any(moment % 1_000_000_000 == 0 for _, moment in files.values())


def size_of(files: Listing) -> int:
    """Bytes of all of them."""
    return sum(size for size, _ in files.values())


def intact(path: str, size: int) -> bool:
    """Whether a weight file has bytes, as many as its `.safetensors` header says; an archive of torch has its end."""
    if not path.endswith(".safetensors"):
        return size > 0 and not is_cut_archive(path)
    try:
        with open(path, "rb", opener=opened) as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, LONGEST_HEADER):
                return False
            header = json.loads(file.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return 8 + length + max(ends, default=0) == size


def is_cut_archive(path: str) -> bool:
    """Whether a file begins as the zip archive that `torch.save` writes and lacks the directory at its end."""
    import zipfile

    try:
        with open(path, "rb", opener=opened) as file:
            return file.read(4) == b"PK\x03\x04" and not zipfile.is_zipfile(file)
    except OSError:
        return True


def shards(path: str) -> Optional[set[str]]:
    """The weight files that a `….index.json` names; None where it is cut."""
    try:
        with open(path, "rb", opener=opened) as file:
            named = json.loads(file.read(LONGEST_HEADER))["weight_map"].values()
        return {os.path.normpath(name) for name in named}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


class Artifacts:
    """Checkpoints, pictures and other files that are wanted and were not there, as they are, before the run."""

    def __init__(self, node: Node, rules: Record, words: dict[str, str]) -> None:
        given, done = rules["artifacts"], rules["done"]
        self.folder = node.path("images") if given.get("collect_images") else None
        self.wanted = {"checkpoint": done.get("checkpoints") or 0, "image": done.get("images") or 0}
        self.wanted_files = tuple(done.get("files") or ())
        self.exit_zero = done.get("exit_zero") or not (any(self.wanted.values()) or self.wanted_files)
        self.marker, self.weights = given.get("marker"), given.get("weights") or "*"
        at = glob.escape(expand(rules["cwd"], words))
        spelled: dict[object, Any] = {"checkpoint": given.get("checkpoints"), "image": given.get("images")}
        spelled.update({("file", name): name for name in self.wanted_files})
        self.globs = {
            kind: os.path.join(at, expand(pattern, words, glob.escape)) for kind, pattern in spelled.items() if pattern
        }
        found = self._scan()
        self.before = {path: files for paths in found.values() for path, files in paths.items()}
        """What is there before the run. Compared with that, no clock can make a file look older or newer."""
        self.older = {one for path, files in found.get("checkpoint", {}).items() for one in identities(path, files)}
        """Files of checkpoints that are there before the run, under whatever name they lie later."""
        self.last: dict[str, Listing] = {}
        self.rested: dict[str, float] = {}
        """Since when what lies there looks as it does, on the monotonic clock."""
        self.whole: dict[str, int] = {}
        self.partial: dict[str, tuple[bool, str]] = {}
        """Unfinished checkpoints, the newest last: whether one seems to be written, and what it lacks."""
        self.images: dict[str, Optional[Listing]] = {}
        """Pictures that were told of; None for one whose copy may be an older one."""
        self.shown: dict[str, int] = {}
        """Checksums of the pictures that were told of last."""
        self.files: dict[str, dict[str, int]] = {name: {} for name in self.wanted_files}
        """Sizes by path of what there is for each wanted pattern."""
        self.fault: Optional[OSError] = None
        """Why a picture could not be copied at the last look; the next one tries again."""

    def remembered(self) -> Record:
        """What there is before the run, for supervisors that come later."""
        return {"format": FORMAT, "before": self.before, "older": sorted(self.older)}

    def recall(self, found: Optional[Record], told: Story) -> None:
        """Go on from that; where it is lost, nothing that lies there now counts but what events told of."""
        if found:
            self.before = {
                path: {name: (size, moment) for name, (size, moment) in files.items()}
                for path, files in found["before"].items()
            }
            self.older = {(device, inode, size, moment) for device, inode, size, moment in found["older"]}
            return
        mine = {*told.checkpoints, *told.images}
        self.before = {path: files for path, files in self.before.items() if path not in mine}
        self.older = {one for path, files in self.before.items() for one in identities(path, files)}

    def look(self, events: Events, told: Story, last: bool) -> bool:
        """Tell of what became whole since the look before; at the *last* look nothing is being written any more.

        Returns: whether anything moved.
        """
        fresh = {
            kind: {path: files for path, files in found.items() if files != self.before.get(path)}
            for kind, found in self._scan().items()
        }
        every = {path: files for found in fresh.values() for path, files in found.items()}
        moment = time.monotonic()
        self.rested = {
            path: self.rested[path] if files == self.last.get(path) else moment for path, files in every.items()
        }
        settled = {path for path, since in self.rested.items() if last or since < moment}
        moved, self.last = every != self.last, every
        self.files = {
            name: {path: size_of(files) for path, files in fresh["file", name].items() if path in settled}
            for name in self.wanted_files
        }
        self._checkpoints(fresh.get("checkpoint", {}), settled, last, events, told)
        self.fault = None
        for path, files in fresh.get("image", {}).items():
            try:
                self._image(path, files, path in settled, events)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.fault, self.images[path] = error, None
        return moved

    def lacking(self, status: Optional[int]) -> list[str]:
        """What of the done rule does not hold, in words; *status* is the leader's, if it ended."""
        have = {"checkpoint": len(self.whole), "image": len(self.images)}
        lacking = [
            f"{have[kind]} of {count} {kind}{'s' * (count > 1)}"
            for kind, count in self.wanted.items()
            if have[kind] < count
        ]
        lacking += [f"no new `{name}`" for name, found in self.files.items() if not found]
        if self.exit_zero and status != 0:
            lacking.append("no end with status 0")
        return lacking

    def writing(self) -> bool:
        """Whether a checkpoint seems to be written just now: only the newest can be."""
        return bool(self.partial) and list(self.partial.values())[-1][0]

    def torn(self, stepped: float) -> list[str]:
        """Unfinished checkpoints that rest though the trainer went on: to a step at *stepped*, or to other artifacts."""
        went_on = max(stepped, *self.rested.values()) if self.partial else 0.0
        return [
            path
            for path in self.partial
            if time.monotonic() - self.rested[path] >= TORN_SECONDS and went_on - self.rested[path] >= COARSE_SECONDS
        ]

    def _checkpoints(
        self, fresh: dict[str, Listing], settled: set[str], last: bool, events: Events, told: Story
    ) -> None:
        before, self.whole, self.partial = self.whole, {}, {}
        places = {os.path.realpath(path) for path in fresh if not os.path.islink(path)}
        for path, files in sorted(fresh.items(), key=lambda item: changed(*item)):
            if os.path.islink(path) and os.path.realpath(path) in places:
                continue
            if (same_as := identities(path, files)) and same_as <= self.older:
                continue
            if not (path in settled and (last or self._is_settled(path, files))):
                self.partial[path] = (True, "it was being written")
            elif path not in before and (flaw := self._flaw(path, files)):
                self.partial[path] = (not self._is_marked(path, files), flaw)
            else:
                self.whole[path] = size_of(files)
                if told.checkpoints.get(path) != size_of(files):
                    told.checkpoints[path] = size_of(files)
                    events.append("checkpoint.written", path=path, bytes=size_of(files))

    def _is_settled(self, path: str, files: Listing) -> bool:
        """Whether files that stood still between two looks may be taken to be finished."""
        marked = files.get(self.marker or "", (0, 0))[1] >= max((moment for _, moment in files.values()), default=0)
        telling = marked and not is_coarse(files)
        return telling or time.monotonic() - self.rested[path] >= COARSE_SECONDS

    def _is_new(self, path: str, files: Listing, name: str) -> bool:
        changed_here = files[name] != self.before.get(path, {}).get(name)
        return changed_here and identities(path, [name]).isdisjoint(self.older)

    def _weights(self, files: Listing) -> list[str]:
        return [name for name in files if not name or fnmatch.fnmatch(name, self.weights)]

    def _is_marked(self, path: str, files: Listing) -> bool:
        """Whether the run wrote the marker; without one, whether it wrote all of the weights."""
        if "" in files:
            return True
        if not self.marker:
            return all(self._is_new(path, files, name) for name in self._weights(files))
        return files.get(self.marker, (0, 0))[0] > 0 and self._is_new(path, files, self.marker)

    def _flaw(self, path: str, files: Listing) -> Optional[str]:
        """Why a checkpoint that is not being written is not whole; None where it is."""
        if os.path.islink(path):
            return f"it is a link to `{os.path.realpath(path)}`, which may be older than the run"
        if not self._is_marked(path, files):
            return f"the run wrote no `{self.marker}`" if self.marker else "some of its weights are from before the run"
        weights = [name for name in self._weights(files) if self._is_new(path, files, name)]
        if not weights:
            return f"the run wrote no `{self.weights}`"
        for name in files:
            if name.endswith(".index.json") and self._is_new(path, files, name):
                named = shards(inside(path, name))
                if named is None:
                    return f"`{name}` is cut"
                at = os.path.dirname(name)
                missing = sorted(shard for shard in named if os.path.join(at, shard) not in weights)
                if missing:
                    return f"`{missing[0]}`, which `{name}` names, is missing"
        cut = [name for name in weights if not intact(inside(path, name), files[name][0])]
        return f"`{cut[0] or os.path.basename(path)}` is cut" if cut else None

    def _image(self, path: str, files: Listing, settled: bool, events: Events) -> None:
        """Tell of a picture and keep it, as soon as what lies there is one and another one than before."""
        young = is_coarse(files) and time.monotonic() - self.rested[path] < COARSE_SECONDS
        if not size_of(files) or (self.images.get(path) == files and not young):
            return
        if path in self.images and self.images[path] is None and not self.folder:
            self.images[path] = files
            return
        with open(path, "rb", opener=opened) as file:
            data = file.read(PICTURE_BYTES + 1)
        large, kind = len(data) > PICTURE_BYTES, ends_well(data)
        if not (settled if large or kind is None else kind):
            return
        known, checksum = path in self.images, zlib.crc32(data)
        is_kept = self.images.get(path) is None and known and self.folder and is_copied(path, data, self.folder)
        if not is_kept and self.shown.get(path) != checksum:
            if self.folder and not large:
                collect(path, data, self.folder)
            events.append("image.written", path=path, bytes=size_of(files))
        self.images[path], self.shown[path] = files, checksum

    def _scan(self) -> dict[object, dict[str, Listing]]:
        """What each pattern matches; only a checkpoint may be a folder."""
        return {
            kind: {
                path: listing(path)
                for path in glob.glob(pattern, recursive=True)
                if kind == "checkpoint" or os.path.isfile(path)
            }
            for kind, pattern in self.globs.items()
        }


def changed(path: str, files: Listing) -> int:
    """When a checkpoint last changed; that of an empty folder is its own time."""
    with contextlib.suppress(OSError):
        return max(os.stat(path).st_mtime_ns, *(moment for _, moment in files.values()), 0)
    return 0


def ends_well(data: bytes) -> Optional[bool]:
    """Whether a PNG is complete; None for what is none. Source: PNG specification, "Chunk layout"."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if zlib.crc32(data[at + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            return False
        at = end + 4
    return kind == b"IEND"


def is_copied(path: str, data: bytes, folder: str) -> bool:
    """Whether *folder* holds a copy of this version of a picture."""
    stem, ending = os.path.splitext(os.path.basename(path))
    for copy in glob.glob(os.path.join(glob.escape(folder), glob.escape(stem) + "*" + glob.escape(ending))):
        with open(copy, "rb", opener=opened) as file:
            if file.read() == data:
                return True
    return False


def collect(path: str, data: bytes, folder: str) -> None:
    """Keep a picture in *folder*; where the trainer wrote over an older one, it gets the next number."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stem, ending = os.path.splitext(os.path.basename(path))
    number, name = 1, stem + ending
    while os.path.exists(os.path.join(folder, name)):
        number += 1
        name = f"{stem}-{number}{ending}"
    aside = os.path.join(folder, f".{stem}")
    try:
        with open(aside, "wb") as copy:
            copy.write(data)
        os.replace(aside, os.path.join(folder, name))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def lines_after(path: str, offset: int, last: bool) -> tuple[list[str], int]:
    r"""Lines of *path* behind *offset*, without colours, and where the next one begins.

    `\r` ends a line too; so does the end of the file at the *last* look.
    """
    try:
        with open(path, "rb", opener=opened) as file:
            size = os.fstat(file.fileno()).st_size
            if not size - BEHIND_BYTES <= offset <= size:
                offset = max(0, size - CHUNK_BYTES)
            file.seek(offset)
            data = file.read(CHUNK_BYTES)
    except FileNotFoundError:
        return [], offset
    *lines, rest = re.split(rb"[\r\n]", data)
    if (last and offset + len(data) >= size) or len(rest) > LINE_BYTES:
        lines, rest = [*lines, rest], b""
    plain = (re.sub(rb"\x1b\[[0-9;]*m", b"", line[:LINE_BYTES]).decode("utf-8", "replace") for line in lines)
    return [line for line in plain if line], offset + len(data) - len(rest)


class LogIndex:
    """Notes in `log.index` when the log had which size: it has no times of its own."""

    def __init__(self, node: Node) -> None:
        self.log, self.path = node.path("log"), node.path("log.index")
        self.noted, self.size = float("-inf"), -1

    def note(self, last: bool) -> None:
        """Append a line where the log has grown; a log that was cut gets a new index."""
        if not last and time.monotonic() - self.noted < INDEX_SECONDS:
            return
        with contextlib.suppress(OSError):
            size = os.stat(self.log).st_size
            moment = math.ceil(time.time())  # rounded up: it had no more before
            if size != self.size:
                anew = os.O_TRUNC if size < self.size else os.O_APPEND
                file = opened(self.path, os.O_WRONLY | os.O_CREAT | anew)
                try:
                    os.write(file, b"%d %d\n" % (moment, size))
                finally:
                    os.close(file)
                self.noted, self.size = time.monotonic(), size


class Telling(NamedTuple):
    """What a log's last lines say of a failure."""

    worker: str
    """How the first worker ended, by torchrun's report; empty without one."""
    line: str
    strong: bool
    """Whether *line* is certainly an error's."""


ERROR_LINE = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception|Interrupt|Exit|Timeout)(?::|$)"
    r"|^(?:[\w./-]+: )?error: |^error\[|Watchdog caught collective operation timeout"
)
MAYBE_ERROR = re.compile(
    r"\b(?:error|fatal|failed|cannot|can't|not found|no such file|denied|killed|aborted|core dumped"
    r"|segmentation fault|no space left)\b",
    re.IGNORECASE,
)
LATE_ERROR = re.compile(r"CalledProcessError|SignalException|DistBackendError|Connection (?:reset|closed)|Broken pipe")
"""Errors of those who only see that another process ended."""
NO_ERROR = re.compile(
    r"File exists|\(exitcode: |^\S+ FAILED$|^\s*(?:<NO_OTHER_FAILURES>|Failures:|error_file|traceback +:|Root Cause)"
    r"|ChildFailedError|no error file defined for parent|^srpo-manifest: |^hint: "
)
QUIET = re.compile(r"^(?:\[\w+\]:\s*)*\[?[IW]\d{4} [\d:.]+ ")
"""What torch's loggers say at level info or warning, such as that a host's name cannot be retrieved."""
PREFIXES = re.compile(r"^(?:\[\w+\]:\s*|[IWEF]\d{4} [\d:.]+ \d+ \S+\] |\d{4}-\d\d-\d\d[T ][\d:.,]+\S*(?: \| |\s+))+")
"""Of torchrun for a rank, of its own logger, of loguru."""


def telling(lines: Iterable[str]) -> Telling:
    """The line that tells most of why a job failed, the last one of its kind, and how its first worker ended.

    Source: torch/distributed/elastic/multiprocessing, `errors/__init__.py` and `api.py`, torch 2.6 and 2.13.
    """
    best, weight, rank, worker, cause = "", 0, "?", "", False
    for raw in lines:
        line = PREFIXES.sub("", raw).strip()
        if found := re.search(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)", line):
            worker = worker or worker_end(found[2], int(found[1]))
        elif line.startswith("Root Cause"):
            cause = True
        elif cause and (found := re.match(r"rank\s*: (\d+)", line)):
            rank = found[1]
        elif cause and (found := re.match(r"exitcode\s*: (-?\d+)", line)):
            worker, cause = worker_end(rank, int(found[1])), False
        if NO_ERROR.search(line) or QUIET.search(raw):
            continue
        kind = 3 if ERROR_LINE.search(line) else 1 if MAYBE_ERROR.search(line) else 0
        kind = min(kind, 2) if LATE_ERROR.search(line) else kind
        if kind and kind >= weight:
            best, weight = line, kind
    return Telling(worker, best, weight == 3)


def worker_end(rank: str, code: int) -> str:
    """How a worker ended, in words."""
    if code == -signal.SIGKILL:
        return f"rank {rank} killed by signal 9, as when memory runs out"
    return f"rank {rank}" if code == 1 else f"rank {rank} {ending(code)}"


def ending(code: int) -> str:
    """An exit status in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def last_lines(path: str) -> list[str]:
    """The lines in the last part of a log."""
    try:
        return lines_after(path, max(0, os.path.getsize(path) - CHUNK_BYTES), last=True)[0]
    except OSError:
        return []


def number(text: str) -> Any:
    """A number where *text* is one, else the text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) else text
    return text


class Rest:
    """Since when nothing moves, and what the processes do meanwhile."""

    def __init__(self) -> None:
        self.moved()

    def moved(self) -> None:
        """Something did."""
        self.began, self.since = time.monotonic(), now()
        self.used: Optional[dict[tuple[int, int], int]] = None
        self.sampled = 0.0

    def seconds(self) -> float:
        """How long nothing has moved."""
        return time.monotonic() - self.began

    def sample(self, processes: Iterable[Process]) -> None:
        """Remember what each has used of the processors so far."""
        self.used = {found[:2]: found.ticks for found in processes}
        self.sampled = time.monotonic()

    def busiest(self, processes: Iterable[Process]) -> tuple[float, int]:
        """The greatest share of a core that one has used since the sample, and its pid."""
        used, ticks = self.used or {}, os.sysconf("SC_CLK_TCK") * max(time.monotonic() - self.sampled, 0.01)
        shares = (((found.ticks - used.get(found[:2], 0)) / ticks, found.pid) for found in processes)
        return max(shares, default=(0.0, 0))


class Loop:
    """Whether the trainer still gets anywhere: what its steps, its checkpoints and its first picture tell."""

    def __init__(self, is_told: bool, checkpoints: int) -> None:
        self.is_told, self.checkpoints = is_told, checkpoints
        """Whether there is a rule for progress at all, and how many checkpoints there were at the last look."""
        self.first = self.highest = 0
        self.restarts = 0
        self.useful: Optional[float] = None
        """When there was progress, a checkpoint or the first picture; None before any artifact."""
        self.last = self.since = ""

    def stepped(self, step: Any, total: Any) -> str:
        """Take in a line of progress. Returns: why it will not end, if that shows."""
        if not isinstance(step, int):
            return ""
        complete = not isinstance(total, int) or self.highest >= total
        if step < self.highest and step <= self.first and complete:
            self.restarts += 1
            self.highest = step
        self.first = min(self.first or step, step)
        self.highest = max(self.highest, step)
        if self.useful is not None:
            self._mark(f"step {step}")
        if self.restarts >= RESTARTS:
            return f"steps began again at {step} for the {self.restarts}. time, and no checkpoint was written since"
        if isinstance(total, int) and step > total > 0:
            return f"step {step} is past the total of {total}"
        return ""

    def looked(self, checkpoints: Sequence[str], images: int) -> None:
        """Take in what there is."""
        if len(checkpoints) > self.checkpoints:
            self.checkpoints, self.restarts = len(checkpoints), 0
            self._mark(f"checkpoint `{os.path.basename(checkpoints[-1])}`")
        elif images and self.useful is None:
            self._mark("the first picture")

    def idle(self, limit: float) -> str:
        """Why it will not end: it has been at work for *limit* seconds without any progress."""
        if not self.is_told or self.useful is None or time.monotonic() - self.useful <= limit:
            return ""
        return f"since {self.last} at {self.since} there was no line of progress, and the trainer goes on"

    def _mark(self, last: str) -> None:
        self.useful, self.since, self.last = time.monotonic(), now(), last


# Supervising --------------------------------------------------------------------------------------------------------


class Page(ctypes.Structure):
    """What one supervisor needs of the other's work when it takes over: both map it, and `page` is its copy."""

    _fields_ = [
        ("log", ctypes.c_uint64),
        ("phases", ctypes.c_uint64),
        ("began", ctypes.c_double),
        ("deadline", ctypes.c_double),
        ("group_told", ctypes.c_bool),
        ("umask", ctypes.c_uint32),
        ("dry_run", ctypes.c_bool),
        ("asked", ctypes.c_bool),
        ("due", ctypes.c_double),
        ("script_begun", ctypes.c_bool),
        ("cause", ctypes.c_char * 16),
        ("reason", ctypes.c_char * 480),
        ("told", ctypes.c_uint64 * (2 * TOLD_PROCESSES)),
        ("told_count", ctypes.c_uint32),
    ]
    log: int
    """How many bytes of the log have been read, and all that they say was told."""
    phases: int
    """Likewise of `phases`."""
    began: float
    """When the run did, on the monotonic clock, which goes on until the machine is restarted."""
    deadline: float
    """When KILL follows, on the monotonic clock; 0 before anything was told to end."""
    group_told: bool
    """Whether the leader's group heard TERM."""
    umask: int
    """The job's."""
    dry_run: bool
    asked: bool
    """Whether a stop was asked for: a full disk may have kept it out of `stop.req`."""
    due: float
    """When the command after the end is run at the latest, likewise."""
    script_begun: bool
    """Whether `on_stop.sh` was started: it runs once."""
    cause: bytes
    """Why the job was told to end, as `Supervisor.cause`; empty where it ended by itself."""
    reason: bytes

    def note(self, target: Process) -> None:
        """TERM goes to it; of very many processes the last ones may hear it again from another supervisor."""
        if self.told_count < TOLD_PROCESSES:
            self.told[2 * self.told_count : 2 * self.told_count + 2] = target[:2]
            self.told_count += 1

    def noted(self) -> set[tuple[int, ...]]:
        """Pid and start of who was told."""
        return {tuple(self.told[2 * at : 2 * at + 2]) for at in range(self.told_count)}


class Meeting(NamedTuple):
    """Where the run's nodes meet: an address of the first one that the others reach, and a port there."""

    chief: str
    port: int


class Job:
    """What both supervisors know: it is settled before the first of them starts. Its secrets stay in memory.

    *met* is None where the run has one node, or was started before. *left* is slot 0 of a run whose supervisors have died, and empty where that is blank; None for a new run.
    Raises: Refused where the bundle or the folder is not as it must be.
    """

    def __init__(
        self,
        node: Node,
        lock: int,
        umask: int,
        secrets: dict[str, str],
        dry_run: bool,
        left: Optional[Record] = None,
        met: Optional[Meeting] = None,
    ) -> None:
        self.node, self.lock, self.rules, self.left = node, lock, node.rules(), left
        self.adopted = left is not None
        self.restarted = left is not None and left.get("boot", boot_id()) != boot_id()
        self.words = late_words(node, self.rules)
        self.patterns = [(rule, re.compile(rule["pattern"])) for rule in self.rules.get("log", ())]
        try:
            self.slots = Slots(node.path("slots"), self.adopted)
        except FileExistsError:
            raise Refused("run-used", f"run `{node.run}` was started before", "start a new run", 73) from None
        self.events = Events(node, secrets.values())
        self.log = opened(node.path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.copy = opened(node.path("page"), os.O_RDWR | os.O_CREAT)
        os.close(opened(node.path("phases"), os.O_WRONLY | os.O_CREAT))
        self.page = Page.from_buffer(mmap.mmap(-1, ctypes.sizeof(Page)))
        self.pulse = ctypes.c_double.from_buffer(mmap.mmap(-1, ctypes.sizeof(ctypes.c_double)))
        """When the inner supervisor took its last step, on the monotonic clock; infinite once it has nothing to watch."""
        self.disk = disk_of(node)
        self.witness: Optional[int] = None
        """A pidfd of a leader that is nobody's child here."""
        self.unknown: list[str] = []
        """Secrets that went with the leader."""
        self.artifacts = Artifacts(node, self.rules, self.words)
        self.pulse.value = time.monotonic()
        self.page.began, self.page.dry_run, self.page.umask = time.monotonic(), dry_run, umask
        if self.adopted:
            self._recall()
        else:
            self.keep_page()
            self._remember()
        self.dry_run = self.page.dry_run
        self.environment = environment(node, self.dry_run, secrets, met)

    def files(self) -> set[int]:
        """What supervisors hold open."""
        opened = {self.lock, self.slots.file, self.events.file, self.log, self.copy}
        return opened if self.witness is None else {*opened, self.witness}

    def keep_page(self) -> None:
        """Copy the page to its file, which had its space from the start."""
        with contextlib.suppress(OSError):
            os.pwrite(self.copy, bytes(self.page), 0)

    def _remember(self) -> None:
        try:
            write_json(self.node.path("before.json"), self.artifacts.remembered())
        except OSError as error:
            message = f"what there is before the run could not be written: {error.strerror}"
            hint = "make room: if both supervisors die, only artifacts that were told until then count"
            self.events.append("warning.raised", code="before-unwritten", message=message, hints=[hint])

    def _recall(self) -> None:
        kept = os.pread(self.copy, ctypes.sizeof(Page) + 1, 0)
        if len(kept) == ctypes.sizeof(Page):
            ctypes.memmove(ctypes.addressof(self.page), kept, len(kept))
        else:
            self.page.log, self.page.phases = (size_of(listing(self.node.path(name))) for name in ("log", "phases"))
        self.artifacts.recall(read_json(self.node.path("before.json")), Story(self.node.path("events.jsonl")))


def disk_of(node: Node) -> Optional[int]:
    """The device of the folder of all runs, which is another one where its disk is not mounted; None where it is away."""
    try:
        return os.stat(os.path.dirname(node.run_folder)).st_dev
    except OSError:
        return None


def late_words(node: Node, rules: Record) -> dict[str, str]:
    """The words that rules may hold, by name."""
    words = {"run.id": node.run, "run.dir": node.folder, "target.home": os.path.expanduser("~")}
    return {**words, "repo.dir": expand(rules.get("repo") or "", words)}


def environment(node: Node, dry_run: bool, secrets: dict[str, str], met: Optional[Meeting]) -> dict[str, str]:
    """The leader's: the inherited one, less what would change its bash or comes from another run."""
    prefixes = ("BASH_FUNC_", "SRPO_RUN_", "SRPO_SECRETS", "SRPO_DRY_RUN")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("BASH_ENV", "ENV") and not name.startswith(prefixes)
    }
    own = {
        "SRPO_RUN_ID": node.run,
        "SRPO_RUN_DIR": node.folder,
        "SRPO_RUN_INDEX": str(node.index),
        "SRPO_RUN_CHIEF": met.chief if met else "127.0.0.1",
        **({"SRPO_RUN_PORT": str(met.port)} if met else {}),
        "SRPO_BUNDLE": node.bundle,
        "SRPO_PYTHON": sys.executable,
    }
    return {**inherited, **secrets, **own, **({"SRPO_DRY_RUN": "1"} if dry_run else {})}


def target_secrets(node: Node, rules: Record) -> dict[str, str]:
    """Values that files of this machine hold; a relative path is one in the workspace."""
    values = {}
    for name, spelled in rules.get("target_files", {}).items():
        path = os.path.join(node.workspace, os.path.expanduser(expand(spelled, late_words(node, rules))))
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                values[name] = file.read().rstrip("\r\n")
        except OSError as error:
            message = f"`{path}`, which holds `{name}`, cannot be read: {error.strerror}"
            raise Refused("secret-missing", message, "put the value into that file on this machine", 2) from error
        size = len(os.fsencode(f"{name}={values[name]}"))
        if size > LONGEST_WORD or "\0" in values[name]:
            told = (
                "holds a NUL"
                if "\0" in values[name]
                else f"has {size} bytes with the name, and Linux takes {LONGEST_WORD}"
            )
            raise Refused(
                "env-too-long", f"the value of `{name}` in `{path}` {told}", "give the trainer the file's name", 2
            )
    return values


def claim(node: Node) -> tuple[int, int]:
    """The lock of the run's folder, which is there then, and the umask of who asks: from here on ours is private."""
    umask = os.umask(0o077)
    os.makedirs(node.folder, exist_ok=True)
    return take_lock(node), umask


def take_lock(node: Node) -> int:
    """The lock's file, held for as long as any process has it open. A reader holds it for a moment only."""
    lock = opened(node.path("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    for _ in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            sign(lock)
            return lock
    message = f"run `{node.run}` is supervised by {supervisor_of(node)}"
    raise Refused("run-busy", message, "follow it, or stop it first", 75)


def sign(lock: int) -> None:
    """Write into a lock that this process holds who holds it; a full disk keeps only the name from others."""
    program = [os.path.basename(word) for word in sys.argv[:1]]
    holder = {
        "pid": os.getpid(),
        "start": identity(os.getpid())[1],
        "boot": boot_id(),
        "host": os.uname().nodename,
        "command": " ".join(program + sys.argv[1:2]),
        "since": now(),
    }
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(holder).encode() + b"\n", 0)


def signed(path: str) -> str:
    """Who holds the lock, by what it wrote; a process that is gone is not named."""
    holder = read_json(path) or {}
    with contextlib.suppress(LookupError, TypeError):
        here = holder["boot"] == boot_id()
        found = same(holder["pid"], holder["start"]) if here else None
        if (found and found.state not in "ZX") if here else holder["host"] != os.uname().nodename:
            return f"process {holder['pid']} on `{holder['host']}` (`{holder['command']}`, since {holder['since']})"
    return "a process that did not tell its name"


def supervisor_of(node: Node) -> str:
    """Who holds the run's lock: a supervisor that lives, else whoever signed it."""
    holder = read_slots(node.path("slots"))[0][IDENTITY]
    if holder and holder["boot"] == boot_id():
        for name in ("outer", "inner"):
            if (found := same(*holder[name])) and found.state not in "ZX":
                return f"process {found.pid} on `{os.uname().nodename}` (`supervise.py`, since {holder['time']})"
    return signed(node.path("lock"))


def is_held(path: str, how: int = fcntl.LOCK_SH) -> bool:
    """Whether a run is supervised; asked with LOCK_EX, whether a supervisor lives at all."""
    try:
        lock = opened(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def become_subreaper() -> None:
    """Orphans below come to this process, not to init. Source: prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """KILL comes when the thread that forked this process ends. Source: prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def leave_caller(keep: set[int]) -> None:
    """Cut what ties this process to whoever launched it: session, signals, files, folder."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for signal_number in SIGNALS:
        signal.signal(signal_number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    for opened in map(int, os.listdir("/proc/self/fd")):
        if opened > 2 and opened not in keep:
            with contextlib.suppress(OSError):
                os.close(opened)
    os.chdir("/")


def run_outer(job: Job, ack: int) -> None:
    """Watch over the inner supervisor; go on in its place where it died before its work was done."""
    leave_caller({*job.files(), ack})
    become_subreaper()
    own = identity(os.getpid())
    inner = os.fork()
    if inner == 0:
        in_child(job, lambda: run_inner(job, own, ack))
    os.close(ack)
    care = Care(job, inner)
    # nobody else is reaped here: a leader that comes with the inner one's death still holds its status
    while os.waitid(os.P_PID, inner, os.WEXITED | os.WNOHANG) is None:
        received = signal.sigtimedwait(SIGNALS, CARE_SECONDS)
        if received is None or care.since:
            care.look()
        if received and received.si_signo in STOPS:
            note_stop(job, received.si_signo)
            os.kill(inner, received.si_signo)
    found, ended, end = read_slots(job.node.path("slots"))[0]
    if end is None:
        Supervisor(job, found).run()
        return
    if not Story(job.node.path("events.jsonl")).ended:
        job.events.ended(end["outcome"], ended["code"] if ended else None, end["reason"])
    follow_up(job, end["outcome"], rejoined(job, end))


class Care:
    """What the outer supervisor sees of the inner one: that it stands still is told, and nothing else is done."""

    def __init__(self, job: Job, inner: int) -> None:
        self.job, self.inner = job, inner
        self.limit: float = job.rules["stop"].get("stalled_seconds", STALLED_SECONDS)
        self.before: tuple[float, bool] = (0.0, False)
        """The pulse at the look before, and whether it stood still then."""
        self.since = ""
        """Since when it is told to stand still; empty where it goes on."""

    def look(self) -> None:
        """Tell of a change. Two looks must agree: after a machine was frozen, both wake, and one does first."""
        pulse, found = self.job.pulse.value, process(self.inner)
        is_stopped = found is not None and found.state in "Tt"
        still = not math.isinf(pulse) and (is_stopped or time.monotonic() - pulse > self.limit)
        if still and self.before == (pulse, True) and not self.since:
            self.since = now()
            self._tell(
                "was stopped by a signal" if is_stopped else f"has taken no step for {time.monotonic() - pulse:.0f} seconds",
                "nothing watches or ends the job until it goes on",
                f"`kill -CONT {self.inner}` on that machine lets it go on" if is_stopped else "see what it waits for: a dead disk",
                f"`kill -KILL {self.inner}` lets the outer one, process {os.getpid()}, take its place",
            )  # fmt: skip
        elif self.since and not still:
            self._tell("goes on", f"it was told to stand still at {self.since}")
            self.since = ""
        self.before = (pulse, still)

    def _tell(self, what: str, why: str, *hints: str) -> None:
        message = f"the inner supervisor, process {self.inner}, {what}: {why}"
        self.job.events.append("warning.raised", code="supervisor-stalled", message=message, hints=list(hints))


def run_inner(job: Job, outer: list[int], ack: int) -> None:
    """Start the leader, recorded before it runs, or go on with one that was left; acknowledge; supervise."""
    os.setsid()
    become_subreaper()
    both = {"outer": outer, "inner": identity(os.getpid())}
    if job.left is None:
        leader, gate = fork_bash(job, "leader.sh", {}, ack)
        record = {"format": FORMAT, "pid": leader, "start": identity(leader)[1], "boot": boot_id(), **both}
        record.update(time=now(), run=job.node.run)
        for name, value in (("host", os.uname().nodename), ("cgroup", enclose(cgroup_of(job.node), leader))):
            if value and fits({**record, name: value}):
                record[name] = value
        job.slots.write(IDENTITY, record)
        open_gate(gate)
    else:
        record = {**job.left, **both} if job.left and not job.restarted else {}
        with contextlib.suppress(OSError):
            if record:
                job.slots.write(IDENTITY, record)
    with contextlib.suppress(BrokenPipeError):  # who launched was killed meanwhile
        os.write(ack, b"g")
    os.close(ack)
    Supervisor(job, record or None).run()


def in_child(job: Job, work: Callable[[], None]) -> NoReturn:
    """Run *work* in a process that was just forked, and let nothing of the parent's Python run after it."""
    try:
        work()
    except BaseException as error:
        job.events.append("warning.raised", code="supervisor-failed", message=f"{type(error).__name__}: {error}")
        os._exit(70)
    os._exit(0)


def fork_bash(job: Job, script: str, more: dict[str, str], *close: int, log: Optional[int] = None) -> tuple[int, int]:
    """Start a script of the bundle in a session of its own, its output to the log.

    Returns: its pid, and the gate that it waits at.
    """
    gate, opened = os.pipe()
    pid = os.fork()
    if pid:
        os.close(gate)
        return pid, opened
    status = NEVER_STARTED
    try:
        for one in (opened, *close):
            os.close(one)
        os.setsid()
        for output in (1, 2):
            os.dup2(job.log if log is None else log, output)
        if os.read(gate, 1) == b"g":
            status = 126
            become_bash(job, os.path.join(job.node.bundle, script), {**job.environment, **more})
    except FileNotFoundError as error:
        status = 127
        os.write(2, f"srpo-manifest: bash cannot be started: {error}\n".encode())
    finally:
        os._exit(status)


def open_gate(gate: int) -> None:
    """Let the script run, if it was not killed meanwhile. A gate that closes without that ends it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(gate, b"g")
    os.close(gate)


def become_bash(job: Job, script: str, variables: dict[str, str]) -> NoReturn:
    """Turn into the bash that runs *script*, as if nobody supervised it."""
    os.umask(job.page.umask)
    os.chdir(job.node.folder)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")
    # what Python and the supervisor ignore would stay ignored across exec: `yes | head` would end with an error
    for ignored in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    bash = variables.get("SRPO_BASH") or "bash"
    os.execvpe(bash, [bash, "--noprofile", "--norc", script], variables)


def command_of(pid: int) -> str:
    """The name of a process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return "?"


def write_digests(paths: list[str], told: str) -> None:
    """Write a line for each file as `sha256sum` does; one that cannot be read has none."""
    import hashlib

    os.nice(19)
    with open(told, "wb", buffering=0, opener=opened) as lines:
        for path in paths:
            digest, read = hashlib.sha256(), 0
            try:
                size = os.path.getsize(path)
                with open(path, "rb", buffering=0, opener=opened) as file:
                    while piece := file.read(CHUNK_BYTES):
                        digest.update(piece)
                        read += len(piece)
            except OSError:
                continue
            if read == size:
                lines.write(os.fsencode(digest_line(path, digest.hexdigest())))


def digest_line(path: str, digest: str) -> str:
    """As `sha256sum` writes it: a name with a backslash or a line's end is escaped, and the line begins with one."""
    name = path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{'' if name == path else chr(92)}{digest}  {name}\n"


def read_digests(told: str) -> dict[str, str]:
    """Digests by path; a line that was cut is none."""
    try:
        with open(told, "rb", opener=opened) as file:
            lines = os.fsdecode(file.read()).split("\n")[:-1]
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        digest, _, name = line.removeprefix("\\").partition("  ")
        if line.startswith("\\"):
            name = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], name)
        found[name] = digest
    return found


class Supervisor:
    """Watches the job and takes it to its end: the same work for the inner one and for an outer one that took over.

    *found* is slot 0; None where the leader never passed its gate.
    """

    def __init__(self, job: Job, found: Optional[Record]) -> None:
        self.job, self.page, self.artifacts = job, job.page, job.artifacts
        found = None if job.restarted else found
        self.leader = (found["pid"], found["start"]) if found else None
        self.supervisors = [found["outer"], found["inner"]] if found else [identity(os.getpid())]
        self.cgroup: str = (found or {}).get("cgroup", "")
        self.story = Story(job.node.path("events.jsonl"))
        self.artifacts.images = dict.fromkeys(self.story.images)
        ended = read_slots(job.node.path("slots"))[0][EXIT]
        self.status: Optional[int] = ended["code"] if ended else None
        self.stop = job.rules["stop"]
        told = bool(self.page.deadline)
        self.cause: Optional[str] = (self.page.cause.decode() or None) if told else None
        self.reason = self.page.reason.decode("utf-8", "ignore") if told else ""
        self.asked: Optional[Record] = stop_request("a stop was asked for", None) if self.page.asked else None
        self.grace = float(self.stop.get("grace_seconds") or 0)
        self.checkpoint_seconds = float(self.stop.get("checkpoint_seconds") or 0)
        self.begun = self.patience = 0.0
        self.awake = time.monotonic()
        self.told = self.page.noted()
        self.killing: Optional[float] = None
        self.awaited = False
        """Whether the wait for a checkpoint was told."""
        self.graced = 0.0
        """The deadline that was told last."""
        self.unkillable: list[int] = []
        self.read = self.page.log
        self.index = LogIndex(job.node)
        self.progress: Optional[Record] = None
        self.progressed = self.stepped = self.looked = self.peeked = 0.0
        self.passing: Optional[float] = None
        self.gone: Optional[float] = None
        """Since when the run's folder is away."""
        self.peers = self._joined()
        if self.cause:
            self._tell_peers(OUTCOMES[self.cause], self.reason)
        self.rest = Rest()
        rules = job.rules.get("log", ())
        self.loop = Loop(any(rule["event"] == "progress.made" for rule in rules), len(self.story.checkpoints))
        self.speaks = any(rule["event"] != "warning.raised" for rule in rules)
        """Whether a trainer that works would have said something by now."""
        self.saved = self.whole_then = len(self.story.checkpoints)
        if self.leader and not has_pidfd():
            self._warn(
                "pidfd-missing", "the kernel has no pidfd: processes are told by number, after a look at their start"
            )

    def run(self) -> None:
        """Until nothing is left of the job and its end is written."""
        while True:
            self._reap()
            self._watch(last=False)
            self._listen()
            self._hear_peers()
            self._look_after_the_other()
            if self._lives() and not self.cause:
                self._decide()
            if (self.cause or not self._lives()) and self._emptied():
                break
            self._pause()
        self._watch(last=True)
        outcome, reason = self._verdict()
        reason = self.job.events.redacted(reason)
        self._tell_peers(outcome, reason)
        self._run_script(outcome)
        remove_cgroup(self.cgroup)
        self._record(outcome, reason)
        follow_up(self.job, outcome, self.peers)

    # what it sees

    def _watch(self, last: bool) -> None:
        for name, part in (("phases", self._read_phases), ("log", self._read_log), ("files", self._look)):
            try:
                part(last)
            except Exception as error:
                self._warn(f"{name}-unwatched", f"watching the {name} met {type(error).__name__}: {error}")

    def _read_phases(self, last: bool) -> None:
        names, after = lines_after(self.job.node.path("phases"), self.page.phases, last)
        for name in names:
            self._enter(name)
            if name == "job" and not self.story.started:
                self.story.started = True
                self.job.events.append("job.started")
        self.page.phases = after

    def _enter(self, phase: str, **more: object) -> None:
        if phase != self.story.phase:
            self.story.phase, self.saved = phase, len(self.story.checkpoints)
            self.rest.moved()
            self.job.events.append("phase.started", phase=phase, **more)

    def _read_log(self, last: bool) -> None:
        phase = self.story.phase
        self.index.note(last)
        while True:
            lines, after = lines_after(self.job.node.path("log"), self.read, last)
            for line in lines:
                self._read_line(line)
            grown, self.read = after != self.read, after
            if grown:
                self.rest.moved()
            if not (last and grown):
                break
        due = last or phase != self.story.phase or time.monotonic() - self.progressed >= 1
        if self.progress and due:
            if self.progress != self.story.progress:
                self.job.events.append("progress.made", **self.progress)
            self.story.progress, self.progress, self.progressed = self.progress, None, time.monotonic()
        if not self.progress:
            self.page.log = self.read

    def _read_line(self, line: str) -> None:
        for rule, pattern in self.job.patterns:
            found = pattern.search(line)
            if found is None:
                continue
            if rule["event"] == "progress.made":
                self.progress = {name: number(text) for name, text in found.groupdict().items() if text is not None}
                self.stepped = time.monotonic()
                self._warn_of_loop(self.loop.stepped(self.progress.get("step"), self.progress.get("total")))
            elif rule["event"] == "phase.started":
                self._enter(rule["phase"])
            else:
                hints = [rule["hint"]] if rule.get("hint") else []
                self._warn(
                    rule.get("code") or "log-line", rule.get("message") or found[0], *hints, once=rule["pattern"]
                )

    def _look(self, last: bool) -> None:
        if last or time.monotonic() - self.looked >= LOOK_SECONDS:
            self.looked = time.monotonic()
            if self.artifacts.look(self.job.events, self.story, last):
                self.rest.moved()
            self.loop.looked(list(self.story.checkpoints), len(self.artifacts.images))
            self._warn_of_torn([] if last else self.artifacts.torn(self.stepped))
            if self.artifacts.fault:
                message = f"a preview could not be copied: {self.artifacts.fault.strerror}"
                self._warn("preview-uncopied", message, "make room: it is tried again until the run ends")

    def _warn(self, code: str, message: str, *hints: str, once: str = "", **more: object) -> None:
        if (once or code) not in self.story.warned:
            self.story.warned.add(once or code)
            more = {**more, "hints": list(hints)} if hints else more
            self.job.events.append("warning.raised", code=code, message=message, **more)

    def _warn_of_torn(self, paths: Iterable[str]) -> list[str]:
        """Tell of the first ones, each once. Returns: those that were never told of."""
        untold = [path for path in paths if path not in self.story.torn]
        few = max(0, TORN_TOLD - len(self.story.torn))
        for path in untold[:few]:
            self.story.torn.add(path)
            message = f"checkpoint `{path}` is not whole: {self.artifacts.partial[path][1]}"
            self._warn("checkpoint-torn", message, TORN_HINT, once=path, path=path)
        return untold[few:]

    def _warn_of_loop(self, why: str) -> None:
        if why and not self.cause:
            self._warn(
                "endless-loop",
                why,
                "stop the run unless it is still good for something: nothing here ends it",
                "compare the step at which the trainer saves, and where it ends, with what `[done]` waits for",
            )

    def _look_after_the_other(self) -> None:
        """Tell of the other supervisor's death: the run is one death from being lost until a client comes."""
        for pid, start in self.supervisors:
            found = same(pid, start)
            if pid != os.getpid() and (found is None or found.state in "ZX"):
                hint = f"ask for the run's status if this one (process {os.getpid()}) dies, too: that starts new ones"
                self._warn(
                    "supervisor-died", f"one of two supervisors, process {pid}, died; the other one goes on", hint
                )

    def _lives(self) -> bool:
        """Whether the leader does, or waits to be reaped here."""
        found = same(*self.leader) if self.leader and self.status is None else None
        return found is not None and not (self.job.adopted and found.state in "ZX")

    def _tree(self) -> list[Process]:
        if self.job.restarted:
            return []
        return tree(self.job.node.run, self.supervisors, self.leader or (), self.cgroup, self.job.node.index)

    def _reap(self) -> list[tuple[int, int]]:
        self.job.pulse.value = time.monotonic()
        ended = []
        for pid, status in ended_children():
            ended.append((pid, status))
            if self.leader and pid == self.leader[0]:
                self._leader_ended(status)
        if self.job.adopted and self.leader and not self._lives():
            self._leader_ended(exit_of(*self.leader, self.job.witness))
        return ended

    def _leader_ended(self, status: Optional[int]) -> None:
        if self.status is None and status is not None:
            self.status = status
            self._fill(EXIT, {"code": status, "time": now()})

    # what it decides

    def _listen(self) -> None:
        """Read the stop that was asked for; an empty file asks for one as well."""
        path = self.job.node.path("stop.req")
        if os.path.exists(path):
            self.asked = read_json(path) or {}
        grace = (self.asked or {}).get("grace_seconds")
        if isinstance(grace, (int, float)) and grace >= 0:
            if self.cause and grace < self.grace:
                message = f"the grace is {grace:g} seconds now, not {self.grace:g}: {self._asked_reason()}"
                self._warn("grace-shortened", message, once=f"grace {grace:g}")
            self.grace = float(grace)
            self.page.deadline = min(self.page.deadline, time.monotonic() + self.grace)
        waits = (self.asked or {}).get("checkpoint_seconds")
        if isinstance(waits, (int, float)) and waits >= 0:
            self.checkpoint_seconds = float(waits)
            self.patience = min(self.patience, time.monotonic() + self.checkpoint_seconds)

    def _joined(self) -> Any:
        try:
            return peers_of(self.job.node)
        except Exception as error:
            self._unwatched(f"`{PEERS}` cannot be read ({type(error).__name__}: {error})")
            return None

    def _hear_peers(self) -> None:
        """A node without which this one would wait for ever ends it, too."""
        if self.peers is None:
            return
        self.peers.is_over = not self._lives()
        self.peers.look()
        keep_done(self.job.node, self.peers)
        if self.peers.why and self.asked is None and self._lives() and not self.cause:
            self.asked = keep_stop(self.job, self.peers.why)
        if self.peers.fault:
            self._unwatched(f"what other nodes say is not heard ({self.peers.fault})")
        for node in self.peers.missing():
            self._unwatched(f"node {node} is not heard", "open the ports between the machines")

    def _tell_peers(self, outcome: str, reason: str) -> None:
        """Say the outcome as soon as it is certain: the others need not wait until all of this node has ended."""
        if self.peers:
            self.peers.part(outcome, short(self.job.events.redacted(reason)), others_need_it=not self.job.dry_run)

    def _unwatched(self, why: str, *hints: str) -> None:
        message = f"{why}: until it is, a node that fails ends the others only once somebody asks for the run's status"
        self._warn("nodes-unwatched", message, *hints, once=why)

    def _asked_reason(self) -> str:
        return str((self.asked or {}).get("reason") or "a stop was asked for")

    def _decide(self) -> None:
        now, hours, minutes = time.monotonic(), self.stop.get("max_hours"), self.stop.get("stall_minutes")
        if self.asked is not None:
            self._begin("stop", self._asked_reason())
        elif self._is_removed(now):
            self._begin("stop", "the run's folder was removed, and nobody could stop it any more")
        elif hours is not None and now - self.page.began > hours * 3600:
            self._begin("stop", f"max_hours ({hours:g}) passed")
        elif refused := self._refused():
            self._begin("refused", refused)
        elif self._bypassed(now):
            self._warn("launch-bypassed", "the script's program runs, and its launch was not handed over")
            self._begin("refused", "the script started its program past the launchers of the plan")
        elif self.story.started and not self.job.dry_run and not self.artifacts.lacking(None):
            self._begin("done", "the done rule holds")
        elif minutes:
            self._look_for_trouble(minutes * 60)

    def _is_removed(self, now: float) -> bool:
        """Whether the run's folder has been gone for long where those of others can be: a disk that is away removes none."""
        is_gone = is_absent(self.job.node.folder) and self.job.disk == disk_of(self.job.node)
        self.gone = (self.gone or now) if is_gone else None
        return self.gone is not None and now - self.gone >= self.stop.get("gone_seconds", GONE_SECONDS)

    def _look_for_trouble(self, limit: float) -> None:
        """Tell of what goes on without an end or stands still. That ends nothing: what is slow looks the same."""
        if self.story.started and self.rest.seconds() <= limit / 2:
            self._warn_of_loop(self.loop.idle(limit))
        if self.rest.used is None and self.rest.seconds() > limit / 2:
            self.rest.sample(self._tree())
        elif self.rest.seconds() > limit and time.monotonic() - self.rest.sampled > limit / 2:
            processes = self._tree()
            share, pid = self.rest.busiest(processes)
            self.rest.sample(processes)
            still = f"nothing moved since {self.rest.since} in phase `{self.story.phase}`: no log line, no file"
            if share >= SPINNING_SHARE:
                self._warn(
                    "spinning",
                    f"{still}, while process {pid} (`{command_of(pid)}`) keeps a core {share:.0%} busy",
                    "see `nvidia-smi`: idle GPUs mean a loop over data that is not there, such as an empty index; "
                    "busy ones mean a collective that waits for a rank",
                    "stop the run when that is so",
                )
            else:
                self._warn("stalled", f"{still}, and no process works", *self._stall_hints())

    def _stall_hints(self) -> tuple[str, ...]:
        if self.story.phase == "job" and self.speaks and not self.story.progress and not self.progress:
            return (
                "rendezvous-hang: the trainer never said its first line: see whether all HOST_NUM nodes were started",
                "see whether INDEX is below HOST_NUM on each of them, and CHIEF_IP can be reached from it",
                "stop the run when that is so",
            )
        return ("see what its processes wait for: a download, a dead file system, a rank that is gone",)

    def _begin(self, cause: str, reason: str) -> None:
        self.cause, self.reason, self.begun = cause, reason, time.monotonic()
        self.page.cause, self.page.reason = cause.encode(), short(reason, TOLD_BYTES).encode()
        self.patience = time.monotonic() + self.checkpoint_seconds
        self.whole_then = len(self.story.checkpoints)
        if cause in ("done", "refused"):
            self._enter("ending")
        elif not self.story.stopping:
            self.story.stopping = True
            self.job.events.append("stop.asked", reason=reason)

    def _saving(self) -> bool:
        """Whether a TERM now would cut the checkpoint that was being written when the end began.

        One is waited for: a trainer that saves without a pause would never be ended.
        """
        waited = len(self.story.checkpoints) > self.whole_then
        if not self._lives() or waited or time.monotonic() >= self.patience:
            return False
        announced = self.story.phase == SAVING_PHASE and len(self.story.checkpoints) == self.saved
        stale = self.cause == "stop" and self.looked < self.begun
        awaited = announced or self.artifacts.writing()
        if awaited and not stale and not self.awaited:
            self.awaited = True
            self.job.events.append("checkpoint.awaited", seconds=round(self.patience - time.monotonic(), 1))
        return stale or awaited

    def _emptied(self) -> bool:
        """Take the end one step on: wait for a checkpoint, TERM to the group, TERM to who is left, KILL.

        Returns: whether the tree is empty, or KILL reached nobody for too long.
        """
        if not self.page.group_told:
            if not self.page.deadline and self._saving():
                return False
            self.page.deadline = self.page.deadline or time.monotonic() + self.grace
            if self.cause:  # not before: a checkpoint that is being written may need the others
                self._tell_peers(OUTCOMES[self.cause], self.reason)
            self._tell_group()
        left = self._tree()
        self._woke()
        if not left and not self._lives():
            return True
        if self.graced != self.page.deadline:
            self.graced = self.page.deadline
            self.job.events.append("grace.started", seconds=round(max(0.0, self.graced - time.monotonic()), 1))
        if time.monotonic() >= self.page.deadline:
            return self._kill(left)
        # torchrun hands TERM on to its workers: they are told only when nobody is left who was told before
        if not any(found[:2] in self.told for found in left):
            for found in left:
                send(found, signal.SIGTERM)
                self._note(found)
        return False

    def _tell_group(self) -> None:
        if self.leader and self._lives():
            group = [found for found in self._tree() if found.group == self.leader[0]]
            for found in group:
                self._note(found)
            if self.job.adopted:
                # who is nobody's child here may be reaped at any moment, and its group's number given away
                for found in group:
                    send(found, signal.SIGTERM)
            else:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.leader[0], signal.SIGTERM)
        self.page.group_told = True

    def _note(self, found: Process) -> None:
        self.told.add(found[:2])
        self.page.note(found)

    def _kill(self, left: list[Process]) -> bool:
        if self.killing is None and left and not self.page.script_begun:
            named = ", ".join(f"{found.pid} (`{command_of(found.pid)}`)" for found in left[:8])
            message = f"killed, as the grace of {self.grace:g} seconds has passed: {named}"
            hints = ["see whether the trainer heeds TERM, or give it more `stop.grace_seconds`"] if self.grace else []
            self._warn("grace-passed", message, *hints)
        self.killing = self.killing or time.monotonic()
        for found in left:
            send(found, signal.SIGKILL)
        tell_cgroup(self.cgroup, "cgroup.kill", 1)
        if time.monotonic() - self.killing < self.stop.get("kill_seconds", KILL_SECONDS):
            return False
        self.unkillable = [found.pid for found in left]
        self._warn("unkillable", f"KILL does not reach {', '.join(map(str, self.unkillable))}")
        return True

    def _pause(self) -> None:
        """Until a signal, or for as long as suits what is going on."""
        self.job.keep_page()
        busy = self.cause or self.rest.seconds() < 5
        seconds = 0.1 if self.page.deadline else 0.25 if busy else 1.0
        self._woke()
        received = signal.sigtimedwait(SIGNALS, seconds)
        self._woke(seconds)
        if received and received.si_signo in STOPS and self.asked is None:
            self.asked = note_stop(self.job, received.si_signo)

    def _woke(self, slept: float = 0.0) -> None:
        """A machine that was frozen has not given the job its time: what is due comes later by as much."""
        moment = time.monotonic()
        late, self.awake = moment - self.awake - slept, moment
        if late > FROZEN_SECONDS:
            self.patience += late
            self.page.deadline += late if self.page.deadline else 0.0

    # how it ends

    def _verdict(self) -> tuple[str, str]:
        if self.job.restarted:
            return "lost", lost_reason(self.job.left)
        refused = self._refused()
        if refused or self.cause == "refused":
            return "failed", refused or self.reason
        if not self.cause and self.status is not None and self._never_arrived():
            told = telling(last_lines(self.job.node.path("log")))
            why = ending(self.status) + (f": {told.line}" if told.strong else "")
            return "failed", f"the script never handed over its launch: {why}"
        lacking = self.artifacts.lacking(None if self.cause else self.status)
        if self.cause == "done" or not (lacking or self.job.dry_run):
            return "succeeded", self.reason if self.cause == "done" else "the done rule holds"
        if self.cause:
            return "stopped", self.reason + ("; killed after the grace" if "grace-passed" in self.story.warned else "")
        if self.status == 0 and self.job.dry_run:
            return "succeeded", "dry run"
        if self.status is None and self.job.adopted:
            return "lost", lost_reason(self.job.left)
        told = telling(last_lines(self.job.node.path("log")))
        if self.status == 0:
            return "unverified", f"exit status 0 with {', '.join(lacking)}" + (f": {told.line}" if told.strong else "")
        if self.status is None or (self.status == NEVER_STARTED and not self.story.phase):
            return "failed", "it was never started"
        if self.status == CHECKS_REFUSED and self.story.phase == "checks":
            return "failed", "checks refused to start the trainer" + (f": {told.line}" if told.strong else "")
        worker = f" ({told.worker})" if told.worker else ""
        telling_enough = told.strong or (told.line and self.status > 0)
        return "failed", ending(self.status) + worker + (f": {told.line}" if telling_enough else "")

    def _refused(self) -> Optional[str]:
        """Why what the script handed over was not started; None where nothing was refused."""
        found = read_json(self.job.node.path("refused.json")) if "shim" in self.job.rules else None
        return found and found["reason"]

    def _bypassed(self, now: float) -> bool:
        """Whether the script's program has been running for long though nothing was handed over."""
        entry = self.job.rules.get("shim", {}).get("entry")
        if not entry or self.story.started or now - self.peeked < BYPASS_SECONDS / 4:
            return False
        self.peeked = now
        runs = any(starts(found.pid, entry) for found in self._tree())
        self.passing = (self.passing or now) if runs else None
        return self.passing is not None and now - self.passing >= BYPASS_SECONDS

    def _never_arrived(self) -> bool:
        """Whether the script was started and its launch was not: then nothing that it left counts."""
        begun = "script" in lines_after(self.job.node.path("phases"), 0, last=True)[0]
        return "shim" in self.job.rules and begun and not self.story.started

    def _run_script(self, outcome: str) -> None:
        """The steps for every end, once, inside the grace; what they leave behind is killed."""
        there = os.path.exists(os.path.join(self.job.node.bundle, "on_stop.sh"))
        if self.page.script_begun or self.job.restarted or not there:
            return
        if self.job.unknown:
            message = (
                f"the steps for the end run without {', '.join(self.job.unknown)}: the trainer that had it is gone"
            )
            self._warn("on-stop-without-secrets", message)
        self.page.script_begun = True
        self.page.deadline = time.monotonic() + self.grace
        self.job.keep_page()
        script, gate = fork_bash(self.job, "on_stop.sh", {"SRPO_RUN_OUTCOME": outcome})
        tell_cgroup(self.cgroup, "cgroup.procs", script)
        open_gate(gate)
        status = None
        while status is None and time.monotonic() < self.page.deadline:
            signal.sigtimedwait(SIGNALS, 0.1)
            status = dict(self._reap()).get(script)
            self._hear_peers()
        if status != 0:
            told = "did not end inside the grace" if status is None else f"ended with {status}"
            self._warn("on-stop-failed", f"the steps for the end {told}")
        self.page.deadline, self.killing = time.monotonic(), None
        self.awake = self.page.deadline
        while not self._emptied():
            self._pause()
            self._reap()

    def _record(self, outcome: str, reason: str) -> None:
        """Make the end durable; what takes long after that is lost at most, never in the way."""
        result = self._result(outcome, short(reason, TOLD_BYTES))
        self._write_result(result)
        end = {
            "outcome": outcome,
            "reason": short(reason),
            "time": result["ended"],
            "checkpoints": len(self.artifacts.whole),
            "images": len(self.artifacts.images),
            "unkillable": self.unkillable[:8],
        }
        self._fill(END, end)
        self._digest(result)
        self.job.events.ended(outcome, self.status, result["reason"])

    def _result(self, outcome: str, reason: str) -> Record:
        whole, partial = self.artifacts.whole, self.artifacts.partial
        if untold := self._warn_of_torn(partial):
            message = f"{len(partial)} checkpoints in all are not whole, {len(untold)} of them not told before"
            self._warn("checkpoint-torn", message, TORN_HINT, once="checkpoints-torn")
        return {
            "format": FORMAT,
            "run": self.job.node.run,
            "plan": self.job.rules["plan"],
            "dry_run": self.job.dry_run,
            "outcome": outcome,
            "exit": self.status,
            "reason": reason,
            "ended": now(),
            "checkpoints": [
                *(self._told_checkpoint(path, size, whole=True) for path, size in whole.items()),
                *(self._told_checkpoint(path, size_of(self.artifacts.last[path]), whole=False) for path in partial),
            ],
            "files": [
                {"path": path, "bytes": size} for found in self.artifacts.files.values() for path, size in found.items()
            ],
            "images": [{"path": path, "bytes": size_of(files or {})} for path, files in self.artifacts.images.items()],
            "unkillable": self.unkillable,
        }

    def _told_checkpoint(self, path: str, size: int, *, whole: bool) -> Record:
        why = "not computed yet" if whole else "the checkpoint is not whole"
        return {
            "path": path,
            "bytes": size,
            "whole": whole,
            "reason": None if whole else self.artifacts.partial[path][1],
            "files": [
                {"path": name, "bytes": size, "digest": None, "reason": why}
                for name, (size, _) in sorted(self.artifacts.last[path].items())
            ],
        }

    def _write_result(self, result: Record) -> None:
        try:
            write_json(self.job.node.path("result.json"), result)
        except OSError as error:
            self._warn("result-unwritten", f"`result.json` could not be written: {error.strerror}")

    def _digest(self, result: Record) -> None:
        """Put the digests of whole checkpoints into the result: for as long as is given, and no stop waits for them.

        A child reads, at the lowest priority: one that hangs in a dead file system is left behind.
        """
        files = [
            (inside(one["path"], file["path"]), file)
            for one in result["checkpoints"]
            if one["whole"]
            for file in one["files"]
        ]
        if not files:
            return
        limit = float(self.job.rules["artifacts"].get("digest_seconds", DIGEST_SECONDS))
        self._listen()
        why = "a stop was asked for"
        if limit <= 0:
            why = "the rules give no time for it"
        elif self.asked is None and self.cause != "stop":
            self._enter("digests", bytes=sum(file["bytes"] for _, file in files), limit_seconds=limit)
            why = self._wait_for_digests([path for path, _ in files], limit)
        digests = read_digests(self.job.node.path(DIGESTS))
        for path, file in files:
            file["digest"] = digests.get(path)
            file["reason"] = None if path in digests else why
        self._write_result(result)

    def _wait_for_digests(self, paths: list[str], limit: float) -> str:
        """Returns: why a digest that is not there then is missing."""
        child = os.fork()
        if child == 0:
            os.close(self.job.lock)
            if self.peers:
                self.peers.close()
            end_with_parent()
            in_child(self.job, lambda: write_digests(paths, self.job.node.path(DIGESTS)))
        until = time.monotonic() + limit
        while True:
            received = signal.sigtimedwait(SIGNALS, min(0.5, limit))
            if child in dict(self._reap()):
                return "it could not be read, or changed"
            self._listen()
            self._hear_peers()
            late = time.monotonic() >= until
            if late or self.asked is not None or (received and received.si_signo in STOPS):
                os.kill(child, signal.SIGKILL)
                return f"{limit:g} seconds did not suffice" if late else "a stop was asked for"

    def _fill(self, slot: int, record: Record) -> None:
        try:
            self.job.slots.write(slot, record)
        except OSError as error:
            self._warn("slot-unwritten", f"slot {slot} could not be written: {error.strerror}")


# After the end ------------------------------------------------------------------------------------------------------


def follow_up(job: Job, outcome: str, peers: Any = None) -> None:
    """Let the other nodes know of the end, then run the command that is wanted after it, once; `end.json` tells how that stands.

    The run is over: its lock is shared from here on, so that readers find it free and nobody else takes it.
    """
    job.pulse.value = math.inf
    node, wish, story = job.node, job.rules.get("end"), read_json(job.node.path("end.json")) or {}
    if job.dry_run or job.restarted or story.get("state", "waiting") != "waiting":
        wish = None
    if wish or peers:
        fcntl.flock(job.lock, fcntl.LOCK_SH)
    if not wish:
        leave(node, peers)
        return
    job.page.due = job.page.due or time.monotonic() + wish["wait_seconds"]
    job.keep_page()
    story = {"format": FORMAT, "command": wish["command"], "due": moment(job.page.due - time.monotonic())}

    def tell(state: str, reason: str, status: Optional[int] = None) -> None:
        with contextlib.suppress(OSError):
            write_json(node.path("end.json"), {**story, "state": state, "reason": reason, "exit": status})

    if peers:
        tell("waiting", "the other nodes do not know of the end yet")
    off = leave(node, peers) or called_off(node)
    tell("waiting", "the outputs have not been fetched")
    while off is None and time.monotonic() < job.page.due and not os.path.exists(node.path(FETCHED)):
        received = signal.sigtimedwait(SIGNALS, END_SECONDS)
        off = told_by(received.si_signo) if received and received.si_signo in STOPS else called_off(node)
    other = other_run(node)
    if off or other:
        tell("called-off", off or f"run `{other}` needs this machine")
        return
    why = "the outputs were fetched" if os.path.exists(node.path(FETCHED)) else "the time for it has come"
    tell("started", why)
    log = opened(node.path("end.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child, gate = fork_bash(job, "end.sh", {"SRPO_RUN_OUTCOME": outcome}, log=log)
    open_gate(gate)
    ended: dict[int, int] = {}
    while child not in ended:
        signal.sigtimedwait(SIGNALS, END_SECONDS)
        ended.update(ended_children())
    tell("ended", why, ended[child])


def leave(node: Node, peers: Any) -> Optional[str]:
    """Stay until the other nodes know of the end, for as long as they are given. Returns: the signal that cut it short."""
    if peers is None:
        return None
    until, received = time.monotonic() + peers.leave_seconds, None
    while not peers.may_leave and time.monotonic() < until and not (received and received.si_signo in STOPS):
        peers.look()
        keep_done(node, peers)
        received = signal.sigtimedwait(SIGNALS, 0.1)
    peers.look()  # what has still to go
    peers.close()
    with contextlib.suppress(OSError):
        os.unlink(node.path(PEERS))
    return told_by(received.si_signo) if received and received.si_signo in STOPS else None


def rejoined(job: Job, end: Record) -> Any:
    """The connection of a node that has ended and is not heard yet; None where there is none."""
    with contextlib.suppress(Exception):  # a supervisor has told why
        if peers := peers_of(job.node):
            peers.part(end["outcome"], end["reason"], others_need_it=not job.dry_run)
            return peers
    return None


def peers_of(node: Node) -> Any:
    """This node's connection to the others of its run; None where it has none. Raises: what a damaged `peers.json` brings."""
    told = read_json(node.path(PEERS))
    if told is None or told.get("format") != FORMAT:
        return None
    return peers_program().joined(node.index, told)


def keep_done(node: Node, peers: Any) -> None:
    """Write down which nodes need not be told any more, for supervisors that come later."""
    told = read_json(node.path(PEERS)) if peers.done_with else None
    if told is not None and told.get("done_with", []) != peers.done_with:
        with contextlib.suppress(OSError):
            write_json(node.path(PEERS), {**told, "done_with": peers.done_with})


def settle_peers(node: Node) -> None:
    """Look up the first node's address: while a run is watched there is no time for it."""
    told = read_json(node.path(PEERS))
    if told and told.get("format") == FORMAT:
        write_json(node.path(PEERS), {**told, "chief": peers_program().numeric(str(told.get("chief")))})


def peers_program() -> Any:
    """`peers.py` of this bundle, for those that have peers."""
    sys.dont_write_bytecode = True
    folder = os.path.dirname(os.path.abspath(__file__))
    if folder not in sys.path:  # `-I` leaves it out
        sys.path.insert(0, folder)
    import peers

    return peers


def called_off(node: Node) -> Optional[str]:
    """Why the command after the end must not run."""
    return "somebody called it off" if os.path.exists(node.path(KEEP)) else None


def other_run(node: Node) -> Optional[str]:
    """A run of this workspace that goes on, or one that ended later and whose own command is still to come."""
    folder = os.path.dirname(node.run_folder)
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*", "attempt-*", "node-*"))):
        other = Node(path)
        waits = (read_json(other.path("end.json")) or {}).get("state") == "waiting"
        if other.run != node.run and (is_held(other.path("lock")) or (waits and ended_at(other) > ended_at(node))):
            return other.run
    return None


def ended_at(node: Node) -> str:
    """When the end was recorded; empty where it was not."""
    end = read_slots(node.path("slots"))[0][END]
    return end["time"] if end else ""


def end_of(node: Node) -> Optional[Record]:
    """How the command after the end stands; None before the end, and where none is wanted."""
    story = read_json(node.path("end.json"))
    if story and not isinstance(story.get("state"), str):
        return None
    if story and story["state"] in ("waiting", "started") and not is_held(node.path("lock"), fcntl.LOCK_EX):
        began = story["state"] == "started"
        story.update(state="lost", reason="the supervisors died" + (" after it had begun" if began else ""))
    return story


# Verbs --------------------------------------------------------------------------------------------------------------


def launch(
    node: Node, detach: bool, dry_run: bool, names: list[str], on_stdin: bool, chief: Optional[str], port: Optional[int]
) -> int:
    """Start the job and return once that is recorded for good; attached, show its log until it ends."""
    secrets = launch_secrets(names, on_stdin)
    with alone(node):
        secrets = {**secrets, **target_secrets(node, node.rules())}
        met = Meeting(chief, port) if chief and port else None
        lock, umask = claim(node)
        settle_peers(node)
        job = Job(node, lock, umask, secrets, dry_run, met=met)
        outer = start_supervisors(job)
        os.close(job.lock)
    if read_slots(node.path("slots"))[0][IDENTITY] is None:
        raise Refused(
            "not-started", f"the supervisor of `{node.run}` died before the job started", "launch it again", 70
        )
    line = json.dumps({"format": FORMAT, "run": node.run, "folder": node.folder, "pid": outer})
    print(line, file=sys.stdout if detach else sys.stderr, flush=True)
    return 0 if detach else attend(node)


def start_supervisors(job: Job) -> int:
    """Fork both, and wait until they have taken the job, or died. Returns: the pid of the outer one."""
    acked, ack = os.pipe()
    outer = os.fork()
    if outer == 0:
        in_child(job, lambda: run_outer(job, ack))
    os.close(ack)
    os.read(acked, 1)
    os.close(acked)
    return outer


def adopt(node: Node) -> int:
    """Go on with a run whose supervisors both died, or write down its end where nothing is left; print the state."""
    go_on(node)
    return status(node)


def go_on(node: Node) -> None:
    """Start two new supervisors where a run has lost both. Raises: Refused where another one does, or it is newer."""
    if not is_unfinished(node):
        return
    if newer := newer_parts(node, Story(node.path("events.jsonl")), read_slots(node.path("slots"))[0], None):
        raise newer_run(node, newer)
    if os.stat(node.folder).st_uid != os.geteuid():
        message = f"run `{node.run}` lost its supervisors, and belongs to another user"
        raise Refused("run-foreign", message, "let that user ask for its state: then it is taken over", 77)
    lock, umask = claim(node)
    patience = ADOPT_SECONDS
    try:
        left, _, end = read_slots(node.path("slots"))[0]
        if left and is_elsewhere(left):
            raise Refused("run-elsewhere", lost_reason(left), "ask on that machine: only there its end can be told", 75)
        if end:
            wait_on(node, lock, umask, left or {}, end)
        elif take_over(node, lock, umask, left or {}):
            patience = 0.0
    finally:
        os.close(lock)
    until = time.monotonic() + patience
    while is_held(node.path("lock")) and time.monotonic() < until:
        time.sleep(0.02)


def take_over(node: Node, lock: int, umask: int, left: Record) -> bool:
    """Start two supervisors in place of those in slot 0, *left*; secrets come from the leader's own environment.

    Returns: whether that one lives.
    """
    living = same(left["pid"], left["start"]) if left.get("boot") == boot_id() else None
    variables = environment_of(living.pid) if living else {}
    names = secret_names(node)
    secrets = {name: variables[name] for name in names if name in variables}
    with contextlib.suppress(Refused):
        secrets.update(target_secrets(node, node.rules()))
    job = Job(node, lock, umask, secrets, dry_run=False, left=left)
    job.environment = variables or job.environment
    job.unknown = [name for name in names if name not in secrets]
    if living:
        with contextlib.suppress(OSError):
            job.witness = open_pidfd(living.pid)
    lives = living is not None and living.state not in "ZX"
    told = f"both supervisors died; new ones go on with {'a trainer that still runs' if lives else 'what is left'}"
    job.events.append("warning.raised", code="run-adopted", message=told)
    start_supervisors(job)
    return lives


def wait_on(node: Node, lock: int, umask: int, left: Record, end: Record) -> None:
    """Go on waiting for the time of the command after the end."""
    job = Job(node, lock, umask, {}, dry_run=False, left=left)
    if os.fork() == 0:
        leave_caller(job.files())
        in_child(job, lambda: follow_up(job, end["outcome"], rejoined(job, end)))


def is_unfinished(node: Node) -> bool:
    """Whether a run that was started has neither a supervisor nor an end."""
    if is_held(node.path("lock")) or not os.path.exists(node.path("slots")):
        return False
    left, _, end = read_slots(node.path("slots"))[0]
    if (left and is_copy(node, left)) or is_supervised(left):
        return False
    return is_end_lost(node) if end else not read_json(node.path("result.json"))


def is_supervised(identity: Optional[Record]) -> bool:
    """Whether a supervisor that slot 0 names lives, whatever became of the lock's file."""
    if not identity or identity.get("boot") != boot_id():
        return False
    found = (same(*identity[name]) for name in ("inner", "outer"))
    return any(one and one.state not in "ZX" for one in found)


def is_copy(node: Node, identity: Record) -> bool:
    """Whether the folder was copied from another run's: its processes are not this one's."""
    return bool(identity.get("run", node.run) != node.run)


def is_end_lost(node: Node) -> bool:
    """Whether the command after the end is still to come, and nobody is left who waits for that."""
    story = read_json(node.path("end.json")) or {}
    return story.get("state") == "waiting" and not is_held(node.path("lock"), fcntl.LOCK_EX)


def environment_of(pid: int) -> dict[str, str]:
    """That which a process was started with."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        pairs = (os.fsdecode(entry).partition("=") for entry in file.read().split(b"\0"))
        return {name: value for name, equals, value in pairs if equals}
    return {}


def secret_names(node: Node) -> list[str]:
    """The secrets that the job was given: `settings.sh` lists them."""
    settings = os.path.join(node.bundle, "settings.sh")
    with contextlib.suppress(OSError), open(settings, encoding="utf-8", opener=opened) as file:
        found = re.search(r"^secrets=\((.*)\)$", file.read(), re.MULTILINE)
        return found[1].split() if found else []
    return []


@contextlib.contextmanager
def alone(node: Node) -> Iterator[None]:
    """While no other launch of the name goes on, and no run of it. Raises: Refused where one runs."""
    folder, name = os.path.dirname(node.run_folder), node.rules()["name"]
    path = os.path.join(folder, f".{name}.launch")
    gate = opened(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        take_gate(gate, path)
        for run in runs_of(folder, name):
            nodes = map(Node, glob.glob(os.path.join(glob.escape(os.path.join(folder, run)), "attempt-*", "node-*")))
            for other in nodes if run != node.run else ():
                if is_held(other.path("lock")):
                    message = f"run `{run}` of this name has not ended; it is supervised by {supervisor_of(other)}"
                    raise Refused("already-running", message, "attach to it, or stop it", 75)
                if left := remains(other):
                    message = f"run `{run}` of this name lost its supervisors, and its processes live: {left}"
                    raise Refused("run-lives", message, f"`srpo-manifest status {run}` takes it over: then stop it", 75)
        yield
    finally:
        os.close(gate)


def remains(node: Node) -> str:
    """The living processes of a run that lost its supervisors, as text."""
    if not is_unfinished(node):
        return ""
    left = read_slots(node.path("slots"))[0][IDENTITY]
    if left and left["boot"] == boot_id():
        found = tree(node.run, (), (left["pid"], left["start"]), left.get("cgroup", ""), node.index)
    else:
        found = tree(node.run, index=node.index)
    return ", ".join(str(one.pid) for one in found)


def take_gate(gate: int, path: str) -> None:
    """Hold the gate of a name; say for whom we wait. Raises: Refused where it stays closed."""
    until, told = time.monotonic() + GATE_SECONDS, False
    while True:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                message = f"{signed(path)} has been launching a run of this name for more than {GATE_SECONDS:g} seconds"
                raise Refused("launch-busy", message, "wait for it, or end it; no file has to be deleted", 75) from None
            if not told and time.monotonic() >= until - GATE_SECONDS + 0.2:
                told = True
                print(f"waiting for {signed(path)}, which launches a run of this name", file=sys.stderr, flush=True)
            time.sleep(0.05)
        else:
            sign(gate)
            return


def launch_secrets(names: list[str], on_stdin: bool) -> dict[str, str]:
    """Values by name, from the one JSON object on standard input or from the environment."""
    given: Any = os.environ
    if on_stdin:
        try:
            given = json.loads(sys.stdin.buffer.read() or b"{}")
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            message = "standard input is not one JSON object of names and texts"
            raise Refused("secrets-unreadable", message, "leave `--secrets-on-stdin` out to use the environment", 2)
    missing = [name for name in names if name not in given]
    if missing:
        message = f"no value was given for {', '.join(f'`{name}`' for name in missing)}"
        raise Refused("secret-missing", message, "give each of them and launch again", 2)
    return {name: given[name] for name in (given if on_stdin else names)}


def attend(node: Node) -> int:
    """Show the log until the end; an interruption asks for a stop, a broken pipe or hang-up only leaves."""
    for number_ in STOPS - {ASKED}:
        signal.signal(number_, lambda number_, _: ask_stop(node, f"signal {number_} to the launcher", None))
    offset = 0
    while True:
        alive = is_held(node.path("lock"))
        with open(node.path("log"), "rb", opener=opened) as log:
            log.seek(offset)
            data = log.read(CHUNK_BYTES)
        offset += len(data)
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        if not alive and not data:
            break
        if not data:
            time.sleep(0.1)
    found = status_of(node)
    print(f"{found['outcome']}: {found['reason']}", file=sys.stderr)
    return 0 if found["outcome"] == "succeeded" else 1


def checks(node: Node) -> int:
    """Ask again, on this machine, what the plan could not know."""
    rules = node.rules()
    events = Events(node)
    words = late_words(node, rules)
    refused = False
    for check in rules.get("checks", ()):
        if check["level"] == "allow":
            continue
        found = answer(check["probe"], expand(rules["cwd"], words))
        holds = predicate(check["op"], found, check["value"])
        if holds:
            continue
        message = expand(check["message"], words).replace("{found}", found or "nothing")
        message = message if holds is False else f"check `{check['code']}` has no answer here"
        denied = holds is False and check["level"] == "deny"
        refused = refused or denied
        events.append("warning.raised", code=check["code"], message=message)
        hints = [f"hint: {expand(hint, words)}" for hint in check.get("hints", ())]
        print(f"{'error' if denied else 'warning'}[{check['code']}]: {message}", *hints, sep="\n", flush=True)
    return CHECKS_REFUSED if refused else 0


def answer(probe: str, cwd: str) -> Optional[str]:
    """What the probe prints; None where it fails or prints nothing."""
    import subprocess

    bash = os.environ.get("SRPO_BASH") or "bash"
    asked = subprocess.run(
        [bash, "--noprofile", "--norc", "-c", probe],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    return (asked.stdout.decode("utf-8", "replace").strip() or None) if asked.returncode == 0 else None


def predicate(op: str, found: Optional[str], value: Any) -> Optional[bool]:
    """Whether it holds; None where that cannot be told."""
    if op in ("present", "absent"):
        return (found is not None) == (op == "present")
    if found is None:
        return None
    if op == "one-of":
        return any(number(found) == number(str(one)) for one in value)
    if op == "equals":
        return number(found) == number(str(value))
    measured, limit = number(found), number(str(value))
    if isinstance(measured, str) or isinstance(limit, str):
        return None
    if op == "multiple-of":
        return bool(limit) and measured % limit == 0
    return measured < limit if op == "less-than" else measured >= limit if op == "at-least" else measured <= limit


def port(node: Node) -> int:
    """Print a TCP port that is free now, or the one that the plan names, or at which the run's nodes meet."""
    import socket

    met = os.environ.get("SRPO_RUN_PORT")
    if met and node.index:
        print(met)
        return 0
    wanted = int(met) if met else node.rules().get("port")
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        with socket.create_server(("", wanted or 0), family=family, dualstack_ipv6=both) as server:
            print(server.getsockname()[1])
    except OSError as error:
        Events(node).append(
            "warning.raised", code="port-taken", message=f"port {wanted} cannot be used: {error.strerror}"
        )
        message = f"port `{wanted}` cannot be used on this machine: {error.strerror}"
        raise Refused("port-taken", message, "leave `resources.port` out, and each run gets a free one", 69) from error
    return 0


def status_of(node: Node) -> Record:
    """The answer of `status`, in the shape of `srpo_manifest.values.run.Status`."""
    slots, damaged = read_slots(node.path("slots"))
    identity, ended, end = slots
    copied = identity is not None and is_copy(node, identity)
    alive = is_held(node.path("lock")) or (not end and not copied and is_supervised(identity))
    if identity and not os.path.exists(node.path("events.jsonl")):
        damaged.append("events.jsonl")
    story = Story(node.path("events.jsonl"))
    written = read_json(node.path("result.json"))
    result = written if written and is_sound(written) else None
    if result is None and os.path.lexists(node.path("result.json")):
        damaged.append("result.json")
    state, outcome, reason = "pending", None, None
    if not alive and (end or result):
        state, outcome, reason = "ended", (end or result).get("outcome"), (result or end).get("reason")
    elif not alive and os.path.exists(node.path("slots")):
        why = (
            f"its folder is a copy of that of run `{identity['run']}`" if identity and copied else lost_reason(identity)
        )
        state, outcome, reason = "ended", "lost", why
    elif story.stopping or ended or end or story.phase == "ending" or os.path.exists(node.path("stop.req")):
        state = "stopping"
    elif identity:
        state = "running" if story.started else "preparing"
    newer = newer_parts(node, story, slots, written)
    left = {one["path"]: one for one in (result or {}).get("checkpoints", ()) if not newer}
    checkpoints = {
        path: {
            "path": path,
            "bytes": size,
            "whole": size_of(listing(path)) == size,
            "reason": None if size_of(listing(path)) == size else "it has another size than it was told with",
            "files": left.get(path, {}).get("files", []),
        }
        for path, size in story.checkpoints.items()
    }
    checkpoints.update({path: one for path, one in left.items() if not one["whole"]})
    if newer:
        told = newer_run(node, newer)
        story.warnings.append({"time": now(), "code": told.code, "message": str(told), "hints": [told.hint]})
    return {
        "format": FORMAT,
        "run": node.run,
        "state": state,
        "outcome": outcome,
        "exit": (ended or result or {}).get("code", (result or {}).get("exit")),
        "reason": reason,
        "phase": story.phase,
        "alive": alive,
        "ending": {"awaits": story.awaits, "seconds": max(0, round(story.until - time.time()))}
        if story.awaits and state == "stopping"
        else None,
        "progress": story.progress,
        "checkpoints": list(checkpoints.values()),
        "images": len(story.images),
        "warnings": story.warnings,
        "started": identity and identity.get("time"),
        "ended": (end or {}).get("time", (result or {}).get("ended")),
        "damaged": damaged,
        "unfinished": (outcome == "lost" and not (end or written or newer or copied)) or is_end_lost(node),
        "end": end_of(node),
    }


def is_sound(result: Record) -> bool:
    """Whether what is read of a result has the types that are written."""
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        typed(result["outcome"], str)
        for name in ("reason", "ended"):
            typed(result.get(name, ""), str)
        typed(result.get("exit") or 0, int)
        for one in result.get("checkpoints", ()):
            typed(one["path"], str), typed(one["bytes"], int), typed(one["whole"], bool)
        return True
    return False


def lost_reason(identity: Optional[Record]) -> str:
    """Why no supervisor lives and none left an end."""
    if not identity:
        return "its supervisors died before the job started"
    if is_elsewhere(identity):
        return f"it was started on `{identity['host']}`, and no supervisor of it is seen from here"
    return "its supervisors died" if identity.get("boot") == boot_id() else "the machine was restarted"


def is_elsewhere(identity: Record) -> bool:
    """Whether another machine that shares this folder started the run: locks of there may not be seen here."""
    return identity.get("boot") != boot_id() and identity.get("host", os.uname().nodename) != os.uname().nodename


def status(node: Node) -> int:
    """Print the state."""
    print(json.dumps(status_of(node)))
    return 0


def stop_request(reason: str, grace: Optional[float], checkpoint: Optional[float] = None) -> Record:
    """What `stop.req` holds."""
    return {"time": now(), "grace_seconds": grace, "checkpoint_seconds": checkpoint, "reason": reason}


def told_by(received: int) -> str:
    """What a signal to a supervisor is the reason of."""
    if received == ASKED:
        return "a stop was asked for, by whom could not be written"
    return f"signal {received} to the supervisor"


def note_stop(job: Job, received: int) -> Record:
    """A signal asks for a stop. Returns: the request."""
    return keep_stop(job, told_by(received))


def keep_stop(job: Job, reason: str) -> Record:
    """Write the request down at once, as whoever received it may die. Returns: it."""
    job.page.asked = True
    request = stop_request(reason, None)
    if not os.path.exists(job.node.path("stop.req")):
        with contextlib.suppress(OSError):
            write_json(job.node.path("stop.req"), request)
    return request


def ask_stop(node: Node, reason: str, grace: Optional[float], checkpoint: Optional[float] = None) -> None:
    """Write the request, then wake who must read it. On a full disk another signal is the request."""
    wake = WAKE
    try:
        write_json(node.path("stop.req"), stop_request(reason, grace, checkpoint))
    except OSError:
        wake = ASKED
    identity = read_slots(node.path("slots"))[0][IDENTITY]
    if identity and identity.get("boot") == boot_id() and format_of(identity) <= FORMAT:
        living = [found for name in ("inner", "outer") if (found := same(*identity[name])) and found.state not in "ZX"]
        for found in living[:1]:
            send(found, wake)


def stop(node: Node, reason: str, grace: Optional[float], checkpoint: Optional[float]) -> int:
    """Ask for a stop, which the supervisor carries out, and print the state."""
    if not os.path.isdir(node.folder):
        raise Refused("run-unknown", f"there is no run in `{node.folder}`", "name the folder of one of its nodes", 66)
    with contextlib.suppress(Refused):
        go_on(node)
    found = status_of(node)
    if found["state"] == "ended":
        print(f"note: run `{node.run}` has ended already: {found['outcome']}", file=sys.stderr)
    else:
        ask_stop(node, reason, grace, checkpoint)
        found = status_of(node)
    print(json.dumps(found))
    return 0


def mark(node: Node, what: str) -> int:
    """Say that the outputs came home, or that the command after the end is called off, and print the state."""
    if not os.path.isdir(node.folder):
        raise Refused("run-unknown", f"there is no run in `{node.folder}`", "name the folder of one of its nodes", 66)
    os.close(opened(node.path(what), os.O_WRONLY | os.O_CREAT))
    sync_folder(node.folder)
    print(json.dumps(status_of(node)))
    return 0


def runs(folder: str, name: str) -> int:
    """Go on with those runs of one name that lost their supervisors, and print all of them, the newest first.

    One that cannot be read hides no other.
    """
    told = []
    for run in runs_of(folder, name):
        told.append(told_or_why(os.path.join(folder, run)))
        if told[-1]["unfinished"]:
            with contextlib.suppress(Refused, OSError):
                go_on(newest_attempt(os.path.join(folder, run)))
            told[-1] = told_or_why(os.path.join(folder, run))
    print(json.dumps(told))
    return 0


def told_or_why(folder: str) -> Record:
    """The run as `told_run` has it, or why it cannot be read."""
    try:
        if not os.path.islink(folder):
            return told_run(folder)
        why = "it is a link"
    except OSError as error:
        why = short(plainly(error))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = short(f"its files have another shape: {error!r}")
    return {
        "id": os.path.basename(folder),
        "plan": "",
        "state": "unreadable",
        "outcome": None,
        "whole": False,
        "unfinished": False,
        "reason": why,
    }


def runs_of(folder: str, name: str) -> list[str]:
    """Ids of the runs of one name, the newest first."""
    shape = re.compile(re.escape(name) + r"-\d{8}T\d{6}Z-[^-]{6}")
    return sorted(filter(shape.fullmatch, os.listdir(folder)), reverse=True)


def newest_attempt(folder: str) -> Node:
    """Its first node."""
    attempts = sorted(name for name in os.listdir(folder) if name.startswith("attempt-"))
    return Node(os.path.join(folder, attempts[-1] if attempts else "attempt-1", "node-0"))


def told_run(folder: str) -> Record:
    """The newest attempt's state, and whether all that it left is still there; the story of one that is over is not read."""
    node = newest_attempt(folder)
    result, end = read_json(node.path("result.json")), read_slots(node.path("slots"))[0][END]
    result = result if result and format_of(result) <= FORMAT else None
    over = (end or result) and not is_held(node.path("lock"))
    found = (
        {"state": "ended", "outcome": (end or result or {})["outcome"], "unfinished": False}
        if over
        else status_of(node)
    )
    if found["state"] == "pending" and not is_starting(folder):
        found = {"state": "ended", "outcome": "lost", "unfinished": False}
    rules = result or read_json(os.path.join(node.bundle, "rules.json")) or {}
    whole = found["outcome"] == "succeeded" and result is not None and not result["dry_run"]
    return {
        "id": os.path.basename(folder),
        "plan": typed(rules.get("plan", ""), str),
        "state": found["state"],
        "outcome": found["outcome"] and typed(found["outcome"], str),
        "whole": whole and all(map(is_there, (*result["checkpoints"], *result["files"]))),
        "unfinished": found["unfinished"],
    }


def is_starting(folder: str) -> bool:
    """Whether a process lives that `starting` names: number, start, and the beginning of the boot id."""
    boot, path = boot_id(), os.path.join(folder, "starting")
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii", opener=opened) as lines:
        for pid, start, of in (line.strip().split("-") for line in lines):
            found = same(int(pid), int(start)) if boot.startswith(of) else None
            if found and found.state not in "ZX":
                return True
    return False


def is_there(left: Record) -> bool:
    """Whether what a run left whole has as many bytes as then."""
    return not left.get("whole", True) or size_of(listing(left["path"])) == left["bytes"]


def follow(node: Node, events: int, log: Optional[int], wait: float, events_mark: str = "", log_mark: str = "") -> int:
    """Print a line that counts them, then what is new of the events (whole lines) and, with an offset, of the log.

    A file that is no longer the one of its mark is shown from its new beginning: the line tells where that is.
    """
    until = time.monotonic() + wait
    while True:
        alive = is_held(node.path("lock"))
        told = part(node.path("events.jsonl"), events, events_mark, whole=True)
        written = Part(0, b"", "") if log is None else part(node.path("log"), log, log_mark)
        over = not alive and os.path.exists(node.path("slots"))
        moved = told.start != events or (log is not None and written.start != log)
        if told.data or written.data or over or moved or time.monotonic() >= until:
            break
        time.sleep(0.1)
    found = status_of(node)
    state = "stopping" if alive and found["state"] == "ended" else found["state"]
    head = {
        "events": len(told.data),
        "log": len(written.data),
        "state": state,
        "unfinished": not alive and found["unfinished"],
        "events_from": told.start,
        "log_from": written.start,
        "events_mark": told.mark,
        "log_mark": written.mark,
    }
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + told.data + written.data)
    return 0


class Part(NamedTuple):
    """What was read of a file, from where on, and the mark by which the next reader knows the file again."""

    start: int
    data: bytes
    mark: str


def part(path: str, offset: int, known: str = "", whole: bool = False) -> Part:
    """At most a chunk of *path* from *offset* on, of *whole* lines where asked.

    *known* is the mark that came with *offset*: a file that has other bytes there is read from its beginning, and one
    that was only cut from its end.
    """
    try:
        file = opened(path)
    except FileNotFoundError:
        return Part(0 if known else offset, b"", "")
    try:
        size = os.fstat(file).st_size
        if known and (size < offset or mark_of(file, offset) != known):
            is_cut = size < offset and mark_of(file, size)[:8] == known[:8]
            offset = size if is_cut else 0
        data = os.pread(file, CHUNK_BYTES, offset)
        data = data[: data.rfind(b"\n") + 1] if whole else data
        return Part(offset, data, mark_of(file, offset + len(data)))
    finally:
        os.close(file)


def mark_of(file: int, offset: int) -> str:
    """Checksums of a file's first bytes and of those before *offset*."""
    length = min(MARK_BYTES, offset)
    return f"{zlib.crc32(os.pread(file, length, 0)):08x}{zlib.crc32(os.pread(file, length, offset - length)):08x}"


def seek(node: Node, lines: Optional[int], since: Optional[float], ago: Optional[float]) -> int:
    """Print the offset at which the log's last lines, or what it got since a moment, begin: the later one of both."""
    moment = since if ago is None else time.time() - ago
    is_timed = os.path.exists(node.path("log.index"))
    offset = 0
    with contextlib.suppress(FileNotFoundError), open(node.path("log"), "rb", opener=opened) as log:
        if moment is not None:
            offset = size_at(node.path("log.index"), moment)
            if offset < os.fstat(log.fileno()).st_size:
                offset = begin_of_line(log.fileno(), offset)
        if lines is not None:
            offset = max(offset, begin_of_last(log.fileno(), lines))
    print(json.dumps({"format": FORMAT, "offset": offset, "timed": is_timed}))
    return 0


def size_at(index: str, moment: float) -> int:
    """How large the log was at *moment*, or shortly before."""
    size = 0
    with contextlib.suppress(FileNotFoundError), open(index, "rb", opener=opened) as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                noted, then = map(int, line.split())
                if noted > moment:
                    break
                size = then
    return size


def begin_of_line(file: int, offset: int) -> int:
    """Where the line begins that *offset* is in."""
    before = os.pread(file, min(offset, CHUNK_BYTES), max(0, offset - CHUNK_BYTES))
    return offset - len(before) + before.rfind(b"\n") + 1


def begin_of_last(file: int, count: int) -> int:
    """Where the last *count* lines of a file begin."""
    at = end = os.fstat(file).st_size
    if end and os.pread(file, 1, end - 1) == b"\n":
        at = end - 1
    while at and count:
        size = min(CHUNK_BYTES, at)
        at -= size
        data = os.pread(file, size, at)
        if (found := data.count(b"\n")) >= count:
            cut = len(data)
            for _ in range(count):
                cut = data.rfind(b"\n", 0, cut)
            return at + cut + 1
        count -= found
    return at if count else end


def parsed() -> Record:
    """The command line: the verb's function as `act`, and its arguments."""
    parser = argparse.ArgumentParser(prog="supervise.py", description="Supervises one run on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(act: Callable[..., int], node: bool = False) -> argparse.ArgumentParser:
        made = verbs.add_parser(act.__name__, help=act.__doc__, description=act.__doc__)
        made.set_defaults(act=act)
        if node:
            made.add_argument("node", type=Node, metavar="NODE_DIR", help="RUN/attempt-N/node-I")
        return made

    one = verb(launch, node=True)
    one.add_argument("--detach", action="store_true")
    one.add_argument("--dry-run", action="store_true")
    one.add_argument("--secrets-on-stdin", action="store_true", dest="on_stdin")
    one.add_argument("--secrets", nargs="*", default=[], metavar="NAME", dest="names")
    one.add_argument("--chief", metavar="ADDRESS", help="the first of several nodes, as the others reach it")
    one.add_argument("--port", type=int, help="where they meet there")
    verb(status, node=True)
    one = verb(stop, node=True)
    one.add_argument("--grace", type=float, metavar="SECONDS")
    one.add_argument("--checkpoint", type=float, metavar="SECONDS")
    one.add_argument("--reason", default="a stop was asked for")
    one = verb(mark, node=True)
    one.add_argument("what", choices=(FETCHED, KEEP))
    one = verb(follow, node=True)
    one.add_argument("--events", type=int, required=True, metavar="OFFSET")
    one.add_argument("--log", type=int, metavar="OFFSET")
    one.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    one.add_argument("--events-mark", default="", metavar="MARK")
    one.add_argument("--log-mark", default="", metavar="MARK")
    one = verb(seek, node=True)
    one.add_argument("--lines", type=int, metavar="N")
    one.add_argument("--since", type=float, metavar="UNIX_SECONDS")
    one.add_argument("--ago", type=float, metavar="SECONDS")
    verb(adopt, node=True)
    one = verb(runs)
    one.add_argument("folder", metavar="RUNS_FOLDER")
    one.add_argument("name", metavar="NAME")
    for inside in (checks, port):
        verb(inside).set_defaults(node=Node(os.environ.get("SRPO_RUN_DIR", ".")))
    return vars(parser.parse_args())


def main() -> int:
    """Do the verb. Returns: the exit status."""
    given = parsed()
    act = given.pop("act")
    try:
        ended = act(**given)
        sys.stdout.flush()
    except Refused as refused:
        print(f"error[{refused.code}]: {refused}\nhint: {refused.hint}", file=sys.stderr)
        return refused.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error[files]: {plainly(error)}", file=sys.stderr)
        return 70
    return ended


if __name__ == "__main__":
    sys.exit(main())
