"""The supervisor in bash: how it is launched, and what it says of itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srpo_manifest.engine.launching import FALLBACK

from .conftest import RUNTIME

VALUE = 'hf_s3cr3t-"quoted"\'$HOME größe\n\\u0041'
PROGRAMS = ("bash", "cat", "chmod", "cp", "cut", "date", "dd", "dirname", "env", "flock", "grep", "head", "mkdir", "mktemp", "mv", "od", "realpath", "rm", "sed", "setsid", "sleep", "sort", "stat", "sync", "tail", "tr", "uname", "wc")  # fmt: skip
"""Bash, coreutils, util-linux, grep and sed: no Python, no gzip, no find, no ps."""


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH with what the fallback may use, and nothing else."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name, path="/usr/bin:/bin") or f"/no/{name}")
    return str(folder)


@pytest.mark.parametrize("name", FALLBACK)
def test_the_fallback_is_clean_shell(name):
    """`bash -n` and shellcheck have nothing to say."""
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck
    for checker in (["bash", "-n"], [shellcheck]):
        checked = subprocess.run([*checker, RUNTIME / name], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_target_without_python(plain, bare):
    """A run from beginning to end, with the programs alone that are promised; it says what it cannot do, once."""
    plain.on_stop = 'printf "%s" "$SRPO_RUN_OUTCOME" >outcome'
    run = plain.start("say:ready", "image:a.png=one", "await:images/a.png", "checkpoint:1-1", "forever", PATH=bare)
    ended = run.end()
    assert (ended["outcome"], ended["reason"], ended["exit"]) == ("succeeded", "the done rule holds", -15)
    assert [event["event"] for event in run.events()] == [
        "warning.raised", "phase.started", "job.started", "image.written", "checkpoint.written", "phase.started", "run.ended",
    ]  # fmt: skip
    (weaker,) = ended["warnings"]
    assert weaker["code"] == "supervisor-weaker"
    assert weaker["hints"] == ["install python3 on this machine for the next run"]
    (checkpoint,) = ended["checkpoints"]
    assert checkpoint["whole"]
    assert (run.node / "images/a.png").read_text() == "one"
    assert (run.node / "outcome").read_text() == "succeeded"
    assert plain.processes(run) == []
    folder = run.node.parent.parent
    assert not (folder / "python").exists()
    assert {path.stat().st_mode & 0o77 for path in (folder, run.node, run.node / "log", run.node / "before")} == {0}
    listed = subprocess.run(
        ["bash", folder / "supervisor", "runs", plain.workspace / ".srpo/runs", "demo"],
        env={"PATH": bare},
        capture_output=True,
        check=True,
    )
    by_python = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "runs", plain.workspace / ".srpo/runs", "demo"],
        capture_output=True,
        check=True,
    )
    assert (
        json.loads(listed.stdout)
        == json.loads(by_python.stdout)
        == [
            {
                "id": run.id,
                "plan": "0123abcd",
                "state": "ended",
                "outcome": "succeeded",
                "whole": True,
                "unfinished": False,
            }
        ]
    )
    by_python = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "status", run.node], capture_output=True, check=True
    )
    known = (
        "state",
        "outcome",
        "exit",
        "reason",
        "phase",
        "alive",
        "images",
        "warnings",
        "started",
        "ended",
        "damaged",
    )
    status = json.loads(by_python.stdout)
    assert {name: ended[name] for name in known} == {name: status[name] for name in known}


def test_the_job_sees_the_environment_of_whoever_launched_it(plain):
    """Every byte of it, names that the supervisor uses for itself included; nothing that changes a bash."""
    plain.secrets = ("TOKEN",)
    plain.before = 'env -0 >variables; umask >mask; printf %s "$TOKEN" >token; trap >traps; exit 0'
    plain.write()
    odd = {"node": "a", "run": "b\nc", "rest": "d", "UMLAUT": b"\xff\xfe", "LC_ALL": "C.UTF-8", "IFS": ":", "slot": "e", "BASH_ENV": "/dev/null",
           "BASH_FUNC_grep%%": "() { false; }", "SRPO_RUN_PORT": "1", "PATH": os.environ["PATH"]}  # fmt: skip
    launched = subprocess.run(
        ["bash", plain.folder / "launch.sh", "--detach", "--secrets-on-stdin"], env=odd, input=json.dumps({"TOKEN": VALUE}).encode(), capture_output=True, check=False
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    (run,) = plain.runs()
    run.end()
    words = (plain.cwd / "variables").read_bytes().split(b"\0")
    variables = dict(word.split(b"=", 1) for word in words if word)
    kept = {name: os.fsencode(odd[name]) for name in ("node", "rest", "UMLAUT", "LC_ALL", "slot")}
    assert {name: variables[name.encode()] for name in kept} == kept
    assert variables[b"SRPO_RUN_ID"] == run.id.encode()
    assert variables[b"SRPO_RUN_DIR"] == os.fsencode(run.node)
    assert not {b"BASH_ENV", b"BASH_FUNC_grep%%", b"SRPO_RUN_PORT", b"SRPO_DRY_RUN"} & set(variables)
    assert (plain.cwd / "token").read_text() == VALUE
    assert (plain.cwd / "traps").read_text() == ""
    held = [path for path in plain.workspace.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert held == []


@pytest.mark.parametrize(
    ("stdin", "code"), [('{"FIRST": "x"}', "secret-missing"), ("[]", "secrets-unreadable"), ('{"FIRST": 1, "SECOND": "x"}', "secrets-unreadable")]
)  # fmt: skip
def test_secrets_that_cannot_be_read(plain, stdin, code):
    """Nothing is started."""
    plain.secrets = ("FIRST", "SECOND")
    plain.write("exit:0")
    refused = plain.launch("--secrets-on-stdin", stdin=stdin)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (2, f"error[{code}]")
    assert "\nhint: " in refused.stderr
    assert plain.runs() == []


@pytest.mark.parametrize("supervisor", ["bundle", "plain"])
def test_a_secret_may_lie_in_the_home_of_the_target(request, tmp_path, supervisor):
    """The plan spells `~` as a late word."""
    target = request.getfixturevalue(supervisor)
    target.rules["target_files"] = {"TOKEN": "${target.home}/token"}
    target.before = 'printf "%s" "$TOKEN" >got; exit 0'
    (tmp_path / "token").write_text("abc def\r\n")
    run = target.start(HOME=str(tmp_path))
    run.end()
    assert (target.cwd / "got").read_text() == "abc def"


def test_a_run_is_launched_once(plain):
    """While it lives its holder is named, and so is a second run of the name; afterwards its folder is used."""
    run = plain.start("say:ready", "forever", flags=("--run-id", "twice"))
    again = ["bash", run.node.parent.parent / "bundle" / "launch.sh", "--detach", "--run-id"]
    refused = subprocess.run([*again, "twice"], capture_output=True, text=True, check=False)
    assert refused.returncode == 75
    assert refused.stderr.startswith(
        f"error[run-busy]: process {plain.supervisor(run, 'outer')} has supervised run `twice` since 2"
    )
    run.stop()
    run.end()
    refused = subprocess.run([*again, "twice"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (73, "error[run-used]")


def test_one_run_of_a_name_at_a_time(plain):
    """As with the other supervisor; both see each other's runs."""
    run = plain.start("say:ready", "forever")
    refused = plain.launch("--detach")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (75, "error[already-running]")
    assert f"`{run.id}`" in refused.stderr


