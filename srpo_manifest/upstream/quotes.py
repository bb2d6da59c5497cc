"""The characters that bash takes for a stretch of source: None where that is not certain."""

from __future__ import annotations

import re

NAME = r"[A-Za-z_][A-Za-z0-9_]*"

_SPECIAL = r"\s\\(){}<>|&;$`\"'~*?\[\]"
# A tilde after `=` or `:` may be a home where the word looks like an assignment, which no option does.
_BARE = re.compile(rf"(?:\\[\s\S]|[^{_SPECIAL}]|\]|(?<=[^=:])~)*|-(?:\\[\s\S]|[^{_SPECIAL}]|[\]~])*")
_ASSIGNED = re.compile(rf"(?:\\[\s\S]|[^{_SPECIAL}]|[\]\[*?{{}}]|(?<=[^=:])~)*")
_DOUBLE = re.compile(r'(?:[^\\$`"]|\\[\s\S]|\$(?=[\s.,/%]))*')
_ANSI = re.compile(
    r"\\(?:(?P<letter>[abeEfnrtv\\'\"?])|(?P<octal>[0-7]{1,3})|(?P<control>c)"
    r"|x(?P<x>[0-9a-fA-F]{1,2})|u(?P<u>[0-9a-fA-F]{1,4})|U(?P<U>[0-9a-fA-F]{1,8}))"
)
_MANY = 200
_BRACED_WORD = re.compile(
    r"(?P<head>[\w./=:,@%+-]*)\{(?:(?P<first>0|[1-9]\d{0,3})\.\.(?P<last>0|[1-9]\d{0,3})|(?P<parts>[\w./=:@%+-]*(?:,[\w./=:@%+-]*)+))\}"
    r"(?P<tail>[\w./=:,@%+-]*)",
    re.ASCII,
)
_LISTED = re.compile(r"[\w.+@-]+=\[(?=[^\]]*[,'\"])(?:'[\w./: -]*'|\"[\w./: -]*\"|[\w./:,-])*\]", re.ASCII)
_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


def unquoted(source: str, *, assigned: bool = False) -> str | None:
    r"""Bare characters and `\x`. *assigned*: on the right of `=`, where file names and braces are not expanded.

    >>> unquoted("a\\ b")
    'a b'
    """
    if not (_ASSIGNED if assigned else _BARE).fullmatch(source):
        return None
    return re.sub(r"\\([\s\S])", lambda match: match[1].replace("\n", ""), source)


def double_quoted(source: str) -> str | None:
    """What stands in `"..."` between expansions."""
    if not _DOUBLE.fullmatch(source):
        return None
    return re.sub(r'\\([$`"\\\n])', lambda match: match[1].replace("\n", ""), source)


def ansi_c(source: str) -> str | None:
    r"""What stands in `$'...'`; None for bytes beyond ASCII, NUL and control letters."""
    known = True

    def decoded(match: re.Match[str]) -> str:
        nonlocal known
        if match["letter"]:
            return _LETTERS[match["letter"]]
        octal, digits = match["octal"], match["x"] or match["u"] or match["U"] or "0"
        code = int(octal, 8) if octal else int(digits, 16)
        known &= 0 < code < 128
        return chr(code) if known else ""

    text = _ANSI.sub(decoded, source)
    return text if known else None


def written_out(source: str, *, globs: bool) -> list[str] | None:
    """The words of `a{b,c}` and `{1..3}`, and `name=[a,b]`, which matches only a file of that name with one letter.

    >>> written_out("s{1..3}", globs=True)
    ['s1', 's2', 's3']
    """
    if globs and _LISTED.fullmatch(source):
        return [re.sub("[\"']", "", source)]
    match = _BRACED_WORD.fullmatch(source)
    if match is None:
        return None
    first, last = int(match["first"] or 0), int(match["last"] or 0)
    numbers = range(first, last + 1) if first <= last else range(first, last - 1, -1)
    parts = match["parts"].split(",") if match["parts"] else [str(number) for number in numbers]
    if len(parts) > _MANY:
        return None
    return [word for part in parts if (word := match["head"] + part + match["tail"])]
