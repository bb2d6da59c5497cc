"""How each kind of statement is carried out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tree_sitter import Node

from srpo_manifest.upstream.assignments import assign, declare
from srpo_manifest.upstream.branches import both_or_either, first_match, if_holds
from srpo_manifest.upstream.calls import command
from srpo_manifest.upstream.commands import QUIET
from srpo_manifest.upstream.conditions import holds, truth
from srpo_manifest.upstream.functions import define
from srpo_manifest.upstream.loops import count, for_each, while_holds
from srpo_manifest.upstream.names import names_set
from srpo_manifest.upstream.nodes import text_of
from srpo_manifest.upstream.walk import Carry, Status, Walk


def assigned(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """One or more assignments alone."""
    del redirects
    walk.substitutions(node)
    for child in [node] if node.type == "variable_assignment" else node.named_children:
        assign(child, walk.shell, walk.record)
    return None if re.search(r"\$\(|`", text_of(node)) else True


def declared(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`export` and its kind."""
    del redirects
    walk.substitutions(node)
    frame = next((each for each in reversed(walk.frames) if each.kind == "function"), None)
    declare(node, walk.shell, walk.record, frame.locals if frame else None)
    return True


def tested(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`[ ... ]` and `[[ ... ]]`."""
    del redirects
    walk.substitutions(node)
    return holds(node, walk.shell)


def unset(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`unset`: the name is surely not set."""
    del redirects
    line = walk.shell.line(node)
    walk.record.gap(line, "`unset` takes variables out of the environment")
    words = [text_of(child) for child in node.named_children]
    if "-f" in words:
        walk.shell.functions |= dict.fromkeys(words)
        return None
    for child in node.named_children:
        if child.type == "variable_name":
            walk.shell.store(text_of(child), None)
        elif text_of(child) != "-v":
            walk.doubt(node, line)
            walk.shell.doubt(re.findall(r"\w+", text_of(child)), f"line {line} may take it away")
    return None


def redirected(walk: Walk, node: Node, more: Sequence[Node]) -> Status:
    """A statement with its input or output elsewhere."""
    body = node.child_by_field_name("body")
    redirects = [*node.children_by_field_name("redirect"), *more]
    for redirect in redirects:
        walk.substitutions(redirect)
    if body is not None and body.type in ("command", "list", "pipeline", "negated_command", "redirected_statement"):
        # The grammar gives the redirection of the last command to all that are joined.
        return walk.statement(body, redirects)
    line = walk.shell.line(node)
    if not all(QUIET.fullmatch(text_of(redirect)) for redirect in redirects):
        walk.record.gap(line, "input or output of more than one command goes elsewhere")
    status = walk.statement(body) if body is not None else None
    for redirect in redirects:
        walk.shell.doubt(names_set(redirect), f"line {line} may set it")
    return status


def negated(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`! command`."""
    status = walk.statement(node.named_children[0], redirects) if node.named_children else None
    return None if status is None else not status


def piped(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`a | b`: each in a shell of its own."""
    line = walk.shell.line(node)
    walk.record.gap(line, "`|` sends output elsewhere")
    if walk.lastpipe:
        walk.doubt(node, line)
    commands = [child for child in node.children if child.is_named]
    for child in commands:
        walk.apart([child], redirects if child is commands[-1] else ())
    return None


def enclosed(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`( a; b )`."""
    del redirects
    walk.record.gap(walk.shell.line(node), "`( )` is a shell of its own")
    walk.apart(node.children)
    return None


def grouped(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`{ a; b; }`, and `((a))`."""
    del redirects
    if node.children[0].type == "((":
        return truth(text_of(node)[2:-2], walk.shell)
    return walk.statements(node.children)


STATEMENTS: Mapping[str, Carry] = {
    "variable_assignment": assigned,
    "variable_assignments": assigned,
    "declaration_command": declared,
    "unset_command": unset,
    "command": command,
    "test_command": tested,
    "redirected_statement": redirected,
    "function_definition": define,
    "list": both_or_either,
    "if_statement": if_holds,
    "case_statement": first_match,
    "for_statement": for_each,
    "while_statement": while_holds,
    "c_style_for_statement": count,
    "negated_command": negated,
    "pipeline": piped,
    "subshell": enclosed,
    "compound_statement": grouped,
}
