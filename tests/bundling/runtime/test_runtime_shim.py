"""Scripts that launch in every way that scripts do, in real shells, with launchers that only write down their argv."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.bundling.shim import shim_files, shim_start
from srpo_manifest.values.step import Shim
from srpo_manifest.values.words import word

RUNTIME = Path(__file__).parents[3] / "srpo_manifest/bundling/runtime"
_STUB = """#!/bin/sh
printf '%s\\0' "${0##*/}" "$@" >"$RECEIVED"
env -0 >"$RECEIVED.env"
pwd >"$RECEIVED.cwd"
exit 7
"""
PROGRAMS = {
    "torchrun": ["torchrun", "--nnodes", "1", "train.py"],
    "accelerate": ["accelerate", "launch", "--num_processes", "2", "train.py"],
    "python": ["python", "-u", "train.py"],
    "module": ["python3", "-m", "own.train"],
    "deepspeed": ["deepspeed", "--num_gpus", "1", "train.py"],
}
WAYS = {
    "plain": "{}\n",
    "strict": "set -euo pipefail\n{}\n",
    "shown": "set -x\n{}\n",
    "exec": "exec {}\n",
    "nohup": "nohup {}\n",
    "env": "env A=b {}\n",
    "timeout": "timeout 30 {}\n",
    "assignment": "A=b {}\n",
    "conda": 'PATH="$CONDA:$PATH"\n{}\n',
    "conda and exec": 'export PATH="$CONDA:$PATH"\nexec {}\n',
    "conda and nohup": 'activate() {{ PATH="$CONDA:$PATH"; }}\nactivate\nnohup {}\n',
    "function": "go() {{ {}; }}\ngo\n",
    "background": "{} &\nwait $!\n",
    "subshell": "( {} )\n",
    "pipe": "set -o pipefail\n{} 2>&1 | cat\n",
    "child": "cat >child.sh <<'END'\n#!/bin/sh\n{}\nEND\nchmod +x child.sh\n./child.sh\n",
    "bash child": "cat >child.sh <<'END'\nexport PATH=\"$CONDA:$PATH\"\n{}\nEND\nbash child.sh\n",
}
NASTY = (
    "",
    " ",
    "a b",
    "it's",
    '"',
    "$HOME",
    "$$",
    "${script.1}",
    "*",
    "größe 字",
    "line\nbreak\n",
    "`id`",
    "\\",
    "~",
    "-1e-5",
    "!",
)


def spelled(text: str) -> str:
    return str(word(text))


class Script:
    """A run's folder with a shim in its bundle, and a script of one's own."""

    def __init__(self, folder: Path) -> None:
        self.run, self.cwd, self.received = folder / "it's a run", folder / "work dir", folder / "received"
        self.bundle, self.node = self.run / "bundle", self.run / "attempt-1/node-0"
        for made in (self.bundle / "shim", self.node, self.cwd):
            made.mkdir(parents=True)
        (self.run / "python").write_text(f"{sys.executable}\n")
        for place in ("bin", "conda"):
            (folder / place).mkdir()
            for program in ("torchrun", "accelerate", "deepspeed", "python", "python3"):
                (folder / place / program).write_text(_STUB)
                (folder / place / program).chmod(0o755)
        self.env = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "RECEIVED": str(self.received),
            "CONDA": str(folder / "conda"),
            "SRPO_BUNDLE": str(self.bundle),
            "SRPO_RUN_DIR": str(self.node),
            "SRPO_RUN_PORT": "29500",
            "BASH": "bash",
        }

    def launches(self, *launches: tuple[list[str], list[str]], edited: tuple[str, ...] = (), **variables: str) -> None:
        """Expect the first of each two, in the plan's spelling, and start the second."""
        programs = tuple(word(expected[0]) for expected, _ in launches) + tuple(
            map(word, ("torchrun", "accelerate", "deepspeed"))
        )
        shim = Shim(script=word(str(self.cwd / "run.sh")), programs=tuple(dict.fromkeys(programs)))
        shutil.copytree(RUNTIME / "supervising", self.bundle / "supervising", dirs_exist_ok=True)
        for file in shim_files(shim, (RUNTIME / "deliver.py").read_bytes()):
            (self.bundle / file.name).write_bytes(file.data)
            (self.bundle / file.name).chmod(0o755 if file.executable else 0o644)
        self.start = shim_start(shim)
        content = {
            "format": 1,
            "script": "run.sh",
            "launches": [
                {"line": 9, "expected": expected, "final": final, "edited": list(edited)}
                for expected, final in launches
            ],
            "secrets": ["TOKEN"],
        }
        rules = {"format": 1, "name": "demo", "cwd": str(self.cwd), "repo": "/repo", "shim": {"variables": variables}}
        (self.bundle / "shim.json").write_text(json.dumps(content))
        (self.bundle / "rules.json").write_text(json.dumps(rules))

    def runs(self, text: str, **env: str) -> subprocess.CompletedProcess[str]:
        (self.cwd / "run.sh").write_text(text, encoding="utf-8")
        self.received.unlink(missing_ok=True)
        return subprocess.run(
            ["bash", "-c", self.start], cwd=self.cwd, env=self.env | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip

    @property
    def argv(self) -> list[str] | None:
        return self.received.read_bytes().decode().split("\0")[:-1] if self.received.exists() else None

    @property
    def environment(self) -> dict[str, str]:
        pairs = Path(f"{self.received}.env").read_bytes().decode().split("\0")[:-1]
        return dict(pair.split("=", 1) for pair in pairs)

    def warnings(self) -> list[dict[str, Any]]:
        path = self.node / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A folder of its own."""
    return Script(tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_way_to_launch_is_met(script: Script, program: str, way: str):
    """The final argv arrives byte for byte, the exit status stays, and nothing of ours is left in the environment."""
    own = [*PROGRAMS[program], "--notes", *NASTY]
    final = [*PROGRAMS[program], "--steps", "3", *reversed(NASTY), "${run.port}"]
    script.launches((list(map(spelled, own)), [*map(spelled, final[:-1]), final[-1]]), PYTHONPATH="/repo")
    command = " ".join(map(quote, own))
    done = script.runs(WAYS[way].format(command))
    assert script.argv == [*final[:-1], "29500"], done.stderr
    assert done.returncode == 7
    found = script.environment
    assert "BASH_ENV" not in found
    assert str(script.bundle) not in found["PATH"]
    assert [name for name in found if name.startswith(("BASH_FUNC", "SRPO_SHIM", "__srpo"))] == []
    assert found["PYTHONPATH"] == "/repo"
    assert (script.node / "phases").read_text() == "script\njob\n"
    assert script.warnings() == []
    assert "[[" not in done.stderr


def test_a_program_by_its_path(script: Script):
    """A function may have a path for its name; under `exec` it is passed by."""
    program = str(script.cwd.parent / "bin/python")
    script.launches(([program, "train.py"], [program, "train.py", "--x"]))
    assert script.runs(f"{program} train.py\n").returncode == 7
    assert script.argv == ["python", "train.py", "--x"]
    script.runs(f"exec {program} train.py\n")
    assert script.argv == ["python", "train.py"]
    assert (script.node / "phases").read_text() == "script\njob\nscript\n"


def test_helpers_pass_through_untouched(script: Script):
    """`python -c` and other programs are no launch: they find the real program, and the environment as it was."""
    script.launches((["python", "train.py"], ["python", "train.py", "--x"]))
    for call in (["python", "-c", "a b"], ["python", "other.py", "train.py"], ["python"], ["python", "-m", "pip", ""]):
        assert script.runs(" ".join(map(quote, call)) + "\n").returncode == 7
        assert script.argv == call
        assert script.environment["BASH_ENV"] == str(script.bundle / "shim.sh")
    assert script.runs("set -e\npython -Iuc x\nexit 3\n").returncode == 7
    (script.cwd.parent / "bin/python").unlink()
    script.env["PATH"] = str(script.cwd.parent / "bin") + ":" + str(script.cwd.parent / "tools")
    (script.cwd.parent / "tools").mkdir()
    for tool in ("bash", "sh"):
        (script.cwd.parent / "tools" / tool).symlink_to(f"/bin/{tool}")
    done = script.runs("python -c x\n")
    assert (done.returncode, "python: command not found" in done.stderr) == (127, True)


DIFFERS = {
    "another value": ("torchrun train.py --steps 4", "word 4 of the launch in line 9 is `4`, and the plan expects `3`"),
    "a word more": ("torchrun train.py --steps 3 --fast", "word 5 of the launch in line 9 is `--fast`, and the plan expects its end"),
    "a word less": ("torchrun train.py --steps", "word 4 of the launch in line 9 is its end, and the plan expects `3`"),
    "another program": ("torchrun other.py --steps 3", "word 2 of the launch in line 9 is `other.py`, and the plan expects `train.py`"),
    "another launcher": ("accelerate launch train.py", "word 1 of the launch in line 9 is `accelerate`, and the plan expects `torchrun`"),
    "a secret": ('torchrun train.py "$TOKEN"', "word 3 of the launch in line 9 is `***`, and the plan expects `--steps`"),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERS)
def test_what_differs_is_refused(script: Script, case: str):
    """Nothing starts; the first word that differs is told, in the log, as an event and for the supervisor."""
    command, message = DIFFERS[case]
    script.launches((["torchrun", "train.py", "--steps", "3"], ["torchrun", "/repo/train.py"]))
    done = script.runs(f"{command}\n", TOKEN="very-secret")
    assert script.argv is None
    assert done.returncode == 79
    sentence = f"`run.sh` does not launch what was planned: {message}"
    assert (
        done.stderr
        == f"error[launch-differs]: {sentence}\nhint: plan again, or give the whole command as `entry.command`\n"
    )
    (event,) = script.warnings()
    assert (event["event"], event["code"], event["message"]) == ("warning.raised", "launch-differs", sentence)
    assert json.loads((script.node / "refused.json").read_text())["reason"] == sentence


def test_a_python_that_starts_the_entry_otherwise_is_refused(script: Script):
    """However its path is written; `accelerate env` starts nothing."""
    script.launches((["python", "train.py", "--x"], ["python", "/repo/train.py"]))
    for call in ("python train.py", "python ./train.py --x 1", "python -W ignore train.py"):
        assert script.runs(f"{call}\n").returncode == 79, call
        assert script.argv is None
    assert script.runs("accelerate env\n").returncode == 7
    assert script.runs("deepspeed train.py\n").returncode == 79


def test_what_only_the_script_can_tell_arrives(script: Script):
    """A quoted one is exactly one word, an unquoted one any number, and both go where the plan has them."""
    expected = ["torchrun", "train.py", "--name", "run ${script.1}!", "${script.2*}", "--pre${script.3*}post", "--end"]
    final = [
        "torchrun",
        "/repo/train.py",
        "${script.2*}",
        "--name",
        "${script.1}-${run.id}",
        "--pre${script.3*}post",
        "--end",
        "--new",
    ]
    script.launches((expected, final))
    text = (
        'A=$(printf \'2 x\\n*\\ny\') B="{}" C="{}"\ntorchrun train.py --name "run $A!" $B --pre$(echo $C)post --end\n'
    )
    for two, three, words, last in (
        ("", "", [], ["--prepost"]),
        ("--a 1 2", "x", ["--a", "1", "2"], ["--prexpost"]),
        ("one", "a b  c", ["one"], ["--prea", "b", "cpost"]),
    ):
        assert script.runs(text.format(two, three)).returncode == 7
        run = script.run.name
        assert script.argv == [
            "torchrun",
            "/repo/train.py",
            *words,
            "--name",
            f"2 x\n*\ny-{run}",
            *last,
            "--end",
            "--new",
        ]
    assert script.runs(text.format("", "").replace("run $A!", "$A!")).returncode == 79


@pytest.mark.parametrize("brings", ["--steps 9", "--steps=9", "--ste 9", "-s 9", "x --no-steps"])
def test_what_the_manifest_settles_is_brought_by_nobody(script: Script, brings: str):
    """A word of the script's own telling sets no flag of the manifest's, not by an abbreviation either."""
    script.launches(
        (["torchrun", "train.py", "${script.1*}"], ["torchrun", "train.py", "${script.1*}", "--steps", "3"]),
        edited=("--steps", "-s", "--no-steps"),
    )
    done = script.runs(f'MORE="{brings}"\ntorchrun train.py $MORE\n')
    assert (done.returncode, script.argv) == (79, None)
    assert "error[launch-smuggles]" in done.stderr
    assert script.runs('MORE="--step_size 9 --"\ntorchrun train.py $MORE\n').returncode == 7


def test_other_launches_run_as_the_script_says(script: Script):
    """Only the first of the plan is a job; the same launch again is told."""
    script.launches(
        (["torchrun", "train.py"], ["torchrun", "/repo/train.py", "--x"]),
        (["torchrun", "prepare.py", "${script.1*}"], ["torchrun", "/repo/prepare.py", "${script.1*}"]),
    )
    assert script.runs("torchrun prepare.py $(echo a b)\n").returncode == 7
    assert script.argv == ["torchrun", "/repo/prepare.py", "a", "b"]
    assert (script.node / "phases").read_text() == "script\n"
    script.runs("torchrun train.py\ntorchrun train.py\n")
    assert script.argv == ["torchrun", "/repo/train.py", "--x"]
    assert [event["code"] for event in script.warnings()] == ["launch-again"]


def test_the_trainer_has_its_place_and_the_plans_variables(script: Script):
    """Wherever the script goes; what the script puts around a planned list stays."""
    script.launches((["torchrun", "train.py"], ["torchrun", "train.py"]), PYTHONPATH="/repo", STEPS="3", LIST="b")
    done = script.runs("cd /\nexport PYTHONPATH=$PWD STEPS=4 LIST=a:b:c OWN=1\ntorchrun train.py\n")
    assert Path(f"{script.received}.cwd").read_text() == f"{script.cwd}\n"
    found = script.environment
    assert {name: found[name] for name in ("PYTHONPATH", "STEPS", "LIST", "OWN", "PWD")} == {
        "PYTHONPATH": "/repo:/", "STEPS": "3", "LIST": "a:b:c", "OWN": "1", "PWD": str(script.cwd),
    }  # fmt: skip
    assert "the script changed `STEPS`; the plan's value stands" in done.stderr


def test_a_script_that_clears_its_environment(script: Script):
    """It is met by PATH alone; what cannot be bound there is refused, not guessed."""
    script.launches((["torchrun", "train.py"], ["torchrun", "train.py", "--port", "${run.port}"]))
    done = script.runs('env -i PATH="$PATH" torchrun train.py\n')
    assert (done.returncode, script.argv) == (79, None)
    assert "error[launch-unbound]: `run.sh` does not launch what was planned: `${run.port}` has no value" in done.stderr
    assert [event["code"] for event in script.warnings()] == ["launch-unbound"]


def test_signals_are_as_the_script_had_them(script: Script):
    """A Python in between ignores SIGPIPE; the trainer must not inherit that."""
    script.launches((["torchrun", "train.py"], ["torchrun", "train.py"]))
    stub = script.cwd.parent / "bin/torchrun"
    stub.write_text('#!/bin/sh\ngrep SigIgn /proc/self/status >"$RECEIVED"\n')
    script.runs("torchrun train.py\n")
    assert int(script.received.read_text().split()[1], 16) & (1 << 12) == 0


# What stands for what --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def delivering() -> Iterator[Any]:
    """The shipped file, as a module."""
    before, writes = list(sys.path), sys.dont_write_bytecode
    yield importlib.import_module("deliver")
    sys.path[:], sys.dont_write_bytecode = before, writes


texts = st.text("ab-= $*\n", max_size=4)
pieces = st.one_of(texts, st.just("one"), st.just("many"))


@given(st.lists(st.lists(pieces, max_size=3), max_size=5), st.data())
def test_what_bash_makes_of_the_words_is_recognised(delivering, shapes: list[list[str]], data: st.DataObject):
    """Whatever stands for the pieces that only the script can tell, the final words are what arrived."""
    expected: list[list[Any]] = []
    arrived: list[str] = []
    number = 0
    for shape in shapes:
        word_: list[Any] = [""]
        words, many = [""], False
        for piece in shape:
            if piece not in ("one", "many"):
                word_.append(piece)
                words[-1] += piece
                continue
            number += 1
            many |= piece == "many"
            word_.append((number, piece == "many"))
            told = data.draw(st.lists(texts, min_size=0 if piece == "many" else 1, max_size=1 if piece == "one" else 3))
            words = [*words[:-1], words[-1] + told[0], *told[1:]] if told else words
        expected.append(word_)
        # what stands in quotes is a word even when it is empty
        arrived += [] if many and "one" not in shape and words == [""] else words
    found = delivering.handed_over(expected, arrived)
    assert isinstance(found, dict)
    assert [text for word_ in expected for text in delivering.filled(word_, found)] == arrived


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        ("python train.py -m x", "train.py"),
        ("python -u -W ignore ./a/../train.py", "train.py"),
        ("python -m own.train train.py", "-m own.train"),
        ("python -Imown.train", "-m own.train"),
        ("python -X dev -", None),
        ("python -c train.py", None),
        ("python --version", None),
        ("python", None),
    ],
)
def test_the_program_of_a_python(delivering, argv: str, program: str | None):
    """As the interpreter reads its own command line."""
    assert delivering.program_of(argv.split()) == program


# Under the supervisor --------------------------------------------------------------------------------------------------


@pytest.fixture
def supervised(bundle):
    """Run a script under the supervisor whose launch should be `python3 trainer.py exit:0`, and wait for the end."""

    def run(text: str, acts: str = "exit:0", bypass_seconds: float = 30.0):
        bundle.rules |= {"shim": {"entry": "trainer.py", "variables": {}}}
        bundle.rules["done"] = {"checkpoints": None, "images": None, "files": [], "exit_zero": True}
        bundle.edits = [("BYPASS_SECONDS = 30.0", f"BYPASS_SECONDS = {bypass_seconds}")]
        bundle.write()
        script, trainer = bundle.folder / "run.sh", str(bundle.folder / "trainer.py")
        script.write_text(text.replace("TRAINER", quote(trainer)))
        shim = Shim(script=word(str(script)), programs=(word("python3"),))
        for file in shim_files(shim, (RUNTIME / "deliver.py").read_bytes()):
            path = bundle.folder / file.name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file.data)
            path.chmod(0o755 if file.executable else 0o644)
        launch = {
            "line": 1,
            "expected": ["python3", trainer, "say:own"],
            "final": ["python3", trainer, *acts.split()],
            "edited": [],
        }
        (bundle.folder / "shim.json").write_text(
            json.dumps({"format": 1, "script": "run.sh", "launches": [launch], "secrets": []})
        )
        leader = bundle.folder / "leader.sh"
        before, _, _ = leader.read_text().partition("enter job\n")
        leader.write_text(before + shim_start(shim))
        launched = bundle.launch("--detach")
        assert launched.returncode == 0, launched.stderr
        (found,) = bundle.runs()
        return found, found.end()

    return run


def test_a_script_under_the_supervisor(supervised):
    """The job begins with the launch, and the run's status is the script's."""
    run, end = supervised("echo before\npython3 TRAINER say:own\necho after\n", acts="say:planned exit:0")
    assert (end["outcome"], end["exit"]) == ("succeeded", 0)
    assert run.log() == "before\nplanned\nafter\n"
    assert [event["phase"] for event in run.events("phase.started")] == ["script", "job"]
    assert len(run.events("job.started")) == 1


def test_an_end_without_the_launch(supervised):
    """Whatever the status and the done rule say."""
    run, end = supervised("exit 0\n")
    assert (end["outcome"], end["exit"]) == ("failed", 0)
    assert end["reason"] == "the script never handed over its launch: exit status 0"
    assert run.events("job.started") == []


def test_a_refusal_that_the_script_swallows(supervised):
    """The run is ended at once, and what the script would do next is cut off."""
    run, end = supervised("until python3 TRAINER say:other; do sleep 0.1; done\n")
    assert end["outcome"] == "failed"
    assert end["reason"].startswith(
        "`run.sh` does not launch what was planned: word 3 of the launch in line 1 is `say:other`"
    )
    assert {event["code"] for event in run.events("warning.raised")} == {"launch-differs"}


def test_a_program_that_runs_past_the_plan(supervised):
    """A launch by an absolute path under `exec` is seen while it runs, not after hours."""
    run, end = supervised(f"exec {sys.executable} TRAINER say:own forever\n", bypass_seconds=1.0)
    assert end["outcome"] == "failed"
    assert end["reason"] == "the script started its program past the launchers of the plan"
    assert [event["code"] for event in run.events("warning.raised")] == ["launch-bypassed"]
