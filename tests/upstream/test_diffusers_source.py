"""A trainer of another family, where a checkout of its release is at hand (SRPO_MANIFEST_TEST_DIFFUSERS names its folder)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from checkout import locked_anew

from srpo_manifest.upstream.arguments import read_arguments

FOLDER = os.environ.get("SRPO_MANIFEST_TEST_DIFFUSERS", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="SRPO_MANIFEST_TEST_DIFFUSERS names no checkout of diffusers v0.38.0"
)
SCRIPT = "examples/dreambooth/train_dreambooth_lora_flux.py"


def test_every_flag_is_read():
    """Three of them are `type=bool`, which every text satisfies."""
    contract = read_arguments((Path(FOLDER) / SCRIPT).read_bytes(), SCRIPT)
    assert contract.complete
    assert len(contract.flags) == 76
    assert {flag.name for flag in contract.flags if flag.type == "bool"} == {
        "prodigy_decouple", "prodigy_safeguard_warmup", "prodigy_use_bias_correction",
    }  # fmt: skip


def test_its_lock_says_what_the_source_says(root: Path, golden):
    """Every rule of the description stands in the release that the manifest names."""
    path = root / "manifests/diffusers/srpo.lock"
    text, unproven = locked_anew(path, Path(FOLDER), {"diffusers-dreambooth-lora-flux": (SCRIPT,)})
    golden(path, text)
    assert unproven == []
