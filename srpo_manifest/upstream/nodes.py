"""Nodes of a script's syntax tree: their text, line and parts."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from srpo_manifest.wording import ticked


def descendants(node: Node) -> Iterator[Node]:
    """*node* and everything in it, as it stands in the source."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(each.children)


def text_of(node: Node | None) -> str:
    """The node's source; empty for none."""
    return ((node.text if node else None) or b"").decode("utf-8", "replace")


def line_of(node: Node) -> int:
    """The node's line, counted from 1."""
    return node.start_point.row + 1


def shown(source: str) -> str:
    """A stretch of source as a message shows it: its first line, in backticks unless it holds some."""
    first, rest, _ = source.partition("\n")
    short = first[:60] + ("…" if rest or len(first) > 60 else "")
    return short if "`" in short else ticked(short)


def after(node: Node, opening: str) -> list[Node]:
    """The children behind a word of the grammar."""
    at = next((number for number, child in enumerate(node.children) if child.type == opening), -1)
    return node.children[at + 1 :]
