"""How a bundle is launched by hand or by the engine."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import Run

from .conftest import RUNTIME

VALUE = 'hf_s3cr3t-"quoted"\'$HOME'


def test_the_supervisor_is_python_3_9():
    """The target's Python may be that old."""
    for file in (RUNTIME / "supervise.py", *(RUNTIME / "supervising").glob("*.py")):
        ast.parse(file.read_text(), feature_version=(3, 9))


def test_the_launcher_is_clean_shell():
    """`bash -n` and shellcheck have nothing to say."""
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck
    for checker in (["bash", "-n"], [shellcheck]):
        checked = subprocess.run([*checker, RUNTIME / "launch.sh"], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_launch_by_hand_makes_a_run_of_its_own(bundle):
    """The id has name, time and chance; the folder is private; the bundle is copied; the Python is recorded."""
    run = bundle.start("exit:0")
    assert re.fullmatch(r"demo-\d{8}T\d{6}Z-[0-9a-f]{6}", run.id)
    folder = bundle.workspace / ".srpo" / "runs" / run.id
    assert run.node == folder / "attempt-1" / "node-0"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, run.node)} == {0o700}
    assert {path.name for path in (folder / "bundle").iterdir()} == {path.name for path in bundle.folder.iterdir()}
    assert os.access((folder / "python").read_text().strip(), os.X_OK)
    run.end()


def test_a_bundle_that_lies_in_its_run_is_not_copied(bundle):
    """The engine unpacks it there."""
    bundle.folder = bundle.workspace / ".srpo" / "runs" / "given-id" / "bundle"
    bundle.folder.parent.mkdir(parents=True)
    run = bundle.start("exit:0", flags=("--run-id", "given-id"))
    assert run.id == "given-id"
    run.end()


def test_the_job_sees_what_the_contract_says(bundle):
    """Variables of the run are set, those that would change its bash are not, and the rest is inherited."""
    bundle.before = "env -0 >variables; umask >mask"
    run = bundle.start("exit:0", BASH_ENV="/dev/null", ENV="/dev/null", SRPO_RUN_PORT="1", KEPT="a\nb")
    run.end()
    words = (bundle.cwd / "variables").read_text().split("\0")
    variables = dict(word.split("=", 1) for word in words if word)
    assert variables["KEPT"] == "a\nb"
    assert variables["SRPO_RUN_ID"] == run.id
    assert variables["SRPO_RUN_DIR"] == str(run.node)
    assert variables["SRPO_BUNDLE"] == str(run.node.parent.parent / "bundle")
    assert (variables["SRPO_RUN_INDEX"], variables["SRPO_RUN_CHIEF"]) == ("0", "127.0.0.1")
    assert not {"BASH_ENV", "ENV", "SRPO_RUN_PORT", "SRPO_DRY_RUN"} & set(variables)
    old = os.umask(0)
    os.umask(old)
    assert int((bundle.cwd / "mask").read_text(), 8) == old


@pytest.mark.parametrize("way", ["stdin", "environment"])
def test_secrets_reach_the_job_and_no_file(bundle, way):
    """They are in the job's environment alone; a log line that becomes an event is blotted out."""
    bundle.secrets = ("TOKEN",)
    bundle.before = 'printf "out of memory: %s\\n" "$TOKEN"; printf %s "$TOKEN" | sha256sum >digest'
    if way == "stdin":
        run = bundle.start("exit:0", flags=("--secrets-on-stdin",), stdin=json.dumps({"TOKEN": VALUE}))
    else:
        run = bundle.start("exit:0", TOKEN=VALUE)
    run.end()
    assert (
        subprocess.run(["sha256sum"], input=VALUE.encode(), capture_output=True, check=True).stdout.decode()
        == (bundle.cwd / "digest").read_text()
    )
    (warned,) = run.events("warning.raised")
    assert warned["message"] == "out of memory: ***"
    held = [path for path in bundle.workspace.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]
    assert held == [run.node / "log"]


@pytest.mark.parametrize(
    ("flags", "stdin", "code", "sentence"),
    [
        ((), "", "secret-missing", "the environment does not hold `FIRST` `SECOND`"),
        (("--secrets-on-stdin",), '{"FIRST": "x"}', "secret-missing", "no value was given for `SECOND`"),
        (("--secrets-on-stdin",), "[]", "secrets-unreadable", "standard input is not one JSON object"),
    ],
)
def test_missing_secrets_are_named(bundle, flags, stdin, code, sentence):
    """All that are missing, with nothing started."""
    bundle.secrets = ("FIRST", "SECOND")
    bundle.write("exit:0")
    refused = bundle.launch(*flags, stdin=stdin)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error[{code}]: {sentence}")
    assert "\nhint: " in refused.stderr
    assert bundle.runs() == []


def test_a_secret_may_lie_on_the_target(bundle):
    """`target_files` are read where the job runs; one that is not there is named."""
    bundle.rules["target_files"] = {"TOKEN": "keys/token"}
    bundle.before = 'printf "%s" "$TOKEN" >got'
    bundle.write("exit:0")
    refused = bundle.launch("--detach")
    assert (refused.returncode, refused.stderr.split(": ")[0]) == (2, "error[secret-missing]")
    (bundle.workspace / "keys").mkdir()
    (bundle.workspace / "keys" / "token").write_text("abc def\n")
    assert bundle.launch("--detach").returncode == 0
    (run,) = bundle.runs()
    run.end()
    assert (bundle.cwd / "got").read_text() == "abc def"


