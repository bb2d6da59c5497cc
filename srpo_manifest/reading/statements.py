"""TOML 1.0, read to the end whatever is wrong: each mistake is told once, where it is, and the next statement counts again."""

from __future__ import annotations

import re

from srpo_manifest.reading.literals import PAIR, PLAIN, PLAIN_HEADER, STATEMENT, Literals, Part
from srpo_manifest.reading.locate import displayed
from srpo_manifest.reading.scalars import scalar
from srpo_manifest.reading.spanned import (
    DEPTH,
    MOST_MISTAKES,
    SHALLOWER,
    TOO_DEEP,
    Item,
    Mistake,
    Parsed,
    SlipError,
    Span,
)
from srpo_manifest.wording import ticked

_LONG = re.compile("\"{3}|'{3}")
_TRAILING = re.compile(r"([;,]+)[ \t]*(?:#.*)?")
_COMMA_IN_NUMBER = re.compile(r"=[ \t]*([+-]?[0-9]+),([0-9]+)[ \t]*(?:#.*)?\Z")
_NEWER = "this is TOML of a later version; manifests are TOML 1.0"


def parse(text: str) -> Parsed:
    """The document that *text* is: line ends are newlines, and no byte order mark is there.

    Never raises for what is written.
    Source: TOML v1.0.0.
    """
    document = _Document(text)
    document.read()
    document.mistakes.sort(key=lambda mistake: mistake.span)
    return Parsed(document.root, document.mistakes)


