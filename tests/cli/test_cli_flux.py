from __future__ import annotations

import shutil
import sys

import pytest
from upstream_target import GPUS, SHIPPED


def test_the_first_line_says_that_a_card_is_too_small(flux, place):
    """Eight cards of 24 GB: before everything else, and refused."""
    place.program("nvidia-smi", GPUS.format(count=8, mib=24564))
    said = place.run("plan", "--offline", "--locked", "manifests/flux.toml")
    assert said.status == 4
    assert said.out.splitlines()[0].startswith("this training cannot fit: it needs about 37.8 GB on each GPU")
    assert [finding["code"] for finding in flux().json["refusals"]] == ["gpu-memory"]


def test_the_shipped_manifests_are_good(say):
    """With the shipped lock, without a network."""
    said = say("validate", str(SHIPPED))
    assert (said.status, said.out, said.err) == (0, "", "4 manifests good\n")


def test_the_lock_recovers_the_whole_command_of_upstream(flux):
    """55 flags, four variables, 69 tokens; what the plan says of the loop is what upstream does."""
    said = flux()
    plan = said.json
    assert said.status == 0, said.err
    assert len(plan["options"]) == 55
    assert plan["job"]["argv"][11] == "${repo.dir}/fastvideo/SRPO.py"
    assert len(plan["job"]["argv"][12:]) == 69
    assert {"HOST_NUM": "1", "HOST_GPU_NUM": "8", "INDEX": "${run.index}", "CHIEF_IP": "${run.chief}"}.items() <= plan[
        "job"
    ]["env"].items()
    assert plan["repo"]["commit"] == "81e58984740e384cda913c7334c0bdaa53dfb244"
    assert (plan["forecast"]["updates"], plan["forecast"]["checkpoints"]) == (19, [20])
    effects = {option["name"]: option["effect"] for option in plan["options"]}
    assert sorted(name for name, effect in effects.items() if effect == "never-read") == [
        "allow_tf32", "cache_dir", "cfg", "dit_model_name_or_path", "ema_decay", "ema_start_step", "ignore_last", "logging_dir",
        "loss_coef", "mixed_precision", "precondition_outputs", "vae_model_path",
    ]  # fmt: skip


def test_overrides_are_in_the_final_command_once(flux):
    """A value that differs, a switch that goes."""
    argv = flux("--set", "entry.set.learning_rate=1e-5", "--set", 'entry.unset=["gradient_checkpointing"]').json["job"][
        "argv"
    ]
    at = argv.index("--learning_rate")
    assert argv[at : at + 2] == ["--learning_rate", "1e-05"]
    assert (argv.count("--learning_rate"), argv.count("--checkpointing_steps")) == (1, 1)
    assert "--gradient_checkpointing" not in argv
    assert len(argv[12:]) == 68


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("train_guidence=3.5", "flag-type"),
        ("train_guidence=2.5", "flag-type"),
        ("no_such_flag=1", "unknown-flag"),
        ("learning=1", "flag-abbreviated"),
    ],
)
def test_what_upstream_would_refuse_late_is_refused_now(flux, place, setting: str, code: str):
    """By plan with exit 4, by validate with exit 2, without a clone."""
    said = flux("--set", f"entry.set.{setting}")
    assert said.status == 4
    assert [finding["code"] for finding in said.json["refusals"]] == [code]
    checked = place.run("validate", "manifests/flux.toml", "--set", f"entry.set.{setting}", "--format", "json")
    assert checked.status == 2
    assert [finding["code"] for finding in checked.json["files"][0]["findings"]] == [code]


def test_what_upstream_cannot_do_without_is_told_before_launch(flux):
    """A flag that `argparse` lets be None: denied where each run comes to it, warned about else, with file and line."""
    said = flux("--set", 'entry.unset=["image_p"]')
    assert [(finding["code"], "fastvideo/SRPO.py:835" in finding["message"]) for finding in said.json["refusals"]] == [
        ("flag-needed", True)
    ]
    assert flux("--set", 'entry.unset=["image_p"]', "--allow", "flag-needed").status == 0
    said = flux("--set", 'entry.unset=["sampling_steps"]')
    assert (said.status, [finding["code"] for finding in said.json["warnings"]]) == (0, ["flag-expected"])


def test_what_upstream_never_reads_is_warned_about(flux):
    """With file and line of the manifest."""
    said = flux("--set", "entry.set.ema_decay=0.9")
    assert [finding["code"] for finding in said.json["warnings"]] == ["flag-never-read"]
    assert said.json["warnings"][0]["where"]["file"] == "--set entry.set.ema_decay"


