"""Which variables a stretch of a script reads and sets."""

from __future__ import annotations

import re

from tree_sitter import Node

from srpo_manifest.upstream.nodes import descendants, line_of
from srpo_manifest.upstream.nodes import text_of as _text
from srpo_manifest.upstream.quotes import NAME

ASKING = ("read", "mapfile", "readarray", "getopts", "let", "printf")
_COUNTING = ("arithmetic_expansion", "compound_statement", "c_style_for_statement", "test_command")


def names_set(node: Node) -> dict[str, int]:
    """Variables that *node* may change, with the first line that does."""
    names: dict[str, int] = {}
    for each in descendants(node):
        for name in _set_by(each):
            names.setdefault(name, line_of(each))
    return names


def names_read(node: Node, known: set[str]) -> dict[str, int]:
    """Variables that *node* reads while nothing has set them; *known* are set, and more are as it goes on."""
    names: dict[str, int] = {}
    assigned = set(known)
    _read_into(names, assigned, node)
    return names


def names_used(node: Node) -> set[str]:
    """Every variable whose value is asked for anywhere in *node*."""
    used = set()
    for each in descendants(node):
        if each.type == "variable_name" and not _is_target(each):
            used.add(_text(each))
        elif each.type in ("test_command", "binary_expression", "unary_expression"):
            used.update(re.findall(NAME, _text(each)))
    return used


def _read_into(names: dict[str, int], assigned: set[str], node: Node) -> None:
    if node.type == "variable_name" and not _is_target(node):
        name = _text(node)
        if name not in assigned and not name.isdigit():
            names.setdefault(name, line_of(node))
        return
    if node.type == "for_statement":
        assigned.update(_set_by(node))
    for child in node.children:
        _read_into(names, assigned, child)
    assigned.update(_set_by(node))


def _set_by(node: Node) -> list[str]:
    """What *node* itself changes, leaving out its parts."""
    text = _text(node)
    match node.type:
        case "variable_assignment" | "for_statement":
            target = node.child_by_field_name("name") or node.child_by_field_name("variable")
            return re.findall(NAME, _text(target))[:1] if target else []
        case "unset_command" | "declaration_command" if not text.startswith(("export", "readonly")):
            return [_text(child) for child in node.named_children if child.type == "variable_name"]
        case "expansion":
            return re.findall(rf"^\$\{{({NAME}):?=", text.lstrip())
        case "command" if _text(node.child_by_field_name("name")).startswith(ASKING):
            return re.findall(NAME, text)
        case kind if kind in _COUNTING and re.search(r"\+\+|--|=", text) and "((" in text:
            return [_text(each) for each in descendants(node) if each.type == "variable_name"]
        case _:
            return []


def _is_target(node: Node) -> bool:
    """Whether the name is written to, not read."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "subscript" and parent.parent is not None and parent.parent.type == "variable_assignment":
        parent = parent.parent
    if parent.type in ("declaration_command", "unset_command"):
        return True
    if parent.type not in ("variable_assignment", "for_statement"):
        return False
    target = parent.child_by_field_name("name") or parent.child_by_field_name("variable")
    return target is not None and target.start_byte == node.start_byte
