"""What lies in a workspace's `.srpo`, and its removal: sent to a target's Python on standard input, with no bundle.

`prune.py survey` and `prune.py remove REQUEST` run in that folder and print one JSON object. No link is followed, and
each folder is renamed before anything in it goes. Standard library only, Python 3.9 or newer, Linux.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import sys
import time
import zlib
from typing import Any, Iterator, Optional

FORMAT = 1
SLOT_BYTES = 512
DAY_SECONDS = 86400.0
STARTING_SECONDS = 3600.0
"""A folder without a supervisor that is younger may be one that a person is starting by hand."""
LINKLESS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
TAGGED = re.compile(r"\.(?P<id>.+)\.(?P<tag>\d*-?\d*-?[0-9a-f]*)\.(?:new|gone)")
ASIDE = re.compile(r"(?P<id>[0-9a-f]+)\.(?:aside|old|gone)\.(?P<tag>\S+)")

Record = dict[str, Any]


class Kept(Exception):
    """Why a folder stays."""


def main() -> None:
    """Do the verb."""
    verb, *rest = sys.argv[1:]
    found: Record = {"format": FORMAT, "there": os.path.isdir("runs")}
    marked = processes()
    if verb == "survey":
        found.update(survey(marked))
    else:
        found["done"] = [removed(one, marked) for one in json.loads(rest[0])]
    print(json.dumps(found))


# What is there ------------------------------------------------------------------------------------------------------


def survey(marked: set[str]) -> Record:
    """Every run, checkout and leftover with its size, and why one may not go."""
    told = (told_run(name, marked) for name in names("runs") if not name.startswith("."))
    runs = [one for one in told if os.path.lexists(os.path.join("runs", one["id"]))]  # another `prune` may be at work
    left = [one for folder in ("runs", "checkouts") for one in leftovers(folder)]
    checkouts = [
        {
            "tree": name,
            "bytes": size(os.path.join("checkouts", name)),
            "kept": why(lambda name=name: plain("checkouts", name), os.path.join("checkouts", name)),
        }
        for name in names("checkouts")
        if not ASIDE.fullmatch(name) and os.path.lexists(os.path.join("checkouts", name))
    ]
    return {
        "runs": runs,
        "checkouts": checkouts,
        "leftovers": [one for one in left if one["kept"] is None],
        "coming": [one["id"] for one in left if one["kept"] is not None],
    }


def whose(folder: str, rules: Record) -> str:
    """The name that a run's folder belongs to; a copy under another name belongs to none."""
    name = str(rules.get("name") or "")
    return name if re.fullmatch(re.escape(name) + r"-\d{8}T\d{6}Z-[^-]{6}", folder) else ""


def told_run(name: str, marked: set[str]) -> Record:
    """A run: its outcome, which tree it uses, and why it may not go."""
    path = os.path.join("runs", name)
    rules = {} if os.path.islink(path) else read_json(os.path.join(path, "bundle", "rules.json")) or {}
    ended: list[str] = []
    reason = why(lambda: ended.append(settled(name, marked)), path)
    touched = [one for node in nodes(path) for one in [modified(os.path.join(node, "slots"))] if one]
    return {
        "id": name,
        "name": whose(name, rules),
        "plan": str(rules.get("plan") or ""),
        "tree": str(rules.get("repo") or "").rpartition("/")[2],
        "outcome": ended[0] if ended else None,
        "bytes": size(path),
        "age_seconds": max(0.0, time.time() - max(touched, default=modified(path) or 0.0)),
        "kept": reason,
    }


def leftovers(folder: str) -> Iterator[Record]:
    """What a launch, an unpacking or a removal left that was killed; `kept` where its process lives."""
    for name in names(folder):
        found = (TAGGED if folder == "runs" else ASIDE).fullmatch(name)
        path = os.path.join(folder, name)
        if found and os.path.isdir(path) and not os.path.islink(path):
            yield {"path": path, "id": found["id"], "bytes": size(path), "kept": worked_at(path, found["tag"])}


def worked_at(path: str, mark: str) -> Optional[str]:
    """Why it may not be left: its process lives; one of another machine, or boot, cannot be seen, and gets a day."""
    place, dot, pid = mark.rpartition(".")
    if lives(mark) or (dot and place == os.uname().nodename and os.path.exists(f"/proc/{pid}")):
        return "a process works at it"
    ours = place == os.uname().nodename if dot else mark.rpartition("-")[2] == boot_id()[:8]
    young = time.time() - (modified(path) or 0.0) < DAY_SECONDS
    return "a process of another machine may work at it" if young and not ours else None


