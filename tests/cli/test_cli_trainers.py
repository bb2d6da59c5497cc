"""The manifests that ship beside the HPS one, planned on targets that have, or lack, what their trainers need."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import upstream_target
from upstream_target import SHIPPED

PIPELINE = ("text_encoder", "text_encoder_2", "transformer", "vae")


@pytest.fixture
def work(place) -> Path:
    """The working directory of a target that has everything."""
    work = upstream_target.settle(place)
    for part in ("scheduler", "tokenizer", "tokenizer_2", *PIPELINE):
        (work / "data/flux" / part).mkdir(parents=True, exist_ok=True)
    for part in PIPELINE:
        (work / f"data/flux/{part}/a.safetensors").write_text("weights")
    (work / "data/flux/model_index.json").write_text("{}")
    for name in ("data/clip", "data/ps", "dog"):
        (work / name).mkdir()
    (work / "dog/one.JPG").write_text("a picture")
    (work / "prompts.txt").write_text("a cat\n" * 16)
    return work


@pytest.fixture
def plan(place, work) -> Callable:
    """Plan a shipped manifest with its lock."""

    def planned(name: str, *arguments: str):
        for file in (f"{name}.toml", str(Path(name).with_name("srpo.lock"))):
            place.write(f"manifests/{file}", (SHIPPED / file).read_text(encoding="utf-8"))
        return place.run(
            "plan", "--offline", "--locked", "--json", f"manifests/{name}.toml",
            "--set", "lints.host-memory='allow'", *arguments,
        )  # fmt: skip

    return planned


def told(said, *levels: str) -> list[tuple[str, str]]:
    return [(one["code"], one["message"]) for level in levels for one in said.json[level]]


def codes(said, *levels: str) -> list[str]:
    return [code for code, _ in told(said, *levels or ("refusals", "warnings"))]


def test_the_preprocessing_is_planned_whole(plan):
    """It ends by itself, with an index that was not there before; how training goes on is told."""
    said = plan("flux-embeddings")
    assert said.status == 0, said.err
    found = said.json
    assert found["job"]["argv"][:2] == ["torchrun", "--nproc_per_node=8"]
    assert found["job"]["argv"][4:] == [
        "${repo.dir}/fastvideo/data_preprocess/preprocess_flux_embedding.py",
        "--model_path", "black-forest-labs/FLUX.1-dev", "--output_dir", "data/rl_embeddings", "--prompt_dir", "prompts.txt",
    ]  # fmt: skip
    assert found["rules"]["done"] == {
        "checkpoints": None, "images": None, "files": ["data/rl_embeddings/videos2caption.json"], "exit_zero": True,
    }  # fmt: skip
    assert found["forecast"]["gpu_bytes"] == 36_000_000_000
    assert found["warnings"] == []
    assert "training reads `data/rl_embeddings/videos2caption2.json`" in dict(told(said, "notes"))["afterwards"]
    assert {check["state"] for check in found["checks"]} == {"true"}


@pytest.mark.trap(28, "prompts-altered")
@pytest.mark.trap(28, "prompts-empty")
@pytest.mark.trap(29, "prompts-padded")
@pytest.mark.parametrize(
    ("prompts", "code", "words"),
    [
        ("a\n\n\n" + "b\n" * 5, "prompts-altered", "8 lines, 8 prompts: 2 blank and kept, as an empty prompt"),
        ("\ufeffa\n" + "b\n" * 7, "prompts-altered", "8 lines, 8 prompts: 1 kept with the file's byte order mark in front"),
        ("a\n" * 8 + "\u732b\n", "prompts-altered", "9 lines, 8 prompts: 1 with Chinese characters dropped"),
        ("a\n" * 50_003, "prompts-altered", "50003 lines, 50000 prompts: 3 behind the first 50000 dropped"),
        ("a\u2028b\n" * 4, "prompts-altered", "8 lines, 8 prompts: 4 more than there are newlines"),
        ("\u732b\n\u72ac\n", "prompts-empty", "0 become prompts"),
        ("", "prompts-empty", "0 become prompts"),
        ("\udcff", "prompts-empty", "-1 become prompts (-1: it is not UTF-8)"),
        ("a\n" * 13, "prompts-padded", "13 prompts on 8 workers give 16 entries, 3 of them twice"),
        ("a\n" * 3, "prompts-padded", "3 prompts on 8 workers give 8 entries, 5 of them twice"),
    ],
)  # fmt: skip
def test_prompts_are_counted_before_anybody_waits(plan, work, prompts: str, code: str, words: str):
    """What upstream drops, keeps and doubles, in numbers."""
    (work / "prompts.txt").write_bytes(prompts.encode("utf-8", "surrogateescape"))
    said = plan("flux-embeddings", "--set", "lints.disk-full='allow'")
    message = dict(told(said, "refusals", "warnings", "notes"))[code]
    assert words in message
    assert said.status == (4 if code == "prompts-empty" else 0)


def test_prompts_as_they_are_meant_are_not_talked_about(plan, work):
    """CRLF and a last line without its newline are read as upstream reads them."""
    (work / "prompts.txt").write_bytes(b"a\r\n" * 7 + b"b")
    found = codes(plan("flux-embeddings"), "refusals", "warnings", "notes")
    assert [code for code in found if code.startswith("prompts")] == []


def test_what_the_preprocessing_needs_is_looked_for(plan, work, place):
    """The whole pipeline, the prompts where the job will look, memory and disk."""
    (work / "data/flux/text_encoder_2/a.safetensors").unlink()
    (work / "data/flux/tokenizer").rmdir()
    ((code, message),) = told(plan("flux-embeddings"), "refusals")
    assert (code, message) == (
        "pipeline-incomplete", "`data/flux` is no whole pipeline: it lacks tokenizer text_encoder_2/*.safetensors",
    )  # fmt: skip
    (work / "prompts.txt").unlink()
    shutil.rmtree(work / "data/flux")
    assert codes(plan("flux-embeddings")) == ["file-missing", "file-missing"]


def test_a_small_card_or_disk_is_told(plan, work, place):
    """24 GB hold no pipeline; 4 MiB a prompt add up."""
    place.program("nvidia-smi", upstream_target.GPUS.format(count=8, mib=24564))
    place.program("df", "#!/bin/sh\necho Avail\necho 9000000000\n")
    (work / "prompts.txt").write_text("a\n" * 4000)
    found = dict(told(plan("flux-embeddings"), "refusals"))
    assert set(found) == {"gpu-memory", "disk-full"}
    assert found["disk-full"].endswith("is too small: 16 GB for 4000 prompts, 9 GB free")


@pytest.mark.trap(26, "flag-never-read")
@pytest.mark.parametrize(
    ("setting", "level", "code"),
    [
        ("entry.set.train_batch_size=4", "warnings", "batch-size"),
        ("entry.set.vae_debug=true", "refusals", "vae-debug"),
        ("entry.set.cache_dir='x'", "warnings", "flag-never-read"),
        ("model.base='my/flux'", "notes", "flag-never-read"),
        ("model.base='my/flux'", "notes", "trainer-note"),
    ],
)
def test_flags_of_the_preprocessing_that_do_not_do_what_they_say(plan, setting: str, level: str, code: str):
    """Four of nine are never read, the model's path among them."""
    assert code in codes(plan("flux-embeddings", "--set", setting), level)


