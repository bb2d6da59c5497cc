"""How many workers a node of the job has."""

from __future__ import annotations

from srpo_manifest.planning.entry import script_of
from srpo_manifest.values.facts import Facts, Gpu, Unknown
from srpo_manifest.values.wanted import Wanted

GPUS = "target.gpus"


def gpus_per_node(wanted: Wanted, facts: Facts) -> int | Unknown:
    """HOST_GPU_NUM: the manifest's, else what the target shows; one for a Python program without a launcher, or without need of GPUs."""
    given = wanted.manifest.resources.gpus_per_node
    if given is not None:
        return given
    if not wanted.trainer.needs_gpu or (script_of(wanted) or "").endswith(".py"):
        return 1
    gpus = facts.get(GPUS, list[Gpu])
    if isinstance(gpus, Unknown):
        return gpus
    return len(gpus) or Unknown(reason="nvidia-smi shows no GPU")
