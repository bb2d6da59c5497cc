"""Shell words to tokens: what bash makes of a word, or why only running the script can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace
from tree_sitter import Node

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.computed import summed
from srpo_manifest.upstream.nodes import shown
from srpo_manifest.upstream.parameters import parameter
from srpo_manifest.upstream.quotes import NAME, ansi_c, double_quoted, unquoted, written_out
from srpo_manifest.upstream.shell import EXPANSIONS, FORWARDED, Array, Held, Shell, counted
from srpo_manifest.upstream.substitutions import answer
from srpo_manifest.values.contract import Choice, Computed, Opaque, Piece, Place, Plain, Token, Variable

_EVERY = re.compile(
    rf'(?P<quote>"?)\$(?:(?P<own>[@*])|\{{(?:(?P<braced>[@*])(?::(?P<first>[1-9]))?|(?P<name>{NAME})\[(?P<all>[@*])\])\}})(?P=quote)'
)
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_MANY = re.compile(r"\$(?:@|\{@|\{!?[A-Za-z_]\w*\[@\])", re.ASCII)
_LINES = re.compile(r"(?:[ \t\n]|\\\n|(?<=[ \t\n])#[^\n]*\n)+")


def expand(nodes: Sequence[Node], shell: Shell) -> list[Token]:
    """The tokens that bash makes of the words of one command."""
    return _expand(nodes, shell, _BLANKS)


def value_of(assignment: Node, shell: Shell) -> Held:
    """What an assignment stores: nothing is split, and no file names are matched."""
    node = assignment.child_by_field_name("value")
    if node is None:
        return ()
    if node.type == "array":
        elements = [child for child in node.children if child.type not in ("(", ")", "comment")]
        if any(child.type == "variable_assignment" or shell.text(child).startswith("[") for child in elements):
            return (Opaque(source=shell.text(node), reason="an array with indexes of its own"),)
        return Array(tokens=tuple(_expand(elements, shell, _LINES)))
    return scalar_of(node, shell)


def scalar_of(node: Node, shell: Shell) -> tuple[Piece, ...]:
    """What *node* becomes where nothing is split and no file names are matched."""
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
                tokens.append(Token(pieces=(Opaque(source=between, reason=reason),), line=shell.line(node)))
        word.append(node)
    return tokens + _tokens(word, shell) if word else tokens


def _tokens(word: Sequence[Node], shell: Shell) -> list[Token]:
    first = word[0]
    whole = "".join(map(shell.text, word))
    if every := _EVERY.fullmatch(whole):
        return _every(every, first, shell)
    words = _Words(shell, first)
    if (texts := written_out(whole, globs=shell.globs)) is not None:
        for text in texts:
            words.text(text, quoted=False)
            words.done()
        return words.tokens
    for node in word:
        words.node(node)
    return words.done()


def _every(match: re.Match[str], node: Node, shell: Shell) -> list[Token]:
    """`"$@"`, or every element of an array."""
    name, line = match["name"], shell.line(node)
    joins = bool(match["quote"]) and "*" in (match["own"], match["braced"], match["all"])
    first = int(match["first"] or 1)
    if name is None and not shell.called and first == 1 and not joins:
        return [Token(pieces=(FORWARDED,), line=line)]
    if name is None and not shell.called:
        shell.demanded.setdefault(match["own"] or match["braced"], line)
    tokens = shell.arguments if name is None else _elements(name, shell)
    if first > 1 and tokens is not None:
        tokens = tokens[first - 1 :] if counted(tokens) else None
    if tokens is None:
        reason = f"{shown(match[0])} is no array that the script sets for certain"
        return [Token(pieces=(Opaque(source=match[0], reason=reason),), line=line)]
    if joins:
        return [_joined(match[0], tokens, line, shell)]
    if match["quote"]:
        return list(tokens)
    words = _Words(shell, node)
    for element in tokens:
        words.expanded(element.pieces, quoted=False)
        words.done()
    return words.tokens


def _elements(name: str, shell: Shell) -> tuple[Token, ...] | None:
    """The words of an array; None where they are not certain."""
    held = shell.values.get(name, ())
    return held.tokens if isinstance(held, Array) else () if held is None else None


def _joined(source: str, tokens: Sequence[Token], line: int, shell: Shell) -> Token:
    """`"${name[*]}"`: one word with blanks between."""
    if not counted(tokens) or shell.splitting:
        reason = shell.splitting or f"{shown(source)} is known only when the script runs"
        return Token(pieces=(Opaque(source=source, reason=reason, quoted=True),), line=line, quoted=True)
    words = _Words(shell, None)
    for token in tokens:
        words.text(" " if words.quoted else "", quoted=True)
        words.expanded(token.pieces, quoted=True)
    return Token(pieces=tuple(words.pieces) or (Plain(text=""),), line=line, quoted=True)


class _Words:
    """Gathers pieces into words, splitting what was expanded without quotes."""

    def __init__(self, shell: Shell, start: Node | None, *, splits: bool = True) -> None:
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
            line = self.shell.line(self.start) if self.start else 0
            self.tokens.append(Token(pieces=pieces, line=line, quoted=self.quoted))
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
            case "simple_expansion":
                self._simple(node, source, quoted=quoted)
            case "expansion":
                line = self.shell.line(node)
                for pieces, literal in parameter(source, self.shell, quoted=quoted, splits=self.splits, line=line):
                    self.expanded(pieces, quoted=literal)
            case "arithmetic_expansion":
                self._arithmetic(source, self.shell.line(node), quoted=quoted)
            case "command_substitution" | "process_substitution":
                self._answer(node, source, quoted=quoted)
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

    def unknown(self, source: str, reason: str, *, quoted: bool = False, place: str | None = None) -> None:
        """Add a piece that only running the script could tell. Of `"$@"` and arrays, quotes make no single word."""
        one = (quoted or not self.splits) and not _MANY.search(source)
        self.pieces.append(Opaque(source=source, reason=reason, quoted=one, place=place))

    def expanded(self, pieces: Sequence[Piece], *, quoted: bool) -> None:
        """Add the value of an expansion."""
        self.quoted |= quoted
        for piece in pieces:
            match piece:
                case Plain(text=text) if quoted or not self.splits:
                    self.text(text, quoted=False)
                case Plain(text=text):
                    self._split(text)
                case Computed(source=source) if source.startswith("$(("):
                    self.quoted = True
                    self.pieces.append(replace(piece, quoted=True))
                case Variable() | Choice() | Place() | Computed() if (
                    not (quoted or not self.splits) and self.shell.splitting
                ):
                    self.unknown(str(piece), self.shell.splitting)
                case Variable() | Choice() | Place() | Computed():
                    self.pieces.append(replace(piece, quoted=quoted or not self.splits))
                case _:
                    self.unknown(piece.source, piece.reason, quoted=quoted, place=piece.place)

    def _split(self, text: str) -> None:
        if self.shell.splitting and text:
            self.unknown(text, self.shell.splitting)
            return
        for part in re.split(r"([ \t\n]+)", text):
            if re.search(r"[*?\[\\]", part):
                self.unknown(part, f"{shown(part)} without quotes may match file names")
            elif part.strip(" \t\n"):
                self.text(part, quoted=False)
            elif part:
                self.done()

    def _unquoted(self, node: Node, source: str) -> None:
        if self.start and node.start_byte == self.start.start_byte and re.match(r"~(?:/|$)", source):
            after = self.shell.file.source[node.end_byte : node.end_byte + 1]
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
            if child.type in EXPANSIONS:
                self._in_string(at, self.shell.begin(child))
                self.node(child, quoted=True)
                at = child.end_byte
        self._in_string(at, node.end_byte - 1)

    def _in_string(self, start: int, end: int) -> None:
        source = self.shell.file.source[start:end].decode("utf-8", "replace")
        self.maybe(double_quoted(source), source, quoted=True)

    def _simple(self, node: Node, source: str, *, quoted: bool) -> None:
        name = source[1:]
        if name.isdigit():
            self.expanded(self.shell.positional(int(name), source, self.shell.line(node)), quoted=quoted)
        elif name in ("@", "*") and self.shell.arguments == ():
            self.expanded((), quoted=quoted)
        elif name == "#" and self.shell.arguments is not None and counted(self.shell.arguments):
            self.expanded((Plain(text=str(len(self.shell.arguments))),), quoted=quoted)
        elif re.fullmatch(NAME, name):
            self.expanded(self.shell.scalar(name), quoted=quoted)
        else:
            self.unknown(source, f"{shown(source)} is known only when the script runs", quoted=quoted)

    def _answer(self, node: Node, source: str, *, quoted: bool) -> None:
        pieces = answer(node, self.shell, expand) if node.type == "command_substitution" else None
        if pieces is None:
            self.unknown(source, "what a command prints is known only when the script runs", quoted=quoted)
        else:
            self.expanded(pieces, quoted=quoted)

    def _arithmetic(self, source: str, line: int, *, quoted: bool) -> None:
        inside = source[3:-2] if source.startswith("$((") else source[2:-1]
        stored: dict[str, int] = {}
        number = evaluate(inside, self.shell.known, stored.__setitem__)
        for name, result in stored.items():
            self.shell.store(name, (Plain(text=str(result)),))
        pieces = summed(inside, self.shell, line) if number is None else (Plain(text=str(number)),)
        if pieces is not None:
            self.expanded(pieces, quoted=quoted)
            return
        self.unknown(source, f"{shown(source)} is known only when the script runs", quoted=quoted)
        if re.search(r"\+\+|--|=", source):
            self.shell.doubt(re.findall(NAME, source), f"{shown(source)} may change it")
