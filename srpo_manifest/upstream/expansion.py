"""Shell words to tokens: what bash makes of a word, or why only running the script can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.quotes import NAME, ansi_c, arithmetic, double_quoted, unquoted
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Opaque, Piece, Plain, Token, Variable
from srpo_manifest.wording import ticked

FORWARDED = Opaque(source='"$@"', reason='`"$@"` stands for the arguments of the script')

_EVERY = re.compile(rf'(?P<quote>"?)\$(?:@|\{{(?:@|(?P<name>{NAME})\[@\])\}})(?P=quote)')
_BRACED = re.compile(
    rf"\$\{{(?:(?P<length>#)(?P<of>{NAME})|(?P<name>{NAME})(?:(?P<operator>:[-=?+])(?P<operand>[^{{}}]*))?)\}}",
    re.ASCII,
)
_OPERAND = re.compile(r'"([\w./:,=+@%-]*)"|([\w./:,=+@% -]*)', re.ASCII)
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_LINES = re.compile(r"(?:[ \t\n]|\\\n|(?<=[ \t\n])#[^\n]*\n)+")
_MANY = re.compile(r"\$(?:@|\{@|\{!?[A-Za-z_]\w*\[@\])", re.ASCII)
_EXPANSIONS = ("simple_expansion", "expansion", "arithmetic_expansion", "command_substitution", "process_substitution")
_OF_THE_RUN = re.compile(
    "BASH.*|S?RANDOM|SECONDS|LINENO|HOSTNAME|HOSTTYPE|OSTYPE|MACHTYPE|E?UID|GROUPS|PPID|SHLVL|(OLD)?PWD|OPT(IND|ARG)"
    "|EPOCH(SECONDS|REALTIME)|FUNCNAME|DIRSTACK|PIPESTATUS|COLUMNS|LINES|SHELLOPTS|_"
)


class Array(Value):
    """The value of an indexed array without holes."""

    tokens: tuple[Token, ...]


class Shell:
    """A script's source, and what is known of its variables at one point."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.values: dict[str, tuple[Piece, ...] | Array] = {}
        self.elsewhere = ""
        """Why a name that the script does not set may be set all the same."""
        self.splitting = ""
        """Why it is not known how values fall into words."""

    def text(self, node: Node) -> str:
        """The node's source."""
        return self.source[self.begin(node) : node.end_byte].decode("utf-8", "replace")

    def between(self, first: Node, second: Node) -> str:
        """The source from one node to the next."""
        return self.source[first.end_byte : self.begin(second)].decode("utf-8", "replace")

    def begin(self, node: Node) -> int:
        """Where its own text begins: the grammar counts blanks before a `$` in quotes to the expansion."""
        text = self.source[node.start_byte : node.end_byte]
        return node.end_byte - len(text.lstrip()) if node.type in _EXPANSIONS else node.start_byte

    def is_inherited(self, name: str) -> bool:
        """Whether the name still has the environment's value."""
        return not (name in self.values or self.elsewhere or _OF_THE_RUN.fullmatch(name))

    def scalar(self, name: str) -> tuple[Piece, ...]:
        """The value of `$name` in double quotes."""
        source = f"${name}"
        value = self.values.get(name)
        if isinstance(value, Array):
            return (Opaque(source=source, reason=f"{shown(source)} takes one element of an array"),)
        if value is not None:
            return value
        if self.is_inherited(name):
            return (Variable(name=name, quoted=True),)
        reason = self.elsewhere or f"{shown(source)} is known only while the script runs"
        return (Opaque(source=source, reason=reason),)

    def doubt(self, names: Iterable[str], reason: str) -> None:
        """From here on the values of *names* are not known."""
        for name in names:
            self.values[name] = (Opaque(source=f"${name}", reason=f"{ticked('$' + name)}: {reason}"),)

    def doubt_all(self, reason: str) -> None:
        """From here on no value is known."""
        self.elsewhere = reason
        self.doubt(self.values, reason)


def expand(nodes: Sequence[Node], shell: Shell) -> list[Token]:
    """The tokens that bash makes of the words of one command."""
    return _expand(nodes, shell, _BLANKS)


def value_of(assignment: Node, shell: Shell) -> tuple[Piece, ...] | Array:
    """What an assignment stores: nothing is split, and no file names are matched."""
    node = assignment.child_by_field_name("value")
    if node is None:
        return ()
    if node.type == "array":
        source = shell.text(node)
        if re.search(r"(?:^\(|\s)\[", source):
            return (Opaque(source=source, reason="an array with indexes of its own"),)
        elements = [child for child in node.children if child.type not in ("(", ")", "comment")]
        return Array(tokens=tuple(_expand(elements, shell, _LINES)))
    words = _Words(shell, node, splits=False)
    words.node(node)
    tokens = words.done()
    return tokens[0].pieces if tokens else ()


