"""Keys of schema 0, and what each is in schema 1: a flag is `entry.set.NAME` of `srpo_NAME`, where nothing else is told."""

from __future__ import annotations

from typing import Any

MOVED = {
    "base_model_name": "model.base",
    "model_type": "model.type",
    "training_method": "model.method",
    "vae.model_name": "model.vae",
    "lora_model_name": "model.lora",
    "workspace_dir": "paths.workspace",
    "cache_dir": "paths.cache_dir",
    "concept_file_name": "paths.concept_file",
    "srpo_working_dir": "paths.working_dir",
    "srpo_repo_url": "repo.url",
    "srpo_repo_ref": "repo.ref",
    "srpo_force_refresh": "repo.refresh",
    "srpo_training_script": "entry.script",
    "srpo_args_file": "entry.args_file",
    "srpo_extra_args": "entry.extra_args",
    "srpo_extra_env": "env",
    "srpo_bash": "backend.transport.bash",
    "srpo_image_prefix": "entry.set.image_p",
}
"""What is no flag of the trainer, or one of another name."""
TABLES = ("", "repo", "paths", "model", "entry", "entry.set", "env", "backend.transport")
"""Of the new file, in its order."""
NEEDED = {"model": ("type", '"flux-dev-srpo"'), "backend.transport": ("kind", '"local"')}
"""Keys without which a table is none."""
PAIRS = {"srpo_discount_inv": float, "srpo_discount_pos": float, "srpo_train_timestep": int}
"""Two numbers in one text."""
WHOLE = ("srpo_train_guidence", "srpo_vis_guidence")
"""Numbers with a point there, and without one for the trainer."""
WORDS: dict[str, dict[Any, str]] = {
    "model_type": {"FLUX_SRPO_DEV": '"flux-dev-srpo"'},
    "training_method": {"FINE_TUNE": '"full-finetune"', "LORA": '"lora"'},
    "srpo_force_refresh": {True: '"always"', False: '"if-missing"'},
}
UNKNOWN = {
    "srpo_vis_tile_size": "no script of SRPO has such a flag",
    "srpo_dry_run": "a dry run is asked for when one applies: `srpo-manifest apply --dry-run`",
    "multi_gpu": "`resources.gpus_per_node` says how many GPUs a run takes",
}
"""What nothing of schema 1 stands for, and what to use in its place."""
ANCHORED = {
    "srpo_working_dir": "the workspace (`paths.workspace`)",
    "workspace_dir": "the manifest's folder",
    "cache_dir": "the workspace (`paths.workspace`)",
    "concept_file_name": "the manifest's folder",
    "srpo_args_file": "the manifest's folder",
}
"""Paths that began where the wrapper was started, and where they begin now."""
