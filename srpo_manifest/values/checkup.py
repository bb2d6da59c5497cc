"""A checkup: what `doctor` found, one row a question."""

from __future__ import annotations

from typing import Literal, TypeAlias

from srpo_manifest.values.base import Value

FORMAT = 1
State: TypeAlias = Literal["ok", "warn", "fail", "unknown", "note"]
Group: TypeAlias = Literal["target", "controller", "training"]
GROUPS: tuple[Group, ...] = ("target", "controller", "training")


class Row(Value):
    """One answer. `name` is a check's code, or what was looked at; `found` what was found; `hints` what to do about it.

    `unknown` is no `ok`: `found` tells why there is no answer.
    """

    group: Group
    name: str
    state: State
    found: str
    hints: tuple[str, ...] = ()


class Checkup(Value):
    """The answer of `doctor --json`. `manifest` is None where there is none; `findings` counts the rows that warn or fail."""

    format: int
    manifest: str | None
    findings: int
    rows: tuple[Row, ...]
