"""What every test may use."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from srpo_manifest.planning.planner import decide
from srpo_manifest.values.contract import ArgumentContract, Flag, Launch, Plain, ScriptContract, Token, Variable
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, Manifest
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.wanted import Wanted

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("SRPO_MANIFEST_TEST_PROFILE", "default"))


# Under nohup, or in the background of a script, signals are ignored, and programs that tests start would inherit that.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files; review the diff")
    parser.addoption("--thorough", action="store_true", help="the large numbers: a thousand kills, not 150")
    parser.addoption("--seed", type=int, help="repeat the one random run of this seed")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def many(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How many: the first number, or the second with `--thorough`."""
    return lambda usual, thorough: thorough if request.config.getoption("--thorough") else usual


@pytest.fixture(scope="session")
def need() -> Callable[..., None]:
    """Programs that a test cannot do without, `root` for its rights: without them it is skipped, in CI it fails."""

    def needed(*parts: str) -> None:
        missing = [part for part in parts if (os.geteuid() != 0 if part == "root" else not shutil.which(part))]
        if missing:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip
            give_up(f"not here: {', '.join(missing)}; `make parts` installs programs")

    return needed


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest):
    """Compare text or bytes with a committed file, or rewrite the file with `--update-golden`."""

    def compare(path: Path, found: str | bytes) -> None:
        data = found.encode() if isinstance(found, str) else found
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert path.exists(), f"{path} is not there: run `make golden`"
        assert data == path.read_bytes(), f"{path} differs: run `make golden` and review"

    return compare


SCRIPT = "train.sh"


def make_wanted(**tables: Any) -> Wanted:
    said = {key: tables.pop(key) for key in ("passthrough", "bash", "trainer", "args_file") if key in tables}
    data = {
        "schema": 1,
        "name": "a-run",
        "model": {"type": "generic"},
        "backend": {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}},
        "entry": {"script": SCRIPT},
    } | tables
    manifest = msgspec.convert(data, Manifest[LocalOptions, DirectOptions])
    return Wanted(manifest=manifest, folder="/home/me/project", data=data, **said)


def token(text: str, line: int = 3) -> Token:
    return Token(pieces=(Plain(text=text),), line=line)


def make_pin(*flags: Flag, arguments: tuple[str, ...] = (), launcher: tuple[Token, ...] | None = None) -> Pin:
    launch = Launch(
        launcher=launcher or (token("python3"),),
        entry=token("train.py"),
        arguments=tuple(map(token, arguments)),
        line=3,
    )
    return Pin(
        url="https://example.org/x.git",
        ref=None,
        commit="c" * 40,
        tree="e" * 40,
        entries={
            SCRIPT: EntryContract(
                script=ScriptContract(path=SCRIPT, digest="", launches=(launch,), reads={}),
                arguments=ArgumentContract(path="train.py", digest="", flags=flags),
            )
        },
    )


def make_facts(pin: Pin | None = None, **more: Any) -> Facts:
    known = {
        "controller.platform": "linux",
        "controller.folder": "/home/me/project",
        "bash.PATH": ["/bin/bash"],
        "bash./bin/bash": "5.2.15(1)-release",
        "target.workspace": "writable",
        "target.working_dir": "writable",
        "target.python": {"path": "/usr/bin/python3", "version": "3.11.2"},
        "repo.pin": msgspec.to_builtins(pin or make_pin()),
        "controller.file.concepts.json": "a" * 64,
        "controller.file.requirements.txt": "b" * 64,
    } | {key.replace("__", "."): value for key, value in more.items()}
    return Facts(facts={key: Known(value=value) for key, value in known.items()})


def make_planned(wanted: Wanted, facts: Facts, **how: Any) -> Planned:
    """Through the very handlers that ship, without the engine."""
    from srpo_manifest.engine.parts import propose
    from srpo_manifest.engine.registry import Registry

    registry = Registry()
    return decide(wanted, facts, propose(registry.parts(wanted), wanted, facts), **how)


@pytest.fixture(scope="session")
def make():
    """The factories, by attribute."""

    class Make:
        wanted = staticmethod(make_wanted)
        pin = staticmethod(make_pin)
        facts = staticmethod(make_facts)
        planned = staticmethod(make_planned)
        token = staticmethod(token)
        variable = staticmethod(lambda name, line=3: Token(pieces=(Variable(name=name),), line=line))

    return Make
