"""The suite for stages sees what is wrong with one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
import os, random, time, datetime
from itertools import count
from srpo_manifest.plugin import Answer, AtEnd, EnvVariable, Facts, Known, Sh, TargetProbe, Unknown, hookimpl, word
numbers = count()
def parse(answer): {parse}
class Handler:
    def probes(self, wanted, facts): return [TargetProbe(name="mine", script="{probe}", parse=parse)]
    def steps(self, wanted, facts):
        {steps}
@hookimpl
def srpo_build_env(wanted): return Handler()
"""
GOOD = {
    "parse": "return Known(value=answer.text)",
    "probe": "echo 1",
    "steps": "yield Sh(id='a', script='true', reason='x')",
}
SUITE = """
import pytest
from srpo_manifest.testing import StageSuite
class TestMine(StageSuite):
    @pytest.fixture
    def plugin(self): return "mine"
"""
READS, SAME = "reads_nothing_but_its_arguments", "the_same_facts_give_the_same_steps"


@pytest.fixture
def failed(tmp_path: Path):
    """The tests of the suite that a plugin fails."""
    info = tmp_path / "site/srpo_manifest_mine-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: srpo-manifest-mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[srpo_manifest]\nmine = mine\n")
    (tmp_path / "test_mine.py").write_text(SUITE)

    def tried(*, tests: str = "test", **parts: str) -> set[str]:
        (tmp_path / "site/mine.py").write_text(PLUGIN.format(**GOOD | parts))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", tests, "test_mine.py"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not re.search(r"\d error", done.stdout.splitlines()[-1]), done.stdout
        return set(re.findall(r"^FAILED \S+::test_(?:it_|its_)?(\w+)", done.stdout, re.MULTILINE))

    return tried


def test_a_good_one_passes(failed):
    """All of it."""
    assert failed() == set()


@pytest.mark.parametrize(
    ("steps", "test"),
    [
        ("yield EnvVariable(name='A', value=word(os.environ.get('HOME', '')))", READS),
        ("yield EnvVariable(name='A', value=word(str('X' in os.environ)))", READS),
        ("time.time(); yield from ()", READS),
        ("datetime.datetime.now(); yield from ()", READS),
        ("open('/etc/hostname').close(); yield from ()", READS),
        ("os.system('true'); yield from ()", READS),
        ("import socket; socket.socket().close(); yield from ()", READS),
        ("yield EnvVariable(name='A', value=word(str(next(numbers))))", SAME),
        ("yield EnvVariable(name='A', value=word(str(random.random())))", SAME),
        ("yield EnvVariable(name='A', value=word(str(hash('a'))))", SAME),
        ("yield from [Sh(id='a', script=script, reason='x') for script in ('true', 'false')]", "steps_have_names_of_their_own"),
        ("yield Sh(id='a', script='if true; then', reason='x')", "scripts_are_bash"),
        ("yield EnvVariable(name='A', value=word(str(facts.get('mine', int) + 1)))", "no_answer_makes_it_raise"),
        ("yield Sh(id='a', script='exit 3', reason='x')", "steps_run_at_either_end"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_steps_is_seen(failed, steps: str, test: str):
    """By the sentence that they break."""
    assert failed(steps=steps, tests=test) == {test}


@pytest.mark.parametrize(
    ("parts", "test"),
    [
        ({"parse": "return Known(value=int(answer.output))"}, "no_answer_makes_it_raise"),
        ({"probe": "if true; then"}, "scripts_are_bash"),
    ],
)
def test_what_is_wrong_with_probes_is_seen(failed, parts: dict[str, str], test: str):
    """Likewise."""
    assert failed(**parts, tests=test) == {test}
