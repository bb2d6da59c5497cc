"""Parts for the tests of the source readers: real bash with stub launchers, and the tokens it should have got."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from srpo_manifest.values.contract import Choice, Plain, ScriptContract, Token, Variable

Received = list[list[str]]
_STUB = '#!/bin/bash\nprintf \'%s\\0\' "$#" "${0##*/}" "$@" >>"$RECEIVED"\n'
_PROGRAMS = ("torchrun", "python", "python3", "accelerate", "deepspeed")


class Bash:
    """Runs scripts in a folder of their own, with launchers first on PATH that only write down their argv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for program in _PROGRAMS:
            stub = folder / "bin" / program
            stub.write_text(_STUB)
            stub.chmod(0o755)

    def run(
        self,
        source: bytes,
        environment: Mapping[str, str],
        arguments: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> Received:
        """The argv of every launcher that the script started, with *files* in the folder that it runs in."""
        for name, text in (files or {}).items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(text)
        received = self.folder / "received"
        received.write_bytes(b"")
        script = self.folder / "script.sh"
        script.write_bytes(source)
        here = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": "/home/somebody",
            "RECEIVED": str(received),
        }
        subprocess.run(
            ["bash", str(script), *arguments],
            cwd=self.folder,
            env=here | dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        words = received.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
        commands: Received = []
        while words:
            count = int(words[0])
            commands.append(words[1 : count + 2])
            del words[: count + 2]
        return commands


@pytest.fixture(scope="session")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Bash:
    """A bash with stub launchers."""
    return Bash(tmp_path_factory.mktemp("bash"))


@pytest.fixture(scope="session")
def predicted() -> Callable[[ScriptContract, Mapping[str, str]], Received | None]:
    """The argv of every launch by the contract, with the environment filled in; None where it claims not to know."""
    return _predicted


@pytest.fixture(scope="session")
def holds() -> Callable[[ScriptContract, Mapping[str, str], Received], bool]:
    """Whether what bash started is what the contract says: the certain launches, and none but those that it tells."""
    return _holds


def _holds(contract: ScriptContract, environment: Mapping[str, str], received: Received) -> bool:
    told = [
        (one.certain, _filled((*one.launcher, one.entry, *one.arguments), environment)) for one in contract.launches
    ]
    waiting = iter(received)
    in_order = all(words in waiting for certain, words in told if certain and words is not None)
    known = [words for _, words in told]
    return in_order and (None in known or all(words in known for words in received))


def _predicted(contract: ScriptContract, environment: Mapping[str, str]) -> Received | None:
    commands = [_filled((*one.launcher, one.entry, *one.arguments), environment) for one in contract.launches]
    return None if None in commands else [command for command in commands if command is not None]


def _value(piece: Variable | Choice, environment: Mapping[str, str]) -> str:
    value = environment.get(piece.name)
    if isinstance(piece, Variable):
        return value or piece.default or ""
    if value or (value == "" and piece.only_unset):
        return value
    return "".join(each.text if isinstance(each, Plain) else _value(each, environment) for each in piece.default)


def _filled(tokens: Sequence[Token], environment: Mapping[str, str]) -> list[str] | None:
    words: list[str] = []
    for token in tokens:
        current, there = "", token.quoted
        for piece in token.pieces:
            if isinstance(piece, Plain):
                current, there = current + piece.text, True
            elif isinstance(piece, Variable | Choice):
                value = _value(piece, environment)
                if piece.quoted:
                    current, there = current + value, True
                    continue
                first, *others = re.split(r"[ \t\n]+", value)
                current, there = current + first, there or bool(first)
                for other in others:
                    words += [current] if there else []
                    current, there = other, bool(other)
            else:
                return None
        words += [current] if there else []
    return words
