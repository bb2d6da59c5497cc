"""What is known of a running shell at one point of a script."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from tree_sitter import Node

from srpo_manifest.upstream.nodes import line_of, shown, text_of
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Choice, Computed, Opaque, Piece, Place, Plain, Token, Variable
from srpo_manifest.wording import ticked

FORWARDED = Opaque(source='"$@"', reason='`"$@"` stands for the arguments of the script')

EXPANSIONS = ("simple_expansion", "expansion", "arithmetic_expansion", "command_substitution", "process_substitution")
_LEADING = re.compile(r"^(?:\s|\\\n)+")
_OF_THE_RUN = re.compile(
    "BASH.*|S?RANDOM|SECONDS|LINENO|HOSTNAME|HOSTTYPE|OSTYPE|MACHTYPE|E?UID|GROUPS|PPID|SHLVL|(OLD)?PWD|OPT(IND|ARG)"
    "|EPOCH(SECONDS|REALTIME)|FUNCNAME|DIRSTACK|PIPESTATUS|COLUMNS|LINES|SHELLOPTS|_|REPLY|MAPFILE|COPROC"
)


class Array(Value):
    """The value of an indexed array without holes."""

    tokens: tuple[Token, ...]


Held: TypeAlias = "tuple[Piece, ...] | Array | None"
"""A variable's value; None where it is surely not set."""


class File:
    """One file of bash: its bytes, and the line to tell its lines by when another file reads it."""

    def __init__(
        self, source: bytes, path: str, at: int | None = None, spelled: tuple[Piece, ...] | None = None
    ) -> None:
        self.source = source
        self.path = path
        self.at = at
        self.spelled = (Place(path=path),) if spelled is None else spelled
        """How the command that read it named it; the script itself is called by its absolute path."""


class Function:
    """A function's definition and the file that it stands in."""

    def __init__(self, node: Node, file: File) -> None:
        self.node = node
        self.file = file


