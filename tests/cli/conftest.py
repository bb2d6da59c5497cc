"""The real program in a fresh folder; what it started is ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import upstream_target

from manifests import demo
from srpo_manifest.testing import Program, Said


class Place(Program):
    """A folder with a manifest, a home and a cache of its own."""

    run = Program.say

    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__(folder)
        self.home = folder / "home"
        self.env |= {"SRPO_MANIFEST_HOME": str(self.home), "SRPO_MANIFEST_CACHE": str(cache)}
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
