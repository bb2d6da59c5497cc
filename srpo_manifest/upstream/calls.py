"""One simple command: a launch, another effect, or something that the walk itself has to follow."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from srpo_manifest.upstream.assignments import environment
from srpo_manifest.upstream.commands import JOINED, QUIET, STARTERS
from srpo_manifest.upstream.expansion import expand
from srpo_manifest.upstream.functions import inline
from srpo_manifest.upstream.launchers import Split, program_of, split_launch
from srpo_manifest.upstream.names import names_set
from srpo_manifest.upstream.nodes import shown
from srpo_manifest.upstream.shell import FORWARDED
from srpo_manifest.upstream.shell_commands import effect
from srpo_manifest.upstream.sourcing import source
from srpo_manifest.upstream.walk import Status, Walk
from srpo_manifest.values.contract import Launch, Opaque, Token

_NAMED = ("-J", "--job-name", "--name", "-u", "--user", "-g", "-n", "-N", "-c", "-p", "--partition")
"""Options of starters whose value is never the program."""


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
    walk.record.note_file(tokens, line)
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
    if program is not None and (is_function or program in ("source", ".")):
        before = {name: shell.values.get(name, ...) for name in held}
        shell.values |= held
        status = inline(walk, program, tokens[1:], line) if is_function else source(walk, line, tokens)
        walk.shell.values.update({name: was for name, was in before.items() if was is not ...})
        for name in (name for name, was in before.items() if was is ...):
            walk.shell.values.pop(name, None)
        return status
    return effect(walk, node, tokens, program, launches=found is not None)


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
