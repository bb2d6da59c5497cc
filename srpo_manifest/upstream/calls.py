"""One simple command: a launch, another effect, or something that the walk itself has to follow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tree_sitter import Node

from srpo_manifest.upstream.assignments import environment
from srpo_manifest.upstream.commands import (
    ACTIVATORS,
    EFFECTS,
    HARMLESS,
    JOINED,
    OPEN,
    QUIET,
    STARTERS,
    activated,
    is_activation,
    set_options,
)
from srpo_manifest.upstream.conditions import single
from srpo_manifest.upstream.expansion import expand
from srpo_manifest.upstream.launchers import Split, program_of, split_launch
from srpo_manifest.upstream.names import ASKING, names_set
from srpo_manifest.upstream.nodes import shown
from srpo_manifest.upstream.shell import FORWARDED, File, counted, place_in
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Gap, Launch, Opaque, Plain, Token
from srpo_manifest.wording import ticked

_NAMED = ("-J", "--job-name", "--name", "-u", "--user", "-g", "-n", "-N", "-c", "-p", "--partition")
"""Options of starters whose value is never the program."""
_STATUSES = {"true": True, ":": True, "false": False}


def command(walk: Walk, node: Node, redirects: Sequence[Node]) -> Status:
    """Carry out one simple command."""
    shell, line = walk.shell, walk.shell.line(node)
    own_redirects = [child for child in node.named_children if child.type.endswith("redirect")]
    assignments = [child for child in node.named_children if child.type == "variable_assignment"]
    words = [child for child in node.children if child not in assignments and child not in own_redirects]
    # The grammar takes words after a redirection for more destinations of it.
    more = [redirect.children_by_field_name("destination")[1:] for redirect in redirects]
    walk.substitutions(node)
    tokens = [token for part in (words, *more) for token in expand(part, shell)]
    if not tokens:
        walk.record.gap(line, "a command without a name")
        return None
    made, held = environment(assignments, shell, walk.record)
    program = program_of(tokens[0])
    is_function = tokens[0].text in shell.functions
    found = None if is_function else _find(tokens, program)
    match found:
        case first, Split() as split:
            _launch(walk, line, split, made, tokens[:first])
        case _, str() as reason:
            walk.record.gap(line, reason)
        case _:
            pass
    for redirect in (*own_redirects, *redirects):
        _redirect(walk, line, redirect, launches=found is not None)
    if found is not None and found[0] == 0:
        return None
    if is_function and program is not None:
        before = {name: shell.values.get(name, ...) for name in held}
        shell.values |= held
        status = walk.inline(program, tokens[1:], line)
        walk.shell.values.update({name: was for name, was in before.items() if was is not ...})
        for name in (name for name, was in before.items() if was is ...):
            walk.shell.values.pop(name, None)
        return status
    return _effect(walk, node, tokens, program, launches=found is not None)


def _find(tokens: Sequence[Token], program: str | None) -> tuple[int, Split | str] | None:
    """Where a launcher begins: `nohup torchrun ...` starts one by another command."""
    if program not in STARTERS:
        split = split_launch(tokens)
        return None if split is None else (0, split)
    for first in range(1, len(tokens)):
        if tokens[first - 1].text in _NAMED:
            continue
        split = split_launch(tokens[first:])
        if split is not None:
            return first, split
    return None


def _redirect(walk: Walk, line: int, redirect: Node, *, launches: bool) -> None:
    destinations = redirect.children_by_field_name("destination")
    end = destinations[0].end_byte if destinations else redirect.end_byte
    text = walk.shell.file.source[redirect.start_byte : end].decode("utf-8", "replace")
    if not (JOINED if launches else QUIET).fullmatch(text):
        walk.record.gap(line, f"{shown(text)} sends input or output elsewhere")
    walk.shell.doubt(names_set(redirect), f"line {line} may set it")


def _launch(walk: Walk, line: int, split: Split, made: tuple[tuple[str, Token], ...], before: Sequence[Token]) -> None:
    forwarded = [token for token in split.arguments if FORWARDED in token.pieces]
    arguments = tuple(token for token in split.arguments if token not in forwarded)
    walk.record.forwards |= bool(forwarded)
    if split.doubt:
        walk.record.gap(line, split.doubt)
    launch = Launch(
        launcher=split.launcher,
        entry=split.entry,
        module=split.module,
        arguments=arguments,
        line=split.launcher[0].line,
        environment=made,
        before=tuple(before),
        conditions=walk.record.conditions(),
        doubt=split.doubt,
        folder=walk.shell.folder,
    )
    for token in (*split.launcher, split.entry, *arguments, *(value for _, value in made)):
        for piece in token.pieces:
            if isinstance(piece, Opaque):
                walk.record.gap(token.line, piece.reason)
    walk.record.launches.append(launch)


def _effect(walk: Walk, node: Node, tokens: Sequence[Token], program: str | None, *, launches: bool) -> Status:
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
    if program == "set" and (switched := set_options(texts)) is not None:
        record.errexit = switched.get("e", record.errexit)
        return True
    if program in ("source", "."):
        return _source(walk, line, tokens)
    if not _followed(walk, line, program, tokens):
        if program == "eval" and is_activation(texts):
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
            _move(walk, tokens[1:])
        case "shift" if shell.called:
            _shift(walk, texts)
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
        shell.move(None)
    if program == "exec":
        walk.leave("exit", line)


def _switch(walk: Walk, program: str, texts: Sequence[str | None]) -> None:
    """`alias`, which a script ignores unless `shopt` switches it on; after that a name may be any other command."""
    if program == "shopt":
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


def _move(walk: Walk, words: Sequence[Token]) -> None:
    shell = walk.shell
    words = [token for token in words if token.text not in ("--", "-P", "-L")]
    place = place_in(words[0].pieces) if len(words) == 1 else None
    text = words[0].text if len(words) == 1 else None
    if place is None and text not in (None, "", "-"):
        place = shell.enter(text or "")
    shell.move(place)


def _shift(walk: Walk, texts: Sequence[str | None]) -> None:
    arguments, count = walk.shell.arguments, texts[0] if texts else "1"
    if arguments is None or not counted(arguments) or not (count or "").isdigit():
        walk.shell.arguments = None
    elif int(count or "0") <= len(arguments):
        walk.shell.arguments = arguments[int(count or "0") :]


def _source(walk: Walk, line: int, tokens: Sequence[Token]) -> Status:
    """`source FILE`: a file of the same repository is read on the spot."""
    shell, record = walk.shell, walk.record
    name = ticked(tokens[0].text or "source")
    path = tokens[1] if len(tokens) > 1 else Token(pieces=(), line=line)
    first = path.pieces[0] if path.pieces else None
    if (path.text or "").startswith("/") or not isinstance(first, Plain):
        place = place_in(path.pieces)
    else:
        place = shell.enter(path.text) if path.text else None
    source = None if place is None or walk.depth > 8 else walk.read(place)
    last = path.pieces[-1] if path.pieces else None
    if source is None and isinstance(last, Plain) and is_activation([last.text]):
        record.gap(line, f"{name} changes the environment")
        shell.doubt(activated(shell.values), f"{name} may set it")
        return None
    if source is None or place is None:
        which = shown(path.text) if path.text else "a file"
        record.gap(line, f"{name} reads {which}, which is not in the repository")
        shell.doubt_all(f"{name} may set it")
        return None
    record.sources[place] = hashlib.sha256(source).hexdigest()
    tree = parse_bash(source)
    if isinstance(tree, Gap):
        record.gap(line, f"in {ticked(place)} line {tree.line}: {tree.reason}")
        shell.doubt_all(f"{name} may set it")
        return None
    before = shell.file, shell.arguments, shell.called
    shell.file = File(tree[0], place, line)
    if len(tokens) > 2:
        shell.arguments, shell.called = tuple(tokens[2:]), True
    walk.depth += 1
    status = walk.within(tree[1].children, sourced=True)
    walk.depth -= 1
    walk.shell.file, walk.shell.arguments, walk.shell.called = before
    return status


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
