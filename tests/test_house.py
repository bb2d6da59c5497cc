"""The floors of the house, and what may be named on them."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "srpo_manifest"
FLOORS = (
    ("discretion", "errors", "finding", "rendering", "wording", "__init__"),
    ("values",),
    ("reading", "bundling", "upstream"),
    ("planning", "ports"),
    ("piped",),
    ("plugin",),
    ("builtin", "demo"),
    ("engine",),
    ("runner",),
    ("cli", "__main__"),
    ("testing",),
)
SHIPPED = ("bundling/runtime/", "demo/trainer/")
IMPURE = {
    "os",
    "subprocess",
    "socket",
    "time",
    "random",
    "pathlib",
    "structlog",
    "shutil",
    "tempfile",
    "secrets",
    "datetime",
    "sys",
}
DATES = ("reading.scalars",)
"""Dates are values of TOML; nobody there reads a clock."""
RUNTIME = PACKAGE / "bundling" / "runtime"
POSIX_ONLY = ("fcntl", "pwd", "grp", "resource", "termios", "pty", "sh")


def modules() -> list[Path]:
    found = (path for path in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in path.parts)
    return [path for path in found if not path.relative_to(PACKAGE).as_posix().startswith(SHIPPED)]


def floor_of(name: str) -> int:
    top = name.split(".")[0]
    return next(number for number, names in enumerate(FLOORS) if top in names)


def own_name(path: Path) -> str:
    return (
        path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__") or "__init__"
    )


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        found |= names_of(node)
    return found


def names_of(node: ast.AST) -> set[str]:
    """What a statement imports; nothing where it is another one."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("srpo_manifest.") for name in names if name.startswith("srpo_manifest.")} - {
        "__version__"
    }


@pytest.mark.parametrize("path", modules(), ids=own_name)
def test_a_module_imports_only_its_own_floor_and_those_below(path: Path) -> None:
    """No import runs back up."""
    floor = floor_of(own_name(path))
    above = {name for name in ours(imports(path)) if floor_of(name) > floor}
    assert not above


@pytest.mark.parametrize("path", [path for path in modules() if floor_of(own_name(path)) <= 3], ids=own_name)
def test_deciding_is_pure(path: Path) -> None:
    """Floors 0 to 3 name no disk, clock, chance or process."""
    impure = IMPURE - {"datetime"} if own_name(path) in DATES else IMPURE
    assert not {name.split(".")[0] for name in imports(path)} & impure


@pytest.mark.parametrize("path", sorted((PACKAGE / "builtin").glob("*.py")), ids=own_name)
def test_built_ins_come_in_by_the_door(path: Path) -> None:
    """A built-in imports what a stranger may import, and its own siblings."""
    assert {name.split(".")[0] for name in ours(imports(path))} <= {"plugin", "builtin"}


def test_no_module_of_the_client_needs_posix_at_import() -> None:
    """On Windows every module of ours imports: the POSIX modules and `sh` are absent there."""
    names = [f"srpo_manifest.{own_name(path)}" for path in modules() if own_name(path) not in ("__init__", "__main__")]
    program = f"""
import importlib, sys
import click, filelock, msgspec, platformdirs, pluggy, rich.console, structlog, tree_sitter, tree_sitter_bash
import asyncio, concurrent.futures, getpass, importlib.metadata, importlib.resources, multiprocessing, platform, pty, signal, subprocess, tarfile, tempfile
for name in [name for name in sys.modules if name.startswith("srpo_manifest")]:
    del sys.modules[name]
for name in {POSIX_ONLY!r}:
    sys.modules[name] = None
sys.platform = "win32"
for name in {names!r}:
    importlib.import_module(name)
print(len({names!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(len(names))


@pytest.mark.parametrize("path", sorted(RUNTIME.rglob("*.py")), ids=lambda path: path.relative_to(RUNTIME).as_posix())
def test_what_runs_on_targets_needs_no_package(path: Path) -> None:
    """The standard library, and the supervisor's own modules."""
    statements = [
        node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    near = [node for node in statements if isinstance(node, ast.ImportFrom) and node.level]
    assert all(node.level == 1 for node in near)
    far = {name.partition(".")[0] for node in statements if node not in near for name in names_of(node)}
    assert far <= {*sys.stdlib_module_names, "supervising"}


def test_the_supervisors_modules_go_in_no_circle() -> None:
    """Each can be read with those below it alone."""
    below = {}
    for path in (RUNTIME / "supervising").glob("*.py"):
        statements = ast.walk(ast.parse(path.read_bytes()))
        below[path.stem] = {node.module for node in statements if isinstance(node, ast.ImportFrom) and node.level}
    assert len(below) > 30
    assert len(list(graphlib.TopologicalSorter(below).static_order())) == len(below)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_plugin_comes_through_the_door(path: Path) -> None:
    """It imports what is promised to strangers, and needs no POSIX to be imported."""
    promised = {"srpo_manifest.plugin", "srpo_manifest.testing"}
    found = {name for name in imports(path) if name == "srpo_manifest" or name.startswith("srpo_manifest.")}
    assert {name for name in found if not {name, name.rpartition(".")[0]} & promised} == set()
    if "tests" not in path.parts:
        assert not imports(path) & {*POSIX_ONLY}


def test_the_core_imports_no_plugin() -> None:
    """They come by their entry points alone."""
    theirs = {entry.name for entry in (ROOT / "plugins").glob("*/srpo_manifest_*")}
    assert theirs
    for path in PACKAGE.rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports(path)} & theirs, path
