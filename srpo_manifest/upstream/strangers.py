"""What keeps a script from being run in a scratch folder: programs and files that it names by their absolute path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from srpo_manifest.upstream.commands import STARTERS
from srpo_manifest.upstream.nodes import descendants, line_of, shown
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.values.contract import Gap
from srpo_manifest.wording import ticked

_ABSOLUTE = re.compile(r"""(?:^|[\s"'=;|&(`])[~/]\w""")
_QUIET = re.compile(r"/dev/(null|stdin|stdout|stderr|fd/\d+)")
_READS_TEXT = ("eval", "bash", "sh", "xargs", "find", "trap")


def strangers(script: str, sources: Mapping[str, bytes]) -> Iterator[str]:
    """Why *script*, or one of *sources* that it names, is not run: a sentence for each line."""
    waiting, seen = [script], set()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in sources:
            continue
        seen.add(path)
        yield from _of(path, sources[path])
        waiting += [other for other in sources if other.rpartition("/")[2].encode() in sources[path]]


def _of(path: str, source: bytes) -> Iterator[str]:
    tree = parse_bash(source)
    if isinstance(tree, Gap):
        yield f"{ticked(path)} line {tree.line}: {tree.reason}"
        return
    for node in descendants(tree[1]):
        if (found := _stranger(node)) is not None:
            yield f"{ticked(path)} line {line_of(node)} {found}"


def _stranger(node: Node) -> str | None:
    text = (node.text or b"").decode("utf-8", "replace")
    if node.type == "file_redirect":
        destination = node.child_by_field_name("destination")
        to = ((destination.text if destination else None) or b"").decode("utf-8", "replace").strip("\"'")
        outside = to.startswith(("/", "~", "$")) and not _QUIET.fullmatch(to)
        return f"redirects to {ticked(to)}" if outside else None
    name = node.child_by_field_name("name") if node.type == "command" else None
    if name is None:
        return None
    program = (name.text or b"").decode("utf-8", "replace").strip("\"'")
    if program.startswith(("/", "~", "$")):
        return f"runs {shown(program)} by its own path"
    if (program in STARTERS or program in _READS_TEXT) and _ABSOLUTE.search(text):
        return f"may run a program by its own path: {shown(text)}"
    return None
