"""Keys and scalars of TOML 1.0 in a text: what can be read on past a mistake is, the rest is a slip of the whole statement."""

from __future__ import annotations

import re
from typing import NamedTuple

from srpo_manifest.reading.scalars import CLOCK, CONTROL, DAY, scalar, unescaped
from srpo_manifest.reading.spanned import DEPTH, MOST_MISTAKES, SHALLOWER, TOO_DEEP, Item, Mistake, SlipError, Span
from srpo_manifest.wording import ticked

_BLANKS = re.compile(r"[ \t]*")
_REST = re.compile(r"[^\n]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_IN_QUOTES = r'(?:[^"\\\n]++|\\[^\n])*+'
_KEY = rf"""(?:[A-Za-z0-9_-]++|"{_IN_QUOTES}"|'[^'\n]*+')"""
_DOTTED = rf"{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY})*+"
_PAIR = rf"[ \t]*+{_DOTTED}[ \t]*+=(?!=)"
PAIR = re.compile(_PAIR)
STATEMENT = re.compile(rf"{_PAIR}|[ \t]*+\[\[?[ \t]*+{_DOTTED}[ \t]*+\]?\]?[ \t]*+(?:#[^\n]*)?(?:\n|\Z)")
"""How a line looks that begins a statement: what is read on from after a slip."""
_PRINTED = r"[^\x00-\x08\x0a-\x1f\x7f"
_END = rf"[ \t]*+(?:#{_PRINTED}]*+)?(?:\n|\Z)"
PLAIN = re.compile(
    rf"""([A-Za-z0-9_-]++)[ \t]*+=[ \t]*+(?:("{_PRINTED}"\\]*+"|'{_PRINTED}']*+')|([A-Za-z0-9_.+-]++)){_END}"""
)
"""A line of one bare key with a word, or with a string that escapes nothing, as most are."""
PLAIN_HEADER = re.compile(rf"\[(\[)?([A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++){{0,3}}+)\](?(1)\]){_END}")
"""Likewise, of a header: of bare keys, in one bracket or two."""
_TRIVIA = re.compile(rf"(?:[ \t\n]++|#{_PRINTED}]*+(?=\n|\Z))*+")
_WORD = re.compile(r"""\$\{\w+\}|[^; \x00-\x1f\x7f,\[\]{}#"'=]+""")
_CURLY = r"\u2018-\u201f\u00ab\u00bb"
_TYPOGRAPHIC = re.compile(rf'[{_CURLY}]([^{_CURLY}"\\\n]*)[{_CURLY}]')
_QUOTED = re.compile(rf""""{_IN_QUOTES}"|'[^'\n]*+'""")
_BASIC = re.compile(_IN_QUOTES)
_LITERAL = re.compile(r"[^'\n]*+")
_BASIC_LINES = re.compile(r'(?:[^"\\]++|\\[\s\S]|"{1,2}(?!"))*+')
_LITERAL_LINES = re.compile(r"(?:[^']++|'{1,2}(?!'))*+")


class Part(NamedTuple):
    """A part of a dotted key; a broken one has no name."""

    name: str
    span: Span
    broken: bool = False


