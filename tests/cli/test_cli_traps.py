"""Traps of upstream, planted one by one: each is told by its code, and by nothing else."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from typing import Any

import pytest
from upstream_target import GPUS, SHIPPED, entry, tensor_file

from srpo_manifest.engine.checking import check
from srpo_manifest.values.said import Said


def trapped(number: int, code: str, *given: Any) -> Any:
    return pytest.param(code, *given, marks=pytest.mark.trap(number, code), id=f"T{number}-{code}-{given[0]}")


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        trapped(16, "unknown-flag", "vis_tile_size=256"),
        trapped(17, "flag-type", "train_guidence=3.5"),
        trapped(17, "flag-type", "max_train_steps=1e3"),
        trapped(19, "flag-abbreviated", "train_timeste=[5, 30]"),
        trapped(21, "no-checkpoint", "max_train_steps=10"),
        trapped(22, "no-training", "checkpointing_steps=1"),
        trapped(22, "no-training", "checkpointing_steps=0"),
        trapped(24, "flag-never-read", "ema_decay=0.9"),
        trapped(25, "flag-never-read", "vae_model_path='data/other'"),
        trapped(27, "accumulation-odd", "gradient_accumulation_steps=1"),
        trapped(27, "accumulation-odd", "gradient_accumulation_steps=3"),
        trapped(32, "flag-never-read", "logging_dir='logs'"),
        trapped(38, "reward-model", "reward_model='hps'"),
        trapped(40, "size-indivisible", "h=721"),
        trapped(40, "size-indivisible", "w=700"),
        trapped(40, "size-indivisible", "vis_size=500"),
        trapped(41, "timestep-range", "train_timestep=[5, 60]"),
        trapped(41, "timestep-range", "vis_sampling_step=10"),
        trapped(41, "timestep-range", "train_timestep=[-1, 5]"),
        trapped(41, "timestep-range", "train_timestep=[25, 5]"),
        trapped(41, "timestep-length", "timestep_length=9"),
        trapped(42, "batch-size", "train_batch_size=2"),
    ],
)
def test_a_flag_that_ends_badly_is_seen_offline(code: str, settings: str):
    """By `validate` with the shipped lock, where the flag is written."""
    (found,) = check(Said(manifest=str(SHIPPED / "flux.toml"), sets=(f"entry.set.{settings}",)))
    assert found.code == code
    assert found.where is not None
    assert found.hints


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        trapped(20, "never-ends", ("done.exit_zero=true",)),
        trapped(20, "steps-wasted", ("done.checkpoints=3", "entry.set.max_train_steps=300")),
        trapped(20, "done-unreachable", ("done.images=9999",)),
    ],
)
def test_a_wish_that_the_loop_never_grants_is_seen_offline(code: str, settings: tuple[str, ...]):
    """The loop has no end, and wastes every step behind the checkpoint's."""
    (found,) = check(Said(manifest=str(SHIPPED / "flux.toml"), sets=settings))
    assert found.code == code
    if code == "steps-wasted":
        assert found.fix is not None
        assert found.fix.replacement == "20"


@pytest.mark.trap(20, "never-ends")
def test_the_end_that_never_comes_is_told_by_every_plan(flux):
    """19 updates, one checkpoint, nothing useful afterwards."""
    plan = flux().json
    assert (plan["forecast"]["updates"], plan["forecast"]["checkpoints"]) == (19, [20])
    (note,) = (note for note in plan["notes"] if note["code"] == "never-ends")
    assert "learns nothing more after the checkpoint at step 20" in note["message"]


@pytest.mark.trap(25, "flag-never-read")
def test_a_model_that_upstream_does_not_read_is_noted(flux):
    """`model.vae` is delivered, and said to be ignored."""
    notes = flux("--set", 'model.vae="data/vae"').json["notes"]
    assert any(note["code"] == "flag-never-read" and "vae_model_path" in note["message"] for note in notes)


@pytest.mark.trap(23, "resume-ignored")
def test_resuming_is_refused(flux):
    """It would start anew, and say so nowhere."""
    said = flux("--set", "entry.set.resume_from_checkpoint='output/hps/checkpoint-20-0'")
    (refusal,) = said.json["refusals"]
    assert refusal["code"] == "resume-ignored"
    assert "`model.base`" in refusal["hints"][0]
    assert [warning["code"] for warning in said.json["warnings"]] == ["flag-no-effect"]


