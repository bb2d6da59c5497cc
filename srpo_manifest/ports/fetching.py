"""Bringing outputs home: what the target is asked, in bash and coreutils alone, and how its answers are read."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.errors import LaunchError
from srpo_manifest.ports.direct import NODE
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.base import Value
from srpo_manifest.wording import ticked

LOGS = ("log", "events.jsonl", "result.json")
"""Files of a node's folder that tell how it went."""
_GONE = 66


class Remote(Value):
    """A file there: its name beneath the folder that was asked for, and its size."""

    name: str
    bytes: int


def node_of(folder: str) -> str:
    """The folder of a run's first node, as shell text."""
    return f"{folder}/{NODE}"


def listing(folder: str, *names: str) -> str:
    """Files beneath *folder*, which is shell text: regular ones, of *names* alone where those are given."""
    return f"cd -- {folder} 2>/dev/null || exit {_GONE}\nfind {' '.join(map(quote, names)) or '.'} -type f -printf '%s %p\\0' 2>/dev/null\ntrue\n"


def parse_listing(answer: Answer) -> tuple[Remote, ...]:
    """Names are as the run wrote them: `safe` tells whether one can be kept. Raises: LaunchError `outputs-gone` or `outputs-unreadable`."""
    if answer.status == _GONE:
        raise LaunchError(
            "outputs-gone",
            "the folder of what the run wrote is not there any more",
            "see whether it was moved or removed",
        )
    try:
        lines = answer.output.decode("utf-8").split("\0")[:-1]
        found = [(int(size), name.removeprefix("./")) for size, _, name in (line.partition(" ") for line in lines)]
    except ValueError as error:
        raise LaunchError("outputs-unreadable", f"the list of what the run wrote cannot be read: {error}") from error
    return tuple(Remote(name=name, bytes=size) for size, name in sorted(found, key=lambda one: one[1]))


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


def digests(folder: str, names: Iterable[str]) -> str:
    """The sha256 of files of *folder*, which is shell text."""
    return f"cd -- {folder} || exit {_GONE}\nsha256sum -z -- {' '.join(map(quote, names))}\n"


def parse_digests(answer: Answer) -> dict[str, str]:
    """By name; those that could not be read are not among them."""
    lines = answer.output.decode("utf-8", "replace").split("\0")[:-1]
    return {name.removeprefix("./"): digest for digest, _, name in (line.partition("  ") for line in lines)}
