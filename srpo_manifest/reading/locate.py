"""Where each key of a TOML text stands."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Generator, Iterator
from itertools import accumulate, count
from typing import NamedTuple, TypeAlias

from srpo_manifest.finding import Spot, Where
from srpo_manifest.reading.lexemes import LONGEST_LINE, STRING

Key: TypeAlias = tuple[str | int, ...]
"""A path from the top: names of keys, and indices of arrays."""

_SKIP = re.compile(r"(?:[ \t\n]|#[^\n]*)*+")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\[^\n])*+"|'[^'\n]*+'""")
_WORD = re.compile(rf"{STRING}|[^,\]}}#\n]++")
_PLAIN_BEFORE = re.compile(r"[\w \t.\[\]-]*\Z")


class Span(NamedTuple):
    """One key, or one item of an array, in the text: `whole` where it is set there and not only passed through."""

    key: Key
    start: int
    width: int
    whole: bool


def dotted(key: Key) -> str:
    """The key as people and origins spell it.

    >>> dotted(("files", 0, "path"))
    'files.0.path'
    """
    return ".".join(map(str, key))


def undotted(spelled: str) -> Key | None:
    """The key that *spelled* means in TOML's spelling, or None where it is none.

    >>> undotted('lints."gpu-count"')
    ('lints', 'gpu-count')
    """
    scan = _Scan(spelled)
    try:
        parts = scan.parts()
    except _LostError:
        return None
    return tuple(name for name, _, _ in parts) if scan.at == len(spelled) else None


def locate(text: str, key: Key, file: str = "") -> Where | None:
    """The place of *key* in a valid TOML *text*, or None."""
    return places(text, file).get(key)


def places(text: str, file: str) -> dict[Key, Where]:
    """The first place of every table, key and item of a valid TOML *text*.

    Units: lines and columns count from 1, in characters. A line is told without what it may hold of `[env]`.
    """
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    spans = [(bisect_right(starts, span.start) - 1, span) for span in _Scan(text).spans()]
    secret_lines = {line for line, span in spans if _secret(span.key)}
    found: dict[Key, Where] = {}
    after_secret = False
    for line, span in spans:
        if span.key not in found:
            shown = lines[line] if len(lines[line]) <= LONGEST_LINE else ""
            column = span.start - starts[line]
            if shown and (line in secret_lines or after_secret):
                shown = _masked(shown, column, span)
            found[span.key] = Spot(
                file=file, line=line + 1, column=column + 1, key=dotted(span.key), width=span.width, text=shown
            )
        after_secret = _secret(span.key)
    return found


def twice(text: str) -> tuple[str, int, int] | None:
    """The first key of *text* that is set again, with both offsets; the text need not be valid after that."""
    seen: dict[Key, int] = {}
    for span in _Scan(text).spans():
        if span.whole and span.key in seen:
            return dotted(span.key), seen[span.key], span.start
        if span.whole:
            seen[span.key] = span.start
    return None


def _secret(key: Key) -> bool:
    return key[0] == "env" or (key[0] == "profile" and key[2:3] == ("env",))


def _masked(line: str, column: int, span: Span) -> str:
    """The line up to the key; nothing where a value may stand before it."""
    if not _PLAIN_BEFORE.match(line[:column]):
        return ""
    end = column + span.width
    return line[:end] + (" = …" if "=" in line[end:] else line[end:] if _secret(span.key) else " …")


class _LostError(Exception):
    """The text is no TOML from here on."""


class _Scan:
    """A walk over a text that is valid TOML; where it is not, the walk ends."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lengths: dict[Key, int] = {}

    def spans(self) -> Iterator[Span]:
        """Every key and item in the order of the text."""
        table: Key = ()
        try:
            while self._skip() < len(self.text):
                if self.text[self.at] == "[":
                    table = yield from self._header()
                else:
                    yield from self._pair(table)
        except _LostError:
            return

    def parts(self) -> list[tuple[str, int, int]]:
        """A dotted key: name, start and width of each part."""
        found = []
        while True:
            self._blanks()
            word = self._word(_PART)
            found.append((_name(word), self.at - len(word), len(word)))
            self._blanks()
            if not self._take("."):
                return found

    def _header(self) -> Generator[Span, None, Key]:
        several = self._take("[[")
        if not several:
            self._want("[")
        key: Key = ()
        parts = self.parts()
        for position, (name, start, width) in enumerate(parts):
            key += (name,)
            last = position == len(parts) - 1
            if not last or several:
                yield Span(key, start, width, whole=False)
            if last and several:
                self.lengths[key] = self.lengths.get(key, 0) + 1
            if key in self.lengths:
                key += (self.lengths[key] - 1,)
            if last:
                yield Span(key, start, width, whole=True)
        self._want("]]" if several else "]")
        return key

    def _pair(self, table: Key) -> Iterator[Span]:
        parts = self.parts()
        for name, start, width in parts:
            table += (name,)
            yield Span(table, start, width, whole=start == parts[-1][1])
        self._want("=")
        yield from self._value(table)

    def _value(self, key: Key) -> Iterator[Span]:
        self._blanks()
        if self._take("["):
            for index in count():
                self._skip()
                if self._take("]"):
                    return
                yield Span((*key, index), self.at, self._width(), whole=True)
                yield from self._value((*key, index))
                self._skip()
                if not self._take(","):
                    self._want("]")
                    return
        elif self._take("{"):
            self._skip()
            while not self._take("}"):
                yield from self._pair(key)
                self._skip()
                if self._take(","):
                    self._skip()
        else:
            self._word(_WORD)

    def _width(self) -> int:
        """Of the item that begins here, as far as its first line goes."""
        word = _WORD.match(self.text, self.at)
        return max(1, len(word[0].split("\n")[0].rstrip())) if word and self.text[self.at] not in "[{" else 1

    def _word(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _LostError
        self.at = found.end()
        return found[0]

    def _skip(self) -> int:
        self._word(_SKIP)
        return self.at

    def _blanks(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1

    def _take(self, mark: str) -> bool:
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def _want(self, mark: str) -> None:
        if not self._take(mark):
            raise _LostError


def _name(word: str) -> str:
    if word[0] == '"' and "\\" in word:
        try:
            name: str = tomllib.loads(f"k = {word}")["k"]
        except tomllib.TOMLDecodeError:
            raise _LostError from None
        return name
    return word[1:-1] if word[0] in "\"'" else word
