"""JSON bytes to plain data, as strictly as TOML: no key twice, no number that JSON has not."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key
from srpo_manifest.reading.spanned import Span
from srpo_manifest.reading.toml import LIMIT_BYTES, decoded
from srpo_manifest.wording import ticked


def read_json(data: bytes, file: str, *, limit_bytes: int = LIMIT_BYTES) -> Any:
    """The document's value.

    Raises: ManifestError `file-too-large`, `not-utf8`, `too-deep` or `json-syntax`.
    """
    text = decoded(data, file, limit_bytes=limit_bytes)

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise ManifestError(
                "json-syntax", f"{ticked(name)} is set twice", "keep one of them", where=Where(file=file, key=name)
            )
        return found

    def no_number(spelled: str) -> NoReturn:
        raise ManifestError("json-syntax", f"{ticked(spelled)} is no JSON", where=Where(file=file))

    try:
        return json.loads(text, object_pairs_hook=table, parse_constant=no_number)
    except json.JSONDecodeError as error:
        said = error.msg[:1].lower() + error.msg[1:]
        where = Where(file=file, line=error.lineno, column=error.colno)
        raise ManifestError("json-syntax", f"this is no JSON: {said}", *_hints(error), where=where) from None
    except RecursionError:
        raise ManifestError("too-deep", f"{ticked(file)} is nested too deeply", where=Where(file=file)) from None
    except ValueError:
        raise ManifestError(
            "json-syntax", f"{ticked(file)} holds an integer of thousands of digits", "write a shorter number"
        ) from None


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+')


def spans_of(text: str) -> dict[Key, Span]:
    """Where a good JSON text has each name of an object, and each item of an array."""
    found: dict[Key, Span] = {}
    inside: list[str | int | None] = []
    for token in _TOKEN.finditer(text):
        mark, last = token[0], inside[-1] if inside else 0
        if mark == ",":
            inside[-1] = last + 1 if isinstance(last, int) else None
        elif mark in ("]", "}"):
            inside.pop()
        elif last is None:
            inside[-1] = json.loads(mark)
            found[_key(inside)] = Span(*token.span())
        elif mark != ":":
            found.setdefault(_key(inside), Span(*token.span()))
            inside += [0] if mark == "[" else [None] if mark == "{" else []
    return found


def _key(inside: list[str | int | None]) -> Key:
    return tuple(step for step in inside if step is not None)


def _hints(error: json.JSONDecodeError) -> tuple[str, ...]:
    rest = error.doc[error.pos :].lstrip()
    before = error.doc[: error.pos].rstrip()
    if rest.startswith(("//", "#", "/*")):
        return ("JSON has no comments",)
    if rest.startswith("'"):
        return ("JSON takes double quotes alone",)
    if before.endswith(",") or "trailing comma" in error.msg:
        return ("no comma stands behind the last item",)
    if "escape" in error.msg:
        return ("in a string a backslash is written twice",)
    return ()
