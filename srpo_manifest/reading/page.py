"""A text with its name: offsets to places that people can read."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from msgspec.structs import replace

from srpo_manifest.discretion import names_secret
from srpo_manifest.finding import Finding, Fix, Related, Spot
from srpo_manifest.reading.locate import Key, displayed
from srpo_manifest.reading.spanned import Mistake, Span

LONGEST_LINE = 400
"""Characters of a source line that is still shown."""
_ENVIRONMENT = re.compile(r"\b(?:srpo_extra_)?env\b")
_HEADER = re.compile(r"[ \t]*\[")
_PLAIN_BEFORE = re.compile(r"[\w \t.\[\]-]*\Z")


class Page:
    """A text whose lines end with a newline alone. What may be a secret is never shown."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file

    def spot(self, span: Span, key: Key = ()) -> Spot:
        """The place of *span*, which belongs to *key*: lines and columns count from 1, in characters.

        A span of several lines is cut at the end of its first one.
        """
        number, line = self._line(span.start)
        column = span.start - self._starts[number]
        end = min(column + max(1, span.end - span.start), max(len(line), column + 1))
        shown = line if len(line) <= LONGEST_LINE else ""
        if shown and (is_secret(key) or _ENVIRONMENT.search(line) or self._is_tail(line, column)):
            shown = _masked(shown, column, end, value=is_secret(key))
        return Spot(
            file=self.file, line=number + 1, column=column + 1, key=displayed(key), width=end - column, text=shown
        )

    def _is_tail(self, line: str, column: int) -> bool:
        """Whether a long string may end in the line, before *column*."""
        return '"""' in line[:column] or "'''" in line[:column]

    def finding(self, mistake: Mistake) -> Finding:
        """What is wrong with the text itself, as it is told; without the line where that may hold a secret."""
        where, fix = replace(self._bare(mistake.span), key=displayed(mistake.key)), None
        if mistake.fix is not None:
            spans = mistake.places or (mistake.span,)
            exactly = (replace(self._bare(span), width=span.end - span.start, text="") for span in spans)
            fix = Fix(replacement=mistake.fix, places=tuple(exactly))
        return Finding(
            code=mistake.code,
            level="deny",
            message=mistake.message,
            hints=mistake.hints,
            where=where,
            related=tuple(Related(message=message, where=self._bare(span)) for message, span in mistake.related),
            fix=fix,
        )

    def is_in_one_line(self, span: Span) -> bool:
        """Whether an edit of *span* is one of a single line."""
        return self.text.find("\n", span.start, span.end) < 0

    def _bare(self, span: Span) -> Spot:
        number, line = self._line(span.start)
        column = span.start - self._starts[number]
        width = max(1, min(span.end, self._starts[number] + len(line)) - span.start)
        shown = "" if len(line) > LONGEST_LINE or number in self._secret_lines else line
        return Spot(file=self.file, line=number + 1, column=column + 1, width=width, text=shown)

    @cached_property
    def _secret_lines(self) -> set[int]:
        """Lines that cannot be read for certain, and are of an environment or within a long string."""
        if '"""' in self.text or "'''" in self.text:
            return set(range(len(self._lines)))
        found, within = set(), False
        for number, line in enumerate(self._lines):
            named = _ENVIRONMENT.search(line) is not None
            within = named if _HEADER.match(line) else within
            if within or named:
                found.add(number)
        return found

    def _line(self, offset: int) -> tuple[int, str]:
        number = bisect_right(self._starts, offset) - 1
        return number, self._lines[number]

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self._lines[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        return starts


def is_secret(key: Key) -> bool:
    """Whether *key* is one of an environment, or named like a secret."""
    if any(isinstance(step, str) and names_secret(step) for step in key):
        return True
    return key[:1] in (("env",), ("srpo_extra_env",)) or (key[:1] == ("profile",) and key[2:3] == ("env",))


def _masked(line: str, column: int, end: int, *, value: bool) -> str:
    """The line up to the key; nothing where a value may stand before it."""
    if not _PLAIN_BEFORE.match(line[:column]):
        return ""
    return line[:end] + (" = …" if "=" in line[end:] else line[end:] if value else " …")