def settled(name: str, marked: set[str]) -> str:
    """The outcome of a run that may go. Raises: Kept where it goes on, or that cannot be told; OSError."""
    plain("runs", name)
    path = os.path.join("runs", name)
    rules = read_json(os.path.join(path, "bundle", "rules.json")) or {}
    if rules.get("format", FORMAT) > FORMAT:
        raise Kept("a newer version wrote it")
    if not isinstance(rules.get("plan", ""), str):
        raise TypeError
    if name in marked:
        raise Kept("processes of it live")
    starting = read_lines(os.path.join(path, "starting"))
    if any(map(lives, starting)):
        raise Kept("it is being started")
    begun = False
    for node in nodes(path):
        if is_held(os.path.join(node, "lock")):
            raise Kept("it is supervised")
        slots = read_slots(os.path.join(node, "slots"))
        begun = begun or slots is not None
        identity = slots[0] if slots else None
        if identity and any(same(*pair) for pair in pairs(identity)):
            raise Kept("a process of it lives")
        for left in artifacts(node):
            if os.path.realpath(left).startswith(os.path.realpath(path) + os.sep):
                raise Kept(f"a result of it lies in it: {os.path.basename(left)}")
    if not begun and not starting and time.time() - (modified(path) or 0.0) < STARTING_SECONDS:
        raise Kept("it may be starting")
    return outcome(path)


def plain(folder: str, name: str) -> None:
    """Raises: Kept for a link, for what is no folder, for another user's; OSError."""
    found = os.lstat(os.path.join(folder, name))
    if stat.S_ISLNK(found.st_mode) or not stat.S_ISDIR(found.st_mode):
        raise Kept("it is a link" if stat.S_ISLNK(found.st_mode) else "it is no folder")
    if found.st_uid != os.geteuid():
        raise Kept(f"it belongs to user {found.st_uid}")
    if not NAME.fullmatch(name):
        raise Kept("its name is none of ours")
    if os.path.ismount(os.path.join(folder, name)):
        raise Kept("a file system is mounted there")


def outcome(path: str) -> str:
    """As its files tell: `lost` where they tell no end, `never-started` where there are none."""
    found = "never-started"
    for node in nodes(path):
        slots = read_slots(os.path.join(node, "slots"))
        result = read_json(os.path.join(node, "result.json")) or {}
        if slots is not None:
            found = (slots[2] or result).get("outcome") or "lost"
    if not isinstance(found, str):
        raise TypeError
    return found


def artifacts(node: str) -> Iterator[str]:
    """Paths of checkpoints and files that the run told of."""
    result = read_json(os.path.join(node, "result.json")) or {}
    for left in [*result.get("checkpoints", ()), *result.get("files", ())]:
        yield left["path"]
    for line in read_lines(os.path.join(node, "events.jsonl")):
        if '"checkpoint.written"' in line:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                yield str(json.loads(line)["path"])


def why(check: Any, path: str, done: str = "read") -> Optional[str]:
    """Why *path* stays; None where nothing speaks against its removal, or another `prune` was quicker."""
    try:
        check()
    except Kept as kept:
        return str(kept)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError) and not os.path.lexists(path)
        return None if gone else f"it cannot be {done}: {error.strerror}"
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return "its files have another shape"
    return None


# Removal ------------------------------------------------------------------------------------------------------------


def removed(wanted: Record, marked: set[str]) -> Record:
    """Look again, rename, delete. Returns: what became of it."""
    kind, path = wanted["kind"], wanted["path"]
    folder, _, name = path.partition("/")
    reason = why(lambda: remove(kind, folder, name, marked), path, "removed")
    return {"kind": kind, "path": path, "removed": reason is None, "reason": reason}


def remove(kind: str, folder: str, name: str, marked: set[str]) -> None:
    """Raises: Kept; OSError."""
    path = os.path.join(folder, name)
    if folder not in ("runs", "checkouts") or "/" in name or name in ("", ".", ".."):
        raise Kept("it lies nowhere in the store")
    if kind == "run":
        settled(name, marked)
    elif kind == "checkout":
        plain("checkouts", name)
        unused(name)
    elif not any(one["path"] == path and one["kept"] is None for one in leftovers(folder)):
        os.lstat(path)
        raise Kept("a process works at it")
    parent = os.open(folder, LINKLESS)
    try:
        gone = name if kind == "leftover" else f".{name}.{tag()}.gone"
        if folder == "checkouts" and kind == "checkout":
            gone = f"{name}.gone.{tag()}"
        if gone != name:
            os.rename(name, gone, src_dir_fd=parent, dst_dir_fd=parent)
        if kind == "checkout":
            try:
                unused(name)  # a run may have come for it meanwhile
            except Kept:
                os.rename(gone, name, src_dir_fd=parent, dst_dir_fd=parent)
                raise
        delete(parent, gone)
    finally:
        os.close(parent)


