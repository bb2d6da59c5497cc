"""Bringing outputs home: what the target is asked, in bash, findutils and coreutils alone, and how its answers are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.errors import LaunchError
from srpo_manifest.ports.arrival import node_name
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.base import Value
from srpo_manifest.wording import ticked

LOGS = ("log", "events.jsonl", "result.json")
"""Files of a node's folder that tell how it went."""
_GONE = 66
_PRINT = "-type f -printf '%s %T@ %P\\0'"


class Remote(Value):
    """A file there: its name beneath what was asked for (empty where that is the file), its size, when it changed."""

    name: str
    bytes: int
    changed: str


def node_of(folder: str, node: int = 0) -> str:
    """The folder of a run's node, as shell text."""
    return f"{folder}/{node_name(node)}"


def listing(folder: str, names: Sequence[str] = ()) -> str:
    """Regular files beneath *folder*, which is shell text: of *names*, and no link is followed; or all, behind links as well."""
    if not names:
        return f"[ -e {folder} ] || exit {_GONE}\nfind -L {folder} -ignore_readdir_race {_PRINT}\n"
    wanted = " ".join(map(quote, names))
    return f"""cd -- {folder} 2>/dev/null || exit {_GONE}
for name in {wanted}; do [ -L "$name" ] || [ ! -e "$name" ] || set -- "$@" "$name"; done
[ $# -eq 0 ] || find "$@" -ignore_readdir_race {_PRINT.replace("%P", "%p")}
"""


def parse_listing(answer: Answer) -> tuple[Remote, ...]:
    """Names are as the run wrote them: `safe` tells whether one can be kept. Raises: LaunchError `outputs-gone` or `outputs-unreadable`."""
    if answer.status == _GONE:
        raise LaunchError(
            "outputs-gone",
            "the folder of what the run wrote is not there any more",
            "see whether it was moved or removed",
        )
    if answer.status != 0:
        raise LaunchError("outputs-unreadable", f"what the run wrote cannot be listed there: {answer.complaint}")
    try:
        lines = answer.output.decode("utf-8", "surrogateescape").split("\0")[:-1]
        found = [(int(size), changed, name) for size, changed, name in (line.split(" ", 2) for line in lines)]
    except ValueError as error:
        raise LaunchError("outputs-unreadable", f"the list of what the run wrote cannot be read: {error}") from error
    return tuple(
        Remote(name=name, bytes=size, changed=changed) for size, changed, name in sorted(found, key=lambda one: one[2])
    )


def safe(name: str) -> str:
    """*name*, where it stays beneath its folder on every system. Raises: LaunchError `unsafe-name`."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or ":" in part or not part.isprintable() for part in parts):
        raise LaunchError(
            "unsafe-name", f"{ticked(name)}, which the run wrote, is no name that can be kept here", "rename it there"
        )
    return name


def reading(path: str, offset: int, size: int) -> str:
    """At most *size* bytes of *path*, which is shell text, from *offset* on."""
    return f"[ -f {path} ] || exit {_GONE}\ntail -c +{offset + 1} -- {path} | head -c {size}\n"


def together(paths: Iterable[str]) -> str:
    """The bytes of all *paths*, which are shell text, one behind the other."""
    return f"cat -- {' '.join(paths)}\n"


def digests(paths: Iterable[str]) -> str:
    """The sha256 of files, which are shell text."""
    return f"sha256sum -z -- {' '.join(paths)}\n"


def parse_digests(answer: Answer) -> list[str]:
    """In the order that was asked for. Raises: LaunchError `outputs-unreadable` where one is missing."""
    lines = answer.output.split(b"\0")[:-1]
    if answer.status != 0:
        raise LaunchError("outputs-unreadable", f"no digest can be had there: {answer.complaint}")
    return [line.partition(b" ")[0].decode("ascii", "replace") for line in lines]
