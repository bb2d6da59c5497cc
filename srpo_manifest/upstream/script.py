"""A launch script, read without running it: what it needs, what it does besides, and the command it starts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tree_sitter import Node

from srpo_manifest.upstream.commands import (
    EFFECTS,
    HARMLESS,
    JOINED,
    MOVES,
    OPEN,
    QUERIES,
    QUIET,
    STARTERS,
    file_of,
    set_options,
)
from srpo_manifest.upstream.expansion import FORWARDED, Array, Shell, expand, line_of, shown, value_of
from srpo_manifest.upstream.launchers import Split, program_of, split_launch
from srpo_manifest.upstream.names import descendants, names_read, names_set, names_used
from srpo_manifest.upstream.syntax import parse_bash
from srpo_manifest.values.contract import Gap, Launch, Opaque, Piece, ScriptContract, Token
from srpo_manifest.wording import ticked

_COMPOUND = {
    "if_statement": "`if` decides at run time",
    "while_statement": "`while` decides at run time",
    "for_statement": "`for` repeats commands",
    "c_style_for_statement": "`for` repeats commands",
    "case_statement": "`case` decides at run time",
    "list": "`&&` or `||` decides at run time",
    "negated_command": "`!` decides at run time",
    "test_command": "a test decides at run time",
    "pipeline": "`|` sends output elsewhere",
    "subshell": "`( )` is a shell of its own",
    "compound_statement": "`{ }` or `(( ))` is more than one command",
    "redirected_statement": "input or output of more than one command goes elsewhere",
}
_SIMPLE = (
    "variable_assignment",
    "variable_assignments",
    "declaration_command",
    "unset_command",
    "command",
    "function_definition",
)
_SUBSTITUTIONS = ("command_substitution", "process_substitution")
_FOR_THE_SHELL = ("PATH", "IFS", "ENV", "BASH_ENV", "GLOBIGNORE", "POSIXLY_CORRECT")


def read_script(source: bytes, path: str) -> ScriptContract:
    """Read a bash script's text.

    Returns: the contract. What only running the script can tell is an `Opaque` piece and an `indirect` gap; what could not
        be read as bash is in `gaps`, and then no launch is told.
    """
    digest = hashlib.sha256(source).hexdigest()
    try:
        tree = parse_bash(source)
        if isinstance(tree, Gap):
            return ScriptContract(path=path, digest=digest, gaps=(tree,))
        reader = _Reader(*tree)
        reader.block(reader.root)
    except RecursionError:
        return ScriptContract(path=path, digest=digest, gaps=(Gap(line=1, reason="it is nested too deeply"),))
    used = names_used(reader.root)
    hidden = reader.shell.elsewhere or b"${!" in source
    return ScriptContract(
        path=path,
        digest=digest,
        reads=reader.reads,
        dead={} if hidden else {name: line for name, line in reader.lines.items() if reader.is_dead(name, used)},
        sets=reader.sets,
        exported=tuple(reader.exported),
        makes=tuple(reader.makes),
        files=reader.files,
        launches=tuple(reader.launches),
        forwards_arguments=reader.forwards,
        errexit=reader.errexit,
        indirect=tuple(reader.indirect),
        gaps=tuple(reader.gaps),
    )


class _Reader:
    """One walk over the script, in the order in which bash would run it."""

    def __init__(self, source: bytes, root: Node) -> None:
        self.root = root
        self.shell = Shell(source)
        self.functions: dict[str, Node] = {
            self.shell.text(name): node
            for node in descendants(root)
            if node.type == "function_definition" and (name := node.child_by_field_name("name"))
        }
        self.all_set = names_set(root)
        self.certain = True
        self.errexit = False
        self.forwards = False
        self.reads: dict[str, int] = {}
        self.lines: dict[str, int] = {}
        self.sets: dict[str, Token] = {}
        self.exported: list[str] = []
        self.makes: list[Token] = []
        self.files: dict[str, int] = {}
        self.stays = True
        self.launches: list[Launch] = []
        self.indirect: list[Gap] = []
        self.gaps: list[Gap] = []

    def is_dead(self, name: str, used: set[str]) -> bool:
        """Whether the script sets *name* for nobody."""
        return name not in used and name not in self.exported and name not in _FOR_THE_SHELL

    def block(self, node: Node) -> None:
        """Statements one after the other."""
        before: Node | None = None
        for child in node.children:
            if not child.is_named:
                continue
            between = self.shell.between(before, child).replace("\\\n", "") if before else "\n"
            if child.type != "comment" and not re.search(r"[\n;&]", between):
                self.gaps.append(Gap(line=line_of(child), reason="where a command ends here could not be read"))
            self._note_reads(child)
            if child.next_sibling is not None and child.next_sibling.type == "&":
                self._perhaps(child, "`&` leaves it running in the background", self._statement)
            else:
                self._statement(child)
            before = child

    def _note_reads(self, node: Node) -> None:
        known = set(self.all_set if node.type == "function_definition" else self.shell.values)
        for name, line in names_read(node, known).items():
            if self.shell.is_inherited(name):
                self.reads.setdefault(name, line)

    def _gap(self, node: Node, reason: str) -> None:
        self._gap_at(line_of(node), reason)

    def _gap_at(self, line: int, reason: str) -> None:
        gap = Gap(line=line, reason=reason)
        if self.certain and gap not in self.indirect:
            self.indirect.append(gap)

    def _statement(self, node: Node) -> None:
        match node.type:
            case "comment":
                pass
            case "variable_assignment":
                self._assign(node)
            case "variable_assignments":
                for child in node.named_children:
                    self._assign(child)
            case "declaration_command":
                self._declare(node)
            case "unset_command":
                names = [self.shell.text(child) for child in node.named_children if child.type == "variable_name"]
                self._gap(node, "`unset` takes variables out of the environment")
                self.shell.doubt(names, "the script takes it away")
            case "command":
                self._command(node)
            case "redirected_statement":
                self._redirected(node)
            case "function_definition":
                self._function(node)
            case _:
                self._decides(node)

    def _decides(self, node: Node) -> None:
        reason = _COMPOUND.get(node.type, f"{shown(self.shell.text(node))} is not understood")
        self._substitutions(node)
        self._perhaps(node, reason, self._inside)

    def _perhaps(self, node: Node, reason: str, walk: Callable[[Node], None]) -> None:
        """What *node* does is known only at run time; what it may start is read all the same."""
        self._gap(node, reason)
        names = names_set(node)
        self.shell.doubt(names, f"line {line_of(node)} may set it")
        with self._unsure():
            walk(node)
        self.shell.doubt(names, f"line {line_of(node)} may set it")

    def _inside(self, node: Node) -> None:
        for child in node.named_children:
            if child.type in _SIMPLE or child.type in _COMPOUND:
                self._statement(child)
            elif child.type not in _SUBSTITUTIONS:
                self._inside(child)

    def _function(self, node: Node) -> None:
        """A function runs when it is called: then anything that the script sets may have another value."""
        before = dict(self.shell.values)
        self.shell.doubt(self.all_set, "a function may run at any time")
        with self._unsure():
            self._inside(node)
        self.shell.values = before
        self._gap(node, "it defines a function")

    @contextmanager
    def _unsure(self) -> Iterator[None]:
        certain, self.certain = self.certain, False
        yield
        self.certain = certain

    def _assign(self, node: Node, read: tuple[Piece, ...] | Array | None = None) -> str:
        """Carry out one assignment, of *read* where the value was expanded before, and return the name."""
        target = node.child_by_field_name("name")
        self._substitutions(node)
        name = re.split(r"[\[+=]", self.shell.text(target or node), maxsplit=1)[0]
        read = value_of(node, self.shell) if read is None else read
        if any(child.type == "+=" for child in node.children):
            read = self._sum(name, read)
        if target is None or target.type != "variable_name":
            self.shell.doubt([name], f"line {line_of(node)} sets one element")
        elif not self.certain:
            self.shell.doubt([name], f"line {line_of(node)} may set it")
        else:
            self.shell.values[name] = read
        self.lines.setdefault(name, line_of(node))
        if not isinstance(self.shell.values[name], Array):
            self.sets[name] = Token(pieces=self.shell.scalar(name), line=line_of(node), quoted=True)
        if name in _FOR_THE_SHELL:
            self._gap(node, f"it changes {ticked(name)}")
            if name == "IFS":
                self.shell.splitting = "the script changes how values fall into words"
        if name in self.exported:
            self._check_export(node, name)
        return name

    def _sum(self, name: str, added: tuple[Piece, ...] | Array) -> tuple[Piece, ...] | Array:
        """The value of `name+=...`."""
        value = self.shell.values.get(name)
        if isinstance(value, Array) and isinstance(added, Array):
            return Array(tokens=value.tokens + added.tokens)
        if isinstance(value, Array) or isinstance(added, Array):
            return (Opaque(source=f"${name}", reason=f"{ticked(name)} is no array for certain"),)
        return self.shell.scalar(name) + added

    def _declare(self, node: Node) -> None:
        keyword, *rest = node.children
        options = [self.shell.text(child) for child in rest if child.type == "word"]
        plain = all(re.fullmatch("-[arx]+", option) for option in options) and not (
            keyword.type == "export" and options
        )
        named = all(child.type in ("word", "variable_name", "variable_assignment") for child in rest)
        if not (plain and named) or keyword.type == "local":
            self._gap(node, f"{ticked(keyword.type)} is used in a way that is not understood")
            self.shell.doubt_all(f"line {line_of(node)} may set it")
            return
        exports = keyword.type == "export" or any("x" in option for option in options)
        # All words are expanded before the first one is assigned.
        reads = {child: value_of(child, self.shell) for child in rest if child.type == "variable_assignment"}
        for child in rest:
            if child.type == "word":
                continue
            name = self._assign(child, reads[child]) if child in reads else self.shell.text(child)
            if exports and name not in self.exported:
                self.exported.append(name)
                self._check_export(node, name)

    def _check_export(self, node: Node, name: str) -> None:
        """An export that the launch would see otherwise cannot be told by one value."""
        if self.launches:
            self._gap(node, f"the exported {ticked(name)} changes after the launch")
        for piece in self.shell.scalar(name):
            if isinstance(piece, Opaque):
                self._gap(node, piece.reason)

    def _redirected(self, node: Node) -> None:
        body = node.child_by_field_name("body")
        if body is None or body.type != "command":
            self._decides(node)
            return
        redirects = node.children_by_field_name("redirect")
        # The grammar takes words after a redirection for more destinations of it.
        words = [redirect.children_by_field_name("destination")[1:] for redirect in redirects]
        self._command(body, words, redirects)

    def _command(self, node: Node, more: Sequence[Sequence[Node]] = (), redirects: Sequence[Node] = ()) -> None:
        assignments = [child for child in node.named_children if child.type == "variable_assignment"]
        redirects = [*(child for child in node.named_children if child.type.endswith("redirect")), *redirects]
        words = [child for child in node.children if child not in assignments and child not in redirects]
        self._substitutions(node)
        tokens = [token for part in (words, *more) for token in expand(part, self.shell)]
        if not tokens:
            self._gap(node, "a command without a name")
            return
        program = program_of(tokens[0])
        # `nohup torchrun ...`: the launch begins at the first word that starts one.
        firsts = range(len(tokens)) if program in STARTERS else () if program in self.functions else (0,)
        found = next(((first, split) for first in firsts if (split := split_launch(tokens[first:])) is not None), None)
        match found:
            case _, Split() as split:
                self._launch(node, split, self._environment(assignments))
            case _, str() as reason:
                self._gap(node, reason)
            case _:
                pass
        for redirect in redirects:
            destinations = redirect.children_by_field_name("destination")
            end = destinations[0].end_byte if destinations else redirect.end_byte
            text = self.shell.source[redirect.start_byte : end].decode("utf-8", "replace")
            if not (JOINED if found else QUIET).fullmatch(text):
                self._gap(node, f"{shown(text)} sends input or output elsewhere")
        if found is None or found[0] > 0:
            self._effect(node, tokens)

    def _environment(self, assignments: Sequence[Node]) -> tuple[tuple[str, Token], ...]:
        """`NAME=value` before a command: each sees those before it, and the script keeps none."""
        values = dict(self.shell.values)
        environment = []
        for node in assignments:
            target = node.child_by_field_name("name")
            name = self.shell.text(target or node)
            value = value_of(node, self.shell)
            self.shell.values[name] = value
            environment.append((name, Token(pieces=self.shell.scalar(name), line=line_of(node), quoted=True)))
            if (
                name in _FOR_THE_SHELL
                or target is None
                or target.type != "variable_name"
                or node.children[1].type != "="
            ):
                self._gap(node, f"it changes {ticked(name)}")
        self.shell.values = values
        return tuple(environment)

    def _launch(self, node: Node, split: Split, environment: tuple[tuple[str, Token], ...]) -> None:
        forwarded = [token for token in split.arguments if FORWARDED in token.pieces]
        arguments = tuple(token for token in split.arguments if token not in forwarded)
        self.forwards |= bool(forwarded)
        if split.doubt:
            self._gap(node, split.doubt)
        for token in (*split.launcher, split.entry, *arguments, *(value for _, value in environment)):
            for piece in token.pieces:
                if isinstance(piece, Opaque):
                    self._gap_at(token.line, piece.reason)
        self.launches.append(
            Launch(
                launcher=split.launcher,
                entry=split.entry,
                module=split.module,
                arguments=arguments,
                line=split.launcher[0].line,
                environment=environment,
            )
        )

    def _effect(self, node: Node, tokens: Sequence[Token]) -> None:
        """What a command does that starts no trainer."""
        program = program_of(tokens[0])
        texts = [token.text for token in tokens[1:]]
        if self.certain and self.stays and (path := file_of((tokens[0].text, *texts))):
            self.files.setdefault(path, line_of(node))
        self.stays &= program not in MOVES
        if program is None:
            self._gap(node, "which program runs here is known only at run time")
        elif program in self.functions:
            self._gap(node, f"{ticked(program)} is a function of the script")
            for body in self.functions.values():
                self.shell.doubt(names_set(body), f"{ticked(program)} may set it")
        elif program == "mkdir":
            self._make(node, tokens[1:])
        elif program == "set" and (switched := set_options(texts)) is not None:
            self.errexit = switched.get("e", self.errexit)
        elif program not in HARMLESS or "-v" in texts[:1]:
            self._gap(
                node, STARTERS.get(program) or EFFECTS.get(program) or f"what {ticked(program)} does is not known"
            )
            self.shell.doubt(names_set(node), f"{ticked(program)} may set it")
        if program in ("conda", "mamba"):
            self.shell.doubt(
                ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"), "conda may set it"
            )
        if program in OPEN:
            self.shell.doubt_all(f"{ticked(program)} may set it")

    def _make(self, node: Node, tokens: Sequence[Token]) -> None:
        options = [token.text or "" for token in tokens if (token.text or "").startswith("-")]
        folders = [token for token in tokens if not (token.text or "").startswith("-")]
        unknown = [piece for token in folders for piece in token.pieces if isinstance(piece, Opaque)]
        if any(option not in ("-p", "-v", "-pv", "-vp", "--parents", "--verbose") for option in options):
            self._gap(node, "`mkdir` is used with other options than `-p`")
        elif self.errexit and not any("p" in option for option in options):
            self._gap(node, "`mkdir` without `-p` ends the script when the folder is there")
        elif unknown:
            self._gap(node, unknown[0].reason)
        elif self.certain:
            self.makes += folders

    def _substitutions(self, node: Node) -> None:
        """A command in `$(...)` that does more than answer is an effect of the script."""
        for each in descendants(node):
            if each.type in _SUBSTITUTIONS and not _only_asks(each):
                self._gap(each, f"{shown(self.shell.text(each))} runs a command")


def _only_asks(node: Node) -> bool:
    names = [_text(each.child_by_field_name("name")) for each in descendants(node) if each.type == "command"]
    redirects = [_text(each) for each in descendants(node) if each.type.endswith("redirect")]
    return (
        node.type == "command_substitution"
        and all(name in QUERIES for name in names)
        and all(map(QUIET.fullmatch, redirects))
    )


def _text(node: Node | None) -> str:
    return ((node.text if node else None) or b"").decode("utf-8", "replace")
