"""What CI systems read, as their own schemas and tools have it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
BROKEN = 'schema = 1\nname = "a"\nmodle.type = "generic"\n'


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.gitlab-ci", "docs/ci/gitlab-ci.yml"),
        ("vendor.renovate", "docs/ci/renovate.json"),
    ],
)
def test_each_file_is_what_its_reader_takes(root: Path, schema: str, file: str) -> None:
    """By the schemas that check-jsonschema carries."""
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", schema, root / file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_hook_is_one_of_pre_commit(root: Path) -> None:
    """As pre-commit itself reads it."""
    program = Path(sys.executable).with_name("pre-commit")
    done = subprocess.run(
        [program, "validate-manifest", root / ".pre-commit-hooks.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_what_the_action_runs_is_clean_shell(root: Path) -> None:
    """No word of an input is taken for shell."""
    assert subprocess.run([SHELLCHECK, root / "docs/ci/check.sh"], check=False).returncode == 0


def test_the_action_annotates_and_sums_up(root: Path, tmp_path: Path) -> None:
    """Annotations on stdout, a SARIF file, a summary, and the exit status of `validate`."""
    (tmp_path / "a b").mkdir()
    (tmp_path / "srpo.toml").write_text(BROKEN)
    (tmp_path / "good.toml").write_text(BROKEN.replace("modle", "model"))
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MANIFESTS": "srpo.toml good.toml",
        "ARGUMENTS": "--deny all",
        "SARIF": "out.sarif",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    script = ["bash", root / "docs/ci/check.sh"]
    done = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith(
        "::error file=srpo.toml,line=3,endLine=3,col=1,endColumn=6,title=srpo-manifest unknown-key::"
    )
    assert json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "unknown-key"
    assert "unknown key `modle`" in (tmp_path / "summary.md").read_text()
    env |= {"MANIFESTS": "good.toml"}
    done = subprocess.run(script, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_renovate_finds_the_ref_of_a_manifest(root: Path) -> None:
    """In the spelling that our own manifests have."""
    rule = json.loads((root / "docs/ci/renovate.json").read_text())["customManagers"][0]["matchStrings"][0]
    pattern = re.compile(rule.replace("(?<", "(?P<"))
    found = pattern.search('[repo]\nurl = "https://example.org/SRPO.git"\nref  = "v1.2"\n')
    assert found
    assert found.groupdict() == {"packageName": "https://example.org/SRPO.git", "currentValue": "v1.2"}
    assert not pattern.search('[repo]\nurl = "https://example.org/SRPO.git"\nref  = "main"\n')
