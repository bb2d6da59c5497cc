"""Data on stdout, talk on stderr."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable

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


def data(value: object) -> None:
    """One JSON document."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def line(value: object) -> None:
    """One JSON object of a stream, on its own line at once."""
    print(msgspec.json.encode(value).decode(), flush=True)
