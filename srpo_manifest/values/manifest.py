"""The manifest, `schema = 1`: what is wanted. Every key carries the description that the JSON Schema shows."""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta

from srpo_manifest.values.base import Strict
from srpo_manifest.values.contract import Scalar

SCHEMA = 1

Line: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4096)]
RunName: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,40}\Z", description="[a-z0-9-]{1,40}")]
Code: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9]*(-[a-z0-9]+)*\Z", description="a kebab-case word")]
FlagName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", max_length=128, description="a flag's full name, no dashes in front"
    ),
]
VariableName: TypeAlias = Annotated[
    str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z", max_length=256, description="a variable's name")
]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Sha256: TypeAlias = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="64 lower-case hex digits")]


class Reference(Strict):
    """A value that is read when it is needed, and never stored: exactly one of its keys."""

    env: Annotated[VariableName | None, Meta(description="Environment variable of the controller, read at apply.")] = (
        None
    )
    file: Annotated[
        Line | None, Meta(description="File of the controller, read at apply, without its last newline.")
    ] = None
    target_file: Annotated[Line | None, Meta(description="File of the target, read there just before the start.")] = (
        None
    )

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.env, self.file, self.target_file)) != 1:
            raise ValueError("a reference has exactly one of `env`, `file`, or `target_file`")


class Repo(Strict):
    """Which source is trained with."""

    url: Annotated[Line, Meta(description="https, ssh, `git@host:path`, a local path, or `demo:`.")] = (
        "https://github.com/Tencent-Hunyuan/SRPO.git"
    )
    ref: Annotated[
        Line | None,
        Meta(description="Branch, tag or commit; absent: the remote's default branch. Pinned by srpo.lock."),
    ] = None
    path: Annotated[Line, Meta(description="The visible checkout, beneath the workspace.")] = "third_party/srpo/vendor"
    refresh: Annotated[
        Literal["if-missing", "always"], Meta(description="`always` fetches and unpacks the locked commit anew.")
    ] = "if-missing"


class Paths(Strict):
    """Where things lie."""

    workspace: Annotated[
        Line | None,
        Meta(
            description="Everything of ours on the target is under it. Absent: the manifest's folder on this machine, `~/srpo-manifest` elsewhere."
        ),
    ] = None
    working_dir: Annotated[
        Line | None, Meta(description="The job's working directory on the target. Absent: the workspace.")
    ] = None
    cache_dir: Annotated[Line | None, Meta(description="Exported as SRPO_CACHE_DIR.")] = None
    concept_file: Annotated[
        Line | None,
        Meta(
            description="A file of the controller, carried in the bundle; SRPO_CONCEPT_FILE is its path on the target."
        ),
    ] = None


class Model(Strict):
    """What is trained."""

    type: Annotated[
        Line, Meta(description="Names a trainer description; `generic` knows nothing and serves any script.")
    ]
    method: Annotated[Literal["full-finetune", "lora"], Meta(description="SRPO itself has `full-finetune` alone.")] = (
        "full-finetune"
    )
    base: Annotated[Line | None, Meta(description="A path, or `hf:owner/name@revision`. SRPO_BASE_MODEL.")] = None
    vae: Annotated[Line | None, Meta(description="A path, or `hf:owner/name@revision`. SRPO_VAE_MODEL.")] = None
    lora: Annotated[Line | None, Meta(description="A path. SRPO_LORA.")] = None


class Entry(Strict):
    """What is started, and with which flags."""

    script: Annotated[
        Line | None,
        Meta(
            description="In the checkout; a .py runs under python.path. Absent: the training script of the trainer description."
        ),
    ] = None
    command: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000)] | None,
        Meta(
            description="The whole command, in place of a script; `${repo.dir}`, `${run.id}` and `${run.port}` are bound on the target."
        ),
    ] = None
    mode: Annotated[
        Literal["auto", "direct", "shim"],
        Meta(
            description="How flags are delivered: `direct` where the script is fully understood, else `shim`, which runs the script."
        ),
    ] = "auto"
    launch: Annotated[
        Annotated[int, Meta(ge=1)] | Line | None,
        Meta(
            description="Which launch of the script is meant: the end of its program's path (`train.py`), or its line."
        ),
    ] = None
    args_file: Annotated[Line | None, Meta(description="A JSON file with `args`, `env` and `working_dir`.")] = None
    extra_args: Annotated[
        tuple[str, ...], Meta(max_length=1000, description="More arguments, checked and delivered like the rest.")
    ] = ()
    unset: Annotated[tuple[FlagName, ...], Meta(max_length=1000, description="Flags of the script to take away.")] = ()
    set: Annotated[
        dict[FlagName, Scalar | tuple[Scalar, ...]],
        Meta(description="Typed overrides by full flag name; `false` takes a switch away."),
    ] = {}

    def __post_init__(self) -> None:
        if self.script is not None and self.command is not None:
            raise ValueError("`command` cannot stand beside `script`")
        if self.launch is not None and self.command is not None:
            raise ValueError("`command` cannot stand beside `launch`, which names one of a script's")
        if self.command is not None and not self.command[0]:
            raise ValueError("`command` begins with a program")


