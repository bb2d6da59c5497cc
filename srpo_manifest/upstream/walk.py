"""One walk over a script, in the order in which bash would run it: what is certain is followed, what is not is doubted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import EllipsisType
from typing import Literal, TypeAlias

from tree_sitter import Node

from srpo_manifest.upstream.commands import OPEN, QUERIES, QUIET
from srpo_manifest.upstream.names import names_read, names_set
from srpo_manifest.upstream.nodes import descendants, shown, text_of
from srpo_manifest.upstream.record import Record
from srpo_manifest.upstream.shell import Function, Held, Shell, join
from srpo_manifest.values.contract import Gap
from srpo_manifest.wording import ticked

Status: TypeAlias = bool | None
"""Whether a statement succeeds, where that is certain."""
Read: TypeAlias = Callable[[str], bytes | None]
Carry: TypeAlias = "Callable[[Walk, Node, Sequence[Node]], Status]"

_STATEMENTS = 4000
_SEPARATOR = re.compile(r"[\n;&|]|\b(then|do|else)\b|[{(]")
_SUBSTITUTIONS = ("command_substitution", "process_substitution")


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
    """The state of the walk; `carry` has how each kind of statement is carried out."""

    def __init__(self, root: Node, shell: Shell, read: Read, carry: Mapping[str, Carry]) -> None:
        self.root = root
        self.shell = shell
        self.read = read
        self.carry = carry
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
        self.used: set[str] = set()
        """Variables that evaluated texts ask for."""

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
        carry = self.carry.get(node.type)
        if carry is not None:
            return carry(self, node, redirects)
        line = self.shell.line(node)
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

    def settle(self, arrivals: Sequence[Shell], line: int) -> None:
        """Go on where several ways meet; nowhere if none of them gets here."""
        self.ended = not arrivals
        if arrivals:
            self.shell = join(arrivals, f"line {line} may set it")

    def substitutions(self, node: Node) -> None:
        """A command in `$(...)` that does more than answer is an effect of the script."""
        for each in descendants(node):
            if each.type in _SUBSTITUTIONS and not _only_asks(each):
                self.record.gap(self.shell.line(each), f"{shown(self.shell.text(each))} runs a command")


def _only_asks(node: Node) -> bool:
    names = [text_of(each.child_by_field_name("name")) for each in descendants(node) if each.type == "command"]
    redirects = [text_of(each) for each in descendants(node) if each.type.endswith("redirect")]
    return (
        node.type == "command_substitution"
        and all(name in QUERIES for name in names)
        and all(map(QUIET.fullmatch, redirects))
    )
