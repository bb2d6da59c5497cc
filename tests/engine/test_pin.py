"""Pins are read from real repositories by the real readers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.engine.pin import read_pin
from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.lock import Lock, Pin
from srpo_manifest.values.trainer import FORMAT, Evidence, Trainer

SCRIPT = "export X=1\ntorchrun --nproc_per_node 2 train/main.py --steps 3\n"
MODULE = "python -m train.{} --steps 3\n"
PROGRAM = 'import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument("--{}", type=int)\nprint(parser.parse_args())\n'
FILES = {
    "run.sh": SCRIPT,
    "by_module.sh": MODULE.format("main"),
    "by_package.sh": MODULE.format("package"),
    "outside.sh": "python ../main.py\n",
    "two.sh": SCRIPT + MODULE.format("package"),
    "train/main.py": PROGRAM.format("steps"),
    "train/package/__main__.py": PROGRAM.format("packed"),
}


def trainer(**evidence: tuple[str, str]) -> Trainer:
    rules = {rule: Evidence(file=file, pattern=pattern) for rule, (file, pattern) in evidence.items()}
    return Trainer(format=FORMAT, name="t", title="t", evidence=rules)


@pytest.fixture
def pinned(repository, tmp_path: Path):
    """The pin of these files' commit."""

    def read(files: dict[str, str | bytes], *scripts: str, description: Trainer | None = None) -> Pin:
        repository(files)
        mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
        return read_pin(mirror, "repo", "main", mirror.ensure("main"), scripts, description or trainer())

    return read


def test_a_pin_holds_what_every_script_and_its_program_accept(pinned, git, tmp_path: Path):
    """Scripts lead to programs by path or module; a program of its own has flags alone."""
    pin = pinned(FILES, "run.sh", "by_module.sh", "./by_package.sh", "train/main.py", "run.sh")
    assert (pin.url, pin.ref) == ("repo", "main")
    assert pin.tree == git(tmp_path / "repo", "rev-parse", "HEAD^{tree}")
    assert {name: (entry.arguments.path, entry.arguments.flags[0].name) for name, entry in pin.entries.items()} == {
        "./by_package.sh": ("train/package/__main__.py", "packed"),
        "by_module.sh": ("train/main.py", "steps"),
        "run.sh": ("train/main.py", "steps"),
        "train/main.py": ("train/main.py", "steps"),
    }
    assert pin.entries["run.sh"].script.digest == hashlib.sha256(SCRIPT.encode()).hexdigest()
    assert pin.entries["train/main.py"].script is None
    assert {entry.description for entry in pin.entries.values()} == {digest(trainer())}
    assert Lock().with_pin(pin).find("repo", "main") == pin


def test_flags_that_another_file_of_the_commit_adds_are_read_there(pinned):
    """The parser leads to them; they tell their file."""
    files = {
        "train/main.py": "import argparse\nfrom options import add\np = argparse.ArgumentParser()\nadd(p)\nprint(p.parse_args())\n",
        "train/options.py": "def add(parser):\n    parser.add_argument('--steps', type=int)\n",
    }
    contract = pinned(files, "train/main.py").entries["train/main.py"].arguments
    assert [(flag.name, flag.file, flag.line) for flag in contract.flags] == [("steps", "train/options.py", 2)]
    assert contract.complete


@pytest.mark.parametrize("script", ["outside.sh", "two.sh"])
def test_a_program_that_is_not_the_only_one_or_not_here_has_no_flags(pinned, script: str):
    """Nothing is guessed: the contract of the script stays."""
    entry = pinned(FILES, script).entries[script]
    assert entry.arguments is None
    assert entry.script is not None


def test_a_script_is_read_with_the_files_that_it_sources(pinned):
    """Their digests are kept; the program is looked for where the script goes, and a loop starts the same one."""
    script = 'cd "$(dirname "$0")"\n. ./env.sh\nfor seed in $SEEDS; do python main.py --steps $seed; done\n'
    environment = "SEEDS='1 2'\n"
    entry = pinned(FILES | {"train/run.sh": script, "train/env.sh": environment}, "train/run.sh").entries[
        "train/run.sh"
    ]
    assert entry.script.sources == {"train/env.sh": hashlib.sha256(environment.encode()).hexdigest()}
    assert [launch.arguments[1].text for launch in entry.script.launches] == ["1", "2"]
    assert entry.arguments.path == "train/main.py"


def test_evidence_is_looked_for_line_by_line(pinned):
    """A rule holds where its pattern stands in its file; a file that is not there bears nothing out."""
    description = trainer(
        found=("train/main.py", "^parser = "), lost=("train/main.py", "^ArgumentParser"), gone=("nothing.py", ""), up=("../x", "^x")
    )  # fmt: skip
    entry = pinned(FILES | {"train/main.py": PROGRAM.format("a")}, "run.sh", description=description).entries["run.sh"]
    assert entry.evidence == {"found": True, "gone": False, "lost": False, "up": False}


def test_a_missing_script_suggests_a_near_one(pinned):
    """Scripts and programs of the commit are what it may mean."""
    with pytest.raises(ManifestError) as caught:
        pinned({"scripts/finetune.sh": "true\n", "scripts/finetune.txt": "x"}, "script/finetune.sh")
    assert caught.value.code == "script-missing"
    assert caught.value.findings[0].hints == ("did you mean `scripts/finetune.sh`?",)


@pytest.mark.parametrize("script", ["/etc/passwd", "../run.sh", "a/../../run.sh", "..", ".", "", "a\0b", "a\nb"])
def test_a_script_outside_the_checkout_is_refused(pinned, script: str):
    """Its path says so before anything is read."""
    with pytest.raises(ManifestError) as caught:
        pinned({"run.sh": "true\n"}, script)
    assert caught.value.code == "script-outside"


def test_a_script_that_is_not_in_the_tree_itself_is_told_why(pinned, repository, git, tmp_path: Path):
    """Links are not followed; submodules and large files are not fetched."""
    folder = repository({"real.sh": "true\n"})
    (folder / "link.sh").symlink_to("real.sh")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},third/sub")
    files = {
        ".gitmodules": '[submodule "x"]\n\tpath = third/sub\n\turl = https://example.org/x\n',
        "large.sh": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    }
    for script, reason in (("link.sh", "is a link"), ("third/sub/run.sh", "is a submodule"), ("large.sh", "git lfs")):
        with pytest.raises(ManifestError) as caught:
            pinned(files | {"turn": script}, script)
        assert caught.value.code == "script-missing"
        assert reason in caught.value.findings[0].hints[0]