def test_what_the_trainer_needs_is_looked_for(flux, place):
    """The README's place for the reward weights is not where the trainer looks."""
    shutil.rmtree(place.folder / "me/srpo/flux/hps_ckpt")
    (refusal,) = flux().json["refusals"]
    assert refusal["code"] == "file-missing"
    assert "hps_ckpt/HPS_v2.1_compressed.pt" in refusal["message"]


@pytest.mark.trap(14, "torchrun-interpreter")
def test_a_torchrun_of_another_python_is_refused(flux, place):
    """Its first line names the interpreter that would run the workers."""
    (place.folder / "other").mkdir()
    (place.folder / "other/python3").symlink_to(sys.executable)
    place.write("bin/torchrun", f"#!{place.folder}/other/python3\n")
    (refusal,) = flux().json["refusals"]
    assert refusal["code"] == "torchrun-interpreter"
    place.write("bin/torchrun", f"#!/bin/sh\n'''exec' {place.folder}/other/python3 \"$0\" \"$@\"\n")
    assert [finding["code"] for finding in flux().json["refusals"]] == ["torchrun-interpreter"]
    place.write("bin/torchrun", "#!/usr/bin/env python3\n")
    assert flux().status == 0
    place.write("bin/torchrun", "#!/bin/bash\n")
    assert [finding["code"] for finding in flux().json["warnings"]] == ["torchrun-unknown"]
    (place.folder / "bin/torchrun").unlink()
    assert [finding["code"] for finding in flux().json["refusals"]] == ["launcher-missing"]


def test_a_manifest_without_a_lock_needs_the_repository(place):
    """`--locked` and `--offline` say what is missing."""
    place.write("flux.toml", (SHIPPED / "flux.toml").read_text())
    for option, code in (("--locked", "lock-misfit"), ("--offline", "offline")):
        said = place.run("plan", option, "--json", "flux.toml")
        assert said.status == 4
        assert code in [finding["code"] for finding in said.json["refusals"]]


HEAD = 'schema = 1\nname = "a"\nmodel = { type = "flux-dev-srpo", base = "data/flux" }\n'
TYPOS = "[entry.set]\nmax_train_stpes = 20\nlearning_rat_e = 5e-6\n"


@pytest.fixture
def locked(place):
    """A folder with the shipped lock."""
    shutil.copy(SHIPPED / "srpo.lock", place.folder)
    return lambda text: place.write("srpo.toml", text)


def test_flags_are_checked_whatever_gpus_the_target_has(locked, say):
    """`validate` asks no machine for their number."""
    locked(HEAD + 'repo.ref = "main"\n' + TYPOS)
    said = say("validate")
    assert said.status == 2
    assert "did you mean `max_train_steps`?" in said.out
    assert "did you mean `learning_rate`?" in said.out


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "it has `main`: set `repo.ref`"),
        (
            'repo.ref = "main"\nentry.script = "scripts/finetune/SRPO_training_hpsv3.sh"\n',
            "did you mean `scripts/finetune/SRPO_training_hpsv2.sh`?",
        ),
        (
            'repo.ref = "main"\n[profile.p.entry]\nscript = "scripts/finetune/SRPO_training_hpsv3.sh"\n',
            "so it is with `--profile p`",
        ),
    ],
    ids=["ref", "script", "profile"],
)
def test_what_the_lock_does_not_know_is_told(locked, say, text, hint):
    """Nobody takes flags for checked that were not."""
    locked(HEAD + text)
    said = say("validate")
    assert said.status == 0
    assert "note[flags-unchecked]: flags were not checked: `srpo.lock`" in said.out
    assert hint in said.out
    assert "run `srpo-manifest lock`" in said.out


FULL = HEAD + 'repo.ref = "main"\n'


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('[stop]\nmax_hours = "3"\n[entry.set]\nlr = 3\n', ["wrong-type", "unknown-flag"]),
        (
            '[profile.p.stop]\nmax_hours = "3"\n[profile.p.entry.set]\nmax_train_stpes = 2\n',
            ["wrong-type", "unknown-flag"],
        ),
        ('[entry.set]\n"--learning_rate" = 3\nmax_train_stpes = 2\n', ["invalid-value", "unknown-flag"]),
        ('[resources]\nnode = 1\n[env]\nA = 1\nLD_PRELOAD = "x"\n', ["unknown-key", "wrong-type", "env-denied"]),
        ("[entry]\nscrpt = 'x'\n[entry.set]\nlr = 3\n", ["unknown-key"]),
    ],
    ids=["key", "profile", "flag's name", "sanity", "a key that decides about others"],
)
def test_a_wrong_key_hides_no_flag(locked, say, text, codes):
    """The rest is checked without it, where it decides about nothing else."""
    locked(FULL + text)
    said = say("validate", "--json")
    found = said.json["files"][0]["findings"]
    assert [one["code"] for one in found if one["level"] == "deny"] == codes