@pytest.mark.trap(39, "flag-needed")
@pytest.mark.parametrize("flag", ["image_p", "pretrained_model_name_or_path"])
def test_a_flag_that_the_program_needs_is_missed_before_it_starts(flux, flag: str):
    """`argparse` lets it out; the trainer ends after loading everything."""
    refusals = flux("--set", "outputs.per_run=false", "--set", f'entry.unset=["{flag}"]').json["refusals"]
    assert [refusal["code"] for refusal in refusals] == ["flag-needed"]
    assert flag in refusals[0]["message"]


@pytest.mark.trap(8, "gpu-count")
def test_fewer_gpus_than_workers_are_refused(flux, place):
    """The target shows 4, the manifest wants 8."""
    place.program("nvidia-smi", GPUS.format(count=4, mib=81559))
    (refusal,) = flux().json["refusals"]
    assert refusal["code"] == "gpu-count"
    assert "shows 4 GPUs" in refusal["message"]


@pytest.mark.trap(46, "gpu-memory")
@pytest.mark.parametrize(("gpus", "mib", "sets"), [(8, 24564, ()), (2, 81559, ("resources.gpus_per_node=2",))])
def test_gpus_that_are_too_small_are_refused(flux, place, gpus: int, mib: int, sets: tuple[str, ...]):
    """24 GB cards, and two of 80 GB: the state is spread over all of them."""
    place.program("nvidia-smi", GPUS.format(count=gpus, mib=mib))
    assert [one["code"] for one in flux(*(f"--set={one}" for one in sets)).json["refusals"]] == ["gpu-memory"]


@pytest.mark.trap(46, "host-memory")
def test_memory_that_is_too_small_is_refused(flux, place):
    """Every worker loads the model: 8 times 47.6 GB."""
    place.program("awk", "#!/bin/sh\necho 64000000000\n")
    (refusal,) = flux("--deny", "host-memory").json["refusals"]
    assert refusal["code"] == "host-memory"
    assert "has 64.0 GB of memory" in refusal["message"]


@pytest.mark.trap(45, "disk-full")
def test_a_disk_that_cannot_hold_the_checkpoints_is_refused(flux, place):
    """47.6 GB a checkpoint."""
    place.program("df", "#!/bin/sh\necho Avail; echo 50000000000\n")
    assert flux("--deny", "disk-full").status == 0
    said = flux("--deny", "disk-full", "--set", "done.checkpoints=2")
    assert [refusal["code"] for refusal in said.json["refusals"]] == ["disk-full"]
    assert said.json["forecast"]["disk_bytes"] == 95_200_000_000


@pytest.mark.parametrize(
    ("code", "path", "settings"),
    [
        trapped(35, "file-missing", "data/rl_embeddings/videos2caption2.json", ()),
        trapped(36, "file-missing", "hps_ckpt/HPS_v2.1_compressed.pt", ()),
        trapped(37, "file-missing", "data/clip", ("entry.set.reward_model='CLIP'",)),
        trapped(37, "file-missing", "data/ps", ("entry.set.reward_model='PickScore'",)),
        trapped(37, "base-incomplete", "data/flux/vae", ()),
    ],
)
def test_what_the_trainer_opens_must_be_there(flux, place, code: str, path: str, settings: tuple[str, ...]):
    """Files that are written into the trainer, at places where the README does not put them."""
    work = place.folder / "me/srpo/flux"
    for folder in ("data/clip", "data/ps"):
        (work / folder).mkdir()
    sets = [f"--set={one}" for one in settings]
    assert flux(*sets).status == 0
    shutil.rmtree(work / path) if (work / path).is_dir() else (work / path).unlink()
    (refusal,) = flux(*sets).json["refusals"]
    assert refusal["code"] == code
    assert refusal["hints"]
    assert path.removesuffix("/vae") in refusal["message"]


@pytest.mark.trap(37, "clip-h-missing")
def test_a_download_by_every_worker_is_warned_about(flux, place):
    """The HPS reward takes CLIP-H from the hub's cache, wherever the target keeps it."""
    shutil.move(place.folder / "me/.cache/huggingface", place.folder / "elsewhere")
    assert [warning["code"] for warning in flux().json["warnings"]] == ["clip-h-missing"]
    place.env["HF_HOME"] = str(place.folder / "elsewhere")
    assert flux().json["warnings"] == []


def index(place, *entries: Any) -> None:
    path = place.folder / "me/srpo/flux/data/rl_embeddings/videos2caption2.json"
    path.write_text(json.dumps(entries))


