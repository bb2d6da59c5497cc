"""Keys: paths from the top of a document, and how people spell them."""

from __future__ import annotations

from typing import TypeAlias

Key: TypeAlias = tuple[str | int, ...]
"""A path from the top: names of keys, and indices of arrays."""
LONGEST_NAME = 100
"""Characters of a name that messages show."""


def dotted(key: Key) -> str:
    """The key as people and origins spell it.

    >>> dotted(("files", 0, "path"))
    'files.0.path'
    """
    return ".".join(map(str, key))


def displayed(key: Key) -> str:
    """The key in messages: what is long is cut, as a message a key would grow with the product of both.

    >>> displayed(("env", "A" * 1000))[:12], len(displayed(("env", "A" * 1000)))
    ('env.AAAAAAAA', 105)
    """
    return ".".join(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…" for name in map(str, key))


def undotted(spelled: str) -> Key | None:
    """The key that *spelled* means in TOML's spelling, or None where it is none.

    >>> undotted('lints."gpu-count"')
    ('lints', 'gpu-count')
    """
    from srpo_manifest.reading.literals import Literals  # noqa: PLC0415 - few keys are spelled
    from srpo_manifest.reading.spanned import SlipError  # noqa: PLC0415 - likewise

    text = Literals(spelled)
    try:
        parts = text.parts("a key")
    except SlipError:
        return None
    return tuple(part.name for part in parts) if text.at == len(spelled) and not text.mistakes else None
