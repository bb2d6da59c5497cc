"""What is known on the machine alone: late words, and secrets that lie in files there."""

from __future__ import annotations

import contextlib
import math
import os
import re
from typing import Any, Callable

from .files import Node, Record, Refused

LONGEST_WORD = 131_071
"""Source: execve(2), MAX_ARG_STRLEN."""


def expand(text: str, words: dict[str, str], spelled: Callable[[str], str] = str) -> str:
    """*text* with its late words bound; `$$` is one literal `$`."""

    def bound(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else spelled(words[match[1]]) if match[1] in words else match[0]

    return re.sub(r"\$\$|\$\{([a-z.]+)\}", bound, text)


def number(text: str) -> Any:
    """A number where *text* is one, else the text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) else text
    return text


def late_words(node: Node, rules: Record) -> dict[str, str]:
    """The words that rules may hold, by name."""
    words = {"run.id": node.run, "run.dir": node.folder, "target.home": os.path.expanduser("~")}
    return {**words, "repo.dir": expand(rules.get("repo") or "", words)}


def target_secrets(node: Node, rules: Record) -> dict[str, str]:
    """Values that files of this machine hold; a relative path is one in the workspace."""
    values = {}
    for name, spelled in rules.get("target_files", {}).items():
        path = os.path.join(node.workspace, os.path.expanduser(expand(spelled, late_words(node, rules))))
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                values[name] = file.read().rstrip("\r\n")
        except OSError as error:
            message = f"`{path}`, which holds `{name}`, cannot be read: {error.strerror}"
            raise Refused("secret-missing", message, "put the value into that file on this machine", 2) from error
        size = len(os.fsencode(f"{name}={values[name]}"))
        if size > LONGEST_WORD or "\0" in values[name]:
            told = (
                "holds a NUL"
                if "\0" in values[name]
                else f"has {size} bytes with the name, and Linux takes {LONGEST_WORD}"
            )
            raise Refused(
                "env-too-long", f"the value of `{name}` in `{path}` {told}", "give the trainer the file's name", 2
            )
    return values
