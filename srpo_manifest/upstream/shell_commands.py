"""Commands of the shell itself, and what others do besides."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from srpo_manifest.upstream.commands import (
    ACTIVATORS,
    EFFECTS,
    HARMLESS,
    OPEN,
    STARTERS,
    activated,
    is_activation,
    set_options,
)
from srpo_manifest.upstream.conditions import single
from srpo_manifest.upstream.evaluated import evaluate_text
from srpo_manifest.upstream.names import ASKING, names_set
from srpo_manifest.upstream.shell import counted
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Opaque, Token
from srpo_manifest.wording import ticked

_STATUSES = {"true": True, ":": True, "false": False}


def effect(walk: Walk, node: Node, tokens: Sequence[Token], program: str | None, *, launches: bool) -> Status:
    """What a command does that starts no trainer."""
    shell, record, line = walk.shell, walk.record, walk.shell.line(node)
    texts = [token.text for token in tokens[1:]]
    if program is None:
        record.gap(line, "which program runs here is known only at run time")
        if tokens[0].text is None:
            walk.unknown_program = True
            shell.doubt_all(f"line {line} may set it")
        return None
    if program in _STATUSES:
        return _STATUSES[program]
    if program in HARMLESS and "-v" not in texts[:1]:
        return True
    if program == "test":
        return single(tokens[1:])
    if program == "getopts" and not shell.called:
        _followed(walk, line, program, tokens)
        return False
    if program == "set" and (switched := set_options(texts)) is not None:
        record.errexit = switched.get("e", record.errexit)
        shell.nounset = switched.get("u", shell.nounset)
        return True
    if program == "eval" and (done := evaluate_text(walk, line, tokens[1:])) is not None:
        return done[0]
    if not _followed(walk, line, program, tokens):
        only = tokens[1].pieces[0] if len(tokens) == 2 and len(tokens[1].pieces) == 1 else None
        if program == "eval" and isinstance(only, Opaque) and is_activation([only.source]):
            program = "conda"
        _other(walk, node, program, launches=launches)
    return None


def _followed(walk: Walk, line: int, program: str, tokens: Sequence[Token]) -> bool:
    """Carry out what changes the walk itself; False for any other command."""
    shell, record = walk.shell, walk.record
    texts = [token.text for token in tokens[1:]]
    match program:
        case "mkdir":
            _make(walk, line, tokens[1:])
        case "set" if texts[:1] == ["--"]:
            shell.arguments, shell.called = tuple(tokens[2:]), True
            record.gap(line, "`set` gives the script other arguments")
        case "exit" | "return" | "break" | "continue":
            if program == "exit":
                record.gap(line, EFFECTS[program])
            walk.leave(program, line)
        case "cd":
            record.gap(line, EFFECTS[program])
            shell.move(tokens[1:])
        case "shift" if shell.called:
            _shift(walk, texts)
        case "getopts" if not shell.called:
            shell.doubt(filter(None, texts[1:2]), "`getopts` sets it")
            record.gap(line, EFFECTS[program])
        case "alias" | "shopt":
            record.gap(line, EFFECTS[program])
            _switch(walk, program, texts)
        case "trap" if not {"DEBUG", "ERR", "RETURN", None} & set(texts[1:]):
            walk.unknown_program = True
            record.gap(line, EFFECTS[program])
        case "command":
            return texts[:1] in (["-v"], ["-V"])
        case "exec":
            # With redirections alone it goes on.
            return len(tokens) == 1
        case _:
            return False
    return True


def _other(walk: Walk, node: Node, program: str, *, launches: bool) -> None:
    """A command of which is known at most what kind of thing it does."""
    shell, line = walk.shell, walk.shell.line(node)
    reason = STARTERS.get(program) or EFFECTS.get(program) or f"what {ticked(program)} does is not known"
    walk.record.gap(line, reason)
    may = f"{ticked(program)} may set it"
    for child in node.named_children:
        if child.type != "variable_assignment":
            shell.doubt(names_set(child), may)
    if program.startswith(ASKING):
        shell.doubt(names_set(node), may)
    if program in ACTIVATORS:
        shell.doubt(activated(shell.values), may)
    elif program in OPEN and not (program in ("command", "builtin") and launches):
        walk.unknown_program = walk.unknown_program or program == "eval"
        shell.doubt_all(may)
    elif program in ("pushd", "popd"):
        shell.folder = None
    if program == "exec":
        walk.leave("exit", line)


def _switch(walk: Walk, program: str, texts: Sequence[str | None]) -> None:
    """`alias`, which a script ignores unless `shopt` switches it on; after that a name may be any other command."""
    if program == "shopt":
        walk.shell.globs = walk.shell.globs and not {"nullglob", "failglob", "nocaseglob", None} & set(texts)
        walk.lastpipe = walk.lastpipe or "lastpipe" in texts or None in texts
        if {"expand_aliases", None} & set(texts):
            walk.shell.functions |= dict.fromkeys(walk.aliases or ())
            walk.aliases = None
        return
    names = [(text or "").partition("=")[0] for text in texts]
    if walk.aliases is None:
        walk.shell.functions |= dict.fromkeys(names)
    else:
        walk.aliases += names


def _shift(walk: Walk, texts: Sequence[str | None]) -> None:
    arguments, count = walk.shell.arguments, texts[0] if texts else "1"
    if arguments is None or not counted(arguments) or not (count or "").isdigit():
        walk.shell.arguments = None
    elif int(count or "0") <= len(arguments):
        walk.shell.arguments = arguments[int(count or "0") :]


def _make(walk: Walk, line: int, tokens: Sequence[Token]) -> None:
    record = walk.record
    options = [token.text or "" for token in tokens if (token.text or "").startswith("-")]
    folders = [token for token in tokens if not (token.text or "").startswith("-")]
    unknown = [piece for token in folders for piece in token.pieces if isinstance(piece, Opaque)]
    if any(option not in ("-p", "-v", "-pv", "-vp", "--parents", "--verbose") for option in options):
        record.gap(line, "`mkdir` is used with other options than `-p`")
    elif record.errexit and not any("p" in option for option in options):
        record.gap(line, "`mkdir` without `-p` ends the script when the folder is there")
    elif unknown:
        record.gap(line, unknown[0].reason)
    elif not record.guards:
        record.makes += folders
