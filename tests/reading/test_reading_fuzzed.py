"""Manifests, args files and locks made wrong at random (R9)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKERS = 2


@pytest.mark.slow
@pytest.mark.fault(40, "a code for every accident")
def test_whatever_a_file_holds_its_reading_ends_with_a_code(root: Path, many, tmp_path: Path):
    """No exception of another kind, the same verdict twice, each small; the seed and the slowest are told."""
    tests = root / "tests/reading"
    files = [
        *root.glob("manifests/**/*.toml"),
        tests / "full.toml",
        tests / "schema0.toml",
        root / "manifests/srpo.lock",
    ]
    args = tmp_path / "args.json"
    args.write_text('{"args": ["--seed", "7", "--x=é"], "env": {"A": "b", "C": "d"}, "working_dir": "~/x"}')
    seeds = [int(os.environ.get("SRPO_MANIFEST_TEST_SEED", "0")) or int.from_bytes(os.urandom(4), "big") for _ in range(WORKERS)]  # fmt: skip
    program = root / "tests/support/fuzzing.py"
    running = [
        subprocess.Popen([sys.executable, program, str(many(2_500, 500_000)), str(seed), *files, args], stdout=subprocess.PIPE, text=True)
        for seed in seeds
    ]  # fmt: skip
    for process in running:
        out, _ = process.communicate()
        found = json.loads(out)
        print({name: value for name, value in found.items() if name != "broken"})
        assert found["broken"] == [], found["seed"]
        assert found["refused"] > found["good"] > 0
        assert found["peak_mib"] < 128
