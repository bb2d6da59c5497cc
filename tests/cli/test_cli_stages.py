"""Every stage with a small trainer of our own in a real repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--note", default="")
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
print(args.steps, args.rate, args.note, args.fast)
json.dump({"argv": sys.argv[1:], "env": dict(os.environ), "prefix": sys.prefix, "cwd": os.getcwd()}, open("seen.json", "w"))
"""
SCRIPT = "RATE=0.5\nmkdir -p made\npython3 train.py --steps $STEPS --rate $RATE --fast\n"
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
    (folder / "run.sh").write_text(SCRIPT)
    (folder / "train.py").write_text(TRAIN)
    place.git = lambda *arguments: subprocess.run(
        ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()  # fmt: skip
    place.git("init", "-q", "-b", "main", ".")
    place.git("add", "-A")
    place.git("commit", "-q", "-m", "first")
    place.write("srpo.toml", MANIFEST)
    place.seen = lambda: json.loads((place.folder / "seen.json").read_text())
    return place


@pytest.mark.trap(10, "prevented")
def test_a_script_of_ones_own(own):
    """Its variables come from `[env]`, its flags from the manifest, its folder is made, its lock is written."""
    said = own.run("apply", "--set", "entry.set.steps=7", "--set", "entry.set.fast=false", "--", "--note", "a b")
    assert said.status == 0, said.err
    seen = own.seen()
    assert seen["argv"] == ["--steps", "7", "--rate", "0.5", "--note", "a b"]
    assert seen["cwd"] == str(own.folder)
    assert (own.folder / "made").is_dir()
    assert (own.folder / "srpo.lock").is_file()
    assert {name: seen["env"][name] for name in ("STEPS", "SRPO_WORKSPACE_DIR", "PYTHONDONTWRITEBYTECODE")} == {
        "STEPS": "3", "SRPO_WORKSPACE_DIR": str(own.folder), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    assert not any(name.startswith("BASH_FUNC") for name in seen["env"])
    checkout = Path(seen["env"]["PYTHONPATH"])
    assert checkout.name == own.git("rev-parse", "HEAD^{tree}")
    assert (own.folder / "third_party/srpo/vendor").resolve() == checkout


def test_the_lock_holds_while_the_branch_moves(own):
    """The pinned commit is planned without the repository, until `lock --upgrade` asks again."""
    assert own.run("lock").status == 0
    first = own.git("rev-parse", "HEAD")
    (own.folder / "own/run.sh").write_text(SCRIPT.replace("--fast", "--rate 0.9"))
    own.git("commit", "-q", "-a", "-m", "second")
    assert own.run("plan", "--json").json["repo"]["commit"] == first
    assert own.run("plan", "--json", "--locked", "--offline").json["repo"]["commit"] == first
    assert own.run("lock").out.split()[-1] == first
    upgraded = own.run("lock", "--upgrade", "--json").json
    assert (upgraded["commit"], upgraded["changed"]) == (own.git("rev-parse", "HEAD"), True)
    assert own.run("plan", "--json").json["repo"]["commit"] == upgraded["commit"]


def test_validate_checks_flags_by_the_lock(own):
    """Offline, without a clone; without a lock they cannot be known."""
    own.write("srpo.toml", MANIFEST + "[entry.set]\nsteqs = 1\n")
    assert own.run("validate").status == 0
    own.write("srpo.toml", MANIFEST)
    assert own.run("lock").status == 0
    own.write("srpo.toml", MANIFEST + "[entry.set]\nsteqs = 1\n")
    said = own.run("validate")
    assert said.status == 2
    assert "error[unknown-flag]: unknown flag `steqs`" in said.out
    assert "hint: did you mean `steps`?" in said.out


@pytest.mark.trap(1, "variable-unset")
@pytest.mark.trap(2, "variable-unset")
def test_a_variable_that_nobody_sets_is_named(own):
    """The script reads it before setting it; what the target has is pinned instead."""
    own.write("srpo.toml", MANIFEST.replace('[env]\nSTEPS = "3"\n', ""))
    said = own.run("plan")
    assert said.status == 4
    assert "reads `STEPS` before setting it, and nothing gives it a value" in said.err
    inherited = own.run("plan", "--json", STEPS="5")
    assert inherited.json["job"]["env"]["STEPS"] == "5"
    assert inherited.json["job"]["argv"][2:4] == ["--steps", "5"]


def test_a_script_that_does_more_is_refused_with_the_line(own):
    """Direct mode cannot serve it; the way out is said."""
    (own.folder / "own/run.sh").write_text("if [ -e here ]; then\n  STEPS=1\nfi\npython3 train.py --steps $STEPS\n")
    own.git("commit", "-q", "-a", "-m", "if")
    said = own.run("plan", "--set", 'entry.mode="direct"')
    assert said.status == 4
    assert "error[script-indirect]: `run.sh` line 1: " in said.err
    assert "hint: set `entry.mode" in said.err
    assert "hint: give the whole command as `entry.command`" in said.err


def test_a_python_entry_runs_under_the_planned_python(own):
    """A .py script needs no shell."""
    said = own.run("apply", "--set", 'entry.script="train.py"', "--set", "entry.set.steps=2")
    assert said.status == 0, said.err
    assert own.seen()["argv"] == ["--steps", "2"]


def test_a_virtual_environment_is_made_on_the_target(own):
    """Made once, with its setup lines sourced before; `python` of the script is the environment's."""
    own.write("requirements.txt", "# nothing\n")
    venv = (
        MANIFEST
        + '[python]\nkind = "venv"\npath = "envs/one"\nrequirements = "requirements.txt"\nsetup = ["export FROM_SETUP=yes"]\n'
    )
    own.write("srpo.toml", venv)
    said = own.run("apply")
    assert said.status == 0, said.err + own.run("logs").out
    seen = own.seen()
    assert seen["prefix"] == str(own.folder / "envs/one")
    assert seen["env"]["FROM_SETUP"] == "yes"
    assert "venv" in said.err


def test_an_interpreter_that_is_not_there_is_refused(own):
    """Before anything is sent."""
    said = own.run("plan", "--set", 'python.path="envs/none/bin/python"')
    assert said.status == 4
    assert "error[python-missing]" in said.err


def test_a_conda_environment_is_activated(own):
    """A conda first on PATH that only knows its hook."""
    conda = own.write("bin/conda", "#!/bin/sh\necho 'conda() { export CONDA_PREFIX=$2 PATH=$PWD/bin:$PATH; }'\n")
    conda.chmod(0o755)
    (own.folder / "bin/python").symlink_to("/usr/bin/env")
    own.env["PATH"] = f"{own.folder / 'bin'}:{own.env['PATH']}"
    plan = own.run("plan", "--json", "--set", 'python.kind="conda"', "--set", 'python.path="flux"').json
    (setup,) = (step for step in plan["steps"] if step["id"] == "setup")
    assert setup["place"] == "job"


def test_the_concept_file_travels(own):
    """It is carried in the bundle, and its path on the target is told."""
    own.write("concepts.json", "[1]")
    said = own.run("apply", "--set", 'paths.concept_file="concepts.json"')
    assert said.status == 0, said.err
    assert Path(own.seen()["env"]["SRPO_CONCEPT_FILE"]).read_text() == "[1]"
    assert own.run("plan", "--set", 'paths.concept_file="concepts.json"', "--detailed-exitcode").status == 0
    own.write("concepts.json", "[2]")
    assert own.run("plan", "--set", 'paths.concept_file="concepts.json"', "--detailed-exitcode").status == 6
    missing = own.run("apply", "--again", "--set", 'paths.concept_file="nothing.json"')
    assert missing.status == 4
    assert "error[carried-file-missing]" in missing.err


def test_a_file_that_must_be_there_and_whole(own):
    """Missing and different are two refusals; whole is fine."""
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    own.write("srpo.toml", MANIFEST + f'[[files]]\npath = "data/it\'s.bin"\nsha256 = "{digest}"\n')
    assert "error[file-missing]" in own.run("plan").err
    own.write("data/it's.bin", "bar")
    assert "error[file-differs]" in own.run("plan").err
    own.write("data/it's.bin", "foo")
    assert own.run("plan").status == 0


@pytest.mark.fault(9, "vendor-differs")
def test_a_vendor_folder_of_the_users_own(own):
    """Clean at the same tree it is used and left alone; changed it is refused, and never touched."""
    vendor = own.folder / "third_party/srpo/vendor"
    subprocess.run(["git", "clone", "-q", own.folder / "own", vendor], check=True)
    assert own.run("apply").status == 0
    assert not vendor.is_symlink()
    (vendor / "train.py").write_text("mine")
    said = own.run("plan")
    assert said.status == 4
    assert "error[vendor-differs]" in said.err
    assert "`train.py`" in said.err
    assert (vendor / "train.py").read_text() == "mine"


@pytest.mark.fault(16, "vendor-busy")
def test_a_git_that_is_at_work_in_the_vendor_folder(own):
    """Or was killed there: the lock's age and who has it open are told, and it is left where it is."""
    vendor = own.folder / "third_party/srpo/vendor"
    subprocess.run(["git", "clone", "-q", own.folder / "own", vendor], check=True)
    lock = vendor / ".git/index.lock"
    with lock.open("w"):
        said = own.run("plan")
        assert said.status == 4
        assert "error[vendor-busy]" in said.err
        assert re.search(rf"/index.lock is \d+ seconds old, and process {os.getpid()} has it open", said.err), said.err
    assert "seconds old, and no process here has it open" in own.run("plan").err
    assert lock.exists()


@pytest.mark.fault(17, "workspace-unwritable")
def test_a_target_that_is_mounted_read_only(own, need):
    """The plan says so, for root as well."""
    need("root", "unshare")
    mount = 'mount -t tmpfs -o ro none disk && exec "$@"'
    (own.folder / "disk").mkdir()
    program = [sys.executable, "-m", "srpo_manifest", "plan", "--set", 'paths.workspace="disk"']
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", mount, "x", *program],
        cwd=own.folder, env=own.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert (
        f"error[workspace-unwritable]: the workspace `{own.folder}/disk` cannot be written on the target" in done.stderr
    )


@pytest.mark.fault(11, "works from the cache")
def test_no_network_and_the_commit_is_in_the_cache(own, need):
    """The whole run, its preparation included, talks to nobody; that it binds a port for the trainer is another thing."""
    need("root", "unshare", "strace")
    assert own.run("lock").status == 0
    (own.folder / "own").rename(own.folder / "away")
    traced = [
        "unshare",
        "-n",
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-e",
        "trace=connect,sendto,sendmsg",
        "-o",
        "calls",
    ]
    done = subprocess.run(
        [*traced, sys.executable, "-m", "srpo_manifest", "apply"],
        cwd=own.folder, env=own.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "AF_INET" not in (own.folder / "calls").read_text()
    assert own.seen()["argv"]


def test_refresh_unpacks_the_checkout_anew(own):
    """Forced by the manifest, as the older wrapper did."""
    assert own.run("apply").status == 0
    checkout = (own.folder / "third_party/srpo/vendor").resolve()
    checkout.chmod(0o755)
    (checkout / "stray").write_text("x")
    assert own.run("apply", "--again", "--set", 'repo.refresh="always"').status == 0
    assert not (checkout / "stray").exists()


@pytest.mark.fault(17, "workspace-unwritable")
def test_a_workspace_that_cannot_be_written(own):
    """A file in its place, told before anything starts."""
    own.write("file", "x")
    said = own.run("plan", "--set", 'paths.workspace="file/below"')
    assert said.status == 4
    assert "error[workspace-unwritable]" in said.err
    assert "error[working-dir-unwritable]" in own.run("plan", "--set", 'paths.working_dir="file"').err


@pytest.mark.fault(3, "ref-missing")
def test_a_ref_that_is_gone(own):
    """With a near one suggested, at exit 4 and in the JSON."""
    said = own.run("plan", "--json", "--set", 'repo.ref="mian"')
    assert said.status == 4
    (refusal,) = (finding for finding in said.json["refusals"] if finding["code"] == "ref-missing")
    assert "did you mean `main`?" in refusal["hints"]


@pytest.mark.fault(1, "git-missing")
def test_git_missing_is_told_where_it_is_needed(own, tmp_path_factory):
    """A locked plan needs no git."""
    assert own.run("lock").status == 0
    tools = tmp_path_factory.mktemp("bin")
    for name in (
        "bash",
        "python3",
        "mktemp",
        "rm",
        "cat",
        "wc",
        "dirname",
        "readlink",
        "ls",
        "uname",
        "head",
        "grep",
        "cut",
    ):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tools / name).symlink_to(found)
    own.env["PATH"] = str(tools)
    assert own.run("plan").status == 0
    assert own.run("validate").status == 0
    (own.folder / "srpo.lock").unlink()
    said = own.run("plan")
    assert said.status == 4
    assert "error[git-missing]: " in said.err
    assert "hint: install the package `git`" in said.err


def test_what_the_script_exports_and_what_it_has_a_default_for(own):
    """Exports reach the trainer, the manifest's own being stronger; a variable with a default may be absent or empty."""
    script = 'export CACHE=here\nexport MODE="a b"\npython3 train.py --steps ${N:-4} --note "${NOTE:-none}"\n'
    (own.folder / "own/run.sh").write_text(script)
    own.git("commit", "-q", "-a", "-m", "exports")
    said = own.run("apply", "--set", 'env.MODE="mine"', NOTE="")
    assert said.status == 0, said.err
    seen = own.seen()
    assert seen["argv"] == ["--steps", "4", "--note", "none"]
    assert (seen["env"]["CACHE"], seen["env"]["MODE"]) == ("here", "mine")


def test_a_lock_that_does_not_fit_its_commit_is_told(own):
    """What is unpacked is what was planned."""
    assert own.run("lock").status == 0
    tree = own.git("rev-parse", "HEAD^{tree}")
    lock = own.folder / "srpo.lock"
    lock.write_text(lock.read_text().replace(tree, "deadbeef" * 5))
    said = own.run("apply")
    assert (said.status, "error[lock-damaged]" in said.err) == (2, True)
    assert not list(own.folder.glob(".srpo/runs/*"))


def test_a_saved_plan_is_stale_where_a_fact_changed_that_it_rests_on(own):
    """The refusal names the difference; nothing is started."""
    own.write("srpo.toml", MANIFEST.replace('[env]\nSTEPS = "3"\n', ""))
    assert own.run("plan", "--out", "p.json", STEPS="5").status == 0
    said = own.run("apply", "p.json", STEPS="6")
    assert said.status == 4
    assert "error[plan-stale]: " in said.err
    assert 'job.env.STEPS: "5" → "6"' in said.err
    assert not list(own.folder.glob(".srpo/runs/*"))
    assert own.run("apply", "p.json", STEPS="5").status == 0


def test_runs_of_a_manifest_are_asked_of_its_target(own):
    """Runs that no record here knows are among them."""
    assert own.run("runs", "-m", "srpo.toml").err == "no run of this name is on the target\n"
    assert own.run("apply").status == 0
    own.env["SRPO_MANIFEST_HOME"] = str(own.folder / "another-home")
    (run,) = own.run("runs", "-m", "srpo.toml", "--json").json["runs"]
    assert (run["outcome"], run["whole"]) == ("succeeded", True)


def test_the_log_as_it_grows_and_a_wait_that_is_limited(own):
    """`logs -f` ends with the run; `wait --timeout` gives up and leaves the run alone."""
    (own.folder / "own/run.sh").write_text("python3 train.py --steps $STEPS\n")
    (own.folder / "own/train.py").write_text(TRAIN + "import time\ntime.sleep(4)\nprint('late')\n")
    own.git("commit", "-q", "-a", "-m", "slow")
    assert own.run("apply", "--detach").status == 0
    assert own.run("wait", "--timeout", "0.2").status == 5
    lines = [json.loads(line)["line"] for line in own.run("logs", "-f", "--json").out.splitlines()]
    assert lines[-1] == "late"
    assert own.run("wait").status == 0
