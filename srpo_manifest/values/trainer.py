"""Trainer descriptions: what is special about a trainer, as data bound to evidence in its source."""

from typing import Annotated, Literal

from msgspec import Meta

from srpo_manifest.values.base import Strict
from srpo_manifest.values.contract import Scalar

FORMAT = 1


class Evidence(Strict):
    """A rule holds where *pattern* (a regular expression, multi-line) is found in *file* of the pinned source."""

    file: str
    pattern: str


class LogRule(Strict):
    """A line of the trainer's log that means something: an event with the named groups of *pattern*."""

    event: Literal["progress.made", "phase.started", "warning.raised"]
    pattern: str
    phase: str = ""
    message: str = ""
    code: str = ""
    """Of a warning; empty: `log-line`."""
    hint: str = ""
    """What to do about it."""
    rule: str = ""
    """The evidence it rests on; empty: none needed."""


class ModelFlags(Strict):
    """Which flags the manifest's `[model]` feeds."""

    base: str | None = None
    vae: str | None = None
    lora: str | None = None


class PerRun(Strict):
    """Flags whose value gets the run's id: `folder` appends a path part, `name` appends `-ID`."""

    folder: tuple[str, ...] = ()
    name: tuple[str, ...] = ()


class Artifacts(Strict):
    """Where results land, in the working directory. `{flag}` stands for the final value of that flag."""

    checkpoints: str | None = None
    marker: str | None = None
    weights: str = "*.safetensors"
    images: str | None = None
    collect_images: bool = False


class DoneRule(Strict):
    """When a run of this trainer has what it is for."""

    checkpoints: int | None = None
    images: int | None = None
    exit_zero: bool = False


class Loop(Strict):
    """How the trainer counts: names of the flags, and what happens at the checkpoint step.

    `shape = "checkpoint-then-watch"`: an epoch runs steps 1..max_steps; a checkpoint is saved where step equals
    checkpoint_every, and from there on steps only make pictures, until `images_below`.
    """

    shape: Literal["checkpoint-then-watch", "plain"]
    max_steps: str
    checkpoint_every: str
    images_below: int | None = None
    batch: str | None = None
    accumulation: str | None = None
    checkpoint_bytes: int | None = None
    rule: str = ""


class NeededFile(Strict):
    """A file or folder that the trainer opens. `when` limits it to a flag's value, as `reward_model=HPS`."""

    path: str
    when: str = ""
    why: str = ""
    hint: str = ""
    rule: str = ""


class Trainer(Strict):
    """One trainer description, `format = 1`."""

    format: Annotated[int, Meta(ge=1, le=FORMAT)]
    name: str
    title: str
    script: str | None = None
    """The training script when the manifest names none."""
    needs_base: bool = False
    needs_gpu: bool = True
    model: ModelFlags = ModelFlags()
    per_run: PerRun = PerRun()
    pinned: dict[str, str] = {}
    """Flags of the entry that always get a late value: `rdzv_id = "${run.id}"`."""
    package_roots: tuple[str, ...] = (".",)
    """Folders of the checkout that PYTHONPATH leads to."""
    artifacts: Artifacts = Artifacts()
    done: DoneRule = DoneRule(exit_zero=True)
    loop: Loop | None = None
    files: tuple[NeededFile, ...] = ()
    log: tuple[LogRule, ...] = ()
    defaults: dict[str, Scalar] = {}
    """Values that the trainer takes for flags that its script leaves out and its parser leaves open."""
    notes: dict[str, str] = {}
    """What to say about a flag that the manifest sets, by flag."""
    evidence: dict[str, Evidence] = {}


GENERIC = Trainer(format=FORMAT, name="generic", title="any script", needs_gpu=False)
"""Claims nothing: contracts, delivery and supervision still hold."""