class Python(Strict):
    """The training interpreter on the target."""

    kind: Annotated[Literal["existing", "venv", "conda"], Meta(description="What `path` is.")] = "existing"
    path: Annotated[Line, Meta(description="A program, a virtual environment's folder, or a conda name or prefix.")] = (
        "python3"
    )
    requirements: Annotated[
        Line | None, Meta(description="With `venv`: a requirements file of the controller to install.")
    ] = None
    setup: Annotated[
        tuple[Line, ...], Meta(max_length=100, description="Bash lines sourced before probes and job on every node.")
    ] = ()

    def __post_init__(self) -> None:
        if self.requirements is not None and self.kind != "venv":
            raise ValueError('`requirements` needs `kind = "venv"`')


class Resources(Strict):
    """How much of the target is used."""

    nodes: Annotated[int, Meta(ge=1, le=10_000, description="HOST_NUM.")] = 1
    gpus_per_node: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None, Meta(description="HOST_GPU_NUM; absent: what the target shows.")
    ] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="The rendezvous port; absent: a free one per run."),
    ] = None
    memory_gib: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Host memory per node in GiB, for schedulers."),
    ] = None
    cpus: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None, Meta(description="CPU cores per node, for schedulers.")
    ] = None


class RequiredFile(Strict):
    """A file that must be there and whole before the trainer starts."""

    path: Annotated[Line, Meta(description="In the working directory.")]
    sha256: Annotated[Sha256 | None, Meta(description="What its content must hash to.")] = None


class Done(Strict):
    """When the run has what it is for. All that is given must hold."""

    checkpoints: Annotated[Count | None, Meta(description="Whole checkpoints of this run.")] = None
    images: Annotated[Count | None, Meta(description="Preview images of this run.")] = None
    files: Annotated[
        Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)] | None,
        Meta(description="Globs in the working directory, newer than the run's start."),
    ] = None
    exit_zero: Annotated[bool, Meta(description="`true`: exit 0 is the whole rule, for trainers that do end.")] = False

    def __post_init__(self) -> None:
        if self.exit_zero and (self.checkpoints or self.images or self.files):
            raise ValueError(
                "`exit_zero` is the whole rule and cannot stand beside `checkpoints`, `images`, or `files`"
            )


class Stop(Strict):
    """How a run is ended."""

    grace_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="From TERM to KILL. torchrun alone takes up to 30.")
    ] = 120
    checkpoint_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="How long a stop waits for a checkpoint being written.")
    ] = 900
    max_hours: Annotated[
        Annotated[float, Meta(gt=0, le=8760)] | None,
        Meta(description="The longest the run may take, preparation included."),
    ] = None
    stall_minutes: Annotated[float, Meta(gt=0, le=525_600, description="Warn when nothing moves for so long.")] = 30.0


class Outputs(Strict):
    """Where results go."""

    per_run: Annotated[bool, Meta(description="Output and image folders get the run's id.")] = True
    fetch: Annotated[
        tuple[Literal["images", "logs", "checkpoints", "last-checkpoint"], ...],
        Meta(max_length=4, description="What comes home from another machine."),
    ] = ("images", "logs")
    to: Annotated[Line, Meta(description="The folder on the controller.")] = "runs"


