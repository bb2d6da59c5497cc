"""TOML 1.0 to plain data, within bounds: a hostile file is refused before the parser sees it.

tomllib reads TOML 1.0 up to Python 3.14 and 1.1 from 3.15 on, where it takes a newline in an inline table.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from srpo_manifest.errors import ManifestError, ManifestErrors
from srpo_manifest.finding import Where
from srpo_manifest.reading.spanned import DEPTH, SHALLOWER, TOO_DEEP
from srpo_manifest.values.base import Value
from srpo_manifest.wording import ticked

LIMIT_BYTES = 1 << 20
_LIMIT_VALUES = 20_000
STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*+"{0,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{0,5}"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
)
"""A string in either quotes, closed or not: it never fails after a quote, so that a scan stays linear."""
_TOKEN = re.compile(rf"(?:{STRING}|#[^\n]*)|([\[{{])|([\]}}])|(\.)|([\n=,])|[^\"'#\[\]{{}}.\n=,]+")


class Source(Value):
    """A file as it was read: its name for people, and its bytes."""

    file: str
    data: bytes


def read_toml(data: bytes, file: str, *, limit_bytes: int = LIMIT_BYTES) -> dict[str, Any]:
    """The top-level table of a TOML 1.0 document in UTF-8, with or without a byte order mark.

    Raises: ManifestError `file-too-large`, `not-utf8`, or `too-deep`; ManifestErrors with every mistake of the text, each with its place.
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
    """The top-level table of *text*, as `decoded` gives it.

    Raises: ManifestError `too-deep`; ManifestErrors with every mistake of `reading.statements`.
    """
    bounded(text, file)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        from srpo_manifest.reading.page import Page  # noqa: PLC0415 - only a broken file pays
        from srpo_manifest.reading.statements import parse  # noqa: PLC0415 - likewise

        page = Page(text, file)
        found = [page.finding(mistake) for mistake in parse(text).mistakes]
        if not found:
            raise AssertionError(f"tomllib alone refuses this text: {error}") from None
        raise ManifestErrors(found) from None


def few(text: str, file: str) -> None:
    """Refuse what no person writes. Raises: ManifestError `file-too-large`."""
    if text.count("=") + text.count(",") + text.count("[") > _LIMIT_VALUES:
        raise ManifestError(
            "file-too-large",
            f"{ticked(file)} sets more than {_LIMIT_VALUES:,} values",
            "put large data into a file of its own",
        )


def bounded(text: str, file: str) -> None:
    """Refuse what takes tomllib too long: its time and memory grow with the square of the depth. Raises: ManifestError `too-deep`."""
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
            raise ManifestError(
                "too-deep",
                TOO_DEEP[0 if dots else 1],
                SHALLOWER,
                where=Where(
                    file=file,
                    line=text.count("\n", 0, token.start()) + 1,
                    column=token.start() - text.rfind("\n", 0, token.start()),
                ),
            )
