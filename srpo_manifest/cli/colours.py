"""Colours, where a person looks at them."""

from __future__ import annotations

import os
from typing import TextIO

from srpo_manifest.rendering import Paint, plain

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "allowed": "1;36",
    "hint": "1;36",
    "fix": "1;32",
    "title": "1",
    "frame": "34",
}


def paint_for(stream: TextIO) -> Paint:
    """Colours on a terminal that knows them, unless NO_COLOR is set (https://no-color.org)."""
    knows = os.environ.get("TERM", "") not in ("", "dumb") or "WT_SESSION" in os.environ
    return _coloured if knows and stream.isatty() and not os.environ.get("NO_COLOR") else plain


def _coloured(role: str, text: str) -> str:
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"