def _expand(nodes: Sequence[Node], shell: Shell, separator: re.Pattern[str]) -> list[Token]:
    tokens: list[Token] = []
    word: list[Node] = []
    for node in nodes:
        between = shell.between(word[-1], node) if word else ""
        # A continued line alone parts no words.
        if between.replace("\\\n", ""):
            tokens += _tokens(word, shell)
            word = []
            if not separator.fullmatch(between):
                reason = f"{shown(between.strip())} could not be read"
                tokens.append(Token(pieces=(Opaque(source=between, reason=reason),), line=line_of(node)))
        word.append(node)
    return tokens + _tokens(word, shell) if word else tokens


def _tokens(word: Sequence[Node], shell: Shell) -> list[Token]:
    first = word[0]
    whole = "".join(map(shell.text, word))
    if every := _EVERY.fullmatch(whole):
        return _every(every, first, shell)
    words = _Words(shell, first)
    for node in word:
        words.node(node)
    return words.done()


def _every(match: re.Match[str], node: Node, shell: Shell) -> list[Token]:
    """`"$@"`, or every element of an array."""
    name, line = match["name"], line_of(node)
    if name is None:
        return [Token(pieces=(FORWARDED,), line=line)]
    array = shell.values.get(name)
    if not isinstance(array, Array):
        reason = f"{shown(match[0])} is no array that the script sets for certain"
        return [Token(pieces=(Opaque(source=match[0], reason=reason),), line=line)]
    if match["quote"]:
        return list(array.tokens)
    words = _Words(shell, node)
    for element in array.tokens:
        words.expanded(element.pieces, quoted=False)
        words.done()
    return words.tokens


