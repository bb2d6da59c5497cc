"""A launch script, read without running it: what it needs, what it does besides, and the command it starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from srpo_manifest.upstream.functions import within
from srpo_manifest.upstream.names import names_used
from srpo_manifest.upstream.record import FOR_THE_SHELL
from srpo_manifest.upstream.shell import Array, File, Shell
from srpo_manifest.upstream.statements import STATEMENTS
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.upstream.walk import Walk
from srpo_manifest.values.contract import Gap, ScriptContract, Token


def _nothing(path: str) -> bytes | None:
    del path
    return None


def read_script(source: bytes, path: str, *, read: Callable[[str], bytes | None] = _nothing) -> ScriptContract:
    """Read a bash script's text. *path* is its own in the checkout; *read* gives the files that it sources, by theirs.

    Returns: the contract. What only running the script can tell is an `Opaque` piece and an `indirect` gap; what could not
        be read as bash is in `gaps`, and then no launch is told.
    """
    digest = hashlib.sha256(source).hexdigest()
    try:
        tree = parse_bash(source)
        if isinstance(tree, Gap):
            return ScriptContract(path=path, digest=digest, gaps=(tree,))
        text, root = tree
        walk = Walk(root, Shell(File(text, path)), read, STATEMENTS)
        walk.shell.read = read
        walk.statements(root.children, notes=True)
        _read_uncalled(walk)
    except RecursionError:
        return ScriptContract(path=path, digest=digest, gaps=(Gap(line=1, reason="it is nested too deeply"),))
    record, shell = walk.record, walk.shell
    used = names_used(root) | walk.used | set(record.exported) | set(FOR_THE_SHELL)
    hidden = shell.elsewhere or record.sources or b"${!" in source
    return ScriptContract(
        path=path,
        digest=digest,
        reads=record.reads,
        dead={} if hidden else {name: line for name, line in record.lines.items() if name not in used},
        sets={
            name: Token(pieces=shell.scalar(name), line=line, quoted=True)
            for name, line in record.last_lines.items()
            if shell.values.get(name) is not None and not isinstance(shell.values[name], Array)
        },
        exported=tuple(record.exported),
        makes=tuple(record.makes),
        files=record.files,
        launches=tuple(record.launches),
        forwards_arguments=record.forwards,
        arguments=shell.demanded,
        errexit=record.errexit,
        indirect=tuple(record.indirect),
        gaps=tuple(record.gaps),
        sources=record.sources,
    )


def _read_uncalled(walk: Walk) -> None:
    """Functions that nothing was seen to call may be called by what is not known: what they start is told too."""
    walk.frames, walk.ended = [], False
    for name, function in walk.functions:
        if name in walk.called or not walk.unknown_program or function.file is not walk.shell.file:
            continue
        walk.called.add(name)
        shell = walk.shell
        walk.shell = shell.fork()
        walk.shell.doubt(walk.all_set, "a function may run at any time")
        walk.shell.arguments, walk.shell.called = None, True
        line = walk.shell.line(function.node)
        with walk.guarded(line, "a function that nothing is seen to call"):
            within(walk, [function.node])
        walk.shell, walk.ended = shell, False
