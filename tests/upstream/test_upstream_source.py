"""Upstream's own source, where a checkout of it is at hand (SRPO_MANIFEST_TEST_UPSTREAM names its folder)."""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, TRAINERS, Checkout, locked_anew

from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.flags import refused_default
from srpo_manifest.upstream.imports import read_imports
from srpo_manifest.upstream.script import read_script
from srpo_manifest.values.contract import ArgumentContract

FOLDER = os.environ.get("SRPO_MANIFEST_TEST_UPSTREAM", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="SRPO_MANIFEST_TEST_UPSTREAM names no checkout of upstream")

PLATFORM = {"HOST_NUM": "2", "HOST_GPU_NUM": "8", "INDEX": "1", "CHIEF_IP": "10.0.0.1"}
SHIPPED = {
    "flux-dev-srpo": ("scripts/finetune/SRPO_training_hpsv2.sh", "scripts/finetune/SRPO_training_ps.sh"),
    "flux-dev-srpo-embeddings": ("scripts/preprocess/preprocess_flux_rl_embeddings.sh",),
}
"""Scripts of the shipped lock, by the description that speaks of them."""
NEVER_READ = {
    "allow_tf32", "cache_dir", "cfg", "dit_model_name_or_path", "ema_decay", "ema_start_step", "ignore_last", "logging_dir",
    "loss_coef", "mixed_precision", "precondition_outputs", "vae_model_path",
}  # fmt: skip


def source(path: str) -> bytes:
    return (Path(FOLDER) / path).read_bytes()


def entry() -> ArgumentContract:
    return read_arguments(source("fastvideo/SRPO.py"), "fastvideo/SRPO.py")


def test_the_entry_imports_what_was_measured():
    """36 files of its own, 16 packages of others; `fastvideo` is a folder that any package of that name would replace."""
    tree = Checkout(Path(FOLDER), "")
    imports = read_imports(
        "fastvideo/SRPO.py", tree.files(""), ("fastvideo", "."), lambda paths: tree.read_all("", paths)
    )
    assert [name for name, one in imports.items() if one.own] == ["fastvideo"]
    assert set(imports) - sys.stdlib_module_names - {"fastvideo"} == {
        "PIL", "accelerate", "decord", "diffusers", "einops", "flash_attn", "hpsv2", "liger_kernel", "loguru", "numpy", "peft",
        "safetensors", "torch", "torchvision", "tqdm", "transformers",
    }  # fmt: skip
    assert imports["liger_kernel"].at == "fastvideo/models/mochi_hf/modeling_mochi.py:31"


@pytest.mark.parametrize("name", ["SRPO_training_hpsv2.sh", "SRPO_training_ps.sh"])
def test_training_scripts_are_understood_whole(name, bash, predicted):
    """Four platform variables, three dead names, one folder, and the argv that bash really hands to torchrun."""
    text = source(f"scripts/finetune/{name}")
    contract = read_script(text, name)
    assert contract.direct
    assert set(contract.reads) == set(PLATFORM)
    assert set(contract.dead) == {"DATA_NUM_WORKERS", "MODEL_TYPE", "SP_SIZE"}
    assert [token.text for token in contract.makes] == ["images"]
    assert not contract.forwards_arguments
    assert contract.launches[0].entry.text == "fastvideo/SRPO.py"
    for environment in (PLATFORM, PLATFORM | {"INDEX": ""}):
        assert predicted(contract, environment) == bash.run(text, environment)


def test_the_shipped_command_has_its_69_arguments():
    """The count that people compare by hand."""
    contract = read_script(source("scripts/finetune/SRPO_training_hpsv2.sh"), "x")
    assert len(contract.launches[0].arguments) == 69


def test_other_scripts_are_read_or_refused_with_reasons(bash, predicted):
    """Preprocessing is plain; the visualisation script does more than direct mode could."""
    text = source("scripts/preprocess/preprocess_flux_rl_embeddings.sh")
    assert predicted(read_script(text, "x"), {}) == bash.run(text, {})
    assert read_script(text, "x").direct
    contract = read_script(source("scripts/visualization/vismn.sh"), "x")
    assert not contract.direct
    assert len(contract.launches) == 1
    assert not read_script(source("env_setup.sh"), "x").direct


