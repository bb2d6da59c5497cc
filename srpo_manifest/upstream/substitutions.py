"""`$(...)`: what a command that only computes would print, where that is certain."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tree_sitter import Node

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.shell import Shell, inside, place_in, text_in
from srpo_manifest.values.contract import Opaque, Piece, Plain, Token

Expand: TypeAlias = Callable[[Sequence[Node], Shell], list[Token]]
_LONGEST = 200


def answer(node: Node, shell: Shell, expand: Expand) -> tuple[Piece, ...] | None:
    """What stands in the place of a command substitution, without the lines at its end."""
    inner = [child for child in node.named_children if child.type != "comment"]
    if len(inner) != 1 or node.children[0].type not in ("$(", "`"):
        return None
    own = shell.fork()
    if inner[0].type == "list":
        return _of_list(inner[0], own, expand)
    if inner[0].type == "redirected_statement":
        body = inner[0].child_by_field_name("body")
        quiet = all(re.fullmatch(rb"2>\s*(/dev/null|&\s*1)", each.text or b"") for each in inner[0].named_children[1:])
        inner = [body] if body is not None and quiet and body.type == "command" else []
    return _of_command(inner[0], own, expand) if inner and inner[0].type == "command" else None


def _of_list(node: Node, shell: Shell, expand: Expand) -> tuple[Piece, ...] | None:
    """`$(cd FOLDER && pwd)`."""
    first, last = node.named_children[0], node.named_children[-1]
    if first.type == "redirected_statement":
        first = first.child_by_field_name("body") or first
    between = [child.type for child in node.children if not child.is_named]
    if first.type != "command" or last.type != "command" or between != ["&&"]:
        return None
    words = _words(first, shell, expand)
    if not words or words[0].text != "cd" or len(words) > 3 or words[-1].text == "-P":
        return None
    place = place_in(words[-1].pieces) if len(words) > 1 else None
    if place is None and words[-1].text is not None:
        place = shell.enter(words[-1].text)
    if place is None:
        return None
    shell.folder = place
    return _of_command(last, shell, expand)


def _words(node: Node, shell: Shell, expand: Expand) -> list[Token]:
    if any(child.type == "variable_assignment" or child.type.endswith("redirect") for child in node.children):
        return []
    return expand(node.children, shell)


def _of_command(node: Node, shell: Shell, expand: Expand) -> tuple[Piece, ...] | None:
    words = _words(node, shell, expand)
    if not words or words[0].text is None or words[0].text in shell.functions:
        return None
    name, rest = words[0].text, words[1:]
    source = (node.text or b"").decode("utf-8", "replace")
    if name == "pwd" and not [token for token in rest if token.text not in ("-P", "-L")]:
        return _place(source, shell.folder)
    if name in ("dirname", "realpath") or (name == "readlink" and rest and rest[0].text in ("-f", "-e", "-m")):
        return _path(name, [token for token in rest if token.text not in ("-f", "--", "-e", "-m", "-s")], source, shell)
    texts = [token.text for token in rest]
    if None in texts:
        return None
    return _text(name, [text or "" for text in texts])


def _path(name: str, words: Sequence[Token], source: str, shell: Shell) -> tuple[Piece, ...] | None:
    """Commands that answer with a path."""
    if len(words) != 1:
        return None
    place = place_in(words[0].pieces)
    text = text_in(words[0].pieces)
    if name != "dirname":
        if place is None and text and not text.startswith("/"):
            place = shell.enter(text)
        return _place(source, place)
    if place is not None:
        return _place(source, posixpath.dirname(place) if place else None)
    if text is None or not re.fullmatch(r"[\w./@:+=,%-]+", text) or text.startswith("-"):
        return None
    stem = re.sub(r"/+[^/]+/*$", "", text.rstrip("/") or "/") if "/" in text.rstrip("/") else "."
    return (Plain(text=stem or "/"),)


def _place(source: str, place: str | None) -> tuple[Piece, ...] | None:
    if place is None or (place := inside(place or ".")) is None:
        return None
    return (
        Opaque(source=f"$({source})", reason="the folder of the checkout is known only on the target", place=place),
    )


def _text(name: str | None, words: Sequence[str]) -> tuple[Piece, ...] | None:
    """Commands that answer with text."""
    match name, len(words):
        case "echo", _ if not any(word.startswith("-") or "\\" in word for word in words):
            return (Plain(text=" ".join(words).rstrip("\n")),)
        case "basename", 1 | 2 if re.fullmatch(r"[^\n]*[^/\n][^\n]*", words[0]) and not words[0].startswith("-"):
            last = words[0].rstrip("/").rpartition("/")[2]
            suffix = words[1] if len(words) > 1 else ""
            return (Plain(text=last.removesuffix(suffix) if last != suffix else last),)
        case "expr", 3 if words[1] in ("+", "-", "*", "/", "%"):
            number = evaluate(" ".join(words), lambda _: None) if all(map(_plain_number, words[::2])) else None
            return None if number is None else (Plain(text=str(number)),)
        case "seq", 1 | 2 if all(map(_plain_number, words)):
            first, last_number = (int(words[0]), int(words[1])) if len(words) > 1 else (1, int(words[0]))
            if last_number - first > _LONGEST:
                return None
            return (Plain(text="\n".join(map(str, range(first, last_number + 1)))),)
        case _:
            return None


def _plain_number(word: str) -> bool:
    return bool(re.fullmatch(r"0|[1-9]\d{0,8}", word, re.ASCII))