def test_pickscore_is_planned_whole_and_needs_its_two_models(plan, work):
    """The script of its own, 19 updates, and what the trainer opens under fixed names."""
    said = plan("flux-pickscore", "--set", "lints.disk-full='allow'")
    assert said.status == 0, said.err
    found = said.json
    argv = found["job"]["argv"]
    assert argv[argv.index("--reward_model") + 1] == "PickScore"
    assert (found["forecast"]["updates"], found["forecast"]["checkpoints"]) == (19, [20])
    assert found["warnings"] == []
    for name in ("data/clip", "data/ps"):
        (work / name).rmdir()
    refused = told(plan("flux-pickscore", "--set", "lints.disk-full='allow'"), "refusals")
    assert [code for code, _ in refused] == ["file-missing", "file-missing"]


def test_a_trainer_of_another_family_is_planned_whole(plan):
    """One Python process, whatever GPUs there are; every rule of its description stands at the locked release."""
    said = plan("diffusers/dreambooth-lora")
    assert said.status == 0, said.err
    found = said.json
    assert found["job"]["argv"][1] == "${repo.dir}/examples/dreambooth/train_dreambooth_lora_flux.py"
    assert found["job"]["env"]["PYTHONPATH"] == "${repo.dir}/src"
    assert found["forecast"] | {"eta_seconds": None} == {
        "updates": 500, "checkpoints": [100, 200, 300, 400, 500], "images": None, "effective_batch": 4, "disk_bytes": None,
        "gpu_bytes": 33_700_000_000, "host_bytes": None, "eta_seconds": None,
    }  # fmt: skip
    assert found["rules"]["done"]["files"] == ["output/dog/${run.id}/pytorch_lora_weights.safetensors"]
    assert found["rules"]["outputs"]["checkpoints"] == "output/dog/${run.id}/checkpoint-*"
    assert found["warnings"] == []
    assert not {"rule-unproven", "lock-outdated"} & set(codes(said, "notes"))


