"""Questions: what to ask a place, and the pure parser of its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Known, Unknown


class Answer(Value):
    """What a command said: its exit status (negative: a signal) and its bytes."""

    status: int
    output: bytes
    error: bytes = b""

    @property
    def text(self) -> str:
        """The output as text, without the last newline; bytes that are no UTF-8 are kept as surrogates."""
        return self.output.decode("utf-8", "surrogateescape").removesuffix("\n")

    @property
    def complaint(self) -> str:
        """The last line of the error output, for a reason; what it says of files is part of another sentence."""
        lines = self.error.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("error[files]: ") if lines else f"exit status {self.status}"


Parser: TypeAlias = Callable[[Answer], Known | Unknown]


def parse_value(answer: Answer) -> Known | Unknown:
    """One value on one line: an int where it looks like one, else text. Nothing or a failure is Unknown."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    text = answer.text
    if not text:
        return Unknown(reason="nothing was answered")
    return Known(value=int(text) if text.isascii() and text.isdigit() else text)


class Ask(Value):
    """Run a short command on the controller."""

    argv: tuple[str, ...]


class Environment(Value):
    """Read a variable of the controller's environment; its absence is Unknown."""

    variable: str


class ReadFile(Value):
    """Read a regular file of the controller; relative paths hang on the manifest's folder.

    `inside` refuses what leads out of the manifest's git root or folder, links included.
    """

    path: str
    inside: bool = False


class Find(Value):
    """Look a program up on the controller's PATH: the answer is its absolute path."""

    program: str


class ReadRepository(Value):
    """Pin a url and ref: the answer is a Pin with the contract of *script*, by the lock or the mirror."""

    url: str
    ref: str | None
    script: str | None
    description: Any
    """The trainer description whose evidence is looked for."""


Question: TypeAlias = Ask | Environment | ReadFile | Find | ReadRepository


class ControllerProbe(Value):
    """One fact of the controller."""

    name: str
    question: Question
    parse: Parser = parse_value


class TargetProbe(Value):
    """One fact of the target: bash text that prints the answer, and the pure parser of what it printed."""

    name: str
    script: str
    parse: Parser = parse_value


Probe: TypeAlias = ControllerProbe | TargetProbe
