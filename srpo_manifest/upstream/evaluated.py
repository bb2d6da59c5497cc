"""`eval`: its text is read on the spot, as far as it is known."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.names import names_set, names_used
from srpo_manifest.upstream.nodes import descendants, text_of
from srpo_manifest.upstream.shell import File
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Computed, Gap, Opaque, Piece, Place, Plain, Token

_DEPTH = 4
# Characters that would belong to what a value begins with or ends in.
_BEFORE = re.compile(r"(?:\\|\$\{?\w*)$")
_IN_QUOTES = re.compile(r"(?:[^'\"\\]|\\.|\"(?:[^\"\\]|\\.)*\"|'[^']*')*'[^']*", re.DOTALL)
_AFTER = ("<", ">", "[", "(")


def evaluate_text(walk: Walk, line: int, words: Sequence[Token]) -> tuple[Status] | None:
    """Carry out what `eval` with *words* does; None, with nothing done, where too little of it is known."""
    shell, record = walk.shell, walk.record
    held: dict[str, tuple[Piece, ...]] = {}
    text = ""
    pieces = [piece for token in words for piece in (Plain(text=" "), *token.pieces)]
    for at, piece in enumerate(pieces):
        if isinstance(piece, Plain):
            text += piece.text
            continue
        follows = pieces[at + 1] if at + 1 < len(pieces) else None
        if _BEFORE.search(text) or (isinstance(follows, Plain) and follows.text.startswith(_AFTER)):
            return None
        name = f"_e{walk.depth}_{at}"
        held[name] = (_plain(piece),)
        text += f"'\"${{{name}}}\"'" if _IN_QUOTES.fullmatch(text) else f"${{{name}}}"
    tree = parse_bash(text.encode())
    if isinstance(tree, Gap) or walk.depth > _DEPTH or not _stands(tree[1], held):
        return None
    unknown = next((piece for piece in pieces if isinstance(piece, Opaque)), None)
    file = shell.file
    shell.file = File(tree[0], file.path, line, file.spelled)
    shell.values |= held
    walk.depth += 1
    walk.used |= names_used(tree[1])
    walk.all_set |= names_set(tree[1])
    if unknown is None:
        status = walk.statements(tree[1].children, notes=True)
    else:
        with walk.guarded(line, unknown.reason):
            walk.statements(tree[1].children, notes=True)
        status = None
    walk.depth -= 1
    walk.shell.file = file
    for name in held:
        walk.shell.values.pop(name, None)
    if unknown is not None:
        record.gap(line, unknown.reason)
        walk.shell.doubt_all("`eval` may set it")
    return (status,)


def _plain(piece: Piece) -> Piece:
    """The piece as `eval` reads it: a value is a part of the text only if nothing in it has a meaning for bash."""
    if isinstance(piece, Opaque | Place | Plain) or (isinstance(piece, Computed) and piece.source.startswith("$((")):
        return piece
    name = piece.values[0][0] if isinstance(piece, Computed) else piece.name
    return Computed(source=f'eval "${name}"', values=((name, (replace(piece, quoted=True),)),))


def _stands(root: Node, held: dict[str, tuple[Piece, ...]]) -> bool:
    """Whether every value stands where bash expands it, and none is, or begins, the name of a command."""
    wanted = {f"${{{name}}}" for name in held}
    found = set()
    for node in descendants(root):
        if node.type == "expansion" and (text := text_of(node).lstrip()) in wanted:
            found.add(text)
        elif node.type == "command_name" and any(name in text_of(node) for name in held):
            return False
    return found == wanted
