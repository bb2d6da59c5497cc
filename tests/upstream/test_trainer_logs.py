"""Lines as the trainers print them, read by the rules of their descriptions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from srpo_manifest.values.trainer import Trainer


def events(root: Path, name: str, line: str) -> list[Any]:
    """What a line means: the groups of progress, a phase, a warning."""
    data = (root / f"srpo_manifest/upstream/trainers/{name}.json").read_bytes()
    found = []
    for rule in msgspec.json.decode(data, type=Trainer).log:
        if match := re.search(rule.pattern, line):
            given = {name: text for name, text in match.groupdict().items() if text is not None}
            found.append(given or rule.phase or rule.message)
    return found


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("world_size 8 local rank 3", ["starting"]),
        ("Loading pipeline components...:  43%|####2     | 3/7 [00:01<00:02,  1.8it/s]", ["loading-model"]),
        ("0it [00:00, ?it/s]", ["encoding", {"step": "0"}]),
        ("1it [00:03,  3.21s/it]", ["encoding", {"step": "1", "step_seconds": "3.21"}]),
        ("1250it [11:02,  1.93it/s]", ["encoding", {"step": "1250"}]),
        ("61250it [1:11:02, 14.93it/s]", ["encoding", {"step": "61250"}]),
        ("Rank 3 Error: RuntimeError('x')", ["a worker met an error; it waits for the others before it ends"]),
        (
            "3it [00:00,  4.99it/s]Rank 5 Error: x",
            ["encoding", {"step": "3"}, "a worker met an error; it waits for the others before it ends"],
        ),
        ("torch.OutOfMemoryError: CUDA out of memory.", ["the GPU's memory does not suffice"]),
        ("Downloading 1it [00:03, x", []),
    ],
)
def test_the_preprocessing_is_followed(root: Path, line: str, meaning: list[Any]):
    """Its bar has no total."""
    assert events(root, "flux-dev-srpo-embeddings", line) == meaning


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("11/25/2026 16:00:00 - INFO - __main__ - ***** Running training *****", ["training"]),
        ("Steps:   0%|          | 0/500 [00:00<?, ?it/s]", [{"step": "0", "total": "500"}, "training"]),
        (
            "Steps:  12%|#2        | 60/500 [01:23<09:45,  1.33s/it, loss=0.412, lr=0.0001]",
            [{"step": "60", "total": "500", "step_seconds": "1.33", "loss": "0.412", "learning_rate": "0.0001"}, "training"],
        ),
        (
            "Steps: 100%|██████████| 500/500 [04:10<00:00,  2.01it/s, loss=nan, lr=1]",
            [{"step": "500", "total": "500", "loss": "nan", "learning_rate": "1"}, "training"],
        ),
        ("x - INFO - accelerate.accelerator - Saving current state to out/checkpoint-100", ["saving-checkpoint"]),
        ("x - INFO - __main__ - Saved state to out/checkpoint-100", ["checkpoint-saved"]),
        ("x - INFO - __main__ - Running validation... ", ["validating"]),
        ("Caching latents:  50%|#####     | 1/2 [00:00<00:00,  3.1it/s]", ["caching-latents"]),
        ("Loading checkpoint shards:  50%|#####     | 1/2 [00:00<00:00,  3.1it/s]", []),
    ],
)  # fmt: skip
def test_another_family_is_followed(root: Path, line: str, meaning: list[Any]):
    """By its bar, which is redrawn with a carriage return."""
    assert events(root, "diffusers-dreambooth-lora-flux", line) == meaning
