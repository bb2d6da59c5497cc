"""Conditions: the way that is certain is walked, else each of them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.conditions import asked, matches
from srpo_manifest.upstream.expansion import scalar_of
from srpo_manifest.upstream.loops import repeat
from srpo_manifest.upstream.nodes import after, descendants, text_of
from srpo_manifest.upstream.shell import Shell, text_in
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Choice, Gap, Opaque, Variable


def both_or_either(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`&&` and `||`."""
    left, right = node.named_children[0], node.named_children[-1]
    sign = next((child.type for child in node.children if child.type in ("&&", "||")), "")
    status = walk.statement(left)
    if walk.ended:
        return None
    usage = _usage(walk, left, status == (sign == "&&"), right)
    if usage:
        status = None
    if status is not None:
        return status if status != (sign == "&&") else walk.statement(right, redirects)
    line, other = walk.shell.line(node), walk.shell.fork()
    if usage:
        other.demand()
    reason = "`&&` or `||` decides at run time"
    walk.record.gap(line, reason)
    with walk.guarded(line, reason):
        walk.statement(right, redirects)
    arrivals = [] if walk.ended else [walk.shell]
    question = asked(text_of(left))
    walk.settle([*arrivals, other], line)
    if question and len(arrivals) == 1:
        _default(walk, question[0], *((arrivals[0], other) if question[1] == (sign == "&&") else (other, arrivals[0])))
    return None


def _usage(walk: Walk, condition: Node, status: Status, body: Node) -> bool:
    """Whether it only asks for arguments, with which the script is meant to be run."""
    return bool(
        status
        and not walk.shell.called
        and _asks_arguments(walk, text_of(condition))
        and any(text_of(each) in ("exit", "return") for each in descendants(body) if each.type == "command_name")
    )


def _asks_arguments(walk: Walk, source: str) -> bool:
    return bool(re.search(r"\$\{?[#1-9]", source) or walk.shell.taken & {*re.findall(r"\$\{?(\w+)", source)})


def _default(walk: Walk, name: str, empty: Shell, filled_: Shell) -> None:
    """After `if [ -z "$X" ]; then X=5; fi`, `$X` is `${X:-5}`."""
    first, other = empty.scalar(name), filled_.scalar(name)
    text, variable = text_in(first), other[0] if len(other) == 1 else None
    if not isinstance(variable, Variable) or variable.default or variable.name != name:
        return
    known = tuple(piece for piece in first if not isinstance(piece, Opaque))
    if text:
        walk.shell.values[name] = (replace(variable, quoted=True, default=text),)
    elif text is None and len(known) == len(first):
        walk.shell.values[name] = (Choice(name=name, default=known, quoted=True),)


def if_holds(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`if`: the branch that is certain, or each of them in doubt."""
    del redirects
    line, depth = walk.shell.line(node), len(walk.record.guards)
    arrivals: list[Shell] = []
    clauses = _clauses(node)
    for conditions, body in clauses:
        status = walk.statements(conditions) if conditions else True
        if walk.ended:
            break
        usage = bool(conditions) and _usage(walk, conditions[-1], status, node)
        if usage:
            status = None
        if status is False:
            continue
        if status:
            walk.statements(body)
            break
        reason = "`if` decides at run time"
        walk.record.gap(line, reason)
        other = walk.shell.fork()
        if usage:
            other.demand()
        with walk.guarded(line, reason):
            walk.statements(body)
        arrivals += [] if walk.ended else [walk.shell]
        walk.shell, walk.ended = other, False
        walk.record.guards.append(Gap(line=line, reason=reason))
    del walk.record.guards[depth:]
    arrivals += [] if walk.ended else [walk.shell]
    walk.settle(arrivals, line)
    question = asked(text_of(clauses[0][0][0])) if len(clauses[0][0]) == 1 else None
    if question and len(arrivals) == 2 and len(clauses) <= 2 and all(not each[0] for each in clauses[1:]):
        _default(walk, question[0], *(arrivals if question[1] else reversed(arrivals)))
    return None


def first_match(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """`case`, likewise."""
    del redirects
    line, depth = walk.shell.line(node), len(walk.record.guards)
    walk.substitutions(node.child_by_field_name("value") or node)
    value = node.child_by_field_name("value")
    with walk.shell.asked():
        text = text_in(scalar_of(value, walk.shell)) if value else None
    items = [child for child in node.named_children if child.type == "case_item"]
    if any(item.child_by_field_name("fallthrough") for item in items):
        walk.record.gap(line, "`case` decides at run time")
        repeat(walk, node, line, "`case` decides at run time")
        return None
    arrivals: list[Shell] = []
    for item in items:
        patterns = item.children_by_field_name("value")
        body = after(item, ")")
        matched = [matches(text, pattern, walk.shell) for pattern in patterns]
        if all(each is False for each in matched):
            continue
        if True in matched and None not in matched[: matched.index(True)]:
            walk.statements(body)
            break
        reason = "`case` decides at run time"
        walk.record.gap(line, reason)
        other = walk.shell.fork()
        with walk.guarded(line, reason):
            walk.statements(body)
        arrivals += [] if walk.ended else [walk.shell]
        walk.shell, walk.ended = other, False
        walk.record.guards.append(Gap(line=line, reason=reason))
        if True in matched:
            walk.ended = True
            break
    del walk.record.guards[depth:]
    walk.settle([*arrivals, *([] if walk.ended else [walk.shell])], line)
    return None


def _clauses(node: Node) -> list[tuple[list[Node], list[Node]]]:
    """The conditions and statements of `if`, each `elif`, and `else`, which has no condition."""
    clauses: list[tuple[list[Node], list[Node]]] = [([], [])]
    behind = False
    for child in node.children:
        if child.type in ("elif_clause", "else_clause"):
            clauses += _clauses(child)
        elif child.type in ("then", "else"):
            behind = True
        else:
            clauses[-1][1 if behind else 0].append(child)
    first = [child for child in clauses[0][0] if child.is_named and child.type != "comment"]
    return [(first, clauses[0][1]), *clauses[1:]]
