"""Scalars of TOML 1.0: words and strings to values. ASCII alone, whatever Unicode calls a digit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from srpo_manifest.reading.spanned import Item, Mistake, Span

_INTEGER = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)")
_BASED = re.compile(r"0(?:x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|o[0-7](?:_?[0-7])*|b[01](?:_?[01])*)")
_FLOAT = re.compile(
    r"[+-]?(?:inf|nan|(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[eE][+-]?[0-9](?:_?[0-9])*))"
)
_DAY = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_CLOCK = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?"
DAY = re.compile(_DAY)
CLOCK = re.compile(_CLOCK)
_MOMENT = re.compile(rf"{_DAY}(?:[Tt ]{_CLOCK}(?:([Zz])|([+-])([0-9]{{2}}):([0-9]{{2}}))?)?")
_DATED = re.compile(r"[0-9]{4}-[0-9]|[0-9]{2}:[0-9]")
LONGEST_DIGITS = 4300
"""As many as Python turns into an integer."""
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})|([btnfr\"\\])|([ \t]*\n[ \t\n]*)|)")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
LOOKS = (
    (re.compile(r"\$\{?([A-Za-z_]\w*)\}?"), r'nothing is expanded: `[env]` refers to a variable with `{ env = "\1" }`', None),
    (re.compile(r"\$.*"), 'nothing is expanded: `[env]` refers to a variable with `{ env = "NAME" }`', None),
    (re.compile(r"(?i)true|yes|on"), "booleans are written `true` and `false`", "true"),
    (re.compile(r"(?i)false|no|off"), "booleans are written `true` and `false`", "false"),
    (re.compile(r"(?i)null|none|nil|~"), "TOML has no null: leave the key out", None),
    (re.compile(r"[+-]?0[0-9_]+"), "an integer has no zero in front", None),
    (re.compile(r"[+-]?\.[0-9].*"), "a number has a digit before its point", None),
    (re.compile(r"[+-]?[0-9_]+\.(?:[eE].*)?"), "a number has a digit behind its point", None),
    (re.compile(r"0[XOB].*"), "the letter of a base is a small one", None),
    (re.compile(r"(?i)[+-]?(?:inf|nan|infinity)"), "they are written `inf` and `nan`", None),
    (re.compile(r"([+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![xobXOB])[A-Za-z%]{1,7}"), r"a number has no unit or letter behind it: write `\1`; a text needs quotes", None),
    (re.compile(r"\(.*"), "an array stands between `[` and `]`", None),
    (re.compile(r"[A-Za-z~/.].*|.*[A-Za-z/\\].*|.*[^\x00-\x7f\d].*"), "a string needs quotes", None),
)  # fmt: skip


def scalar(word: str, span: Span, note: Callable[[Mistake], None]) -> Item:
    """The value of a bare *word*; a broken item where it is none, which *note* is told."""
    if word in ("true", "false"):
        return Item(word == "true", span)
    if _INTEGER.fullmatch(word) or _BASED.fullmatch(word):
        if len(word) > LONGEST_DIGITS:
            message = f"an integer of {len(word):,} characters is more than can be read"
            note(Mistake("not-a-value", message, span, ("write a shorter number",)))
            return Item(None, span, "broken")
        return Item(int(word.replace("_", ""), 0 if word[:2] in ("0x", "0o", "0b") else 10), span)
    if _FLOAT.fullmatch(word):
        return Item(float(word.replace("_", "")), span)
    if _DATED.match(word):
        return _moment(word, span, note)
    looks = ((found.expand(hint), fix) for look, hint, fix in LOOKS if (found := look.fullmatch(word)))
    hint, fix = next(looks, (None, None))
    note(Mistake("not-a-value", "this is no value", span, (hint,) if hint else (), fix=fix))
    return Item(None, span, "broken")


def _moment(word: str, span: Span, note: Callable[[Mistake], None]) -> Item:
    """A date, a time or both, as RFC 3339 writes them."""
    try:
        if found := CLOCK.fullmatch(word):
            return Item(_clock(*found.groups()), span)
        if found := _MOMENT.fullmatch(word):
            return Item(_dated(found), span)
    except ValueError as error:
        note(Mistake("bad-date", f"this is no date or time: {error}", span, ("a string needs quotes",)))
        return Item(None, span, "broken")
    hint = "dates and times are written `1979-05-27T07:32:00Z`; a string needs quotes"
    note(Mistake("bad-date", "this is no date or time", span, (hint,)))
    return Item(None, span, "broken")


def _dated(found: re.Match[str]) -> Any:
    year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes = found.groups()
    on = date(int(year), int(month), int(day))
    if hour is None:
        return on
    at = datetime.combine(on, _clock(hour, minute, second, fraction))
    if zulu:
        return at.replace(tzinfo=UTC)
    if not sign:
        return at
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError("an offset is less than a day")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return at.replace(tzinfo=timezone(-offset if sign == "-" else offset))


def _clock(hour: str, minute: str, second: str, fraction: str | None) -> time:
    return time(int(hour), int(minute), int(second), int((fraction or "").ljust(6, "0")))


def unescaped(text: str, at: int, note: Callable[[Mistake], None], *, lines: bool) -> str | None:
    """What stands in double quotes, which begins at offset *at*; None where an escape is none, which *note* is told.

    *lines*: a backslash at a line's end takes the blanks after it away.
    """
    good = True

    def spelled(found: re.Match[str]) -> str:
        nonlocal good
        code, mark, blanks = found.groups()
        if mark:
            return _ESCAPES[mark]
        if blanks and lines:
            return ""
        if code and (0 <= (number := int(code[1:], 16)) < 0xD800 or 0xDFFF < number < 0x110000):
            return chr(number)
        if good:
            good = False
            start = at + found.start()
            width = len(code or text[found.start() + 1 : found.start() + 2])
            hint = "in double quotes a backslash escapes: put a path or a pattern in single quotes, or double it"
            note(Mistake("bad-escape", "this is no escape", Span(start, start + 1 + width), (hint,)))
        return ""

    value = _ESCAPE.sub(spelled, text)
    return value if good else None
