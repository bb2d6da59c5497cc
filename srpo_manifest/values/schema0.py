"""Schema 0, frozen: the settings of the older wrapper, written as TOML. `reading.schema0` turns it into schema 1."""

from typing import Annotated, Literal

from msgspec import Meta

from srpo_manifest.values.base import Strict

Text = Annotated[str, Meta(max_length=4096)]
"""An empty one means that nothing is set."""
Long = Annotated[str, Meta(max_length=65_536)]


class Part0(Strict):
    """One part of a model."""

    model_name: Annotated[Text, Meta(description="A path.")] = ""


class Settings0(Strict):
    """Where everything lies, and what is started."""

    schema: Annotated[Literal[0], Meta(description="The version of this format.")]
    base_model_name: Annotated[str, Meta(min_length=1, max_length=4096, description="the folder of the base model")]
    model_type: Literal["FLUX_SRPO_DEV"] = "FLUX_SRPO_DEV"
    training_method: Literal["FINE_TUNE", "LORA"] = "FINE_TUNE"
    vae: Part0 = Part0()
    lora_model_name: Text = ""
    workspace_dir: Text = ""
    cache_dir: Text = ""
    concept_file_name: Text = ""
    multi_gpu: bool = False
    srpo_working_dir: Text = ""
    srpo_repo_url: Text = ""
    srpo_repo_ref: Text = ""
    srpo_force_refresh: bool = False
    srpo_training_script: Text = ""
    srpo_args_file: Text = ""
    srpo_extra_args: Long = ""
    srpo_extra_env: Long = ""
    srpo_bash: Text = ""
    srpo_dry_run: bool = False


class Manifest0(Settings0):
    """With the trainer's flags: each is named as the flag, but for `srpo_image_prefix`."""

    srpo_cache_dir: Text = ""
    srpo_output_dir: Text = ""
    srpo_discount_inv: Text = ""
    srpo_discount_pos: Text = ""
    srpo_train_timestep: Text = ""
    srpo_image_prefix: Text = ""
    srpo_mixed_precision: Text = ""
    srpo_reward_model: Text = ""
    srpo_resume_from_checkpoint: Text = ""
    srpo_logging_dir: Text = ""
    srpo_lr_scheduler: Text = ""
    srpo_master_weight_type: Text = ""
    srpo_seed: int | None = None
    srpo_train_batch_size: int | None = None
    srpo_gradient_accumulation_steps: int | None = None
    srpo_lr_warmup_steps: int | None = None
    srpo_max_train_steps: int | None = None
    srpo_sampling_steps: int | None = None
    srpo_num_latent_t: int | None = None
    srpo_sp_size: int | None = None
    srpo_train_sp_batch_size: int | None = None
    srpo_dataloader_num_workers: int | None = None
    srpo_timestep_length: int | None = None
    srpo_h: int | None = None
    srpo_w: int | None = None
    srpo_t: int | None = None
    srpo_sampler_seed: int | None = None
    srpo_vis_sampling_step: int | None = None
    srpo_vis_size: int | None = None
    srpo_vis_tile_size: int | None = None
    srpo_checkpointing_steps: int | None = None
    srpo_lr_num_cycles: int | None = None
    srpo_ema_start_step: int | None = None
    srpo_learning_rate: float | None = None
    srpo_weight_decay: float | None = None
    srpo_train_guidence: float | None = None
    srpo_vis_guidence: float | None = None
    srpo_eta: float | None = None
    srpo_max_grad_norm: float | None = None
    srpo_groundtruth_ratio: float | None = None
    srpo_shift: float | None = None
    srpo_lr_power: float | None = None
    srpo_cfg: float | None = None
    srpo_ema_decay: float | None = None
    srpo_selective_checkpointing: float | None = None
    srpo_loss_coef: float | None = None
    srpo_gradient_checkpointing: bool | None = None
    srpo_allow_tf32: bool | None = None
    srpo_ignore_last: bool | None = None
    srpo_use_cpu_offload: bool | None = None
    srpo_precondition_outputs: bool | None = None
