"""What the package carries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from srpo_manifest.demo import demo_files

PROGRAMS = sorted(path for path in demo_files() if path.endswith(".py"))
SCRIPT = "scripts/finetune/SRPO_training_demo.sh"


def test_the_repository_is_complete_sorted_and_free_of_caches():
    """It has a README, one script and the trainer's modules, in order."""
    files = demo_files()
    modules = ("agent", "align", "checkpoint", "faults", "model", "png", "rewards", "train")
    assert list(files) == ["README.md", *(f"minisrpo/{name}.py" for name in modules), SCRIPT]
    assert files == demo_files()


def test_only_the_script_is_executable_and_all_lines_end_as_on_linux():
    """Modes follow names, and no byte depends on where the package was built."""
    assert [path for path, (_, executable) in demo_files().items() if executable] == [SCRIPT]
    assert all(data.endswith(b"\n") and b"\r\n" not in data for data, _ in demo_files().values())


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_module_is_python_3_9_and_needs_the_standard_library_alone(path: str):
    """A machine with nothing installed can run it."""
    tree = ast.parse(demo_files()[path][0], feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    siblings = {Path(program).stem for program in PROGRAMS}
    assert {name.split(".")[0] for name in names} <= siblings | sys.stdlib_module_names


def test_the_script_has_upstreams_habits():
    """It reads four variables that nobody sets, forwards nothing and stops at nothing; bash can parse it."""
    text = demo_files()[SCRIPT][0].decode()
    assert all(f"${name}" in text for name in ("HOST_NUM", "HOST_GPU_NUM", "INDEX", "CHIEF_IP"))
    assert "$@" not in text
    assert "set -e" not in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_readme_names_every_fault():
    """The switches are documented where a reader of the demo looks."""
    tree = ast.parse(demo_files()["minisrpo/faults.py"][0])
    [table] = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    readme = demo_files()["README.md"][0].decode()
    assert all(f"| `{fault}` |" in readme for fault in ast.literal_eval(table))
