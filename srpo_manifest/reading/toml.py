"""TOML 1.0 to plain data, within bounds: a hostile file is refused before the parser sees it.

tomllib reads TOML 1.0 up to Python 3.14 and 1.1 from 3.15 on, where it takes a newline in an inline table.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Spot, Where
from srpo_manifest.reading.lexemes import LONGEST_LINE, STRING
from srpo_manifest.values.base import Value
from srpo_manifest.wording import ticked

LIMIT_BYTES = 1 << 20
DEPTH = 16
"""Most parts of a dotted key, and most brackets within brackets: tomllib's time and memory grow with their square."""
_TOKEN = re.compile(rf"(?:{STRING}|#[^\n]*)|([\[{{])|([\]}}])|(\.)|([\n=,])|[^\"'#\[\]{{}}.\n=,]+")
_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)\Z", re.DOTALL)


class Source(Value):
    """A file as it was read: its name for people, and its bytes."""

    file: str
    data: bytes


def read_toml(data: bytes, file: str, *, limit_bytes: int = LIMIT_BYTES) -> dict[str, Any]:
    """The top-level table of a TOML 1.0 document in UTF-8, with or without a byte order mark.

    Raises: ManifestError `file-too-large`, `not-utf8`, `too-deep` or `toml-syntax`, each with its place.
    """
    return parsed(decoded(data, file, limit_bytes=limit_bytes), file)


def decoded(data: bytes, file: str, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """The text of a file: the byte order mark is gone, and a line ends with a newline alone.

    Raises: ManifestError `file-too-large` or `not-utf8`.
    """
    if len(data) > limit_bytes:
        raise ManifestError(
            "file-too-large",
            f"{ticked(file)} has {len(data):,} bytes, and at most {limit_bytes:,} are read",
            "put large data into a file of its own",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ManifestError(
                "not-utf8", f"{ticked(file)} is UTF-16, expected UTF-8", "save it as UTF-8", where=Where(file=file)
            ) from None
        raise ManifestError(
            "not-utf8",
            f"{ticked(file)} is not UTF-8: byte 0x{data[error.start]:02x} begins no character",
            "save it as UTF-8",
            where=Where(file=file, line=before.count("\n") + 1, column=len(before) - before.rfind("\n")),
        ) from None
    return text.replace("\r\n", "\n")


def parsed(text: str, file: str) -> dict[str, Any]:
    """The top-level table of *text*, as `decoded` gives it. Raises: ManifestError `too-deep` or `toml-syntax`."""
    _bounded(text, file)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text, file, str(error)) from None
    except ValueError:
        raise ManifestError(
            "toml-syntax", f"{ticked(file)} holds an integer of thousands of digits", "write a shorter number"
        ) from None


def _bounded(text: str, file: str) -> None:
    """Raises: ManifestError `too-deep`."""
    depth = dots = 0
    for token in _TOKEN.finditer(text):
        match token.lastindex:
            case 1:
                depth, dots = depth + 1, 0
            case 2:
                depth, dots = max(0, depth - 1), 0
            case 3:
                dots += 1
            case 4:
                dots = 0
        if depth > DEPTH or dots >= DEPTH:
            what = "a key has" if dots else "brackets are nested in"
            raise ManifestError(
                "too-deep",
                f"{what} more than {DEPTH} {'parts' if dots else 'others'}",
                "nothing that is read here is so deep",
                where=_where(text, file, token.start(), shown=False),
            )


def _syntax_error(text: str, file: str, said: str) -> ManifestError:
    found = _PLACE.match(said)
    what, line, column = found.groups() if found else (said, None, None)
    offset = _offset(text, int(line), int(column)) if line and column else len(text.rstrip("\n"))
    from srpo_manifest.reading.locate import twice  # noqa: PLC0415 - only a broken file pays

    if what.startswith(("Cannot", "Duplicate")) and (doubled := twice(text)):
        key, first, second = doubled
        return ManifestError(
            "toml-syntax",
            f"{ticked(key)} is set twice",
            f"it is set before in line {text.count(chr(10), 0, first) + 1}: keep one of them",
            where=_where(text, file, second),
        )
    return ManifestError(
        "toml-syntax",
        f"this is no TOML: {what[:1].lower()}{what[1:]}",
        *_hints(text, what, offset),
        where=_where(text, file, offset),
    )


def _hints(text: str, what: str, offset: int) -> tuple[str, ...]:
    line, rest = _line(text, offset), text[offset : offset + 8]
    if "\r" in line:
        return ("a line ends with a newline: this one holds a carriage return alone",)
    if re.search(r'"[^"]*\\', line) and ("scape" in what or "hex" in what):
        return ("in double quotes a backslash escapes: put a path or a pattern in single quotes",)
    if re.match("True|False", rest):
        return ("booleans are written `true` and `false`",)
    if re.match("null|None|nil", rest):
        return ("TOML has no null: leave the key out",)
    if "Invalid value" in what and re.match(r"[A-Za-z~/.]", rest):
        return ("a string needs quotes",)
    if "'='" in what:
        return ("a setting is written `key = value`, a table `[name]`",)
    if "nclosed" in what or "nterminated" in what or not text[offset:].strip():
        return ("something above is not closed",)
    return ()


def _where(text: str, file: str, offset: int, *, shown: bool = True) -> Where:
    """The place of *offset*; without the line where that may hold a secret."""
    start = text.rfind("\n", 0, offset) + 1
    line = _line(text, offset)
    header = re.compile(r"^[ \t]*\[.*", re.MULTILINE).findall(text, 0, start)[-1:]
    secret = any(re.search(r"\benv\b", one) for one in (line, *header)) or '"""' in text or "'''" in text
    return Spot(
        file=file,
        line=text.count("\n", 0, offset) + 1,
        column=offset - start + 1,
        text="" if secret or not shown or len(line) > LONGEST_LINE else line,
    )


def _line(text: str, offset: int) -> str:
    end = text.find("\n", offset)
    return text[text.rfind("\n", 0, offset) + 1 : end if end >= 0 else len(text)]


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1
