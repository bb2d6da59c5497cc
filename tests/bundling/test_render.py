from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.bundling.render import render, secrets
from srpo_manifest.reading.words import parse_word
from srpo_manifest.upstream.script import read_script
from srpo_manifest.values.contract import ArgumentContract, Flag
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.lock import EntryContract
from srpo_manifest.values.planned import Proposed
from srpo_manifest.values.step import AtEnd
from srpo_manifest.values.words import LATE_NAMES, Arrived, Late, Text, Word, joined, late, word

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
GOLDEN = Path(__file__).parent / "golden"
RUNTIME = {"launch.sh": b"launch", "supervise.py": b"supervise"}
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.lists(
    st.one_of(
        st.builds(Text, text=st.text(characters)),
        st.builds(Text, text=st.text("${}ab.")),
        st.builds(Late, name=st.sampled_from(sorted(LATE_NAMES))),
    )
).map(lambda pieces: joined(*pieces))


def bundle(make, **tables):
    """A plan with everything in it: secrets, a venv, a setup line, an end step, checks that only the target knows."""
    wanted = make.wanted(
        name="all-of-it",
        paths={"workspace": "/srv/it's here", "working_dir": "~/job dir", "concept_file": "concepts.json"},
        env={
            "PLAIN": "a b'c\n$HOME",
            "HF_TOKEN": {"env": "MY_TOKEN"},
            "KEY": {"target_file": "~/.key"},
        },
        python={"kind": "venv", "path": "venv", "requirements": "requirements.txt", "setup": ["module load cuda"]},
        files=[{"path": "data/it's.bin", "sha256": "0" * 64}],
        resources={"port": 29601},
        **tables,
    )
    facts = make.facts()
    planned = make.planned(wanted, facts)
    assert planned.plan.applicable, planned.plan.refusals
    from srpo_manifest.engine.parts import propose
    from srpo_manifest.engine.registry import Registry
    from srpo_manifest.planning.planner import decide

    end = Proposed(stage="on-stop", provider="alpha", turn=0, proposal=AtEnd(id="tell", script="echo ended", reason=""))
    proposed = [*propose(Registry().parts(wanted), wanted, facts), end]
    return decide(wanted, facts, proposed)


def test_the_bundle_is_as_it_was(make, golden):
    """Every rendered file equals its golden record, and twice rendered is equal."""
    planned = bundle(make)
    first = render(planned, runtime=RUNTIME)
    assert first == render(planned, runtime=RUNTIME)
    assert [file.name for file in first.files] == sorted(file.name for file in first.files)
    for file in first.files:
        if file.name.endswith((".sh", ".json")) and file.name != "launch.sh":
            golden(GOLDEN / file.name, file.data)
    assert {file.name: (file.tree, file.controller_file) for file in first.files if not file.data} == {
        "tree.tar": ("c" * 40, None),
        "files/concepts.json": (None, "concepts.json"),
        "files/requirements.txt": (None, "requirements.txt"),
    }


SCRIPT = b"""conda activate flux
NAME=$(date +%F)
~/bin/torchrun --nnodes $HOST_NUM --rdzv_endpoint $CHIEF_IP:29601 train.py --name "run $NAME" --rate 1e-5 $MORE
python prepare.py
"""


def test_the_bundle_of_a_script_that_runs_is_as_it_was(make, golden):
    """The leader starts the script; its launchers are programs and functions; `shim.json` says what they become."""
    flags = (Flag(name="name"), Flag(name="rate", type="float"), Flag(name="steps", type="int"))
    pin = make.pin()
    programs = {"train.py": ArgumentContract(path="train.py", digest="", flags=flags)}
    entry = EntryContract(script=read_script(SCRIPT, "train.sh"), programs=programs)
    wanted = make.wanted(
        entry={"script": "train.sh", "launch": "train.py", "set": {"steps": 7, "rate": 5e-6}},
        env={"MORE": "--steps=3", "TOKEN": {"env": "MY_TOKEN"}},
    )
    planned = make.planned(wanted, make.facts(msgspec.structs.replace(pin, entries={"train.sh": entry})))
    assert planned.plan.applicable, planned.plan.refusals
    assert planned.plan.job.mode == "shim"
    bundle = render(planned, runtime=RUNTIME, deliver=b"deliver")
    files = {file.name: file for file in bundle.files}
    assert {name for name, file in files.items() if file.executable} >= {
        "deliver",
        "deliver.py",
        "shim/python",
        "shim/torchrun",
    }
    assert json.loads(files["rules.json"].data)["shim"] == {
        "entry": "train.py", "variables": {"MORE": "--steps=3", "PYTHONPATH": "${repo.dir}"},
    }  # fmt: skip
    for name in ("leader.sh", "shim.json", "shim.sh", "deliver", "shim/python", "shim/torchrun"):
        golden(GOLDEN / "shim" / name, files[name].data)


