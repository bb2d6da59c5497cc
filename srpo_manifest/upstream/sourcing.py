"""`source FILE`: a file of the same repository is read on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from srpo_manifest.upstream.commands import activated, is_activation
from srpo_manifest.upstream.functions import within
from srpo_manifest.upstream.nodes import shown
from srpo_manifest.upstream.shell import File, place_in
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Gap, Plain, Token
from srpo_manifest.wording import ticked

_DEPTH = 8


def source(walk: Walk, line: int, tokens: Sequence[Token]) -> Status:
    """Walk the file where it is in the repository; else say that it may set anything."""
    shell, record = walk.shell, walk.record
    name = ticked(tokens[0].text or "source")
    path = tokens[1] if len(tokens) > 1 else Token(pieces=(), line=line)
    first = path.pieces[0] if path.pieces else None
    if (path.text or "").startswith("/") or not isinstance(first, Plain):
        place = place_in(path.pieces)
    else:
        place = shell.enter(path.text) if path.text else None
    text = None if place is None or walk.depth > _DEPTH else walk.read(place)
    last = path.pieces[-1] if path.pieces else None
    if text is None and isinstance(last, Plain) and is_activation([last.text]):
        record.gap(line, f"{name} changes the environment")
        shell.doubt(activated(shell.values), f"{name} may set it")
        return None
    if text is None or place is None:
        which = shown(path.text) if path.text else "a file"
        record.gap(line, f"{name} reads {which}, which is not in the repository")
        shell.doubt_all(f"{name} may set it")
        return None
    record.sources[place] = hashlib.sha256(text).hexdigest()
    tree = parse_bash(text)
    if isinstance(tree, Gap):
        record.gap(line, f"in {ticked(place)} line {tree.line}: {tree.reason}")
        shell.doubt_all(f"{name} may set it")
        return None
    before = shell.arguments, shell.called
    file = shell.file
    shell.file = File(tree[0], place, line, path.pieces)
    if len(tokens) > 2:
        shell.arguments, shell.called = tuple(tokens[2:]), True
    walk.depth += 1
    status = within(walk, tree[1].children, sourced=True)
    walk.depth -= 1
    walk.shell.file = file
    if len(tokens) > 2:
        walk.shell.arguments, walk.shell.called = before
    return status
