"""Functions of a script, and what `return` leaves."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from srpo_manifest.upstream.nodes import text_of
from srpo_manifest.upstream.shell import FORWARDED, Function
from srpo_manifest.upstream.walk import Frame, Status, Walk
from srpo_manifest.values.contract import Token
from srpo_manifest.wording import ticked

_DEPTH = 12


def define(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """Remember a function's body."""
    del redirects
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is not None and body is not None:
        function = Function(body, walk.shell.file)
        walk.shell.functions[text_of(name)] = function
        walk.functions.append((text_of(name), function))
    return True


def inline(walk: Walk, name: str, arguments: Sequence[Token], line: int) -> Status:
    """Walk the body of a function that is called."""
    function = walk.shell.functions[name]
    walk.called.add(name)
    if function is None or walk.left < 0 or sum(frame.kind == "function" for frame in walk.frames) > _DEPTH:
        walk.record.gap(line, f"{ticked(name)} is a function of which not all is known")
        walk.shell.doubt_all(f"{ticked(name)} may set it")
        return None
    shell = walk.shell
    before = shell.file, shell.arguments, shell.called
    shell.file = function.file
    if not (len(arguments) == 1 and arguments[0].pieces == (FORWARDED,)):
        shell.arguments, shell.called = tuple(arguments), True
    status = within(walk, [function.node])
    walk.shell.file, walk.shell.arguments, walk.shell.called = before
    return status


def within(walk: Walk, nodes: Sequence[Node], *, sourced: bool = False) -> Status:
    """Walk what `return` leaves: a function's body, or the statements of a sourced file."""
    frame = Frame("file" if sourced else "function", walk)
    walk.frames.append(frame)
    status = walk.statements(nodes, notes=sourced)
    walk.frames.pop()
    del walk.record.leaves[frame.leaves :]
    if frame.left:
        status = None
        walk.settle([*frame.left, *([] if walk.ended else [walk.shell])], walk.shell.line(nodes[0]))
    for name, held in frame.locals.items():
        if held is ...:
            walk.shell.values.pop(name, None)
        else:
            walk.shell.values[name] = held
    return status
