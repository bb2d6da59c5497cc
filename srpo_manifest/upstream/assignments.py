"""Assignments, `export` and its kind: what they leave in a variable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import EllipsisType

from tree_sitter import Node

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.expansion import value_of
from srpo_manifest.upstream.nodes import text_of
from srpo_manifest.upstream.quotes import NAME
from srpo_manifest.upstream.record import FOR_THE_SHELL, Record
from srpo_manifest.upstream.shell import Array, Held, Shell, counted
from srpo_manifest.values.contract import Opaque, Piece, Token
from srpo_manifest.wording import ticked

_FROM_ARGUMENT = re.compile(r"\$\{?[1-9]")
_CALCULATES = "it was declared to be more than plain text"


def assign(node: Node, shell: Shell, record: Record, read: Held | EllipsisType = ...) -> str:
    """Carry out one assignment, of *read* where the value was expanded before, and return the name."""
    target = node.child_by_field_name("name")
    line = shell.line(node)
    name = re.split(r"[\[+=]", text_of(target or node), maxsplit=1)[0]
    value = value_of(node, shell) if read is ... else read
    adds = any(child.type == "+=" for child in node.children)
    if target is not None and target.type == "subscript":
        _assign_element(name, target, value, shell, line, adds=adds)
    elif target is None or target.type != "variable_name":
        shell.doubt([name], f"line {line} sets one element")
    else:
        shell.store(name, _sum(name, value, shell) if adds else _kept(name, value, shell))
    if not shell.called and _FROM_ARGUMENT.search(text_of(node)):
        shell.taken.add(name)
    record.note_set(name, line)
    if name in FOR_THE_SHELL:
        record.gap(line, f"it changes {ticked(name)}")
        if name == "IFS":
            shell.splitting = "the script changes how values fall into words"
    if name in record.exported:
        record.export(name, line, shell)
    return name


def _kept(name: str, value: Held, shell: Shell) -> Held:
    """`A=x` of an array sets its first element."""
    held = shell.values.get(name)
    if isinstance(held, Array) and not isinstance(value, Array):
        if not counted(held.tokens):
            return (Opaque(source=f"${name}", reason=f"{ticked(name)} is no array for certain"),)
        return Array(tokens=(Token(pieces=value or (), line=0, quoted=True), *held.tokens[1:]))
    return value


def _sum(name: str, added: Held, shell: Shell) -> Held:
    """The value of `name+=...`."""
    value = shell.values.get(name, ())
    if isinstance(added, Array) and (isinstance(value, Array) or value is None):
        return Array(tokens=(value.tokens if value else ()) + added.tokens)
    if isinstance(value, Array) or isinstance(added, Array):
        return (Opaque(source=f"${name}", reason=f"{ticked(name)} is no array for certain"),)
    return shell.scalar(name) + (added or ())


def _assign_element(name: str, target: Node, value: Held, shell: Shell, line: int, *, adds: bool) -> None:
    index_node = target.child_by_field_name("index")
    index = evaluate(text_of(index_node), shell.known) if index_node else None
    held = shell.values.get(name)
    tokens = held.tokens if isinstance(held, Array) else ()
    if (
        adds
        or index is None
        or isinstance(value, Array)
        or not isinstance(held, Array)
        or not counted(tokens)
        or not 0 <= index <= len(tokens)
    ):
        shell.doubt([name], f"line {line} sets one element")
        return
    element = Token(pieces=value or (), line=line, quoted=True)
    shell.store(name, Array(tokens=(*tokens[:index], element, *tokens[index + 1 :])))


def declare(node: Node, shell: Shell, record: Record, locals_of: dict[str, Held | EllipsisType] | None) -> None:
    """`export`, `declare`, `typeset`, `local`, `readonly`. *locals_of*: the function's own names, with what they hide."""
    keyword, *rest = node.children
    line = shell.line(node)
    rest = [child for child in rest if child.type != "comment"]
    options = [text_of(child) for child in rest if child.type == "word"]
    names = [_name(child) for child in rest if child.type in ("variable_name", "variable_assignment")]
    if keyword.type == "export" and options == ["-f"]:
        record.gap(line, "`export -f` hands functions on")
        return
    odd = len(names) + len(options) != len(rest) or not all(re.fullmatch(r"-[arxgiluA]+", each) for each in options)
    if odd or (keyword.type == "export" and options):
        record.gap(line, f"{ticked(keyword.type)} is used in a way that is not understood")
        shell.doubt_all(f"line {line} may set it")
        return
    # All words are expanded before the first one is assigned.
    reads = {child: value_of(child, shell) for child in rest if child.type == "variable_assignment"}
    own = locals_of is not None and keyword.type not in ("export", "readonly") and not any("g" in o for o in options)
    if locals_of is not None and own:
        for name in names:
            locals_of.setdefault(name, shell.values.get(name, ...))
    calculates = any(set(option) & set("iluA") for option in options)
    if calculates:
        record.gap(line, f"{ticked(keyword.type)} is used in a way that is not understood")
        shell.fixed |= dict.fromkeys(names, _CALCULATES)
    for child in rest:
        if child.type == "word":
            continue
        name = assign(child, shell, record, reads[child]) if child in reads else text_of(child)
        if child not in reads and own:
            shell.store(name, None)
        if child not in reads and calculates:
            shell.doubt([name], _CALCULATES)
        if keyword.type == "export" or any("x" in option for option in options):
            record.export(name, line, shell)
    if keyword.type == "readonly" or any("r" in option for option in options):
        shell.fixed |= dict.fromkeys(names, "it was made read-only before")


def _name(node: Node) -> str:
    match = re.match(NAME, text_of(node))
    return match[0] if match else ""


def environment(
    nodes: Sequence[Node], shell: Shell, record: Record
) -> tuple[tuple[tuple[str, Token], ...], dict[str, tuple[Piece, ...]]]:
    """`NAME=value` before a command: each sees those before it, and the script keeps none."""
    own = shell.fork()
    made = []
    for node in nodes:
        target = node.child_by_field_name("name")
        name = text_of(target or node)
        own.values[name] = value_of(node, own)
        made.append((name, Token(pieces=own.scalar(name), line=shell.line(node), quoted=True)))
        plain = target is not None and target.type == "variable_name" and node.children[1].type == "="
        if name in FOR_THE_SHELL or not plain:
            record.gap(shell.line(node), f"it changes {ticked(name)}")
    return tuple(made), {name: token.pieces for name, token in made}