class End(Strict):
    """What the target does when the run is over: it may turn itself off."""

    command: Annotated[
        Annotated[tuple[Line, ...], Meta(min_length=1, max_length=1000)],
        Meta(description="The command and its arguments, run on the target after every end of the run."),
    ]
    when: Annotated[
        Literal["ended", "fetched"],
        Meta(description="`fetched`: once the outputs came home, or `wait_hours` have passed."),
    ] = "ended"
    wait_hours: Annotated[
        Annotated[float, Meta(gt=0, le=8760)] | None,
        Meta(description='With `when = "fetched"`: how long to wait for that; absent: 1 hour.'),
    ] = None

    def __post_init__(self) -> None:
        if self.wait_hours is not None and self.when != "fetched":
            raise ValueError('`wait_hours` needs `when = "fetched"`')


class KindOptions(Strict):
    """The parent of a transport's or a launcher's options: a plugin adds its own keys to it."""

    kind: Annotated[Line, Meta(description="Names the transport or launcher.")]


class TransportOptions(KindOptions):
    """The parent of a transport's options."""

    bash: Annotated[Line | None, Meta(description="The bash to use there.")] = None

    @property
    def machines(self) -> int:
        """How many machines it reaches: one a node."""
        return 1


class LauncherOptions(KindOptions):
    """The parent of a launcher's options."""


class UnreadTransportOptions(TransportOptions, forbid_unknown_fields=False):
    """Those of a plugin that was not imported."""


class UnreadLauncherOptions(LauncherOptions, forbid_unknown_fields=False):
    """Those of a plugin that was not imported."""


class LocalOptions(TransportOptions):
    """This machine."""

    kind: Literal["local"]


class DirectOptions(LauncherOptions):
    """The bundle's own supervisor, without a scheduler."""

    kind: Literal["direct"]


T = TypeVar("T", bound=TransportOptions)
L = TypeVar("L", bound=LauncherOptions)


class Backend(Strict, Generic[T, L]):
    """How a bash is reached, and how a job is started, seen and stopped there."""

    transport: Annotated[T, Meta(description="How to reach a bash.")]
    launcher: Annotated[L, Meta(description="How a job starts, is seen, is stopped.")]


class Manifest(Strict, Generic[T, L]):
    """One run of one trainer, as wanted."""

    schema: Annotated[Literal[1], Meta(description="The version of this format.")]
    name: Annotated[RunName, Meta(description="Names runs: up to 40 lower-case letters, digits and dashes.")]
    model: Annotated[Model, Meta(description="What is trained.")]
    backend: Annotated[Backend[T, L], Meta(description="Where it runs.")]
    extends: Annotated[Line | None, Meta(description="Another manifest, weaker than this one; one level.")] = None
    plugins: Annotated[tuple[Line, ...], Meta(max_length=100, description="Stage plugins to load.")] = ()
    repo: Annotated[Repo, Meta(description="Which source is trained with.")] = Repo()
    paths: Annotated[Paths, Meta(description="Where things lie.")] = Paths()
    entry: Annotated[Entry, Meta(description="What is started.")] = Entry()
    env: Annotated[
        dict[VariableName, str | Reference],
        Meta(description="Environment of the job: strings or references, never templates."),
    ] = {}
    python: Annotated[Python, Meta(description="The training interpreter on the target.")] = Python()
    resources: Annotated[Resources, Meta(description="How much of the target is used.")] = Resources()
    files: Annotated[
        tuple[RequiredFile, ...], Meta(max_length=1000, description="Files that must be there before the start.")
    ] = ()
    done: Annotated[Done | None, Meta(description="When it is done; absent: the trainer description's rule.")] = None
    stop: Annotated[Stop, Meta(description="How it is ended.")] = Stop()
    outputs: Annotated[Outputs, Meta(description="Where results go.")] = Outputs()
    end: Annotated[End | None, Meta(description="What the target does when the run is over.")] = None
    lints: Annotated[dict[Code, Literal["deny", "warn", "allow"]], Meta(description="Levels of checks by code.")] = {}


class ArgsFile(Strict):
    """The JSON args file of the older wrapper."""

    args: Annotated[tuple[str, ...], Meta(max_length=1000, description="Arguments for the trainer.")] = ()
    env: Annotated[dict[VariableName, str], Meta(description="Environment of the job.")] = {}
    working_dir: Annotated[Line | None, Meta(description="As paths.working_dir.")] = None


AnyManifest: TypeAlias = Manifest[TransportOptions, LauncherOptions]