class _Document(Literals):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.root = Item({}, Span(0, 0), "header")
        self.table = self.root
        self.path: tuple[str, ...] = ()
        """Of the table."""
        self.key: tuple[str, ...] = ()
        """What the statement sets."""
        self.depth = 0

    def read(self) -> None:
        """Every statement."""
        told = 0
        while True:
            if len(self.mistakes) > told:
                self.mistakes[told:] = (one._replace(key=self.key) for one in self.mistakes[told:])
            begun, told, self.depth, self.key = self.at, len(self.mistakes), 0, self.path
            try:
                self.trivia()
                begun = self.at
                if self.at >= len(self.text) or len(self.mistakes) >= MOST_MISTAKES:
                    return
                if self._plainly() or self._opens_plainly():
                    continue
                if self.peek() == "[":
                    self._header()
                else:
                    self._pair(self.table)
                self._finish(told)
            except SlipError as slip:
                self.note(slip.mistake)
                self.at = self._next(begun)

    def _next(self, begun: int) -> int:
        """Where the first line after the failed one begins; where that leaves something open, the first that looks like a statement."""
        end = self.line_end(begun)
        if not _LONG.search(self.text, begun, end) and self._is_closed(begun, end):
            return min(end + 1, len(self.text))
        at = begun
        while (at := self.text.find("\n", at) + 1) > 0:
            if STATEMENT.match(self.text, at):
                return at
        return len(self.text)

    def _is_closed(self, start: int, end: int) -> bool:
        """Whether that leaves no bracket open, as far as a glance tells."""
        opened, closed = (sum(self.text.count(mark, start, end) for mark in marks) for marks in ("[{", "]}"))
        return opened <= closed

    def _finish(self, told: int) -> None:
        """Over the rest of the line, which holds nothing. What is behind a mistake of the same line belongs to it."""
        self.blanks()
        if self.peek() == "#":
            self.comment()
        if self.peek() in ("", "\n"):
            return
        span = Span(self.at, self.line_end(self.at))
        begins = self.text.rfind("\n", 0, self.at) + 1
        is_behind = any(one.span.start >= begins for one in self.mistakes[told:])
        if not is_behind and self.clean(span, "this line"):
            self.note(self._after(begins, span))
        self.at = span.end

    def _after(self, begins: int, span: Span) -> Mistake:
        """What is wrong with the text behind a statement of the line that *begins* there."""
        if mark := _TRAILING.fullmatch(self.text, *span):
            message = f"no {ticked(mark[1][0])} ends a statement: its line does"
            return Mistake("text-after", message, Span(*mark.span(1)), ("take it away",), fix="")
        message, hint = (
            "there is text behind the end of the statement",
            "begin a new line, or write `#` before a comment",
        )
        if number := _COMMA_IN_NUMBER.search(self.text, begins, span.end):
            hint = f"a number has a decimal point: write {ticked(number[1] + '.' + number[2])}"
        return Mistake("text-after", message, span, (hint,))

    def _plainly(self) -> bool:
        """Over a line of the simplest form, where nothing of its name is there yet: what comes of it is what `_pair` makes."""
        found = PLAIN.match(self.text, self.at)
        if found is None or found[1] in self.table.value:
            return False
        name, string, word = found.groups()
        span = Span(*found.span(2 if string else 3))
        self.table.keys.setdefault(name, [Span(*found.span(1))])
        if string:
            self.table.value[name] = Item(string[1:-1], span)
        else:
            self.key = (*self.path, name)
            self.table.value[name] = scalar(word, span, self.note)
        self.at = found.end()
        return True

    def _opens_plainly(self) -> bool:
        """Likewise, over a header of bare keys."""
        found = PLAIN_HEADER.match(self.text, self.at)
        if found is None:
            return False
        parts, at, several = [], found.start(2), found[1] is not None
        self.path = self.key = tuple(found[2].split("."))
        for name in self.path:
            parts.append(Part(name, Span(at, at + len(name))))
            at += len(name) + 1
        self.table = self._opened(parts, Span(self.at, at + several), several=several)
        self.at = found.end()
        return True

    # headers

    def _header(self) -> None:
        start = self.at
        several = self.take("[[")
        if not several:
            self.at += 1
        # what follows a header that is wrong must not land in the table before it
        self.table = Item({}, Span(start, self.at), "broken")
        self.path = self.key = ()
        parts = self.parts("this header")
        close = "]]" if several else "]"
        closed = self.take(close)
        lacks = "]" if not closed and several and self.take("]") else close
        span = Span(start, self.at)
        hint = f"close it with {ticked(close)}"
        if lacks == close and not closed and self.peek() not in ("", "\n", "#"):
            raise self.slip("header-open", "this header is not closed", self.here(), hint)
        if lacks != close and [part.name for part in parts] != ["files"]:
            once = "write one bracket at both ends; two open an item of a list"
            message = "this header begins with two brackets and ends with one"
            self.note(Mistake("header-open", message, Span(start, start + 1), (once,), fix=""))
            several, closed = False, True
        if not any(part.broken for part in parts):
            self.path = self.key = tuple(part.name for part in parts)
            self.table = self._opened(parts, span, several=several)
        if not closed:
            if self.peek() in ("", "\n", "#"):
                missing = Span(self.at, self.at)
                self.note(Mistake("header-open", "this header is not closed", missing, (hint,), fix=lacks))
                return
            raise self.slip("header-open", "this header is not closed", self.here(), hint)

    def _opened(self, parts: list[Part], span: Span, *, several: bool) -> Item:
        """The table that a header opens."""
        table = self.root
        found: Item | None
        for part in parts[:-1]:
            found = self._named(table, part)
            if found is None:
                found = self._put(table, part, Item({}, part.span, "implicit"))
            elif found.how == "items":
                found = found.value[-1]
            elif found.how == "broken":
                return Item({}, span, "broken")
            elif found.how not in ("header", "implicit", "dotted"):
                self._twice(parts, part, table)
                return Item({}, span, "broken")
            table = found
        last = parts[-1]
        found = self._named(table, last)
        made = Item({}, last.span, "header")
        if several and (found is None or found.how == "items"):
            found = found or self._put(table, last, Item([], last.span, "items"))
            found.value.append(made)
            return made
        if found is None:
            return self._put(table, last, made)
        if found.how == "implicit" and not several:
            found.how, found.span = "header", span
            table.keys[last.name].insert(0, table.keys[last.name].pop())
            return found
        if found.how != "broken":
            self._twice(parts, last, table)
        # its keys are checked with those of the first
        return found if found.how == "header" and not several else Item({}, span, "broken")

    # pairs

    def _pair(self, table: Item) -> None:
        start = self.at
        parts = self.parts("this line")
        if any(part.broken for part in parts):
            table = Item({}, Span(start, self.at), "broken")
        if not self.take("="):
            if mark := next((mark for mark in (":=", ":") if self.take(mark)), ""):
                self._unequal(mark, parts)
            else:
                self._broken(table, parts)
                span = self.here()
                if self.peek() in ("", "\n", "#", ",", "}"):
                    span = Span(start, parts[-1].span.end)
                raise self.slip(
                    "no-equals", "this key has no `=`", span, "a setting is written `key = value`, a table `[name]`"
                )
        elif self.take("="):
            self._unequal("==", parts)
        if not self.depth:
            self.key = (*self.path, *(part.name for part in parts))
        self.blanks()
        broken = Item(None, Span(self.at, self.at), "broken")
        home = self._home(table, parts)
        known = home.value.get(parts[-1].name) if home else None
        if home and known is None:
            self._put(home, parts[-1], broken)
        item = self._value()
        if home and known is None:
            home.value[parts[-1].name] = item
        elif home:
            self._twice(parts, parts[-1], home)

    def _unequal(self, mark: str, parts: list[Part]) -> None:
        """Tell of what was taken in place of `=`."""
        message = f"a key and its value stand apart by `=`, not by {ticked(mark)}"
        span = Span(self.at - len(mark), self.at)
        hint = f"write {ticked(parts[-1].name + ' = …')}"
        self.note(Mistake("no-equals", message, span, (hint,), fix=" =" if mark == ":" else "="))

    def _home(self, table: Item, parts: list[Part]) -> Item | None:
        """The table that a dotted key leads into; None where something else is in the way, which is told."""
        for part in parts[:-1]:
            found = self._named(table, part)
            if found is None:
                found = self._put(table, part, Item({}, part.span, "dotted"))
            elif found.how not in ("dotted", "implicit"):
                if found.how != "broken":
                    self._twice(parts, part, table)
                return None
            table = found
        return table

    def _broken(self, table: Item, parts: list[Part]) -> None:
        home = table
        if len(parts) == 1 and parts[0].name not in home.value:
            self._put(home, parts[0], Item(None, parts[0].span, "broken"))

    def _put(self, table: Item, part: Part, item: Item) -> Item:
        table.value[part.name] = item
        table.keys.setdefault(part.name, [part.span])
        return item

    def _named(self, table: Item, part: Part) -> Item | None:
        """What *part* names in the table, where it is there already."""
        found: Item | None = table.value.get(part.name)
        if found is not None:
            table.keys[part.name].append(part.span)
        return found

    def _twice(self, parts: list[Part], part: Part, table: Item) -> None:
        """Tell that *part* is there already."""
        key = displayed(tuple(one.name for one in parts[: parts.index(part) + 1]))
        found, first = table.value[part.name], table.keys[part.name][0]
        if part is parts[-1]:
            message, hint = f"{ticked(key)} is set twice", "keep one of them"
        elif found.how in ("header", "items"):
            message, hint = f"{ticked(key)} has a header of its own", "write this key below that header"
        elif found.how == "inline":
            message, hint = f"{ticked(key)} is closed", "put this key between its braces"
        else:
            message, hint = f"{ticked(key)} is no table", "it has a value: take that away, or this"
        related = (("it is set first here", first),)
        self.note(Mistake("duplicate-key", message, part.span, (hint,), related))

    # values in brackets

    def _value(self) -> Item:
        mark = self.peek()
        if mark not in ("[", "{"):
            return self.word()
        if self.depth == DEPTH:
            raise self.slip("too-deep", TOO_DEEP[1], Span(self.at, self.at + 1), SHALLOWER)
        self.depth += 1
        found = self._array() if mark == "[" else self._inline()
        self.depth -= 1
        return found

    def _array(self) -> Item:
        start, told = self.at, len(self.mistakes)
        items: list[Item] = []
        self.at += 1
        comma, line, lacking = True, self.at, 0
        while True:
            self.trivia()
            if self.take("]"):
                return Item(items, Span(start, self.at))
            if self.at >= len(self.text) or self._begins_pair(line):
                raise self._never_closed("array-open", "array", start, told)
            if self.peek() == "}":
                raise self._closed_by("array-open", "array", "]")
            lacking += not comma
            if not comma and len(self.mistakes) == told:
                message = "a comma is missing between two values of an array"
                self.note(Mistake("no-comma", message, self.here(), ("write `,` between them",)))
            value = self._value()
            if lacking < 2:  # words without any commas are no array to keep
                items.append(value)
            line = self.at
            self.trivia()
            comma = self.take(",") or self._semicolon("values of an array")

    def _inline(self) -> Item:
        start, told = self.at, len(self.mistakes)
        table = Item({}, Span(start, start), "header")
        self.at += 1
        comma: Span | None = None
        while True:
            line = self.at
            self.trivia()
            crossed = self.text.find("\n", line, self.at)
            if self.at >= len(self.text) or (crossed >= 0 and not comma and table.value and self._begins_pair(line)):
                raise self._never_closed("inline-table", "table in braces", start, told)
            if crossed >= 0:
                self._newer("a line ends", Span(crossed, crossed + 1), told)
            if self.take("}"):
                if comma:
                    self._newer("a comma stands behind the last key", comma, told)
                break
            if self.peek() == "]" and not comma:
                raise self._closed_by("inline-table", "table in braces", "}")
            if self.peek() == "," and (comma or not table.value):
                raise self.slip(
                    "no-value", "there is no key before this comma", Span(self.at, self.at + 1), "take it away"
                )
            mark = Span(self.at, self.at + 1)
            if self.take(",") or self._semicolon("keys of a table in braces"):
                comma = mark
                continue
            if table.value and comma is None and len(self.mistakes) == told:
                message = "a comma is missing between two keys of a table in braces"
                self.note(Mistake("no-comma", message, self.here(), ("write `,` between them",)))
            comma = None
            self._pair(table)
        table.how = "inline"
        table.span = Span(start, self.at)
        return table

    def _semicolon(self, what: str) -> bool:
        """Over a semicolon that stands for a comma, which is told."""
        span = Span(self.at, self.at + 1)
        if not self.take(";"):
            return False
        self.blanks()
        message, is_last = f"{what} stand apart by `,`, not by `;`", self.peek() == "}"
        hint = "take it away: none stands behind the last" if is_last else "write `,`"
        self.note(Mistake("no-comma", message, span, (hint,), fix="" if is_last else ","))
        return True

    def _closed_by(self, code: str, what: str, close: str) -> SlipError:
        """The slip of brackets that end with another's."""
        span = Span(self.at, self.at + 1)
        message = f"this {what} is not closed before {ticked(self.peek())}"
        return self.slip(code, message, span, f"close it with {ticked(close)}")

    def _newer(self, what: str, span: Span, told: int) -> None:
        """Once for a table."""
        if len(self.mistakes) == told:
            hints = (_NEWER, "write the table in one line, or under a header of its own")
            self.note(Mistake("inline-table", f"{what} in a table in braces", span, hints))

    def _begins_pair(self, line: int) -> bool:
        """Whether the line that begins behind offset *line* looks like a key with its value."""
        begins = self.text.rfind("\n", line, self.at) + 1
        return begins > 0 and PAIR.match(self.text, begins) is not None

    def _never_closed(self, code: str, what: str, start: int, told: int) -> SlipError:
        """The slip of brackets that stay open; what was told within them, of *told* mistakes before, was no mistake."""
        del self.mistakes[told:]
        mark = "]" if what == "array" else "}"
        return self.slip(code, f"this {what} is never closed", Span(start, start + 1), f"close it with {ticked(mark)}")
