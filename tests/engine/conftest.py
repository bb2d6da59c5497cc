"""Repositories made on the spot, with a git that knows nobody's settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = Test\nemail = test@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("SRPO_MANIFEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SRPO_MANIFEST_HOME", str(tmp_path / "home"))


@pytest.fixture
def git() -> Callable[..., str]:
    """Run git in a folder; returns what it printed."""

    def call(folder: Path, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return call


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Callable[..., Path]:
    """A repository with these files in one commit on `main`; called again it commits more."""

    def make(files: dict[str, str | bytes], name: str = "repo") -> Path:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            git(folder, "init", "-q", "-b", "main")
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "more")
        return folder

    return make
