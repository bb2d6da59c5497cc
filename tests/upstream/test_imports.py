"""What a program imports at its start, against what Python really imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.upstream.imports import read_imports
from srpo_manifest.values.contract import Import

FILES = {
    "train/main.py": """import os
import torch.nn as nn, numpy
from pkg.inner import helper, missing_name
from beside import x
try:
    import optional
except ImportError:
    optional = None
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import only_types
else:
    import at_run_time
if os.name == "nt":
    import windows_only
def later():
    import lazy
with open(os.devnull):
    import in_with
try:
    import in_try_without_except
finally:
    import in_finally
if __name__ == "__main__":
    import in_main
""",
    "train/beside.py": "import from_beside\nx = 1\nif __name__ == '__main__':\n    import not_main\n",
    "pkg/inner/__init__.py": "from . import helper\nfrom ..sibling import y\nmissing_name = 1\n",
    "pkg/inner/helper.py": "import from_helper\n",
    "pkg/sibling.py": "import from_sibling\ny = 1\n",
    "pkg/not_reached.py": "import from_not_reached\n",
    "whole/__init__.py": "import from_whole\n",
}
EXTERNAL = {
    "os", "torch", "numpy", "typing", "at_run_time", "in_with", "in_try_without_except", "in_finally", "in_main", "from_beside",
    "from_helper", "from_sibling",
}  # fmt: skip


def found(
    files: dict[str, str], entry: str = "train/main.py", roots: tuple[str, ...] = ("train", ".")
) -> dict[str, Import]:
    def read(paths: Iterable[str]) -> dict[str, bytes]:
        return {path: files[path].encode() for path in paths}

    return read_imports(entry, files, roots, read)


def test_only_what_is_surely_imported_is_told():
    """Through the checkout's own files, with the place of the first import; nothing optional, lazy, or for types alone."""
    imports = found(FILES)
    assert {name for name, one in imports.items() if not one.own} == EXTERNAL
    assert imports["from_sibling"].at == "pkg/sibling.py:1"
    assert imports["torch"].at == "train/main.py:2"


def test_a_folder_without_init_is_the_checkouts_own_and_can_be_replaced():
    """A whole package comes first on the path and cannot."""
    imports = found(FILES)
    assert [name for name, one in imports.items() if one.own] == ["pkg"]
    assert found(FILES | {"train/main.py": "import whole"}) == {"from_whole": Import(at="whole/__init__.py:1")}


def test_python_itself_needs_those_and_no_others(tmp_path: Path):
    """With empty modules of these names the program runs; without one of them it does not."""
    for path, text in FILES.items():
        file = tmp_path / "checkout" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    stubs = tmp_path / "stubs"
    (stubs / "torch").mkdir(parents=True)
    (stubs / "torch/__init__.py").touch()
    (stubs / "torch/nn.py").touch()
    for name in EXTERNAL - sys.stdlib_module_names - {"torch"}:
        (stubs / f"{name}.py").touch()

    def run() -> str:
        program = [sys.executable, "-S", tmp_path / "checkout/train/main.py"]
        env = {"PYTHONPATH": f"{tmp_path / 'checkout'}:{stubs}", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(program, env=env, capture_output=True, text=True, check=False).stderr

    assert run() == ""
    for name in ("in_main", "from_sibling", "at_run_time"):
        (stubs / f"{name}.py").unlink()
        assert f"No module named '{name}'" in run()
        (stubs / f"{name}.py").touch()


def test_what_cannot_be_parsed_tells_nothing():
    """Neither a file that is no Python, nor two that import each other, stop the reading."""
    assert (
        found(
            {
                "train/main.py": "import a, b\nimport out",
                "a.py": "import b",
                "b.py": "import a\nthis is no python",
                "out.py": "",
            }
        )
        == {}
    )
    assert found({"train/main.py": "from .... import x"}) == {}


@given(
    st.dictionaries(st.sampled_from(["a.py", "p/__init__.py", "p/b.py", "train/c.py"]), st.text(max_size=60)),
    st.text(max_size=80),
)
def test_any_text_is_read(files: dict[str, str], entry: str):
    """And always in the same way."""
    whole = {path: text.encode("utf-8", "replace").decode() for path, text in files.items()}
    whole["train/main.py"] = entry.encode("utf-8", "replace").decode()
    assert found(whole) == found(dict(reversed(whole.items())))


@pytest.mark.parametrize("root", [".", "src", "./src/"])
def test_roots_may_be_spelled_in_any_way(root: str):
    """They are folders of the checkout."""
    files = {"train/main.py": "import mine", "src/mine/__init__.py": "import other", "mine/__init__.py": "import other"}
    assert found(files, roots=("train", root)) == {
        "other": Import(at=f"{'src/' if 'src' in root else ''}mine/__init__.py:1")
    }
