"""The syntax tree of a bash script, where every byte of it is accounted for."""

from __future__ import annotations

import re
from itertools import pairwise

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from srpo_manifest.upstream.nodes import descendants, line_of
from srpo_manifest.values.contract import Gap
from srpo_manifest.wording import ticked

_BASH = Language(tree_sitter_bash.language())
_BASH_LINE = re.compile(rb"#![ \t]*(\S*/)?(env[ \t]+(-S[ \t]+)?)?(ba)?sh([ \t].*)?\n|#![ \t]*\S*/env[ \t]*\n")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_REPAIRS = 4
_BLANK = re.compile(rb"(?:[ \t\n]|\\\n)*")
_AFTER_VALUE = re.compile(rb"(?:\\\n)*[ \t\n;&|)`<>]")
_ANSI_C = re.compile(rb"\$'(?:[^\\']|\\[\s\S])*'")


def parse_bash(source: bytes) -> tuple[bytes, Node] | Gap:
    """Parse a script.

    Returns: the text with lines at its end, and its tree; or the place that could not be read as bash. The grammar passes
        some words over without an error, and tears others apart: a tree is given only when it holds every byte.
    """
    if unreadable := _unreadable(source):
        return unreadable
    # Bash drops a backslash at the end of the file; the grammar wants a line after it.
    lines = len(source.splitlines())
    source += b"\n\n"
    root = Parser(_BASH).parse(source).root_node
    for _ in range(_REPAIRS):
        mended = _mended(source, root)
        if mended == source:
            break
        source = mended
        root = Parser(_BASH).parse(source).root_node
    line = _unread(source, root)
    return (source, root) if line is None else Gap(line=min(line, lines), reason="this could not be read as bash")


def _mended(source: bytes, root: Node) -> bytes:
    """The same script to bash, where the grammar took a `$name` apart or went on over the end of a line."""
    put: dict[int, bytes] = {}
    for node in descendants(root):
        if node.type == "$" and (name := _NAME.match(source, node.end_byte)):
            put |= {node.end_byte: b"{", name.end(): b"}"}
        elif node.type == "command" and (end := _run_on(source, node)) is not None:
            put[end] = b";"
    made, before = b"", 0
    for at in sorted(put):
        made, before = made + source[before:at] + put[at], at
    return made + source[before:]


def _run_on(source: bytes, command: Node) -> int | None:
    """Where assignments end on their line, although the grammar gives them the next line's command."""
    for first, second in pairwise(command.children):
        between = source[first.end_byte : second.start_byte].replace(b"\\\n", b"")
        if first.type == "variable_assignment" and re.match(rb"[ \t]*\n", between):
            return first.end_byte
    return None


def _unreadable(source: bytes) -> Gap | None:
    """What makes the whole text something else than a bash script."""
    for mark, reason, code in (
        (b"\r", "the line ends in CRLF: bash takes the carriage return for a part of the line", "script-crlf"),
        (b"\0", "a NUL byte is no text", ""),
    ):
        if mark in source:
            return Gap(line=source[: source.index(mark)].count(b"\n") + 1, reason=reason, code=code)
    if source.startswith(b"#!") and not _BASH_LINE.match(source + b"\n"):
        program = source.splitlines()[0][2:].decode("utf-8", "replace").strip()
        return Gap(line=1, reason=f"{ticked(program)} is no bash")
    return None


def _unread(source: bytes, root: Node) -> int | None:
    """The first line with something that the grammar could not read, or passed over."""
    end = 0
    for node in descendants(root):
        if node.is_error or node.is_missing or _is_torn(source, node):
            return line_of(node)
        if node.type == "heredoc_body":
            end = max(end, node.end_byte)
        elif not node.children:
            if not _BLANK.fullmatch(source, end, max(end, node.start_byte)):
                return line_of(node)
            end = max(end, node.end_byte)
    return None if _BLANK.fullmatch(source, end) else source[:end].count(b"\n") + 1


def _is_torn(source: bytes, node: Node) -> bool:
    """Whether the grammar, misled by a continued line or a lone `$`, tore a word apart or took one from its neighbour."""
    match node.type:
        case "variable_assignment" if node.parent is None or node.parent.type != "c_style_for_statement":
            value = node.child_by_field_name("value")
            between = source[node.children[1].end_byte : value.start_byte] if value else b""
            return bool(between.replace(b"\\\n", b"")) or not _AFTER_VALUE.match(source, node.end_byte)
        case "command":
            return any(
                b"\n" in source[first.end_byte : second.start_byte].replace(b"\\\n", b"")
                for first, second in pairwise(node.children)
            )
        case "simple_expansion":
            return node.children[0].end_byte != node.children[-1].start_byte
        case "ansi_c_string":
            return not _ANSI_C.fullmatch(source, node.start_byte, node.end_byte)
        case "file_redirect":
            return source[node.start_byte - 1 : node.start_byte].isdigit()
        case _:
            return False