def test_all_55_flags_agree_with_the_real_parser():
    """The statements that build the parser, run alone, give the same flags."""
    tree = ast.parse(source("fastvideo/SRPO.py"))
    main = next(node for node in tree.body if isinstance(node, ast.If))
    built = [node for node in main.body if "parser" in ast.unparse(node) and "parse_args" not in ast.unparse(node)]
    made: dict[str, argparse.ArgumentParser] = {}
    exec(compile(ast.Module(body=built, type_ignores=[]), "parser", "exec"), {"argparse": argparse}, made)  # noqa: S102 - the pinned parser
    real = {
        action.option_strings[0]: (action.dest, action.default, action.required, action.type, action.nargs)
        for action in made["parser"]._actions
        if not isinstance(action, argparse._HelpAction)
    }
    contract = entry()
    types = {"int": int, "float": float, "str": str, None: None}
    mine = {
        f"--{flag.name}": (
            flag.dest,
            list(flag.default) if isinstance(flag.default, tuple) else flag.default,
            flag.required,
            types[flag.type],
            0 if flag.action == "store_true" else flag.nargs,
        )
        for flag in contract.flags
    }
    assert contract.complete
    assert len(mine) == 55
    assert mine == real


def test_flags_without_effect_are_those_that_were_measured():
    """Twelve are never read; `eta` and `t` go where nobody looks, and resuming is guarded by an `assert` that always holds."""
    flags = entry().flags
    assert {flag.name for flag in flags if flag.effect == "never-read"} == NEVER_READ
    assert {flag.name for flag in flags if flag.effect == "no-effect"} == {"eta", "t", "resume_from_checkpoint"}
    assert {flag.name: flag.type for flag in flags}["train_guidence"] == "int"


def test_the_shipped_lock_says_what_the_source_says(golden):
    """`manifests/srpo.lock` holds the very contracts and verdicts, by the readers and the descriptions of today."""
    path = ROOT / "manifests/srpo.lock"
    text, unproven = locked_anew(path, Path(FOLDER), SHIPPED)
    golden(path, text)
    assert unproven == []


def test_prompts_are_counted_as_upstream_reads_them(tmp_path):
    """The class that reads them, run alone, keeps as many as the check says, whatever the file holds."""
    tree = ast.parse(source("fastvideo/data_preprocess/preprocess_flux_embedding.py"))
    taken = [node for node in tree.body if getattr(node, "name", "") in ("contains_chinese", "T5dataset")]
    made: dict[str, Any] = {"re": re, "os": os, "Dataset": object}
    exec(compile(ast.Module(body=taken, type_ignores=[]), "dataset", "exec"), made)  # noqa: S102 - the pinned class
    description = parse_trainer((TRAINERS / "flux-dev-srpo-embeddings.toml").read_bytes(), "x")
    (probe,) = [check.probe for check in description.checks if check.code == "prompts-empty"]
    texts = [
        "",
        "\n",
        "a",
        "a\n\nb\n",
        "\ufeffa\r\nb\r",
        "\u4e00\na\u9fff\n\u3042\n",
        "a\x0bb\x0c\x1cc\x85d\u2028e",
        "a\n" * 50_001,
    ]
    for text in texts:
        path = tmp_path / "prompts.txt"
        path.write_bytes(text.encode())
        said = subprocess.run(
            ["bash", "-c", probe], env=os.environ | {"prompt_dir": str(path)}, capture_output=True, check=True
        )
        assert int(said.stdout) == len(made["T5dataset"](str(path), vae_debug=False)), text[:20]


def test_flags_that_are_needed_in_fact_are_those_that_were_measured():
    """Seven default to None where None is an error; three of them on every run."""
    needed = {flag.name: (flag.needed_at, flag.needed_always) for flag in entry().flags if flag.needed_at}
    assert needed == {
        "output_dir": (712, False),
        "pretrained_model_name_or_path": (732, True),
        "image_p": (835, True),
        "max_train_steps": (859, True),
        "h": (438, False),
        "w": (438, False),
        "sampling_steps": (431, False),
    }


def test_two_defaults_are_refused_by_their_own_type():
    """`type=int` with 3.5."""
    refused = {flag.name: refused_default(flag) for flag in entry().flags if refused_default(flag)}
    assert refused == {"train_guidence": ("3.5",), "vis_guidence": ("3.5",)}