class Shell:
    """Variables, functions, words and folder at one point."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.script = file.path
        self.values: dict[str, Held] = {}
        self.functions: dict[str, Function | None] = {}
        """Those that are defined; None where it is not certain which."""
        self.arguments: tuple[Token, ...] | None = ()
        """`$1` and the following; None where not even their number is known."""
        self.called = False
        """Whether `arguments` are those of a function: the script itself is run without any, but for `"$@"`."""
        self.folder: str | None = ""
        self.base: Literal["repo", "cwd"] = "cwd"
        """What `folder` is told from."""
        self.arrived = True
        """Whether the last `cd` surely led to a folder that is there."""
        self.physical = False
        """Whether it was entered without symbolic links."""
        self.read: Callable[[str], bytes | None] = lambda _: None
        self.fixed: dict[str, str] = {}
        """Names whose assignments do more than store, with the reason."""
        self.elsewhere = ""
        """Why a name that the script does not set may be set all the same."""
        self.demanded: dict[str, int] = {}
        """The script's own `$1` and the following that are used with no word for their absence, to the line."""
        self.taken: set[str] = set()
        """Names that took their value from those."""
        self.nounset = False
        self.globs = True
        """Whether a pattern that matches no file stays as it is."""
        self.splitting = ""
        """Why it is not known how values fall into words."""

    def fork(self) -> Shell:
        """The same, going its own way from here."""
        other = Shell.__new__(Shell)
        other.__dict__.update(self.__dict__)
        other.values, other.functions, other.fixed = dict(self.values), dict(self.functions), dict(self.fixed)
        return other

    def become(self, other: Shell) -> None:
        """Take everything over from *other*."""
        self.__dict__.update(other.fork().__dict__)

    def text(self, node: Node) -> str:
        """The node's source. The grammar counts blanks and continued lines before a `$` in quotes to the expansion."""
        text = text_of(node)
        return _LEADING.sub("", text) if node.type in EXPANSIONS else text

    def begin(self, node: Node) -> int:
        """The byte where its own text begins."""
        if node.type not in EXPANSIONS:
            return node.start_byte
        return node.end_byte - len(self.text(node).encode())

    def between(self, first: Node, second: Node) -> str:
        """The source from one node to the next."""
        return self.file.source[first.end_byte : self.begin(second)].decode("utf-8", "replace")

    def line(self, node: Node) -> int:
        """The line by which the node is told."""
        return line_of(node) if self.file.at is None else self.file.at

    def is_inherited(self, name: str) -> bool:
        """Whether the name still has the environment's value."""
        return not (name in self.values or self.elsewhere or _OF_THE_RUN.fullmatch(name))

    def scalar(self, name: str) -> tuple[Piece, ...]:
        """The value of `$name` in double quotes."""
        source = f"${name}"
        value = self.values.get(name)
        if isinstance(value, Array):
            return self.element(value, 0, source)
        if value is not None:
            return value
        if name in self.values:
            return ()
        if self.is_inherited(name):
            return (Variable(name=name, quoted=True),)
        if name == "BASH_SOURCE":
            return self.file.spelled
        if name == "PWD" and (here := self.here()) is not None and not self.elsewhere:
            return (here,)
        reason = self.elsewhere or f"{shown(source)} is known only while the script runs"
        return (Opaque(source=source, reason=reason),)

    def element(self, array: Array, index: int, source: str) -> tuple[Piece, ...]:
        """The value of `${name[index]}`."""
        if counted(array.tokens):
            token = array.tokens[index] if -len(array.tokens) <= index < len(array.tokens) else None
            return token.pieces if token else ()
        return (Opaque(source=source, reason=f"{shown(source)} takes one element of an array"),)

    def argument(self, index: int, source: str) -> tuple[Piece, ...]:
        """The value of `$1` and the following."""
        if index == 0:
            return (Place(path=self.script),)
        if self.arguments is None or not counted(self.arguments[:index]):
            return (Opaque(source=source, reason=f"{shown(source)} is known only when the script runs"),)
        return self.arguments[index - 1].pieces if index <= len(self.arguments) else ()

    def positional(self, index: int, source: str, line: int) -> tuple[Piece, ...]:
        """The value of a bare `$1`: none of the script's own, which is run without arguments."""
        if index and not self.called:
            self.demanded.setdefault(str(index), line)
            if self.nounset and self.arguments is not None and index > len(self.arguments):
                return (Opaque(source=source, reason=f"{shown(source)} is not set, and `set -u` ends the script"),)
        return self.argument(index, source)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """What is used here is only asked for."""
        before = dict(self.demanded)
        yield
        for name in self.demanded.keys() - before.keys():
            del self.demanded[name]

    def demand(self) -> None:
        """The script gets here only when it is run with arguments."""
        self.doubt(self.taken & self.values.keys(), "it is an argument of the script")
        self.arguments = None

    def known(self, name: str) -> str | None:
        """The text of `$name`, where it is known."""
        return text_in(self.scalar(name))

    def store(self, name: str, value: Held, reason: str = "") -> None:
        """Assign. *reason*: why the value is not certain."""
        reason = reason or self.fixed.get(name, "")
        self.values[name] = (_unknown(name, reason),) if reason else value

    def doubt(self, names: Iterable[str], reason: str) -> None:
        """From here on the values of *names* are not known."""
        for name in names:
            self.values[name] = (_unknown(name, reason),)

    def doubt_all(self, reason: str) -> None:
        """From here on no value, function or folder is known."""
        self.elsewhere = reason
        self.doubt(self.values, reason)
        self.functions = dict.fromkeys(self.functions)
        self.folder, self.arguments = None, None

    def here(self, *, physical: bool = False) -> Place | Opaque | None:
        """The folder that the shell is in; `Opaque` where it only may be, as `cd` may have failed."""
        if self.folder is None:
            return None
        if not self.arrived:
            reason = "whether the script got into the folder is known only when it runs"
            return Opaque(source="pwd", reason=reason, place=self.folder)
        return Place(path=self.folder, base=self.base, physical=physical or self.physical)

    def move(self, words: Sequence[Token]) -> None:
        """`cd` with these words."""
        absolute = any(token.text == "-P" for token in words)
        words = [token for token in words if token.text not in ("--", "-P", "-L")]
        pieces = words[0].pieces if len(words) == 1 else ()
        text, first = text_in(pieces), pieces[0] if pieces else None
        self.folder, before = None, self.folder
        if (place := place_in(pieces)) is not None:
            self.folder, self.arrived = place, isinstance(first, Place)
            self.base = first.base if isinstance(first, Place) else "repo"
            self.physical = isinstance(first, Place) and first.physical
        elif text not in (None, "", "-") and before is not None:
            self.folder = inside(posixpath.join(before, text or ""))
        self.physical |= absolute
        self.arrived = self.arrived and self.folder is not None and self.is_there(self.folder)

    def is_there(self, path: str) -> bool:
        """Whether there surely is a file or folder of that name, from the base."""
        if self.base == "cwd":
            return path == ""
        if path == "" or f"{self.script}/".startswith(f"{path}/") or f"{self.file.path}/".startswith(f"{path}/"):
            return True
        return self.read(path) is not None

    def enter(self, path: str) -> str | None:
        """Where *path* leads from the folder that is known."""
        return None if self.folder is None else inside(posixpath.join(self.folder, path))


