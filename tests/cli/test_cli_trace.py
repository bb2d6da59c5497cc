"""`plan --trace`: static and dynamic truth, and nothing of it outside a scratch folder."""

from __future__ import annotations

import subprocess
import time

import pytest

MANIFEST = """schema = 1
name = "own"
[repo]
url = "own"
[model]
type = "generic"
[entry]
script = "run.sh"
"""
TRAIN = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
parser.add_argument("--note")
print(parser.parse_args())
open("trained", "w")
"""


@pytest.fixture
def traced(place):
    """What `plan --trace --json` says of a script."""
    folder = place.folder / "own"
    folder.mkdir()
    git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main", "."], check=True)
    place.write("srpo.toml", MANIFEST)

    def run(script: str, *more: str, **files: str):
        for name, text in {
            "run.sh": script,
            "train.py": TRAIN,
            **{k.replace("__", "."): v for k, v in files.items()},
        }.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "a change"], check=True)
        said = place.run("plan", "--trace", "--json", *more)
        assert said.status in (0, 4), said.err
        plain = place.run("plan", "--json", *more).json
        found = said.json
        trace = found.pop("trace")
        assert found == plain
        assert not (place.folder / "trained").exists()
        return said.status, trace

    return run


def test_a_script_that_is_read_right(traced, place):
    """Token for token, in direct and in shim mode; helpers do nothing, and the real home is not touched."""
    status, trace = traced("mkdir -p made\npython3 train.py --steps 3 --note 'a b'\n")
    assert (status, trace["result"]) == (0, "identical")
    assert trace["argv"] == ["python3", "${repo.dir}/train.py", "--steps", "3", "--note", "a b"]
    status, trace = traced(
        'python3 -c x\nconda activate x\ntouch touched\nNOTE=$(basename $PWD)\npython3 train.py --note "$NOTE"\n',
        "--set",
        "entry.set.steps=7",
    )
    assert (status, trace["result"]) == (0, "identical")
    assert trace["argv"] == ["python3", "${repo.dir}/train.py", "--note", "cwd", "--steps", "7"]
    assert not (place.folder / "touched").exists()
    assert not (place.folder / "made").exists()
    assert "trace     identical: the script hands over what the plan expects" in place.run("plan", "--trace").out


def test_a_script_that_was_read_wrong(traced, place):
    """The first word that differs is told, and the plan refuses."""
    traced("python3 train.py --steps 3\n")
    assert place.run("lock").status == 0
    lock = place.folder / "srpo.lock"
    lock.write_text(lock.read_text().replace('"3"', '"4"'))
    said = place.run("plan", "--trace", "--json", "--locked")
    assert said.status == 4
    assert said.json["trace"] == {
        "result": "differs",
        "reason": "`run.sh` does not launch what was planned: word 4 of the launch in line 1 is `3`, and the plan expects `4`",
        "argv": None,
    }


def test_a_launch_that_is_not_reached(traced):
    """With the programs that were not run, which may be why."""
    _, trace = traced("if wget -q x; then exit 3; fi\npython3 train.py --steps 3\n")
    assert (trace["result"], trace["reason"]) == ("not-reached", "the script came to no launch; `wget` was not run")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/usr/bin/touch x", "runs `/usr/bin/touch` by its own path"),
        ("$HOME/bin/x", "runs `${HOME}/bin/x` by its own path"),
        ("if [ -e y ]; then exec /usr/bin/touch x; fi", "may run a program by its own path: `exec /usr/bin/touch x`"),
        ("X='cd /tmp'; eval \"$X\"", 'runs a text that only the script knows: `eval "${X}"`'),
        ("bash -c '/usr/bin/touch x'", "may run a program by its own path: `bash -c '/usr/bin/touch x'`"),
        ("echo x >/tmp/x", "redirects to `/tmp/x`"),
        ("echo x >made/../../x", "redirects to `made/../../x`"),
        ('echo x >"made/$UP/x"', "redirects to `made/${UP}/x`"),
        ("cd /tmp; echo x >built; cd -", "may leave the folder: `cd /tmp`"),
        ("cd", "may leave the folder: `cd`"),
        ("cd ~", "may leave the folder: `cd ~`"),
        ("cd ../../../..", "may leave the folder: `cd ../../../..`"),
        ('cd "$UP"', """may leave the folder: `cd "${UP}"`"""),
        ("pushd made/../..", "may leave the folder: `pushd made/../..`"),
        ("popd", "may leave the folder: `popd`"),
        ("builtin cd ..", "may leave the folder: `builtin cd ..`"),
        ("CDPATH=/; cd tmp", "sets `CDPATH`, by which `cd` leaves the folder"),
        ("bash more.sh", "`more.sh` line 1 runs `/usr/bin/touch` by its own path"),
    ],
)
def test_a_script_that_would_leave_the_scratch_folder(traced, line: str, reason: str):
    """It is not run, and that is said."""
    _, trace = traced(
        f"{line}\npython3 train.py --steps 3\n", "--set", "entry.launch='train.py'", more__sh="/usr/bin/touch x\n"
    )
    assert trace["result"] == "not-traced"
    assert trace["reason"].endswith(reason)


def test_a_script_that_stays_in_the_scratch_folder(traced):
    """A folder below, and files beside the script."""
    _, trace = traced("cd below\necho x >built 2>&1\nls <made/x >/dev/null\npython3 train.py --steps 3\n")
    assert trace["result"] == "identical"


def test_a_script_without_an_end_is_ended(traced):
    """Nothing is left behind, not in the background either."""
    mark = f"a-mark-{time.monotonic_ns()}"
    _, trace = traced(f"( while true; do : {mark}; done ) &\npython3 train.py --steps 3\n")
    assert trace["result"] == "identical"
    left = subprocess.run(["pgrep", "-f", "srpo-trace-"], capture_output=True, text=True, check=False)
    assert left.stdout == ""
