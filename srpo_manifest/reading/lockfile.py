"""srpo.lock: TOML with one line for each flag, so that a change of upstream reads as a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import fields

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import decoded, parsed
from srpo_manifest.reading.tree import Node, marked
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.lock import FORMAT, Lock

LIMIT_BYTES = 4 << 20
_HEADER = "# Written by `srpo-manifest lock`: what each repository was pinned to, and what its scripts accept."
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
_ALWAYS = ("format", "readers")
"""Keys that are written even where they have their default, which another version may see otherwise."""


def parse_lock(data: bytes, file: str) -> Lock:
    """The inverse of `render_lock`.

    Raises: ManifestError of `read_toml` and `converted`; `format-newer`; `missing-key` for a file without `format`.
    """
    text = decoded(data, file, limit_bytes=LIMIT_BYTES)
    found = parsed(text, file)
    known_format(found, FORMAT, file)
    if "format" not in found:
        raise ManifestError(
            "missing-key",
            "the lock needs `format`",
            "take the file away, and let `srpo-manifest lock` write it anew",
            where=Where(file=file),
        )

    def tree() -> Node:
        return marked(parse(text).root, Page(text, file))

    return converted(found, Lock, tree, "the lock")


def render_lock(lock: Lock) -> bytes:
    """The lock as TOML in UTF-8; equal locks give equal bytes. None and defaults are left out.

    Raises: ManifestError `lock-shape` for text that no UTF-8 can hold.
    """
    lines = [_HEADER, f"format = {lock.format}"]
    for pin in lock.pins:
        lines += ["", "[[pins]]", *_pairs(pin, but=("entries",))]
        for path, entry in pin.entries.items():
            lines += _table(("pins", "entries", path), entry, but=("script", "arguments", "programs"))
            for name in ("script", "arguments"):
                contract = getattr(entry, name)
                if contract is not None:
                    lines += _table(("pins", "entries", path, name), contract)
            for program, arguments in entry.programs.items():
                lines += _table(("pins", "entries", path, "programs", program), arguments)
    try:
        return "\n".join([*lines, ""]).encode()
    except UnicodeEncodeError as error:
        raise ManifestError("lock-shape", f"a source holds text that is not UTF-8: {error.reason}") from error


def _table(key: tuple[str, ...], value: msgspec.Struct, but: tuple[str, ...] = ()) -> Iterator[str]:
    yield from ("", f"[{'.'.join(map(_key, key))}]")
    yield from _pairs(value, but)


def _pairs(value: msgspec.Struct, but: tuple[str, ...] = ()) -> Iterator[str]:
    for name, item in _said(value).items():
        if name in but:
            continue
        if isinstance(item, tuple) and item and isinstance(item[0], msgspec.Struct):
            yield from (f"{name} = [", *(f"  {inline(one)}," for one in item), "]")
        else:
            yield f"{name} = {inline(item)}"


def _said(value: msgspec.Struct) -> dict[str, Any]:
    """What a reader could not fill in by itself."""
    config = value.__struct_config__
    found = {config.tag_field: config.tag} if config.tag_field else {}
    for field in fields(value):
        item = getattr(value, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if item is not None and (field.name in _ALWAYS or item != default or type(item) is not type(default)):
            found[field.name] = item
    return found


def inline(value: Any) -> str:
    """A value as TOML, in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
        case tuple() | list():
            return f"[{', '.join(map(inline, value))}]"
        case msgspec.Struct() | Mapping():
            pairs = _said(value) if isinstance(value, msgspec.Struct) else value
            inner = ", ".join(f"{_key(name)} = {inline(item)}" for name, item in pairs.items())
            return f"{{ {inner} }}" if inner else "{}"
    raise AssertionError(value)


def _key(name: str) -> str:
    return name if _BARE.match(name) else _quoted(name)


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _escape(found[0]), text) + '"'


def _escape(character: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return short.get(character) or f"\\u{ord(character):04X}"
