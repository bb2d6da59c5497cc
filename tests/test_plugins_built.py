"""Every plugin of this repository as a stranger gets it: built, installed beside a built core, tested there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(found.parent for found in (ROOT / "plugins").glob("*/pyproject.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_its_wheel_passes_its_own_suite(plugin: Path, tmp_path: Path):
    """Nothing of the checkout is on the path there."""
    (tmp_path / "tests").symlink_to(shutil.copytree(plugin / "tests", tmp_path / "copied"))
    shutil.copy(plugin / "pyproject.toml", tmp_path)
    wheels = tmp_path / "wheels"
    for source in (ROOT, plugin):
        pip(sys.executable, "wheel", "--no-deps", "-w", wheels, source)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    core, mine = (next(wheels.glob(f"{name.replace('-', '_')}-[0-9]*.whl")) for name in ("srpo-manifest", plugin.name))
    pip(python, "install", f"{core}[testing]", mine, "pytest-xdist")
    listed = subprocess.run(
        [tmp_path / "venv/bin/srpo-manifest", "plugins", "list"], capture_output=True, text=True, check=True
    )
    assert plugin.name in listed.stdout
    suite = [python, "-m", "pytest", "-q", "-n", "2", "-k", "not torchrun"]  # that is a part of this checkout
    said = subprocess.run(suite, cwd=tmp_path, capture_output=True, text=True, check=False)
    print(said.stdout[-5000:])
    assert said.returncode == 0


def pip(python: str | Path, *words: str | Path) -> None:
    said = subprocess.run(
        [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-2000:]
