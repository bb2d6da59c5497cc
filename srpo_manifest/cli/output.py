"""Data on stdout, talk on stderr."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from srpo_manifest.cli.colours import paint_for
from srpo_manifest.finding import Finding
from srpo_manifest.rendering import told


def say(*lines: str) -> None:
    """Talk; a terminal that is gone hears none, and nothing else changes."""
    try:
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def tell(findings: Iterable[Finding]) -> None:
    """Findings, with a blank line between."""
    for finding in findings:
        say(told(finding, paint_for(sys.stderr)), "")


def tell_contact(reason: str | None) -> None:
    """Contact is lost, for that reason; None: it is back."""
    say(f"contact lost: {reason}; trying again" if reason else "contact restored")


def data(value: object) -> None:
    """One JSON document; of a file's name that is no UTF-8, what is none is spelled out."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_spelled(msgspec.to_builtins(value)))
    print(msgspec.json.format(encoded, indent=2).decode())


def line(value: object) -> None:
    """One JSON object of a stream, on its own line at once."""
    print(msgspec.json.encode(value).decode(), flush=True)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    return os.fsencode(value).decode("utf-8", "backslashreplace") if isinstance(value, str) else value
