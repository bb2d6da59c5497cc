"""Tokens of a TOML text, laid out in lines of the house form; which columns they stand in is decided in `reading.columns`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from srpo_manifest.reading.tokens import Token

INDENT = "    "


class Line(NamedTuple):
    """A line without its end: its code, which may hold a string of several lines, and the comment behind it."""

    code: str
    comment: str = ""
    column: int = 0
    """Where the comment stood in the text."""
    gap: int = 0
    """How many blanks stood before the comment."""
    key: int = 0
    """The length of the plain key that the line begins with, 0 for none."""
    equals: int = 0
    """Where the `=` behind that key stood, counted from the key."""
    run: int = 0
    """Lines of one run may have their `=` in one column."""

    @property
    def blank(self) -> bool:
        """Whether nothing is in it."""
        return not self.code and not self.comment


def laid_out(text: str, tokens: list[Token]) -> list[Line]:
    """The lines of *text*, which has these *tokens*. The user's line breaks stay, but for blank lines beyond one."""
    writer = _Writer(text, tokens)
    writer.document()
    return _sparse(writer.lines)


class _Writer:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self.tokens, self.at = text, tokens, 0
        self.lines: list[Line] = []
        self.code: list[str] = []
        self.line = Line("")
        """The line without its code, which may be long and comes in many words."""
        self.depth = self.run = 0

    def document(self) -> None:
        """Every statement."""
        while kind := self.kind():
            if kind in "\n#":
                self.between()
            elif kind == "[":
                self.run += 1
                while self.kind() not in ("\n", "#", ""):
                    self.code.append(self.take().text)
            else:
                self.pair()
        self.end()

    def kind(self) -> str:
        """Of what comes; empty at the end."""
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def take(self) -> Token:
        """What comes."""
        self.at += 1
        return self.tokens[self.at - 1]

    @property
    def fresh(self) -> bool:
        """Whether the line has nothing in it yet."""
        return not self.code and not self.line.comment

    def end(self) -> None:
        """End the line."""
        code = "" if self.fresh else INDENT * self.depth + "".join(self.code)
        self.lines.append(self.line._replace(code=code))
        self.code, self.line = [], Line("")

    def between(self) -> None:
        """A line end or a comment."""
        token = self.take()
        if token.kind == "#":
            start = token.span.start
            before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
            gap = len(before) - len(before.rstrip(" \t"))
            self.line = self.line._replace(comment=token.text.rstrip(" \t"), column=len(before), gap=gap)
            return
        if self.fresh and not self.depth:
            self.run += 1
        self.end()

    def pair(self, *, inline: bool = False) -> None:
        """A key with its value."""
        begin = self.at
        while self.kind() != "=":
            self.take()
        parts = self.tokens[begin : self.at]
        key = "".join(part.text for part in parts)
        equals = self.take().span.start - parts[0].span.start
        if not inline:
            plain = len(parts) == 1
            self.run += 0 if plain else 1
            self.line = self.line._replace(key=len(key) if plain else 0, equals=equals, run=self.run)
        self.code.append(f"{key} = ")
        self.value()

    def value(self) -> None:
        """A scalar, an array, or a table in braces."""
        token = self.take()
        self.code.append(token.text)
        if token.kind == "[":
            self.array()
        elif token.kind == "{":
            self.inline()

    def inline(self) -> None:
        """A table in braces, up to its end."""
        end = "}"
        while self.kind() != "}":
            if self.kind() == ",":
                self.code.append(self.take().text)
                continue
            self.code.append(" ")
            self.pair(inline=True)
            end = " }"
        self.take()
        self.code.append(end)

    def array(self) -> None:
        """An array, up to its end: in one line, or each of its lines indented, with a comma behind every value."""
        tall = self._breaks()
        if tall:
            if self.kind() == "#":
                self.between()
            if self.kind() == "\n":
                self.take()
            self.end()
            self.depth += 1
        first = True
        while self.kind() != "]":
            if self.kind() in "\n#":
                self.between()
            elif self.kind() == ",":
                self.take()
                if self.fresh and self.kind() == "\n":
                    self.take()
            else:
                if self.code and not first:
                    self.code.append(" " if tall else ", ")
                first = False
                self.value()
                if tall:
                    self.code.append(",")
        self.take()
        if tall:
            if not self.fresh:
                self.end()
            self.depth -= 1
        self.code.append("]")

    def _breaks(self) -> bool:
        """Whether a line ends between the values of the array that begins before here."""
        depth = 0
        at = self.at
        while depth >= 0:
            kind = self.tokens[at].kind
            if depth == 0 and kind == "\n":
                return True
            depth += (kind in "[{") - (kind in "]}")
            at += 1
        return False


def _sparse(lines: Iterable[Line]) -> list[Line]:
    """No blank line at either end, nor at those of an array, and never two of them."""
    kept: list[Line] = []
    for line in lines:
        if line.code.lstrip().startswith("]") and kept and kept[-1].blank:
            kept.pop()
        if not line.blank or (kept and not kept[-1].blank and not kept[-1].code.endswith("[")):
            kept.append(line)
    if kept and kept[-1].blank:
        kept.pop()
    return kept
