"""A target without Python: the plan warns, `apply` runs, and every verb answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

OWN = """schema = 1
name = "own"
[repo]
url = "own"
[model]
type = "generic"
[python]
path = "old/python"
[entry]
command = ["bash", "train.sh"]
[done]
files = ["made"]
"""
OLD = """#!/bin/bash
# a Python that is too old to supervise
[[ $* != *realpath* ]] || printf '%s\\n3.8.20\\n' "$0"
"""
# a name space of its own hides what `/usr/bin` has; the client's Python is another
BASH = """#!/bin/bash
exec unshare --mount --propagation private -- /bin/bash -c 'mount --bind "$1" "$2" && shift 2 && exec /bin/bash "$@"' hide {old} {python} "$@"
"""
TRAIN = "echo begun; until [ -e go ]; do sleep 0.05; done; echo whole >made; sleep 600\n"
PROGRAMS = "bash cat chmod cksum cp cut date dd df dirname env flock git grep head id ln ls mkdir mktemp mount mv nproc od readlink realpath rm rmdir sed setsid sh sha256sum sleep sort ssh stat sync tail tar timeout touch tr uname unshare wc"


@pytest.fixture
def pythonless(place, need):
    """A repository of our own, and a bash whose machine has an old Python alone."""
    need("root", "unshare", "flock", "setsid")
    python = Path("/usr/bin/python3").resolve()
    old = place.write("old/python", OLD)
    old.chmod(0o755)
    bare = place.folder / "bare"
    bare.mkdir()
    for name in PROGRAMS.split():
        if found := shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"):
            (bare / name).symlink_to(found)
    bash = place.program(
        "bash", BASH.format(old=old, python=python) if python.exists() else '#!/bin/bash\nexec /bin/bash "$@"\n'
    )
    place.env |= {"PATH": str(bare), "SRPO_BASH": str(bash)}
    place.write("own/train.sh", TRAIN)
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x"),
    ):
        subprocess.run(["git", "-C", place.folder / "own", *words], check=True, capture_output=True)
    place.write("srpo.toml", OWN)
    place.write("train.sh", TRAIN)
    return place


@pytest.mark.slow
def test_a_run_without_python(pythonless):
    """Planned with a warning, applied, followed, asked, listed, kept; the weaker promises are told once."""
    place = pythonless
    planned = place.run("plan", "--json")
    assert planned.status == 0, planned.err
    assert "supervisor-weaker" in [warning["code"] for warning in planned.json["warnings"]]
    applied = place.run("apply", "--detach")
    assert applied.status == 0, applied.err
    run = applied.out.strip()
    follower = place.start("attach", run)
    status = place.run("status", run, "--json").json
    assert (status["outcome"], status["alive"]) == (None, True)
    assert "supervisor-weaker" in place.run("status", run).out
    (place.folder / "go").touch()
    _, talk = follower.communicate(timeout=120)
    assert follower.returncode == 0, talk
    assert talk.count("warning[supervisor-weaker]") == 1
    ended = place.run("status", run, "--json").json
    assert (ended["outcome"], ended["reason"]) == ("succeeded", "the done rule holds")
    assert place.run("logs", run).out == "begun\n"
    folder = place.folder / ".srpo/runs" / run
    assert not (folder / "python").exists()
    assert [found["outcome"] for found in place.run("runs", "--refresh", "--json").json["runs"]] == ["succeeded"]
    kept = place.run("plan", "--json").json
    assert kept["job"]["action"] == "keep"
    (place.folder / "made").unlink()
    (place.folder / "go").unlink()
    again = place.run("apply", "--detach").out.strip()
    stopped = place.run("stop", again, "--grace", "1")
    assert stopped.status == 0, stopped.err
    assert (
        json.loads((place.folder / ".srpo/runs" / again / "attempt-1/node-0/result.json").read_text())["outcome"]
        == "stopped"
    )
    assert not [entry for entry in Path("/proc").iterdir() if carries(entry, again)]


def carries(process: Path, run: str) -> bool:
    try:
        return f"SRPO_RUN_ID={run}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_a_script_that_runs_itself_is_refused(pythonless):
    """Where its launch has to be taken over, bash does not do."""
    place = pythonless
    place.write("own/run.sh", 'for size in 1 2; do echo $size; done\ncd .\npython train.py "$@"\n')
    place.write(
        "own/train.py",
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--x')\nparser.parse_args()\n",
    )
    for words in (("add", "-A"), ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "y")):
        subprocess.run(["git", "-C", place.folder / "own", *words], check=True, capture_output=True)
    place.write("srpo.toml", OWN.replace('command = ["bash", "train.sh"]', 'script = "run.sh"\nmode = "shim"'))
    planned = place.run("plan", "--json")
    assert "supervisor-missing" in [refusal["code"] for refusal in planned.json["refusals"]], planned.json["refusals"]


def test_a_command_after_the_end_is_refused(pythonless):
    """A supervisor in bash runs none."""
    place = pythonless
    place.write("srpo.toml", OWN + '[end]\ncommand = ["poweroff"]\n')
    planned = place.run("plan", "--json")
    assert "supervisor-missing" in [refusal["code"] for refusal in planned.json["refusals"]]


def test_a_target_where_nothing_can_supervise(pythonless):
    """Neither Python nor the programs of the fallback: what is missing is named before anything is sent."""
    place = pythonless
    (place.folder / "bare/flock").unlink()
    planned = place.run("plan", "--json")
    (refusal,) = [refusal for refusal in planned.json["refusals"] if refusal["code"] == "supervisor-missing"]
    assert "it has no flock" in refusal["message"]