def test_a_dry_run_ends_before_the_trainer(bundle):
    """It prepares and checks; its success does not count as a run that may be kept."""
    run = bundle.start("say:trainer", flags=("--dry-run",))
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("succeeded", "dry run")
    assert run.log() == ""
    listed = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "runs", bundle.workspace / ".srpo" / "runs", "demo"],
        capture_output=True,
        check=True,
    )
    assert [found["whole"] for found in json.loads(listed.stdout)] == [False]


def test_a_run_is_launched_once(bundle):
    """While it lives its holder is named; afterwards its folder is used."""
    run = bundle.start("say:ready", "forever", flags=("--run-id", "twice"))
    again = ["bash", run.node.parent.parent / "bundle" / "launch.sh", "--detach", "--run-id", "twice"]
    refused = subprocess.run(again, capture_output=True, text=True, check=False)
    assert refused.returncode == 75
    holder = bundle.supervisor(run, "outer")
    assert refused.stderr.startswith(f"error[run-busy]: run `twice` is supervised by process {holder} on `")
    run.stop()
    run.end()
    refused = subprocess.run(again, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (73, "error[run-used]")
    copied = bundle.launch("--detach", "--run-id", "twice")
    assert (copied.returncode, copied.stderr.split(":")[0]) == (73, "error[run-used]")


def test_machines_that_share_a_run_find_its_files_whole(bundle):
    """Read while another one writes it, an emptied file would start nothing, and call that done."""
    run = bundle.start("forever", flags=("--run-id", "shared"))
    shared = run.node.parents[1]
    with (shared / "supervisor").open() as supervisor, (shared / "python").open() as python:
        other = ["bash", shared / "bundle/launch.sh", "--detach", "--run-id", "shared", "--node", "1"]
        subprocess.run(other, check=True)
        for held in (supervisor, python):
            assert held.read() == Path(held.name).read_text()
            assert not os.path.samestat(os.fstat(held.fileno()), Path(held.name).stat()), "it was written over"
    second = Run(shared / "attempt-1/node-1", bundle.supervise)
    for one in (run, second):
        one.stop()
        one.end()
    assert {path.name for path in shared.iterdir()} == {"attempt-1", "bundle", "python", "supervisor"}


def test_no_python_is_said_so(bundle):
    """Candidates that are too old, silent or not there are asked and named."""
    old = bundle.folder.parent / "old python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    bundle.pythons = (str(old), "python-that-is-not-there")
    bundle.write("exit:0")
    refused = bundle.launch()
    assert refused.returncode == 69
    assert refused.stderr.startswith("error[python-missing]: no Python of 3.9 or newer answers; asked were `")
    assert "python-that-is-not-there" in refused.stderr
    assert not bundle.workspace.exists()


@pytest.mark.parametrize("flags", [("--run-id", "../x"), ("--run-id", ""), ("--run-id",), ("--frob",)])
def test_wrong_arguments_are_refused(bundle, flags):
    """An id that is a path, or an unknown flag, starts nothing."""
    bundle.write("exit:0")
    refused = bundle.launch(*flags)
    assert refused.returncode == 2
    assert re.match(r"error\[(usage|run-id)\]: .+\nhint: .+\n", refused.stderr)
    assert not bundle.workspace.exists()


def test_odd_paths_are_paths(tmp_path: Path, bundle):
    """Blanks, quotes, globs and other scripts in the workspace and the working directory mean themselves."""
    odd = tmp_path / "a b'c\"d $HOME [x]* größe"
    odd.mkdir()
    bundle.folder, bundle.workspace, bundle.cwd = odd / "bundle", odd / "work", odd / "cwd"
    bundle.rules["cwd"] = str(bundle.cwd)
    run = bundle.start("checkpoint:1-1", "forever")
    ended = run.end()
    assert ended["outcome"] == "succeeded"
    assert ended["checkpoints"][0]["path"].startswith(str(odd))


def test_a_bash_that_is_missing_is_a_failed_run(bundle):
    """The status is the shell's own, and the log says why."""
    folder = bundle.workspace / ".srpo" / "runs" / "given-id"
    folder.mkdir(parents=True)
    bundle.folder = folder / "bundle"
    bundle.write("exit:0")
    launched = subprocess.run(
        [sys.executable, bundle.folder / "supervise.py", "launch", folder / "attempt-1" / "node-0", "--detach"],
        env={**os.environ, "SRPO_BASH": "/no/bash"},
        capture_output=True,
        check=False,
    )
    assert launched.returncode == 0
    (run,) = bundle.runs()
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == ("failed", 127, "exit status 127")
    assert "bash cannot be started" in run.log()


def test_a_launch_outlives_the_group_that_made_it(either):
    """The caller's whole group may die right after the ack."""
    either.write("sleep:0.3", "exit:7")
    with subprocess.Popen(
        ["bash", either.folder / "launch.sh", "--detach"], stdout=subprocess.PIPE, start_new_session=True
    ) as launched:
        assert launched.stdout
        launched.stdout.readline()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launched.pid, 9)
    (run,) = either.runs()
    assert run.end()["exit"] == 7
