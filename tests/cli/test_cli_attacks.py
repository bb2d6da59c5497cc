from __future__ import annotations

import os
import subprocess
import sys

import pytest

BASE = 'schema = 1\nname = "x"\n[repo]\nurl = "demo:"\n[model]\ntype = "demo"\nbase = "builtin"\n'


@pytest.mark.trap(4, "nodes-unsupported")
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('[env]\nSRPO_RUN_ID = "q"\n', "env-denied"),
        ('[env]\nLD_PRELOAD = "x"\n', "env-denied"),
        ('[env]\nHF_TOKEN = "abc"\n', "secret-literal"),
        ('[done]\nfiles = ["../x"]\n', "path-outside"),
        ("[resources]\nnodes = 2\n", "nodes-unsupported"),
    ],
)
def test_what_can_never_be_meant_is_refused_by_validate_and_plan(place, say, more: str, code: str):
    """One code, exit 2 and exit 4."""
    place.write("srpo.toml", BASE + more)
    assert f"error[{code}]" in say("validate").out
    said = say("plan", "--json")
    assert said.status == 4
    assert code in [finding["code"] for finding in said.json["refusals"]]


def test_a_done_rule_that_can_never_hold(place, say):
    """Nobody knows where the results of any script lie."""
    place.write("srpo.toml", 'schema = 1\nname = "x"\n[model]\ntype = "generic"\n[done]\ncheckpoints = 1\n')
    assert "error[done-impossible]" in say("validate").out


def test_a_checkout_path_outside_the_workspace(place, say):
    """The link would lie where nobody looks for it."""
    assert "error[path-outside]" in say("validate", "--set", 'repo.path="../out"').out


def test_a_folder_with_odd_entries(place, say):
    """Pipes, links into nowhere and folders named like files are passed over."""
    folder = place.folder / "many"
    folder.mkdir()
    (folder / "good.toml").write_text(BASE)
    (folder / "notes.toml").write_text("title = 1\n")
    (folder / "gone.toml").symlink_to("nowhere")
    (folder / "zero.toml").symlink_to("/dev/zero")
    (folder / "folder.toml").mkdir()
    os.mkfifo(folder / "pipe.toml")
    assert say("validate", "many").err == "1 manifest good\n"
    assert say("validate", "many/pipe.toml").status == 2


def test_an_output_that_cannot_be_written(place):
    """A full device and a closed stdout are no bugs of ours."""
    for redirect, status in ((">/dev/full", 2), (">&-", 0)):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m srpo_manifest plan --json {redirect}"],
            cwd=place.folder, env=place.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "our-bug" not in done.stderr
        assert done.returncode == status, done.stderr


def test_a_terminal_that_knows_ascii_alone(place):
    """What it cannot show is spelled out."""
    env = place.env | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "srpo_manifest", "plan"],
        cwd=place.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_bundle_for_a_place_that_cannot_be_written(say):
    """Named, with exit 2."""
    said = say("bundle", "--out", "/dev/null/x")
    assert (said.status, "error[folder-unwritable]" in said.err) == (2, True)


def test_locked_wants_a_lock(place, say):
    """`lock --locked` without a fitting entry is a refusal."""
    place.write("srpo.toml", 'schema = 1\nname = "x"\n[model]\ntype = "generic"\n')
    said = say("lock", "--locked")
    assert (said.status, "error[lock-misfit]" in said.err) == (2, True)


def test_a_setup_line_that_fails_ends_the_run_with_its_name(place, say):
    """Nothing runs under a Python that nobody meant."""
    place.write("srpo.toml", BASE + '[python]\nsetup = ["false"]\n')
    said = say("plan")
    assert "python.setup failed: false" in said.err
    assert say("apply").status == 1
    assert "python.setup failed: false" in say("logs").out
    place.write("srpo.toml", BASE + '[python]\nkind = "conda"\npath = "nope"\n')
    assert say("apply").status == 1


def test_a_command_names_what_only_the_target_knows(place, say):
    """The checkout, the run and its port; what a shell would expand is left to it."""
    command = '["bash", "-c", "echo $1 ${HOME:+home} >seen", "x", "${repo.dir}/minisrpo ${run.id}"]'
    place.write(
        "srpo.toml",
        f'schema = 1\nname = "x"\n[repo]\nurl = "demo:"\n[model]\ntype = "generic"\n[entry]\ncommand = {command}\n[done]\nexit_zero = true\n',
    )
    assert say("apply").status == 0
    seen = (place.folder / "seen").read_text().split()
    assert seen[0].endswith("/minisrpo")
    assert seen[1].startswith("x-2")
    assert seen[2] == "home"
