"""Git as we start it: with our settings, asking nobody, and with its complaints as errors of ours."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from srpo_manifest import piped
from srpo_manifest.errors import TransportError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.wording import ticked

FETCH_SECONDS = 1800.0
ASK_SECONDS = 120.0
QUIET_SECONDS = 60.0
"""So long a fetch may tell of no progress."""
NEEDED = (2, 30)
"""`rev-parse --end-of-options` came with it: an older git takes a ref for an option."""
_SLOPPY = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "emptyName", "missingEmail",
    "missingNameBeforeEmail", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors",
    "nulInCommit", "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip
"""What old programs wrote into commits, and hurts nobody."""
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.bigFileThreshold=16m",  # larger files stream: neither fetch nor archive holds one in memory
    "credential.interactive=false",
    "fetch.fsckObjects=true",  # names such as `..` and `.GIT` come no further than this
    *(f"fetch.fsck.{problem}=ignore" for problem in _SLOPPY),
    "fetch.unpackLimit=1",  # a pack comes whole or not at all; loose objects could come without what they name
    "gc.auto=0",
    "http.lowSpeedLimit=1000",
    f"http.lowSpeedTime={QUIET_SECONDS:.0f}",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "tar.umask=0002",
)
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO")
_TELLING = ("fatal:", "error:", "ERROR:", "ssh:", "remote: fatal:")
_NOT_WHOLE = re.compile(
    r"(unable to|could not|cannot) (read|find|fetch) '?[0-9a-f]{40}|missing (blob|tree|object)|is corrupt|bad (object|file|tree)"
    r"|[Nn]ot a (valid|tree) object|single revision|does not match index|repository corruption on the remote side"
    r"|inflate|hash mismatch|packfile .* (cannot be|is|index)|index file .* (is|has)|wrong index|garbage at end|not a git repository"
    r"|failed to read object|unable to (unpack|parse|read tree)|object corrupt|early EOF in pack|did not send all"
)
_HOSTILE = re.compile(r"object [0-9a-f]{40}: (\w+: .*)|[Ff]sck error")
_FULL_DISK = "No space left on device"
_OBJECT = re.compile("[0-9a-f]{40}")


def checked(*arguments: str, at: Path | None = None, data: bytes = b"", timeout_seconds: float = ASK_SECONDS) -> Answer:
    """Raises: TransportError `objects-missing`, `disk-full` or `git-failed` where git ends badly."""
    answer = run(*arguments, at=at, data=data, timeout_seconds=timeout_seconds)
    if answer.status == 0:
        return answer
    complaint = said(answer)
    if is_full_disk(complaint):
        raise disk_full(f"`git {arguments[0]}` had no room left", complaint)
    if is_not_whole(complaint):
        raise TransportError(
            "objects-missing", f"the mirror {ticked(at)} is not whole: {complaint}", 'make it anew: `repo.refresh = "always"`'
        )  # fmt: skip
    raise TransportError(
        "git-failed", f"`git {arguments[0]}` ended with status {answer.status}: {complaint}", "see what git says about it"
    )  # fmt: skip


def run(
    *arguments: str,
    at: Path | None = None,
    data: bytes = b"",
    timeout_seconds: float = ASK_SECONDS,
    quiet_seconds: float | None = None,
) -> Answer:
    """Git with our settings and attributes, asking nobody; *at* is the repository.

    Raises: TransportError `git-missing`; `command-timeout`, also where it says nothing for *quiet_seconds*.
    """
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    place = [] if at is None else ["--git-dir", str(at)]
    argv = [_program(), *settings, *place, "--literal-pathspecs", *arguments]
    return piped.run(
        argv, data=(data,), timeout_seconds=timeout_seconds, env=_environment(), hot=True, quiet_seconds=quiet_seconds
    )


def new_enough() -> None:
    """Raises: TransportError `git-old` for one that does not know the options that keep a fetch safe."""
    version = _version(_program())
    if version is not None and version < NEEDED:
        raise TransportError(
            "git-old",
            f"git {'.'.join(map(str, version))} is too old: {'.'.join(map(str, NEEDED))} is needed",
            "install a newer git, or put one first on PATH",
        )


def said(answer: Answer) -> str:
    """The line of git's complaint that tells most, without credentials."""
    lines = [line.strip() for line in answer.error.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)] or lines[-1:] or [f"exit status {answer.status}"]
    line = min(telling, key=_weight)
    return re.sub(r"://[^/@\s]+@", "://***@", line)


def is_not_whole(complaint: str) -> bool:
    """Whether git misses an object, or found one damaged."""
    return bool(_NOT_WHOLE.search(complaint))


def is_hostile(complaint: str) -> str | None:
    """What git's check of the objects says of one that no git would make; None where it is not that."""
    found = _HOSTILE.search(complaint)
    return None if found is None else found[1] or complaint


def is_full_disk(complaint: str) -> bool:
    """Whether git had no room left."""
    return _FULL_DISK in complaint


def disk_full(what: str, complaint: str) -> TransportError:
    """The error for a full disk of this machine."""
    return TransportError(
        "disk-full",
        f"{what}: {complaint}",
        "free some room, or set SRPO_MANIFEST_CACHE (repositories) or TMPDIR (what is packed) to a folder on a larger disk",
    )


def _weight(line: str) -> tuple[bool, bool, bool, bool]:
    return (_FULL_DISK not in line, not _HOSTILE.search(line), not _NOT_WHOLE.search(line), not _OBJECT.search(line))


def _program() -> str:
    programs = piped.which("git")
    if not programs:
        raise TransportError("git-missing", "git is not on this machine's PATH", "install the package `git`")
    return programs[0]


@cache
def _version(program: str) -> tuple[int, ...] | None:
    answer = piped.run([program, "--version"], timeout_seconds=ASK_SECONDS, env=_environment(), hot=True)
    found = re.match(r"git version (\d+)\.(\d+)", answer.text)
    return None if found is None else (int(found[1]), int(found[2]))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return kept | {
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