SHELL = sorted(
    path for path in GOLDEN.rglob("*") if path.suffix == ".sh" or path.parent.name == "shim" or path.name == "deliver"
)


@pytest.mark.parametrize(
    "path", [path for path in SHELL if path.is_file() and path.suffix != ".json"], ids=lambda path: path.name
)
def test_rendered_scripts_are_sound_shell(path: Path):
    """`bash -n` and shellcheck have nothing to say."""
    subprocess.run(["bash", "-n", path], check=True)
    done = subprocess.run(
        [
            SHELLCHECK,
            f"--shell={'bash' if path.suffix else 'sh'}",
            "--exclude=SC1003,SC1090,SC1091,SC2016,SC2034,SC2089,SC2090,SC2181,SC2317",
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_secret_is_in_the_bundle(make):
    """References travel by name; what is read on the target is told to the supervisor by path."""
    planned = bundle(make)
    assert list(secrets(planned)) == ["HF_TOKEN"]
    files = {file.name: file.data for file in render(planned, runtime=RUNTIME).files}
    assert b"secrets=(HF_TOKEN)" in files["settings.sh"]
    rules = json.loads(files["rules.json"])
    assert rules["target_files"] == {"KEY": "${target.home}/.key"}
    assert b"HF_TOKEN=" not in files["leader.sh"]


@given(st.lists(st.text(characters), min_size=1, max_size=8))
def test_a_text_survives_the_shell(texts: list[str]):
    """What is quoted arrives byte for byte."""
    script = "printf '%s\\0' " + " ".join(map(quote, texts))
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout == b"".join(text.encode() + b"\0" for text in texts)


told = st.builds(Arrived, number=st.integers(1, 99), many=st.booleans())


@given(st.lists(st.one_of(told, words)))
def test_a_word_survives_its_spelling(parts: list[Word | Arrived]):
    """`parse_word` is the inverse of `str`."""
    made = joined(*(piece for part in parts for piece in ((part,) if isinstance(part, Arrived) else part.pieces)))
    assert parse_word(str(made)) == made


@given(st.lists(words, min_size=1, max_size=5))
def test_late_words_are_bound_by_the_shell(made: list[Word]):
    """Late pieces become the target's values, texts beside them stay as they are."""
    from srpo_manifest.bundling.quoting import VARIABLES

    values = {name: f"<{name} *$ >" for name in LATE_NAMES}
    environment = {VARIABLES[name]: values[name] for name in LATE_NAMES} | {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    script = "printf '%s\\0' " + " ".join(map(shell, made))
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment)
    expected = [
        "".join(piece.text if isinstance(piece, Text) else values[piece.name] for piece in one.pieces) for one in made
    ]
    assert done.stdout.decode() == "".join(f"{text}\0" for text in expected)


def test_a_word_joins_texts():
    """Words are compared by what they say."""
    assert word("a") + "b" == word("ab")
    assert str(word("$") + late("run.id")) == "$$${run.id}"
    assert msgspec.json.decode(msgspec.json.encode(word("a") + late("run.id")), type=Word) == word("a") + late("run.id")
    assert Facts().get("nothing", str)


def test_what_follows_the_end_is_a_script(make):
    """Word for word, and the supervisor reads how long it waits."""
    planned = bundle(make, end={"command": ["bash", "-c", "it's $HOME"], "when": "ended"})
    files = {file.name: file.data for file in render(planned, runtime=RUNTIME).files}
    assert files["end.sh"] == b"exec bash -c 'it'\\''s $HOME'\n"
    assert json.loads(files["rules.json"])["end"] == {"command": ["bash", "-c", "it's $HOME"], "wait_seconds": 0.0}
