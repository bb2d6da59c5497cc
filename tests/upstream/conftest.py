"""Parts for the tests of the source readers: real bash with stub launchers, and the tokens it should have got."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from srpo_manifest.upstream.computed import work_out
from srpo_manifest.values.contract import Choice, Computed, Place, Plain, ScriptContract, Token, Variable

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
        at: str = "script.sh",
        cwd: str = "",
    ) -> Received:
        """The argv of every launcher that the script started, with *files* in the folder of the checkout."""
        for name, text in (files or {}).items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(text)
        received = self.folder / "received"
        received.write_bytes(b"")
        script = self.folder / at
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(source)
        (self.folder / cwd).mkdir(exist_ok=True)
        here = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": "/home/somebody",
            "RECEIVED": str(received),
        }
        subprocess.run(
            ["bash", str(script), *arguments],
            cwd=self.folder / cwd,
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
    untold = None in known or any("`eval` runs text" in gap.reason for gap in contract.indirect)
    return in_order and (untold or all(words in known for words in received))


def _predicted(contract: ScriptContract, environment: Mapping[str, str]) -> Received | None:
    commands = [_filled((*one.launcher, one.entry, *one.arguments), environment) for one in contract.launches]
    return None if None in commands else [command for command in commands if command is not None]


def _value(piece: Plain | Variable | Choice | Place | Computed, environment: Mapping[str, str]) -> str | None:
    match piece:
        case Plain(text=text):
            return text
        case Place(path=path, base=base):
            return environment[f"@{base}"] + (f"/{path}" if path else "")
        case Computed(source=source, values=values):
            texts = {name: _together(pieces, environment) for name, pieces in values}
            known = {name: text for name, text in texts.items() if text is not None}
            return work_out(source, known) if len(known) == len(texts) else None
        case Variable(name=name, default=default):
            return environment.get(name) or default or ""
        case Choice(name=name, default=default, only_unset=only_unset):
            value = environment.get(name)
            return value if value or (value == "" and only_unset) else _together(default, environment)


def _together(
    pieces: Sequence[Plain | Variable | Choice | Place | Computed], environment: Mapping[str, str]
) -> str | None:
    texts = [_value(piece, environment) for piece in pieces]
    return None if None in texts else "".join(text or "" for text in texts)


def _filled(tokens: Sequence[Token], environment: Mapping[str, str]) -> list[str] | None:
    words: list[str] = []
    for token in tokens:
        current, there = "", token.quoted
        for piece in token.pieces:
            if isinstance(piece, Plain):
                current, there = current + piece.text, True
            elif isinstance(piece, Variable | Choice | Place | Computed):
                value = _value(piece, environment)
                if value is None:
                    return None
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