class Literals:
    """A place in a text, and what is read from there."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.mistakes: list[Mistake] = []
        self.open: set[str] = set()
        """Quotes of long strings that nothing closes any more: the text is not searched again."""

    def note(self, mistake: Mistake) -> None:
        """Tell it, unless there are too many."""
        if len(self.mistakes) < MOST_MISTAKES:
            self.mistakes.append(mistake)

    # what stands between

    def blanks(self) -> None:
        """Over blanks within the line."""
        self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr] # it matches nothing, too

    def trivia(self) -> None:
        """Over blanks, comments and line ends."""
        while True:
            self.at = _TRIVIA.match(self.text, self.at).end()  # type: ignore[union-attr] # it matches nothing, too
            if self.peek() != "#":
                return
            self.comment()

    def comment(self) -> None:
        """Over a comment."""
        start = self.at
        self.at = _REST.match(self.text, self.at).end()  # type: ignore[union-attr] # likewise
        self.clean(Span(start, self.at), "a comment")

    def clean(self, span: Span, what: str) -> bool:
        """Whether no control character stands there; one is noted."""
        found = CONTROL.search(self.text, *span)
        if found is None:
            return True
        code = ord(found[0])
        message = f"{what} holds the control character U+{code:04X}"
        hint = "a line ends with a newline, or with both" if code == 0x0D else "take it out, or escape it in a string"
        self.note(Mistake("control-character", message, Span(found.start(), found.end()), (hint,)))
        return False

    def peek(self, length: int = 1) -> str:
        """What comes, without taking it; empty at the end."""
        return self.text[self.at : self.at + length]

    def take(self, mark: str) -> bool:
        """Over *mark*, if it comes."""
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def slip(self, code: str, message: str, span: Span, *hints: str, fix: str | None = None) -> SlipError:
        """The statement's end, to be raised."""
        return SlipError(Mistake(code, message, span, hints, fix=fix))

    def line_end(self, start: int) -> int:
        """Where the line ends that *start* is in."""
        end = self.text.find("\n", start)
        return end if end >= 0 else len(self.text)

    def here(self) -> Span:
        """The word or the string that comes, or the line's end."""
        found = _WORD.match(self.text, self.at) or _QUOTED.match(self.text, self.at)
        return Span(self.at, found.end() if found else self.at + len(self.peek().strip("\n")))

    # keys

    def parts(self, where: str) -> list[Part]:
        """A dotted key."""
        found = []
        while True:
            self.blanks()
            found.append(self._part(where))
            self.blanks()
            if not self.take("."):
                return found
            if len(found) == DEPTH:
                raise self.slip("too-deep", TOO_DEEP[0], Span(self.at - 1, self.at), SHALLOWER)

    def _part(self, where: str) -> Part:
        start = self.at
        mark = self.peek()
        if mark in ('"', "'") and mark:
            item = self._basic() if mark == '"' else self._literal()
            return Part(item.value or "", item.span, broken=item.how == "broken")
        found = _BARE.match(self.text, self.at)
        if found is None:
            span = self.here()
            message = "this is no key" if span.end > span.start else f"{where} lacks a key"
            hint = "a key is made of letters, digits, `_` and `-`; others stand in quotes"
            raise self.slip("bad-key", message, span, hint)
        self.at = found.end()
        return Part(found[0], Span(start, self.at))

    # values

    def word(self) -> Item:
        """The string, number, date or boolean that comes."""
        start = self.at
        match self.peek():
            case '"':
                return self._basic_lines() if self.peek(3) == '"""' else self._basic()
            case "'":
                return self._literal_lines() if self.peek(3) == "'''" else self._literal()
        if found := _TYPOGRAPHIC.match(self.text, self.at):
            return self._typographic(found)
        found = _WORD.match(self.text, self.at)
        if found is None:
            if self.peek() in ("", "\n", "#"):
                raise self.slip("no-value", "there is no value", Span(start, start), "write one, or take the key away")
            raise self.slip("no-value", "this begins no value", Span(start, start + 1), "a string needs quotes")
        self.at = found.end()
        # Shape: a date and a time may stand apart by one blank.
        if DAY.fullmatch(found[0]) and (clock := CLOCK.match(self.text, self.at + 1)) and self.peek() == " ":
            self.at = _WORD.match(self.text, clock.start()).end()  # type: ignore[union-attr] # digits are a word
        return scalar(self.text[start : self.at], Span(start, self.at), self.note)

    def _typographic(self, found: re.Match[str]) -> Item:
        """A text in quotes that a word processor made, which is told."""
        self.at = found.end()
        span, (before, behind) = Span(*found.span()), found.span(1)
        message = f"{ticked(found[0][0])} is a typographic quote: strings stand in straight ones"
        quotes = (Span(span.start, before), Span(behind, span.end))
        self.note(Mistake("not-a-value", message, span, ('write `"` before and behind it',), fix='"', places=quotes))
        return Item(None, span, "broken")

    def _string(self, body: re.Pattern[str], mark: str) -> tuple[Span, Span]:
        """The spans of a string and of what is in it."""
        start = self.at
        end = self.line_end(start) if mark in self.open else len(self.text)
        self.at = body.match(self.text, start + len(mark), end).end()  # type: ignore[union-attr] # it matches nothing, too
        inside = Span(start + len(mark), self.at)
        if not self.take(mark):
            self.open.add(mark)
            span = Span(start, self.line_end(start))
            raise self.slip("string-open", "this string is never closed", span, f"close it with {ticked(mark)}")
        return Span(start, self.at), inside

    def _basic(self) -> Item:
        span, inside = self._string(_BASIC, '"')
        return self._text(span, inside, escapes=True)

    def _literal(self) -> Item:
        span, inside = self._string(_LITERAL, "'")
        return self._text(span, inside, escapes=False)

    def _basic_lines(self) -> Item:
        return self._lines(_BASIC_LINES, '"""', escapes=True)

    def _literal_lines(self) -> Item:
        return self._lines(_LITERAL_LINES, "'''", escapes=False)

    def _lines(self, body: re.Pattern[str], mark: str, *, escapes: bool) -> Item:
        span, inside = self._string(body, mark)
        # up to two quotes may stand before those that close it
        more = 0
        while more < 2 and self.take(mark[0]):
            more += 1
        inside = Span(inside.start + (self.text[inside.start] == "\n"), inside.end + more)
        return self._text(Span(span.start, self.at), inside, escapes=escapes, lines=True)

    def _text(self, span: Span, inside: Span, *, escapes: bool, lines: bool = False) -> Item:
        text: str | None = self.text[inside.start : inside.end]
        good = self.clean(inside, "this string")
        if escapes and text and "\\" in text:
            text = unescaped(text, inside.start, self.note, lines=lines)
        return Item(text, span) if good and text is not None else Item(None, span, "broken")
