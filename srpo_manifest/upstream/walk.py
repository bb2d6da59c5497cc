"""One walk over a script, in the order in which bash would run it: what is certain is followed, what is not is doubted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import EllipsisType
from typing import Literal, TypeAlias

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.assignments import assign, declare
from srpo_manifest.upstream.commands import OPEN, QUERIES, QUIET
from srpo_manifest.upstream.conditions import asked, holds, matches, truth
from srpo_manifest.upstream.expansion import expand, scalar_of
from srpo_manifest.upstream.names import names_read, names_set
from srpo_manifest.upstream.nodes import descendants, shown, text_of
from srpo_manifest.upstream.record import Record
from srpo_manifest.upstream.shell import Function, Held, Shell, counted, is_argument, join, text_in
from srpo_manifest.values.contract import Gap, Token, Variable
from srpo_manifest.wording import ticked

Status: TypeAlias = bool | None
"""Whether a statement succeeds, where that is certain."""
Read: TypeAlias = Callable[[str], bytes | None]
Call: TypeAlias = "Callable[[Walk, Node, Sequence[Node]], Status]"

_ROUNDS = 64
_STATEMENTS = 4000
_DEPTH = 12
_SEPARATOR = re.compile(r"[\n;&|]|\b(then|do|else)\b|[{(]")
_SUBSTITUTIONS = ("command_substitution", "process_substitution")
_KEYWORDS = ("then", "do", "else", "elif_clause", "else_clause", "fi", "done")


class Frame:
    """What can be left before its end: a function, a sourced file, a loop, or a shell of its own."""

    def __init__(self, kind: Literal["function", "file", "loop", "shell"], walk: Walk) -> None:
        self.kind = kind
        self.left: list[Shell] = []
        self.again: list[Shell] = []
        self.guards = len(walk.record.guards)
        self.leaves = len(walk.record.leaves)
        self.exits = len(walk.record.exits)
        self.locals: dict[str, Held | EllipsisType] = {}


class Walk:
    """The state of the walk; `call` carries out one simple command."""

    def __init__(self, root: Node, shell: Shell, read: Read, call: Call) -> None:
        self.root = root
        self.shell = shell
        self.read = read
        self.call = call
        self.record = Record()
        self.frames: list[Frame] = []
        self.ended = False
        self.left = _STATEMENTS
        self.functions: list[tuple[str, Function]] = []
        self.called: set[str] = set()
        self.depth = 0
        self.lastpipe = False
        self.aliases: list[str] | None = []
        """Names that stand for other words once aliases are switched on; None when they are."""
        self.unknown_program = False
        self.all_set = names_set(root)

    def statements(self, nodes: Sequence[Node], *, notes: bool = False) -> Status:
        """One after the other, as far as the script gets."""
        status: Status = True
        before: Node | None = None
        for node in nodes:
            if not node.is_named or node.type == "comment":
                continue
            between = self.shell.between(before, node).replace("\\\n", "") if before else "\n"
            if not _SEPARATOR.search(between):
                reason = "where a command ends here could not be read"
                self.record.gaps.append(Gap(line=self.shell.line(node), reason=reason))
            before = node
            if notes:
                self._note_reads(node)
            if self.ended:
                continue
            if node.next_sibling is not None and node.next_sibling.type == "&":
                self.record.gap(self.shell.line(node), "`&` leaves it running in the background")
                self.apart([node])
                status = True
            else:
                status = self.statement(node)
        return status

    def _note_reads(self, node: Node) -> None:
        known = set(self.all_set if node.type == "function_definition" else self.shell.values)
        for name, line in names_read(node, known).items():
            if self.shell.is_inherited(name):
                self.record.reads.setdefault(name, line if self.shell.file.at is None else self.shell.file.at)

    def statement(self, node: Node, redirects: Sequence[Node] = ()) -> Status:
        """Carry out one statement."""
        self.left -= 1
        line = self.shell.line(node)
        match node.type:
            case "variable_assignment" | "variable_assignments":
                self.substitutions(node)
                for child in [node] if node.type == "variable_assignment" else node.named_children:
                    assign(child, self.shell, self.record)
                return None if b"$(" in (node.text or b"") or b"`" in (node.text or b"") else True
            case "declaration_command":
                self.substitutions(node)
                frame = next((each for each in reversed(self.frames) if each.kind == "function"), None)
                declare(node, self.shell, self.record, frame.locals if frame else None)
                return True
            case "unset_command":
                self._unset(node, line)
                return None
            case "command":
                return self.call(self, node, redirects)
            case "test_command":
                self.substitutions(node)
                return holds(node, self.shell)
            case "redirected_statement":
                return self._redirected(node, redirects)
            case "function_definition":
                self._define(node)
                return True
            case "list":
                return self._list(node, redirects)
            case "if_statement":
                self._if(node)
            case "case_statement":
                self._case(node)
            case "for_statement":
                self._for(node)
            case "while_statement":
                self._while(node)
            case "c_style_for_statement":
                self._c_for(node)
            case "negated_command":
                status = self.statement(node.named_children[0], redirects) if node.named_children else None
                return None if status is None else not status
            case "pipeline":
                self.record.gap(line, "`|` sends output elsewhere")
                if self.lastpipe:
                    self.doubt(node, line)
                commands = [child for child in node.children if child.is_named]
                for child in commands:
                    self.apart([child], redirects if child is commands[-1] else ())
            case "subshell":
                self.record.gap(line, "`( )` is a shell of its own")
                self.apart(node.children)
            case "compound_statement" if node.children[0].type == "((":
                return truth(text_of(node)[2:-2], self.shell)
            case "compound_statement":
                return self.statements(node.children)
            case _:
                self.record.gap(line, f"{shown(text_of(node))} is not understood")
                self.doubt(node, line)
        return None

    def apart(self, nodes: Sequence[Node], redirects: Sequence[Node] = ()) -> None:
        """In a shell of its own, which leaves nothing behind."""
        before, frame = self.shell.fork(), Frame("shell", self)
        self.frames.append(frame)
        if len(nodes) == 1:
            self.statement(nodes[0], redirects)
        else:
            self.statements(nodes)
        self.frames.pop()
        del self.record.leaves[frame.leaves :], self.record.exits[frame.exits :]
        self.shell, self.ended = before, False

    def doubt(self, node: Node, line: int) -> None:
        """Whatever *node* may set is not known from here."""
        names, opens = self.may_set(node)
        reason = f"line {line} may set it"
        self.shell.doubt(names, reason)
        if opens:
            self.shell.doubt_all(reason)

    def may_set(self, node: Node) -> tuple[dict[str, int], bool]:
        """Names that *node* may set, functions that it calls included; and whether it may set any."""
        names = names_set(node)
        commands = {text_of(each) for each in descendants(node) if each.type == "command_name"}
        if commands & self.shell.functions.keys() or any("$" in name for name in commands):
            for function in self.shell.functions.values():
                if function is None:
                    return names, True
                names |= names_set(function.node)
                commands |= {text_of(each) for each in descendants(function.node) if each.type == "command_name"}
        return names, bool(commands & (OPEN | {"cd", "pushd", "popd", "shift", "set"}))

    @contextmanager
    def guarded(self, line: int, reason: str) -> Iterator[None]:
        """What is walked here may not be run."""
        self.record.guards.append(Gap(line=line, reason=reason))
        yield
        self.record.guards.pop()

    def _frame(self, name: str) -> Frame | None:
        """What `return`, `break` or `continue` leaves."""
        for frame in reversed(self.frames):
            if frame.kind in (("function", "file") if name == "return" else ("loop",)):
                return frame
            if frame.kind != "loop":
                return None
        return None

    def leave(self, name: str, line: int) -> None:
        """`exit`, `return`, `break`, `continue`."""
        if name == "exit":
            frame = next((each for each in reversed(self.frames) if each.kind == "shell"), None)
        else:
            frame = self._frame(name)
            if frame is None:
                return
            (frame.again if name == "continue" else frame.left).append(self.shell.fork())
        guards, leaves = (frame.guards, frame.leaves) if frame else (0, 0)
        if len(self.record.guards) > guards or len(self.record.leaves) > leaves:
            gap = Gap(line=line, reason=f"{ticked(name)} may come before")
            (self.record.exits if name == "exit" else self.record.leaves).append(gap)
        self.ended = True

    def _settle(self, arrivals: Sequence[Shell], line: int) -> None:
        """Go on where several ways meet; nowhere if none of them gets here."""
        self.ended = not arrivals
        if arrivals:
            self.shell = join(arrivals, f"line {line} may set it")

    def _unset(self, node: Node, line: int) -> None:
        self.record.gap(line, "`unset` takes variables out of the environment")
        words = [text_of(child) for child in node.named_children]
        if "-f" in words:
            self.shell.functions |= dict.fromkeys(words)
            return
        for child in node.named_children:
            if child.type == "variable_name":
                self.shell.store(text_of(child), None)
            elif text_of(child) != "-v":
                self.doubt(node, line)
                self.shell.doubt(re.findall(r"\w+", text_of(child)), f"line {line} may take it away")

    def _redirected(self, node: Node, more: Sequence[Node]) -> Status:
        body = node.child_by_field_name("body")
        redirects = [*node.children_by_field_name("redirect"), *more]
        for redirect in redirects:
            self.substitutions(redirect)
        if body is not None and body.type in ("command", "list", "pipeline", "negated_command", "redirected_statement"):
            # The grammar gives the redirection of the last command to all that are joined.
            return self.statement(body, redirects)
        line = self.shell.line(node)
        if not all(QUIET.fullmatch(text_of(redirect)) for redirect in redirects):
            self.record.gap(line, "input or output of more than one command goes elsewhere")
        status = self.statement(body) if body is not None else None
        for redirect in redirects:
            self.shell.doubt(names_set(redirect), f"line {line} may set it")
        return status

    def _define(self, node: Node) -> None:
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if name is not None and body is not None:
            function = Function(body, self.shell.file)
            self.shell.functions[text_of(name)] = function
            self.functions.append((text_of(name), function))

    def inline(self, name: str, arguments: Sequence[Token], line: int) -> Status:
        """Walk the body of a function that is called."""
        function = self.shell.functions[name]
        self.called.add(name)
        if function is None or self.left < 0 or sum(frame.kind == "function" for frame in self.frames) > _DEPTH:
            self.record.gap(line, f"{ticked(name)} is a function of which not all is known")
            self.shell.doubt_all(f"{ticked(name)} may set it")
            return None
        shell = self.shell
        before = shell.file, shell.arguments, shell.called
        shell.file, shell.arguments, shell.called = function.file, tuple(arguments), True
        status = self.within([function.node])
        self.shell.file, self.shell.arguments, self.shell.called = before
        return status

    def within(self, nodes: Sequence[Node], *, sourced: bool = False) -> Status:
        """Walk what `return` leaves: a function's body, or the statements of a sourced file."""
        frame = Frame("file" if sourced else "function", self)
        self.frames.append(frame)
        status = self.statements(nodes, notes=sourced)
        self.frames.pop()
        del self.record.leaves[frame.leaves :]
        if frame.left:
            status = None
            self._settle([*frame.left, *([] if self.ended else [self.shell])], self.shell.line(nodes[0]))
        for name, held in frame.locals.items():
            if held is ...:
                self.shell.values.pop(name, None)
            else:
                self.shell.values[name] = held
        return status

    def _list(self, node: Node, redirects: Sequence[Node]) -> Status:
        left, right = node.named_children[0], node.named_children[-1]
        sign = next((child.type for child in node.children if child.type in ("&&", "||")), "")
        status = self.statement(left)
        if self.ended:
            return None
        if self._usage(left, status == (sign == "&&"), right):
            status = None
        if status is not None:
            return status if status != (sign == "&&") else self.statement(right, redirects)
        line, other = self.shell.line(node), self.shell.fork()
        reason = "`&&` or `||` decides at run time"
        self.record.gap(line, reason)
        with self.guarded(line, reason):
            self.statement(right, redirects)
        arrivals = [] if self.ended else [self.shell]
        question = asked(text_of(left))
        self._settle([*arrivals, other], line)
        if question and len(arrivals) == 1:
            self._default(
                question[0], *((arrivals[0], other) if question[1] == (sign == "&&") else (other, arrivals[0]))
            )
        return None

    def _usage(self, condition: Node, status: Status, body: Node) -> bool:
        """Whether it only asks for arguments, with which the script is meant to be run."""
        return bool(
            status
            and not self.shell.called
            and self._asks_arguments(text_of(condition))
            and any(text_of(each) in ("exit", "return") for each in descendants(body) if each.type == "command_name")
        )

    def _asks_arguments(self, source: str) -> bool:
        names = re.findall(r"\$\{?(\w+)", source)
        held = (self.shell.values.get(name) for name in names)
        return bool(re.search(r"\$\{?[#1-9]", source)) or any(
            isinstance(each, tuple) and is_argument(each) for each in held
        )

    def _default(self, name: str, empty: Shell, filled_: Shell) -> None:
        """After `if [ -z "$X" ]; then X=5; fi`, `$X` is `${X:-5}`."""
        first, other = empty.scalar(name), filled_.scalar(name)
        text, variable = text_in(first), other[0] if len(other) == 1 else None
        if text and isinstance(variable, Variable) and not variable.default:
            self.shell.values[name] = (replace(variable, quoted=True, default=text, only_unset=False),)

    def _if(self, node: Node) -> None:
        line, depth = self.shell.line(node), len(self.record.guards)
        arrivals: list[Shell] = []
        clauses = _clauses(node)
        for conditions, body in clauses:
            status = self.statements(conditions) if conditions else True
            if self.ended:
                break
            if conditions and self._usage(conditions[-1], status, node):
                status = None
            if status is False:
                continue
            if status:
                self.statements(body)
                break
            reason = "`if` decides at run time"
            self.record.gap(line, reason)
            other = self.shell.fork()
            with self.guarded(line, reason):
                self.statements(body)
            arrivals += [] if self.ended else [self.shell]
            self.shell, self.ended = other, False
            self.record.guards.append(Gap(line=line, reason=reason))
        del self.record.guards[depth:]
        arrivals += [] if self.ended else [self.shell]
        self._settle(arrivals, line)
        question = asked(text_of(clauses[0][0][0])) if len(clauses[0][0]) == 1 else None
        if question and len(arrivals) == 2 and len(clauses) <= 2 and all(not each[0] for each in clauses[1:]):
            self._default(question[0], *(arrivals if question[1] else reversed(arrivals)))

    def _case(self, node: Node) -> None:
        line, depth = self.shell.line(node), len(self.record.guards)
        self.substitutions(node.child_by_field_name("value") or node)
        value = node.child_by_field_name("value")
        text = text_in(scalar_of(value, self.shell)) if value else None
        items = [child for child in node.named_children if child.type == "case_item"]
        if any(item.child_by_field_name("fallthrough") for item in items):
            self.record.gap(line, "`case` decides at run time")
            self._repeated(node, line, "`case` decides at run time")
            return
        arrivals: list[Shell] = []
        for item in items:
            patterns = item.children_by_field_name("value")
            body = _after(item, ")")
            matched = [matches(text, pattern, self.shell) for pattern in patterns]
            if all(each is False for each in matched):
                continue
            if True in matched and None not in matched[: matched.index(True)]:
                self.statements(body)
                break
            reason = "`case` decides at run time"
            self.record.gap(line, reason)
            other = self.shell.fork()
            with self.guarded(line, reason):
                self.statements(body)
            arrivals += [] if self.ended else [self.shell]
            self.shell, self.ended = other, False
            self.record.guards.append(Gap(line=line, reason=reason))
            if True in matched:
                self.ended = True
                break
        del self.record.guards[depth:]
        self._settle([*arrivals, *([] if self.ended else [self.shell])], line)

    def _repeated(self, node: Node, line: int, reason: str) -> None:
        """Walk what is run an unknown number of times."""
        self.record.gap(line, reason)
        self.doubt(node, line)
        before, frame = self.shell.fork(), Frame("loop", self)
        self.frames.append(frame)
        with self.guarded(line, reason):
            self._inside(node)
        self.frames.pop()
        del self.record.leaves[frame.leaves :]
        self._settle([before, *frame.left, *frame.again, *([] if self.ended else [self.shell])], line)
        self.doubt(node, line)

    def _inside(self, node: Node) -> None:
        """The statements in a compound one, whatever it is."""
        for child in node.named_children:
            if self.ended:
                return
            if child.type in ("do_group", "case_item"):
                self.statements(_after(child, "do" if child.type == "do_group" else ")"))
                self.ended = self.ended and child.type == "do_group"
            elif child.type == "compound_statement":
                self.statement(child)

    def _rounds(self, body: Node, settings: Iterator[bool]) -> bool:
        """Walk a loop's body while *settings* says so; False, with nothing done, where that leads too far."""
        before, count = self.shell.fork(), len(self.record.launches)
        indirect, makes, budget = len(self.record.indirect), len(self.record.makes), self.left
        frame = Frame("loop", self)
        self.frames.append(frame)
        over = False
        for rounds, goes in enumerate(settings):
            if not goes or rounds >= _ROUNDS or self.left < 0:
                over = True
                break
            self.statements(_after(body, "do"))
            if frame.again:
                self._settle([*frame.again, *([] if self.ended else [self.shell])], self.shell.line(body))
                frame.again.clear()
            if self.ended:
                break
        self.frames.pop()
        del self.record.leaves[frame.leaves :]
        if over:
            self.shell, self.ended, self.left = before, False, budget
            del self.record.launches[count:], self.record.indirect[indirect:], self.record.makes[makes:]
            return False
        if frame.left:
            self._settle([*frame.left, *([] if self.ended else [self.shell])], self.shell.line(body))
        return True

    def _for(self, node: Node) -> None:
        line, body, variable = (
            self.shell.line(node),
            node.child_by_field_name("body"),
            node.child_by_field_name("variable"),
        )
        values = [child for child in node.children_by_field_name("value") if child.is_named]
        name = text_of(variable)
        self.record.note_set(name, line)
        tokens: Sequence[Token] | None = None
        if node.children[0].type == "for" and body is not None:
            for value in values:
                self.substitutions(value)
            listed = any(child.type == "in" for child in node.children)
            tokens = expand(values, self.shell) if listed else self.shell.arguments if self.shell.called else None
        if tokens is None or body is None or not counted(tokens):
            self.shell.doubt([name], f"line {line} sets it again and again")
            self._repeated(node, line, "`for` repeats commands")
            return

        def settings() -> Iterator[bool]:
            for token in tokens:
                self.shell.store(name, token.pieces)
                yield True

        if not self._rounds(body, settings()):
            self._repeated(node, line, "`for` repeats commands")

    def _while(self, node: Node) -> None:
        line, body = self.shell.line(node), node.child_by_field_name("body")
        conditions = [child for child in node.children_by_field_name("condition") if child.is_named]
        wanted = node.children[0].type == "while"

        def settings() -> Iterator[bool]:
            while (status := self.statements(conditions)) is not None:
                if status != wanted or self.ended:
                    return
                yield True
            yield False

        if body is None or not conditions or not self._rounds(body, settings()):
            self._repeated(node, line, "`while` decides at run time")

    def _c_for(self, node: Node) -> None:
        line, body = self.shell.line(node), node.child_by_field_name("body")
        head = re.match(r"for\s*\(\(([^;]*);([^;]*);([^;]*?)\)\)\s*;?\s*(?:do\b|\{)", text_of(node))

        def settings() -> Iterator[bool]:
            first, goes, then = (head[number].strip() for number in (1, 2, 3)) if head else ("", "", "")
            status = truth(first, self.shell) if first else True
            while True:
                status = truth(goes, self.shell) if goes else None
                if status is False:
                    return
                yield bool(status)
                truth(then, self.shell)

        if head is None or body is None or body.type != "do_group" or not self._rounds(body, settings()):
            self._repeated(node, line, "`for` repeats commands")

    def substitutions(self, node: Node) -> None:
        """A command in `$(...)` that does more than answer is an effect of the script."""
        for each in descendants(node):
            if each.type in _SUBSTITUTIONS and not _only_asks(each):
                self.record.gap(self.shell.line(each), f"{shown(self.shell.text(each))} runs a command")


def _clauses(node: Node) -> list[tuple[list[Node], list[Node]]]:
    """The conditions and statements of `if`, each `elif`, and `else`, which has no condition."""
    clauses: list[tuple[list[Node], list[Node]]] = [([], [])]
    behind = False
    for child in node.children:
        if child.type in ("elif_clause", "else_clause"):
            clauses += _clauses(child)
        elif child.type in ("then", "else"):
            behind = True
        else:
            clauses[-1][1 if behind else 0].append(child)
    first = [child for child in clauses[0][0] if child.is_named and child.type != "comment"]
    return [(first, clauses[0][1]), *clauses[1:]]


def _after(node: Node, opening: str) -> list[Node]:
    """The children behind a word of the grammar."""
    at = next((number for number, child in enumerate(node.children) if child.type == opening), -1)
    return node.children[at + 1 :]


def _only_asks(node: Node) -> bool:
    names = [text_of(each.child_by_field_name("name")) for each in descendants(node) if each.type == "command"]
    redirects = [text_of(each) for each in descendants(node) if each.type.endswith("redirect")]
    return (
        node.type == "command_substitution"
        and all(name in QUERIES for name in names)
        and all(map(QUIET.fullmatch, redirects))
    )
