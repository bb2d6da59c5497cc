"""Trainer descriptions: what is special about a trainer, as data bound to evidence in its source."""

from typing import Annotated, Literal

from msgspec import Meta

from srpo_manifest.finding import Level
from srpo_manifest.values.base import Strict
from srpo_manifest.values.contract import Scalar
from srpo_manifest.values.plan import Op

FORMAT = 1
PROGRESS = ("step", "total", "epoch", "loss", "reward", "grad_norm", "learning_rate", "step_seconds", "left_seconds")
"""Groups that the pattern of a `progress.made` may name: equal things have equal names in every stream."""


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
    files: tuple[str, ...] = ()
    """Globs in the working directory, newer than the run's start; `{flag}` stands for the final value of that flag."""
    exit_zero: bool = False
    """The trainer has to end, and with status 0, beside all else that is given."""


class Loop(Strict):
    """How the trainer counts: names of the flags, and what happens at the checkpoint step.

    `shape = "checkpoint-then-watch"`: an epoch runs steps 1..max_steps, epochs without end; a checkpoint is saved where
    step equals checkpoint_every, and from there on steps only make pictures, until `images_below`.
    `shape = "plain"`: max_steps updates, a checkpoint at every multiple of checkpoint_every, then the trainer ends.
    """

    shape: Literal["checkpoint-then-watch", "plain"]
    max_steps: str
    checkpoint_every: str
    images_below: int | None = None
    batch_factors: tuple[str, ...] = ()
    """Flags whose product, times the workers, is the batch of one update."""
    batch_divisors: tuple[str, ...] = ()
    checkpoint_bytes: int | None = None
    rule: str = ""


class Memory(Strict):
    """What the training holds in memory, as an estimate. Units: bytes, and gigabytes of 10^9 bytes for people.

    On a GPU: `state_bytes` over all workers, or as `shards` says for the value of the flag `sharding`, and `gpu_bytes` beside it; where
    the switch `offload` is given, the state is in the host's memory instead. In the host: `host_bytes_per_worker` for each worker of a node.
    """

    state_bytes: int = 0
    gpu_bytes: int = 0
    host_bytes_per_worker: int = 0
    offload: str | None = None
    sharding: str | None = None
    shards: dict[str, Literal["workers", "node", "one"]] = {}
    rule: str = ""


class DeadFlag(Strict):
    """A flag that is read without effect, in a way that no reader of one file can prove."""

    flag: str
    why: str
    rule: str = ""


class TrainerCheck(Strict):
    """A trap: what must hold of a flag's final value, or of what *probe* prints on the target.

    `probe` is bash text that prints one value, or nothing; it runs in the job's working directory and may use the final value of
    a flag as `$flag` (dashes become underscores; the first of several values; empty where there is none), and what the plan knows as
    `$workers`. `value` may name a flag as `{flag}`, one of its several values as `{flag.0}`, or `{workers}`, `{gpus_per_node}`,
    `{nodes}`, `{disk_bytes}`, `{gpu_bytes}`, `{host_bytes}`; `message` and `hints` may do so too, and `{found}` is what was found.
    `when` limits it as for files: all must hold. A check that cannot be told at plan time is asked on the target before the start.
    """

    code: str
    message: str
    level: Level = "deny"
    flag: str | None = None
    item: int | None = None
    """Which of the flag's values, from 0; absent: its only one."""
    probe: str = ""
    op: Op = "present"
    value: Scalar | tuple[Scalar, ...] | None = None
    when: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    key: str = ""
    """The manifest key to blame; absent: `entry.set.FLAG`, or `model.type`."""
    rule: str = ""


class NeededFile(Strict):
    """A file or folder that the trainer opens. `when` limits it, as `reward_model=HPS`, `flag` (given) or `!flag` (not given)."""

    path: str
    when: tuple[str, ...] = ()
    why: str = ""
    hint: str = ""
    rule: str = ""


class NeededModule(Strict):
    """A Python module that a package of the trainer's needs without saying so. `when` limits it as for files."""

    name: str
    why: str
    when: tuple[str, ...] = ()
    rule: str = ""


class Licence(Strict):
    """What a licence asks of who trains: `of` is what it covers."""

    of: str
    says: str


class Advice(Strict):
    """What to do when a run is done, told with the plan; `{flag}` stands for the final value of that flag."""

    text: str
    rule: str = ""


class Trainer(Strict):
    """One trainer description, `format = 1`."""

    format: Annotated[int, Meta(ge=1, le=FORMAT)]
    name: str
    title: str
    script: str | None = None
    """The training script when the manifest names none."""
    methods: tuple[Literal["full-finetune", "lora"], ...] = ("full-finetune",)
    """What `model.method` may say."""
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
    memory: Memory | None = None
    checks: tuple[TrainerCheck, ...] = ()
    dead: tuple[DeadFlag, ...] = ()
    files: tuple[NeededFile, ...] = ()
    modules: tuple[NeededModule, ...] = ()
    packages: dict[str, str] = {}
    """Distributions whose version matters, with what is known to work: `==2.6.0`, or several conditions with commas."""
    licences: tuple[Licence, ...] = ()
    log: tuple[LogRule, ...] = ()
    defaults: dict[str, Scalar] = {}
    """Values that the trainer takes for flags that its script leaves out and its parser leaves open."""
    notes: dict[str, str] = {}
    """What to say about a flag that the manifest sets, by flag."""
    afterwards: tuple[Advice, ...] = ()
    evidence: dict[str, Evidence] = {}


GENERIC = Trainer(format=FORMAT, name="generic", title="any script", methods=("full-finetune", "lora"), needs_gpu=False)
"""Claims nothing: contracts, delivery and supervision still hold."""