class _Words:
    """Gathers pieces into words, splitting what was expanded without quotes."""

    def __init__(self, shell: Shell, start: Node, *, splits: bool = True) -> None:
        self.shell = shell
        self.start = start
        self.splits = splits
        self.tokens: list[Token] = []
        self.pieces: list[Piece] = []
        self.quoted = False

    def done(self) -> list[Token]:
        """All words; a word of nothing but empty expansions is none."""
        if self.pieces or self.quoted:
            pieces = tuple(self.pieces) or (Plain(text=""),)
            self.tokens.append(Token(pieces=pieces, line=line_of(self.start), quoted=self.quoted))
        self.pieces, self.quoted = [], False
        return self.tokens

    def node(self, node: Node, *, quoted: bool = False) -> None:
        """Add what *node* becomes."""
        source = self.shell.text(node)
        match node.type:
            case "word" | "number" | "$":
                self._unquoted(node, source)
            case "concatenation" | "command_name":
                before: Node | None = None
                for child in node.children:
                    if before and self.shell.between(before, child).replace("\\\n", ""):
                        self.unknown(source, f"{shown(source)} could not be read")
                        return
                    self.node(child)
                    before = child
            case "raw_string":
                self.text(source[1:-1], quoted=True)
            case "ansi_c_string":
                self.maybe(ansi_c(source[2:-1]), source, quoted=True)
            case "string" if source.startswith('"'):
                self._string(node)
            case "simple_expansion" if re.fullmatch(rf"\${NAME}", source):
                self.expanded(self.shell.scalar(source[1:]), quoted=quoted)
            case "expansion" if match := _BRACED.fullmatch(source):
                self.expanded(self._braced(match), quoted=quoted)
            case "arithmetic_expansion":
                self._arithmetic(node, source, quoted=quoted)
            case "command_substitution" | "process_substitution":
                self.unknown(source, "what a command prints is known only when the script runs", quoted=quoted)
            case _:
                self.unknown(source, f"{shown(source)} is known only when the script runs", quoted=quoted)

    def text(self, text: str, *, quoted: bool) -> None:
        """Add characters that stand in the script."""
        if "\ufffd" in text:
            self.unknown(text, "its bytes are not UTF-8")
            return
        self.quoted |= quoted
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, Plain):
            self.pieces[-1] = Plain(text=last.text + text)
        elif text:
            self.pieces.append(Plain(text=text))

    def maybe(self, text: str | None, source: str, *, quoted: bool) -> None:
        """Add characters, where their reading is certain."""
        if text is None:
            self.unknown(source, f"{shown(source)} could not be read")
        else:
            self.text(text, quoted=quoted)

    def unknown(self, source: str, reason: str, *, quoted: bool = False) -> None:
        """Add a piece that only running the script could tell. Of `"$@"` and arrays, quotes make no single word."""
        one = (quoted or not self.splits) and not _MANY.search(source)
        self.pieces.append(Opaque(source=source, reason=reason, quoted=one))

    def expanded(self, pieces: Sequence[Piece], *, quoted: bool) -> None:
        """Add the value of an expansion."""
        self.quoted |= quoted
        for piece in pieces:
            match piece:
                case Plain(text=text) if quoted or not self.splits:
                    self.text(text, quoted=False)
                case Plain(text=text):
                    self._split(text)
                case Variable() if not (quoted or not self.splits) and self.shell.splitting:
                    self.unknown(f"${piece.name}", self.shell.splitting)
                case Variable():
                    self.pieces.append(replace(piece, quoted=quoted or not self.splits))
                case _:
                    self.unknown(piece.source, piece.reason, quoted=quoted)

    def _split(self, text: str) -> None:
        if self.shell.splitting and text:
            self.unknown(text, self.shell.splitting)
            return
        if re.search(r"[*?\[\\]", text):
            self.unknown(text, f"{shown(text)} without quotes may match file names")
            return
        for part in re.split(r"([ \t\n]+)", text):
            if part.strip(" \t\n"):
                self.text(part, quoted=False)
            elif part:
                self.done()

    def _unquoted(self, node: Node, source: str) -> None:
        if node.start_byte == self.start.start_byte and re.match(r"~(?:/|$)", source):
            after = self.shell.source[node.end_byte : node.end_byte + 1]
            if source != "~" or after in (b" ", b"\t", b"\n", b";"):
                self.expanded(self.shell.scalar("HOME"), quoted=True)
                source = source[1:]
        text = unquoted(source, assigned=not self.splits)
        if text is None:
            self.unknown(source, f"{shown(source)} without quotes is expanded by bash")
        else:
            self.text(text, quoted=False)

    def _string(self, node: Node) -> None:
        self.quoted = True
        at = node.start_byte + 1
        for child in node.named_children:
            if child.type in _EXPANSIONS:
                self._in_string(at, self.shell.begin(child))
                self.node(child, quoted=True)
                at = child.end_byte
        self._in_string(at, node.end_byte - 1)

    def _in_string(self, start: int, end: int) -> None:
        source = self.shell.source[start:end].decode("utf-8", "replace")
        self.maybe(double_quoted(source), source, quoted=True)

    def _braced(self, match: re.Match[str]) -> tuple[Piece, ...]:
        """`${name}`, `${#name}`, and the four operators that ask whether it is empty."""
        source, operator = match[0], match["operator"]
        value = self.shell.scalar(match["name"] or match["of"])
        unknown = (Opaque(source=source, reason=f"{shown(source)} is known only when the script runs"),)
        texts = [piece.text for piece in value if isinstance(piece, Plain)]
        known = "".join(texts) if len(texts) == len(value) else None
        if match["length"]:
            return (Plain(text=str(len(known))),) if known is not None and known.isascii() else unknown
        if operator is None:
            return value
        filled = True if any(texts) else False if known == "" else None
        operand = self._operand(match["operand"])
        if operator in (":-", ":="):
            chosen = value if filled else operand if filled is False else _defaulted(value, operand)
            if operator == ":=":
                name = match["name"]
                self.shell.values[name] = unknown if chosen is None else chosen
            return unknown if chosen is None else chosen
        if operator == ":?":
            # A run that gets past this has a value.
            return value if filled is not False else unknown
        if filled is False:
            return ()
        return operand if filled and operand is not None else unknown

    def _operand(self, text: str) -> tuple[Piece, ...] | None:
        if named := re.fullmatch(rf'\$({NAME})|"\$({NAME})"', text):
            value = self.shell.scalar(named[1] or named[2])
            return value if all(isinstance(piece, Plain) for piece in value) else None
        match = _OPERAND.fullmatch(text)
        return None if match is None else (Plain(text=match[1] or match[2] or ""),)

    def _arithmetic(self, node: Node, source: str, *, quoted: bool) -> None:
        number = arithmetic(node, self._number) if source.startswith("$((") else None
        if number is not None:
            self.expanded((Plain(text=str(number)),), quoted=quoted)
            return
        self.unknown(source, f"{shown(source)} is known only when the script runs", quoted=quoted)
        if re.search(r"\+\+|--|=", source):
            self.shell.doubt(re.findall(NAME, source), f"{shown(source)} may change it")

    def _number(self, name: str) -> str | None:
        value = self.shell.scalar(name)
        only = value[0] if len(value) == 1 else None
        return only.text if isinstance(only, Plain) else None


def _defaulted(value: tuple[Piece, ...], operand: tuple[Piece, ...] | None) -> tuple[Piece, ...] | None:
    """`${name:-text}` where the name still has a value of the environment."""
    only = value[0] if len(value) == 1 else None
    if not isinstance(only, Variable):
        return None
    if only.default:
        return value
    text = "".join(piece.text for piece in operand or () if isinstance(piece, Plain))
    return None if operand is None else (replace(only, default=text),)


def line_of(node: Node) -> int:
    """The node's line, counted from 1."""
    return node.start_point.row + 1


def shown(source: str) -> str:
    """A stretch of source as a message shows it: its first line, in backticks unless it holds some."""
    first, rest, _ = source.partition("\n")
    short = first[:60] + ("…" if rest or len(first) > 60 else "")
    return short if "`" in short else ticked(short)