@pytest.mark.trap(43, "index-empty")
def test_an_index_without_entries_is_refused(flux, place):
    """Upstream would spin without a word, and without the GPUs."""
    index(place)
    codes = [refusal["code"] for refusal in flux().json["refusals"]]
    assert "index-empty" in codes
    (place.folder / "me/srpo/flux/data/rl_embeddings/videos2caption2.json").write_text('{"a": 1}')
    messages = [one["message"] for one in flux().json["refusals"] if one["code"] == "index-empty"]
    assert "lists -1 entries" in messages[0]


@pytest.mark.trap(44, "index-broken")
@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (entry(1), "entry 1: prompt_embed/1.pt is missing or empty"),
        (entry(0) | {"caption": 7}, "entry 1: its caption is no text"),
        ({"caption": "a cat"}, "KeyError: 'prompt_embed_path'"),
    ],
)
def test_an_entry_that_ends_a_loader_hours_later_is_refused(flux, place, broken: Any, told: str):
    """All are looked at, by name and size."""
    index(place, entry(0), broken)
    (refusal,) = flux().json["refusals"]
    assert refusal["code"] == "index-broken"
    assert told in refusal["message"]


@pytest.mark.trap(44, "embedding-shape")
def test_an_embedding_of_another_shape_is_refused(flux, place):
    """`text_ids` with a row for each token breaks the first step."""
    folder = place.folder / "me/srpo/flux/data/rl_embeddings/text_ids"
    (folder / "0.pt").write_bytes(tensor_file((512, 3)))
    (refusal,) = flux().json["refusals"]
    assert refusal["code"] == "embedding-shape"
    assert "text_ids/0.pt has shape (512, 3), not (3,)" in refusal["message"]
    (folder / "0.pt").write_bytes(b"cut off")
    (refusal,) = flux().json["refusals"]
    assert "BadZipFile" in refusal["message"]


@pytest.mark.parametrize(
    ("code", "left"),
    [trapped(30, "output-used", "output/hps/checkpoint-20-0"), trapped(31, "images-used", "images/srpohps/20_0.png")],
)
def test_results_of_an_earlier_run_are_not_written_over(flux, place, code: str, left: str):
    """Each run has a place of its own, unless the manifest says otherwise."""
    (place.folder / "me/srpo/flux" / left).mkdir(parents=True)
    assert flux().status == 0
    (refusal,) = flux("--set", "outputs.per_run=false").json["refusals"]
    assert refusal["code"] == code
    assert left in refusal["message"]


@pytest.mark.trap(7, "prevented")
@pytest.mark.trap(18, "prevented")
def test_what_two_runs_must_not_share_is_each_runs_own(flux):
    """Meeting point, its name, and outputs; a value that begins with a dash is glued to its flag."""
    argv = flux("--set", "entry.set.learning_rate=-1e-5").json["job"]["argv"]
    told = dict(pairwise(argv))
    assert told["--rdzv_id"] == "${run.id}"
    assert told["--rdzv_endpoint"] == "${run.chief}:${run.port}"
    assert told["--output_dir"] == "./output/hps/${run.id}"
    assert told["--image_p"] == "srpohps-${run.id}"
    assert "--learning_rate=-1e-05" in argv


@pytest.mark.trap(1, "gpu-count-unknown")
def test_a_platform_variable_that_nothing_gives_is_refused(flux, place):
    """No GPU is shown and none is wished for: `--nproc_per_node` would get no value."""
    place.program("nvidia-smi", "#!/bin/sh\nexit 9\n")
    part = place.write("part.toml", 'drop = ["resources.gpus_per_node"]\n')
    said = flux("--with", str(part))
    assert {refusal["code"] for refusal in said.json["refusals"]} == {"gpu-count-unknown", "variable-unset"}


@pytest.mark.parametrize("value", ["''", "'/'"])
def test_results_in_the_root_of_the_file_system_are_refused(flux, value: str):
    """An empty output folder would become `/RUN`."""
    assert [one["code"] for one in flux("--set", f"entry.set.output_dir={value}").json["refusals"]] == ["output-root"]


def test_a_secret_that_is_not_there_is_told_by_the_plan(flux, place):
    """By name, never by value; `apply` refuses it."""
    told = flux("--set", "env.HF_TOKEN={env='NO_SUCH_NAME'}").json["warnings"]
    assert [(one["code"], "NO_SUCH_NAME is not set" in one["message"]) for one in told] == [("secret-missing", True)]
    place.env["A_NAME"] = "very-secret"
    said = flux("--set", "env.HF_TOKEN={env='A_NAME'}", "--save-facts", "facts.json")
    assert said.json["warnings"] == []
    assert "very-secret" not in said.out + (place.folder / "facts.json").read_text()