def inside(path: str) -> str | None:
    """The shortest form of a path in the checkout; None for one that leads out of it."""
    short = posixpath.normpath(path)
    if short.startswith(("/", "..")):
        return None
    return "" if short == "." else short


def text_in(pieces: Sequence[Piece]) -> str | None:
    """The characters of *pieces*, where all are known."""
    texts = [piece.text for piece in pieces if isinstance(piece, Plain)]
    return "".join(texts) if len(texts) == len(pieces) else None


def place_in(pieces: Sequence[Piece]) -> str | None:
    """The path in the checkout that *pieces* lead to."""
    first = pieces[0] if pieces else None
    place = first.path if isinstance(first, Place) else first.place if isinstance(first, Opaque) else None
    rest = text_in(pieces[1:])
    if place is None or rest is None or rest[:1] not in ("", "/"):
        return None
    return inside((place or ".") + rest)


def filled(pieces: Sequence[Piece]) -> bool | None:
    """Whether a value is not empty."""
    if any(
        (isinstance(piece, Plain) and piece.text)
        or (isinstance(piece, Variable) and piece.default)
        or (isinstance(piece, Choice) and not piece.only_unset and filled(piece.default))
        or isinstance(piece, Place)
        or (isinstance(piece, Computed) and piece.source.startswith("$(("))
        or (isinstance(piece, Opaque) and piece.place)
        for piece in pieces
    ):
        return True
    return False if text_in(pieces) == "" else None


def counted(tokens: Sequence[Token]) -> bool:
    """Whether each token is surely one word."""
    return all(token.text is not None or (token.quoted and not _may_split(token)) for token in tokens)


def _may_split(token: Token) -> bool:
    return any(
        isinstance(piece, Opaque) or (isinstance(piece, Variable | Choice | Place | Computed) and not piece.quoted)
        for piece in token.pieces
    )


def _unknown(name: str, reason: str) -> Opaque:
    return Opaque(source=f"${name}", reason=f"{ticked('$' + name)}: {reason}")


def join(shells: Sequence[Shell], reason: str) -> Shell:
    """What is known where several ways meet."""
    first, *others = shells
    met = first.fork()
    if not others:
        return met
    names: Mapping[str, None] = dict.fromkeys(name for shell in shells for name in shell.values)
    for name in names:
        held = [shell.values.get(name, ...) for shell in shells]
        if any(value != held[0] for value in held[1:]):
            met.doubt([name], reason)
    for name in dict.fromkeys(name for shell in shells for name in shell.functions):
        if any(shell.functions.get(name) is not first.functions.get(name) for shell in others):
            met.functions[name] = None
    for shell in others:
        met.fixed |= shell.fixed
        met.elsewhere = met.elsewhere or shell.elsewhere
        met.splitting = met.splitting or shell.splitting
        if (shell.folder, shell.base, shell.physical) != (first.folder, first.base, first.physical):
            met.folder = None
        met.arrived = met.arrived and shell.arrived
        if shell.arguments != first.arguments:
            met.arguments = None
    return met
