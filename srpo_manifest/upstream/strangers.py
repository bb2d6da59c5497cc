"""What keeps a script from being run in a scratch folder: programs, files and folders that may be outside."""

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
_INSIDE = re.compile(r"(?!/)(?!.*\.\.)[\w./:@%+,=&-]+")
_MOVES = ("cd", "pushd", "popd")
_MOVES_WITHIN = re.compile(r"(?<![\w./-])(?:cd|pushd|popd)(?![\w./-])")
_READS_TEXT = ("eval", "builtin", "bash", "sh", "xargs", "find", "trap")


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
    text = _text(node)
    if node.type == "file_redirect":
        destination = node.child_by_field_name("destination")
        if destination is None or destination.type == "process_substitution":
            return None
        to = _bare(destination)
        return None if _QUIET.fullmatch(to) or _INSIDE.fullmatch(to) else f"redirects to {ticked(to)}"
    if node.type == "variable_assignment" and text.startswith("CDPATH"):
        return "sets `CDPATH`, by which `cd` leaves the folder"
    name = node.child_by_field_name("name") if node.type == "command" else None
    if name is None:
        return None
    program = _bare(name)
    if program.startswith(("/", "~", "$")):
        return f"runs {shown(program)} by its own path"
    if program in _MOVES:
        return None if _stays(node) else f"may leave the folder: {shown(text)}"
    if program in STARTERS or program in _READS_TEXT:
        if _ABSOLUTE.search(text):
            return f"may run a program by its own path: {shown(text)}"
        if _MOVES_WITHIN.search(text):
            return f"may leave the folder: {shown(text)}"
        if program in _READS_TEXT and ("$" in text or "`" in text):
            return f"runs a text that only the script knows: {shown(text)}"
    return None


def _stays(move: Node) -> bool:
    """Whether it goes into one folder below, by a name that no variable is part of."""
    to = move.children_by_field_name("argument")
    return len(to) == 1 and not _bare(to[0]).startswith("-") and bool(_INSIDE.fullmatch(_bare(to[0])))


def _bare(node: Node) -> str:
    """As bash reads a word without expansions."""
    return re.sub(r"[\"'\\]", "", _text(node))


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