def test_a_default_of_the_parser_is_a_value_like_any_other(plan):
    """Without `output_dir` the trainer writes into a folder of its own naming: into that of this run."""
    found = plan("diffusers/dreambooth-lora", "--set", 'entry.unset=["output_dir"]').json
    folder = "flux-dreambooth-lora/${run.id}"
    assert found["rules"]["done"]["files"] == [f"{folder}/pytorch_lora_weights.safetensors"]
    assert found["job"]["argv"][-2:] == ["--output_dir", folder]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (["entry.set.dataset_name='cats'"], "data-source"),
        (["entry.set.caption_column='text'"], "captions-unread"),
        (["entry.set.with_prior_preservation=true", "entry.set.class_data_dir='c'"], "prior-incomplete"),
        (["entry.set.with_prior_preservation=true", "entry.set.class_prompt='c'"], "prior-incomplete"),
        (["entry.set.mixed_precision='no'"], "precision-full"),
        (["entry.set.resolution=504"], "size-odd"),
        (["entry.set.optimizer='lion'"], "optimizer-unknown"),
        (["entry.set.optimizer='prodigy'", "entry.set.use_8bit_adam=true"], "adam-ignored"),
        (["entry.set.lr_scheduler='cosine'", "entry.set.lr_warmup_steps=500"], "warmup-endless"),
        (["entry.set.lr_scheduler='constant_with_warmup'", "entry.set.lr_warmup_steps=500"], "warmup-endless"),
        (["entry.set.prodigy_decouple='False'"], "always-true"),
        (["entry.set.prodigy_use_bias_correction='false'"], "always-true"),
        (["entry.set.prodigy_safeguard_warmup='no'"], "always-true"),
        (["entry.set.report_to='wandb'", "entry.set.hub_token='t'"], "token-exposed"),
        (["entry.set.resume_from_checkpoint='latest'"], "resume-elsewhere"),
        (["model.method='full-finetune'"], "method-unavailable"),
    ],
)
def test_traps_of_another_family(plan, settings: list[str], code: str):
    """Each is told alone."""
    said = plan("diffusers/dreambooth-lora", *(word for setting in settings for word in ("--set", setting)))
    assert codes(said) == [code]


def test_pictures_and_checkpoints_of_another_family_are_looked_for(plan, work):
    """What a download leaves beside pictures would be opened as one; a checkpoint to go on from must be where it is looked for."""
    (work / "dog/.cache").mkdir()
    ((code, message),) = told(plan("diffusers/dreambooth-lora"), "refusals")
    assert (code, "`dog` holds `.cache`" in message) == ("pictures-only", True)
    shutil.rmtree(work / "dog")
    (work / "dog").mkdir()
    assert codes(plan("diffusers/dreambooth-lora")) == ["pictures-none"]
    (work / "dog/one.png").write_text("a picture")
    (work / "data/flux/vae/a.safetensors").unlink()
    assert codes(plan("diffusers/dreambooth-lora")) == ["base-incomplete"]
    (work / "data/flux/vae/a.safetensors").write_text("weights")
    (work / "output/dog/checkpoint-100").mkdir(parents=True)
    going_on = (
        "--set",
        "lints.output-used='allow'",
        "--set",
        "outputs.per_run=false",
        "--set",
        "entry.set.resume_from_checkpoint='latest'",
    )
    assert codes(plan("diffusers/dreambooth-lora", *going_on), "refusals") == []
