"""The real program in a fresh folder; what it started is ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import upstream_target

from manifests import demo


class Said(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"nothing on stdout, exit status {self.status}: {self.err}"
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Place:
    """A folder with a manifest, a home and a cache of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "GIT_", "DEMO_"))}
        self.env = kept | {"SRPO_MANIFEST_HOME": str(self.home), "SRPO_MANIFEST_CACHE": str(cache), "NO_COLOR": "1"}
        self.write("srpo.toml", demo())

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def program(self, name: str, text: str) -> Path:
        """A small program in `bin`."""
        path = self.write(f"bin/{name}", text)
        path.chmod(0o755)
        return path

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "srpo_manifest", *arguments],
            cwd=self.folder, env=self.env | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **env: str) -> Said:
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return Said(process.returncode, out, err)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One git cache for all tests of a worker."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Iterator[Place]:
    """Where a person sits."""
    found = Place(tmp_path, cache)
    yield found
    for run in found.run("runs", "--refresh", "--json").json["runs"]:
        if run["state"] != "ended":
            found.run("stop", run["id"], "--grace", "0")


@pytest.fixture
def flux(place: Place) -> Callable[..., Said]:
    """Plan the shipped manifest with its lock, on a target that has what the trainer needs."""
    upstream_target.settle(place)

    def plan(*arguments: str) -> Said:
        return place.run("plan", "--offline", "--locked", "--json", "manifests/flux.toml", *arguments)

    return plan


@pytest.fixture
def say(place: Place) -> Callable[..., Said]:
    """Call the program."""
    return place.run
