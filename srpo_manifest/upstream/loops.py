"""Loops: walked round by round where their number is certain, else once in doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from srpo_manifest.upstream.conditions import truth
from srpo_manifest.upstream.expansion import expand
from srpo_manifest.upstream.nodes import after, text_of
from srpo_manifest.upstream.shell import counted
from srpo_manifest.upstream.walk import Frame, Status, Walk
from srpo_manifest.values.contract import Token

_ROUNDS = 64


def repeat(walk: Walk, node: Node, line: int, reason: str) -> None:
    """Walk what is run an unknown number of times."""
    walk.record.gap(line, reason)
    walk.doubt(node, line)
    before, frame = walk.shell.fork(), Frame("loop", walk)
    walk.frames.append(frame)
    with walk.guarded(line, reason):
        _inside(walk, node)
    walk.frames.pop()
    del walk.record.leaves[frame.leaves :]
    walk.settle([before, *frame.left, *frame.again, *([] if walk.ended else [walk.shell])], line)
    walk.doubt(node, line)


def _inside(walk: Walk, node: Node) -> None:
    """The statements in a compound one, whatever it is."""
    for child in node.named_children:
        if walk.ended:
            return
        if child.type in ("do_group", "case_item"):
            walk.statements(after(child, "do" if child.type == "do_group" else ")"))
            walk.ended = walk.ended and child.type == "do_group"
        elif child.type == "compound_statement" or node.type == "while_statement":
            walk.statement(child)


def _rounds(walk: Walk, body: Node, settings: Iterator[bool]) -> bool:
    """Walk a loop's body while *settings* says so; False, with nothing done, where that leads too far."""
    before, count = walk.shell.fork(), len(walk.record.launches)
    indirect, makes = len(walk.record.indirect), len(walk.record.makes)
    frame = Frame("loop", walk)
    walk.frames.append(frame)
    over = False
    for rounds, goes in enumerate(settings):
        if not goes or rounds >= _ROUNDS or walk.left < 0:
            over = True
            break
        walk.statements(after(body, "do"))
        if frame.again:
            walk.settle([*frame.again, *([] if walk.ended else [walk.shell])], walk.shell.line(body))
            frame.again.clear()
        if walk.ended:
            break
    walk.frames.pop()
    del walk.record.leaves[frame.leaves :]
    if over:
        walk.shell, walk.ended = before, False
        del walk.record.launches[count:], walk.record.indirect[indirect:], walk.record.makes[makes:]
        return False
    if frame.left:
        walk.settle([*frame.left, *([] if walk.ended else [walk.shell])], walk.shell.line(body))
    return True


def for_each(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`for name in words`: once for each word, where the words are certain."""
    del redirects
    line, body, variable = (
        walk.shell.line(node),
        node.child_by_field_name("body"),
        node.child_by_field_name("variable"),
    )
    values = [child for child in node.children_by_field_name("value") if child.is_named]
    name = text_of(variable)
    walk.record.note_set(name, line)
    tokens: Sequence[Token] | None = None
    if node.children[0].type == "for" and body is not None:
        for value in values:
            walk.substitutions(value)
        listed = any(child.type == "in" for child in node.children)
        tokens = expand(values, walk.shell) if listed else walk.shell.arguments if walk.shell.called else None
    if tokens is None or body is None or not counted(tokens):
        walk.shell.doubt([name], f"line {line} sets it again and again")
        repeat(walk, node, line, "`for` repeats commands")
        return None

    def settings() -> Iterator[bool]:
        for token in tokens:
            walk.shell.store(name, token.pieces)
            yield True

    if not _rounds(walk, body, settings()):
        repeat(walk, node, line, "`for` repeats commands")
    return None


def while_holds(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`while` and `until`: as long as the outcome of the condition is certain."""
    del redirects
    line, body = walk.shell.line(node), node.child_by_field_name("body")
    conditions = [child for child in node.children_by_field_name("condition") if child.is_named]
    wanted = node.children[0].type == "while"

    def settings() -> Iterator[bool]:
        while (status := walk.statements(conditions)) is not None:
            if status != wanted or walk.ended:
                return
            yield True
        yield False

    if body is None or not conditions or not _rounds(walk, body, settings()):
        repeat(walk, node, line, "`while` decides at run time")
    return None


def count(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`for ((;;))`, likewise."""
    del redirects
    line, body = walk.shell.line(node), node.child_by_field_name("body")
    head = re.match(r"for\s*\(\(([^;]*);([^;]*);([^;]*?)\)\)\s*;?\s*(?:do\b|\{)", text_of(node))

    def settings() -> Iterator[bool]:
        first, goes, then = (head[number].strip() for number in (1, 2, 3)) if head else ("", "", "")
        status = truth(first, walk.shell) if first else True
        while True:
            status = truth(goes, walk.shell) if goes else None
            if status is False:
                return
            yield bool(status)
            truth(then, walk.shell)

    if head is None or body is None or body.type != "do_group" or not _rounds(walk, body, settings()):
        repeat(walk, node, line, "`for` repeats commands")
    return None