def unused(tree: str) -> None:
    """Raises: Kept where a run that is there uses the checkout."""
    for name in names("runs"):
        tagged = TAGGED.fullmatch(name)
        if tagged and name.endswith(".new") and lives(tagged["tag"]):
            raise Kept("a run is on its way, and may want it")
        rules = read_json(os.path.join("runs", name, "bundle", "rules.json")) or {}
        if not tagged and str(rules.get("repo") or "").endswith(f"/{tree}"):
            raise Kept(f"run {name} uses it")


def delete(parent: int, name: str) -> None:
    """The folder and all below it, read-only or not; links go, and what they lead to stays. Raises: Kept; OSError."""
    folder = os.open(name, LINKLESS, dir_fd=parent)
    try:
        if os.fstat(folder).st_dev != os.fstat(parent).st_dev:
            raise Kept("a file system is mounted in it")
        os.fchmod(folder, 0o700)
        with os.scandir(folder) as entries:
            inside = [(one.name, one.is_dir(follow_symlinks=False)) for one in entries]
        for child, is_folder in inside:
            if is_folder:
                with contextlib.suppress(FileNotFoundError):
                    delete(folder, child)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(child, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


# Files and processes ------------------------------------------------------------------------------------------------


def names(folder: str) -> list[str]:
    """What lies in it; nothing where it is a link."""
    try:
        descriptor = os.open(folder, LINKLESS)
    except OSError:
        return []
    try:
        return sorted(os.listdir(descriptor))
    finally:
        os.close(descriptor)


def nodes(path: str) -> list[str]:
    """The folders of a run's supervisors."""
    found = []
    for attempt in (one for one in names(path) if one.startswith("attempt-")):
        at = os.path.join(path, attempt)
        found += [os.path.join(at, one) for one in names(at) if one.startswith("node-")]
    return found


def size(path: str) -> int:
    """Bytes on the disk of everything below."""
    total = 0
    for at, _, files in () if os.path.islink(path) else os.walk(path):
        for name in (".", *files):
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(at, name)).st_blocks * 512
    return total


def modified(path: str) -> Optional[float]:
    """When it was last written to."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return None


def opened(path: str) -> int:
    """A file to read. Raises: OSError, also for what is none, such as a pipe that nobody writes to."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, f"`{os.path.basename(path)}` is no regular file", path)
    return file


def read_json(path: str) -> Optional[Record]:
    """The object in *path*; None where there is none."""
    try:
        with open(opened(path), "rb") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_lines(path: str) -> list[str]:
    """The lines of a file; none where it is not there."""
    try:
        with open(opened(path), "rb") as file:
            return file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def read_slots(path: str) -> Optional[list[Record]]:
    """The three records, empty where one is blank or torn; None where there are none. Raises: OSError."""
    try:
        with open(opened(path), "rb") as file:
            data = file.read(SLOT_BYTES * 3)
    except FileNotFoundError:
        return None
    records = []
    for index in range(3):
        text, _, check = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES].rstrip(b" ").rpartition(b"#")
        records.append(json.loads(text) if text and check == b"%08x" % zlib.crc32(text) else {})
    return records


def is_held(path: str) -> bool:
    """Whether a supervisor lives. Raises: OSError where that cannot be told."""
    try:
        lock = opened(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def processes() -> set[str]:
    """Ids of runs that living processes carry."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            for word in file.read().split(b"\0"):
                if word.startswith(b"SRPO_RUN_ID="):
                    found.add(word.partition(b"=")[2].decode("utf-8", "replace"))
    return found


def pairs(identity: Record) -> list[list[int]]:
    """Pid and start of the leader and of both supervisors; none of another boot."""
    if identity["boot"] != boot_id():
        return []
    return [[identity["pid"], identity["start"]], identity["outer"], identity["inner"]]


def same(pid: int, start: int) -> bool:
    """Whether that very process lives."""
    return start != 0 and start_of(pid) == start


def start_of(pid: int) -> int:
    """In ticks since boot; 0 where there is no such process. Source: proc_pid_stat(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in b"ZX" else int(fields[19])


def boot_id() -> str:
    """Pids mean something within one boot only."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def tag() -> str:
    """Names this process."""
    return f"{os.getpid()}-{start_of(os.getpid())}-{boot_id()[:8]}"


def lives(mark: str) -> bool:
    """Whether the process of a tag does; what is no tag names none."""
    pid, _, rest = mark.strip().partition("-")
    start, _, boot = rest.partition("-")
    return pid.isdigit() and start.isdigit() and boot == boot_id()[:8] and same(int(pid), int(start))


if __name__ == "__main__":
    main()
