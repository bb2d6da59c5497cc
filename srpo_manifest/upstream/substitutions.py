"""`$(...)`: what a command that only computes would print, where that is certain."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.shell import Shell, counted, place_in, text_in
from srpo_manifest.values.contract import Computed, Opaque, Piece, Place, Plain, Token

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
    if not words or words[0].text != "cd":
        return None
    shell.move(words[1:])
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
    if name == "pwd" and not [token for token in rest if token.text not in ("-P", "-L")]:
        here = shell.here(physical=any(token.text == "-P" for token in rest))
        return None if here is None else (here,)
    if name == "basename" and rest and isinstance(rest[0].pieces[0], Place):
        return _last(rest)
    if name in ("dirname", "realpath") or (name == "readlink" and rest and rest[0].text in ("-f", "-m")):
        return _path(name, [token for token in rest if token.text not in ("-f", "--", "-m", "-s")], shell)
    texts = [token.text for token in rest]
    if name == "basename" and len(rest) == 1 and texts[0] is None:
        return _named_later(rest[0])
    if None in texts:
        return None
    return text_of_command(name, [text or "" for text in texts])


def _path(name: str, words: Sequence[Token], shell: Shell) -> tuple[Piece, ...] | None:
    """Commands that answer with a path."""
    if len(words) != 1:
        return None
    place = place_in(words[0].pieces)
    text = text_in(words[0].pieces)
    if name != "dirname":
        return _real(words[0].pieces, place, shell)
    if place is not None:
        return _parent(words[0].pieces)
    if text is None or not re.fullmatch(r"[\w./@:+=,%-]+", text) or text.startswith("-"):
        return None
    stem = re.sub(r"/+[^/]+/*$", "", text.rstrip("/") or "/") if "/" in text.rstrip("/") else "."
    return (Plain(text=stem or "/"),)


def _real(pieces: Sequence[Piece], place: str | None, shell: Shell) -> tuple[Piece, ...] | None:
    """What `realpath` makes of a path: it is an error where the folders on the way are not there."""
    first, text = pieces[0], text_in(pieces)
    base = first.base if isinstance(first, Place) else None
    if place is None and text and not text.startswith("/") and shell.arrived:
        place, base = shell.enter(text), shell.base
    if place is None:
        return None
    own = shell.fork()
    own.base = base or "repo"
    if base is None or not (own.is_there(place) or own.is_there(posixpath.dirname(place))):
        reason = "whether the path is there is known only on the target"
        return (Opaque(source="realpath", reason=reason, place=place),)
    return (Place(path=place, base=base, physical=True),)


def _parent(pieces: Sequence[Piece]) -> tuple[Piece, ...] | None:
    """What `dirname` makes of a path that begins with a place."""
    first, rest = pieces[0], text_in(pieces[1:]) or ""
    if rest:
        stem = rest.rpartition("/")[0]
        if not re.fullmatch(r"(/[^/]+)+", rest):
            return None
        return (first, Plain(text=stem)) if stem else (first,)
    if isinstance(first, Opaque) and first.place:
        return (replace(first, place=posixpath.dirname(first.place)),)
    return (replace(first, path=posixpath.dirname(first.path)),) if isinstance(first, Place) and first.path else None


def _named_later(word: Token) -> tuple[Piece, ...] | None:
    """`$(basename $X)`, once the value is known."""
    known = tuple(piece for piece in word.pieces if not isinstance(piece, Opaque))
    if len(known) < len(word.pieces):
        return None
    source = '$(basename "$X")' if counted([word]) else "$(basename $X)"
    values = tuple(replace(piece, quoted=True) if not isinstance(piece, Plain) else piece for piece in known)
    return (Computed(source=source, values=(("X", values),)),)


def _last(words: Sequence[Token]) -> tuple[Piece, ...] | None:
    """What `basename` makes of it."""
    first, rest = words[0].pieces[0], text_in(words[0].pieces[1:])
    suffixes = [token.text for token in words[1:]]
    if not isinstance(first, Place) or rest is None or not (first.path if rest == "" else rest.strip("/")):
        return None
    return (
        None
        if None in suffixes
        else text_of_command("basename", [f"/{first.path}{rest}", *(text or "" for text in suffixes)])
    )


def text_of_command(name: str | None, words: Sequence[str]) -> tuple[Piece, ...] | None:
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