def test_a_script_that_has_to_run_itself_needs_python(plain):
    """Its launch is taken over by a program of ours, and that is Python."""
    plain.write("exit:0")
    (plain.folder / "deliver.py").touch()
    refused = plain.launch("--detach")
    assert refused.returncode == 69
    assert re.match(
        r"error\[python-missing\]: no Python of 3.9 .*, and taking over what a script launches needs one\nhint: ",
        refused.stderr,
    )
    assert not plain.workspace.exists()


def test_a_program_that_is_missing_is_named(plain, bare):
    """Neither Python nor what the fallback needs."""
    plain.write("exit:0")
    (Path(bare) / "flock").unlink()
    refused = plain.launch("--detach", PATH=bare)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (69, "error[python-missing]")
    assert "bash cannot supervise without `flock`" in refused.stderr


def test_checks_and_ports(plain):
    """What the plan could not know is asked in the job; a port is free, or the one of the plan."""
    plain.rules["checks"] = [
        {
            "code": code,
            "level": level,
            "fact": "f",
            "probe": probe,
            "op": op,
            "value": value,
            "message": f"{code} ${{run.id}}: {{found}}",
            "hints": ["do it"],
        }
        for code, level, probe, op, value in (
            ("good-file", "deny", "echo there", "present", None),
            ("good-room", "deny", "echo 95000000000", "at-least", 9.4e10),
            ("good-name", "deny", "echo b", "one-of", ["a", "b"]),
            ("good-number", "deny", "echo 5.0", "equals", 5),
            ("open", "deny", "exit 1", "at-most", 5),
            ("told", "warn", "echo 6", "multiple-of", 4),
            ("bad", "deny", "echo 7", "at-most", 6.5),
        )
    ]
    plain.before = "supervise port; enter checks; supervise checks || exit"
    run = plain.start("exit:0")
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == (
        "failed",
        78,
        f"checks refused to start the trainer: error[bad]: bad {run.id}: 7",
    )
    port, *said = run.log().splitlines()
    assert 20000 <= int(port) < 32000
    assert said == [
        "error[open]: check `open` has no answer here".replace("error", "warning"), "hint: do it",
        f"warning[told]: told {run.id}: 6", "hint: do it", f"error[bad]: bad {run.id}: 7", "hint: do it",
    ]  # fmt: skip
    assert [warning["code"] for warning in ended["warnings"]] == ["supervisor-weaker", "open", "told", "bad"]
