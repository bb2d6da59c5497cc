"""Scripts that do more than launch, in a real repository, through the program."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

TRAIN = """import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--note", default="")
parser.add_argument("--token", default="")
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
json.dump({"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}, open("seen.json", "w"))
"""
SCRIPT = """#!/bin/bash
if [ -z "$STEPS" ]; then STEPS=5; fi
export FROM_SCRIPT=yes
python3 -c 'open("helped", "w")'
DAY=$(date +%Y)
if [ ! -e skip ]; then
  python3 train.py --steps $STEPS --note "run of $DAY" --fast
fi
touch after
"""
MANIFEST = """schema = 1
name = "own"
[repo]
url = "own"
ref = "main"
[model]
type = "generic"
[entry]
script = "run.sh"
[done]
exit_zero = true
[env]
STEPS = "3"
"""


@pytest.fixture
def own(place):
    """A place with a repository beside its manifest."""
    folder = place.folder / "own"
    folder.mkdir()
    place.git = lambda *arguments: subprocess.run(
        ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip
    place.git("init", "-q", "-b", "main", ".")

    def commit(script: str, **files: str) -> None:
        for name, text in {"run.sh": script, "train.py": TRAIN, **files}.items():
            (folder / name.replace("__", ".")).write_text(text)
        place.git("add", "-A")
        place.git("commit", "-q", "-m", "a change")

    place.commit = commit
    commit(SCRIPT)
    place.write("srpo.toml", MANIFEST)
    place.seen = lambda: json.loads((place.folder / "seen.json").read_text())
    return place


def test_a_script_that_does_more_runs_and_launches_what_was_planned(own):
    """Its side effects stay, its launch becomes the planned command; by hand the bundle does the same."""
    plan = own.run("plan", "--json", "--set", "entry.set.rate=0.5").json
    assert plan["job"]["mode"] == "shim"
    assert plan["job"]["argv"] == [
        "python3", "${repo.dir}/train.py", "--steps", "3", "--note", "run of ${script.1}", "--fast", "--rate", "0.5",
    ]  # fmt: skip
    assert {"script-runs", "script-decides"} <= {note["code"] for note in plan["notes"]}
    said = own.run("apply", "--set", "entry.set.rate=0.5")
    assert said.status == 0, said.err
    seen = own.seen()
    assert seen["argv"][:3] == ["--steps", "3", "--note"]
    assert seen["argv"][3].startswith("run of 20")
    assert seen["argv"][4:] == ["--fast", "--rate", "0.5"]
    assert (seen["cwd"], seen["env"]["FROM_SCRIPT"]) == (str(own.folder), "yes")
    assert "BASH_ENV" not in seen["env"]
    assert "/bundle/shim" not in seen["env"]["PATH"]
    assert (own.folder / "helped").exists()
    assert (own.folder / "after").exists()
    own.run("bundle", "--out", "by-hand", "--set", "entry.set.rate=0.5")
    (own.folder / "seen.json").unlink()
    done = subprocess.run(
        ["bash", own.folder / "by-hand/launch.sh"], env=own.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert own.seen()["argv"] == seen["argv"]


def test_a_launch_that_never_comes_fails_the_run(own):
    """Whatever the script's exit status was."""
    own.write("skip", "")
    said = own.run("apply", "--json")
    assert said.status == 1
    ended = said.events[-1]
    assert (ended["outcome"], ended["exit"]) == ("failed", 0)
    assert ended["reason"] == "the script never handed over its launch: exit status 0"
    assert (own.folder / "after").exists()


def test_a_launch_that_differs_from_the_plan_ends_the_run(own):
    """A script that swallows the refusal and tries for ever is ended, and the reason is told."""
    own.commit("until python3 train.py --steps $STEPS --fast; do sleep 0.2; done\n")
    assert own.run("lock").status == 0
    lock = own.folder / "srpo.lock"
    assert lock.read_text().count('"--fast"') == 1
    lock.write_text(lock.read_text().replace('"--fast"', '"--note=x"'))
    said = own.run("apply", "--json", "--locked")
    assert said.status == 1, said.err
    ended = said.events[-1]
    reason = "`run.sh` does not launch what was planned: word 5 of the launch in line 1 is `--fast`, and the plan expects `--note=x`"
    assert ended["outcome"] == "failed"
    assert ended["reason"].startswith(reason[:100])
    (warning,) = (event for event in said.events if event.get("code") == "launch-differs")
    assert warning["message"] == reason
    assert not (own.folder / "seen.json").exists()


def test_several_launches_say_which_is_meant(own):
    """By the program's name or the line; the others run as the script says, with their programs found in the checkout."""
    own.commit(
        "python3 prep.py --out x\npython3 train.py --steps $STEPS\n",
        prep__py="import sys; open('prep', 'w').write(' '.join(sys.argv[1:]))\n",
    )
    said = own.run("plan")
    assert said.status == 4
    assert "error[launch-ambiguous]: `run.sh` starts 2 programs, and which one is meant is not said" in said.err
    assert "hint: `entry.launch = 1` is `python3 … prep.py` in line 1" in said.err
    assert "hint: `entry.launch = 2` is `python3 … train.py` in line 2" in said.err
    assert (
        "error[launch-unknown]: `run.sh` has no launch `rain.py`"
        in own.run("plan", "--set", 'entry.launch="rain.py"').err
    )
    assert (
        own.run("plan", "--json", "--set", "entry.launch=2", "--set", "entry.set.steqs=7").json["refusals"][0]["code"]
        == "unknown-flag"
    )
    said = own.run("apply", "--set", 'entry.launch="train.py"', "--set", "entry.set.steps=7")
    assert said.status == 0, said.err
    assert "note[launch-others]: `run.sh` also starts `python3 … prep.py` in line 1" in said.err
    assert own.seen()["argv"] == ["--steps", "7"]
    assert (own.folder / "prep").read_text() == "--out x"


def test_a_program_that_only_the_script_knows_is_refused(own):
    """With the line and the way out; so is a script that launches nothing."""
    own.commit("python3 $(cat name).py --steps 1\n")
    said = own.run("plan")
    assert said.status == 4
    assert (
        "error[script-indirect]: `run.sh` line 1: " in said.err
        or "error[script-indirect]: `run.sh` starts no trainer" in said.err
    )
    assert "hint: give the whole command as `entry.command`" in said.err
    own.commit("echo nothing\n")
    assert "error[script-indirect]: `run.sh` starts no trainer that is known" in own.run("plan").err
    alone = own.run("plan", "--set", 'entry.script="train.py"', "--set", "entry.launch=1").err
    assert "error[launch-unknown]: `train.py` is started as it stands" in alone
    assert (
        "error[shim-unavailable]"
        in own.run("plan", "--set", 'entry.script="train.py"', "--set", 'entry.mode="shim"').err
    )


def test_a_secret_that_the_script_hands_over_is_in_no_plan(own):
    """It goes by the environment into the launch, and the plan tells where."""
    own.commit('python3 train.py --token "$TOKEN"\n')
    own.write("srpo.toml", MANIFEST + 'TOKEN = { env = "MY_TOKEN" }\n')
    plan = own.run("plan", "--json", MY_TOKEN="very-secret")
    assert plan.json["job"]["argv"][2:] == ["--token", "${script.1}"]
    assert own.run("apply", MY_TOKEN="very-secret").status == 0
    assert own.seen()["argv"] == ["--token", "very-secret"]
    run = Path(own.folder, ".srpo/runs")
    assert not any(b"very-secret" in path.read_bytes() for path in run.rglob("*") if path.is_file())
    own.write("srpo.toml", MANIFEST)
    assert "error[variable-unset]" in own.run("plan").err
    inherited = own.run("plan", "--json", TOKEN="very-secret")
    assert inherited.json["job"]["argv"][2:] == ["--token", "${script.1}"]
    assert "very-secret" not in inherited.out


def test_a_forced_shim_gives_what_direct_mode_gives(own):
    """A script that is understood is served by both, with one command."""
    own.commit("mkdir -p made\npython3 train.py --steps $STEPS --note 'a b'\n")
    direct = own.run("plan", "--json", "--set", "entry.set.rate=0.5").json["job"]
    shim = own.run("plan", "--json", "--set", "entry.set.rate=0.5", "--set", 'entry.mode="shim"').json["job"]
    assert (direct["mode"], shim["mode"]) == ("direct", "shim")
    assert direct["argv"] == shim["argv"]
    assert own.run("apply", "--set", "entry.set.rate=0.5", "--set", 'entry.mode="shim"').status == 0
    assert own.seen()["argv"] == direct["argv"][2:]
    assert (own.folder / "made").is_dir()


def test_a_file_that_the_script_looks_for_where_it_is_not(own):
    """The checkout is not the working directory: told by the plan, and gone once the file can be found there."""
    (own.folder / "own/common").mkdir()
    own.commit(
        'source common/env.sh\n. common/env.sh\npython3 train.py --note "$NAME"\n',
        **{"common/env__sh": "NAME=theirs\n"},
    )
    assert own.run("plan").status == 0
    said = own.run("plan", "--set", 'entry.mode="shim"')
    assert said.status == 4
    assert (
        f"error[script-file-missing]: `run.sh` line 1 looks for `common/env.sh` in the working directory `{own.folder}`, where it is not"
        in said.err
    )
    assert "hint: put a link to it there: the checkout is `third_party/srpo/vendor` in the workspace" in said.err
    own.write("common/env.sh", "NAME=theirs\n")
    assert own.run("apply", "--set", 'entry.mode="shim"').status == 0
    assert own.seen()["argv"] == ["--note", "theirs"]
    own.write("common/env.sh", "NAME=others\n")
    assert "launch-differs" in own.run("apply", "--set", 'entry.mode="shim"', "--again").err
    own.commit("cd /\nsource common/env.sh\npython3 train.py\n")
    assert own.run("lock", "--upgrade").status == 0
    plan = own.run("plan", "--json").json
    assert [finding["code"] for finding in plan["warnings"]] == ["script-changes-folder"]
    assert plan["refusals"] == []


@pytest.mark.parametrize(
    ("script", "argv"),
    [
        ('python3 train.py --note "$PATH"\n', ["--note", "${script.1}"]),
        ("python3 train.py ${EXTRA:---steps 4}\n", ["${script.1*}"]),
    ],
)
def test_what_direct_mode_cannot_spell_is_left_to_the_script(own, script: str, argv: list[str]):
    """A variable that every job has, and a value that bash splits."""
    own.commit(script)
    job = own.run("plan", "--json").json["job"]
    assert (job["mode"], job["argv"][2:]) == ("shim", argv)
    assert own.run("apply").status == 0
    assert own.seen()["argv"][:2] in (["--note", own.env["PATH"]], ["--steps", "4"])


def test_a_file_of_ours_is_not_handed_over(own):
    """`which` finds what intercepts the launch: the trainer would start that."""
    own.commit('python3 train.py --note "$(which python3)"\n')
    said = own.run("apply")
    assert said.status == 1
    assert "launch-leaks" in said.err


def test_a_launch_that_is_tried_again_is_one(own):
    """The same words each time; other words each time are refused."""
    own.commit("for i in 1 2 3; do python3 train.py --steps $STEPS && break; done\n")
    assert own.run("plan", "--json").json["job"]["mode"] == "shim"
    assert own.run("apply").status == 0
    own.commit("for i in 1 2 3; do python3 train.py --steps $i; done\n")
    assert own.run("lock", "--upgrade").status == 0
    assert [one["code"] for one in own.run("plan", "--json").json["refusals"]] == ["launch-repeats"]


def test_a_launch_is_named_by_its_line_as_a_text_too(own):
    """`--set` and TOML strings give digits as text."""
    own.commit("python3 train.py --steps 1\npython3 train.py --steps 2\n")
    plan = own.run("plan", "--json", "--set", "entry.launch='2'").json
    assert plan["job"]["argv"][2:] == ["--steps", "2"]


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("exec /opt/bin/torchrun", "`exec` starts it by its own path"),
        ("nohup /opt/bin/torchrun", "`nohup` starts it by its own path"),
        ("command bin/torchrun", "`command` starts it by its own path"),
        ("timeout 9 /opt/bin/torchrun", "`timeout` starts it by its own path"),
        ("setsid /opt/bin/torchrun", "`setsid` starts it by its own path"),
        ("nice -n 5 /opt/bin/torchrun", "`nice` starts it by its own path"),
        ("srun -p gpu /opt/bin/torchrun", "`srun` starts it by its own path"),
        ("exec /opt/bin/python3", "`exec` starts it by its own path"),
        ("sudo torchrun", "`sudo` gives it another PATH"),
        ("env PATH=/opt/bin torchrun", "`env` changes its PATH (`PATH=/opt/bin`)"),
        ("env -i torchrun", "`env` changes its PATH (`-i`)"),
        ("env - torchrun", "`env` changes its PATH (`-`)"),
        ("env --ignore-environment torchrun", "`env` changes its PATH (`--ignore-environment`)"),
        ("PATH=/opt/bin torchrun", "it is started with a PATH of its own"),
    ],
)
def test_a_launch_that_nothing_would_catch_is_refused(own, before: str, why: str):
    """By the plan, with the line: on the target the trainer would run as the script says."""
    own.commit(f"echo begins\n{before} train.py --steps 1\n")
    said = own.run("plan")
    assert said.status == 4
    message = f"`run.sh` line 2: the launch cannot be replaced by the planned one, as {why}"
    assert f"error[launch-uncatchable]: {message}" in said.err
    assert "hint: give the whole command as `entry.command`" in said.err
    assert "hint: let the script name the launcher without a path" in said.err


@pytest.mark.parametrize(
    "before",
    ["/opt/bin/torchrun", "time /opt/bin/torchrun", "nohup torchrun", "exec torchrun", "env A=1 torchrun"],
)
def test_a_launch_that_is_caught_is_planned(own, before: str):
    """A function of that spelling, or PATH, brings it to us."""
    own.commit(f"if [ -e skip ]; then STEPS=1; fi\n{before} train.py --steps 1\n")
    plan = own.run("plan", "--json", "--set", "entry.mode='shim'").json
    assert "launch-uncatchable" not in [one["code"] for one in plan["refusals"]]
    assert plan["job"]["mode"] == "shim"
