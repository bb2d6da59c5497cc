"""The plan: what will be done, why, and what the GPU will see. Its JSON keys are D4's table."""

from typing import Any, Literal, TypeAlias

import msgspec

from srpo_manifest.finding import Finding, Level
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Effect, Scalar, Setting

FORMAT = 1
Stage: TypeAlias = Literal["resolve-repo", "resolve-bash", "build-env", "pre-launch", "launch", "on-stop"]
STAGES: tuple[Stage, ...] = ("resolve-repo", "resolve-bash", "build-env", "pre-launch", "launch", "on-stop")
Place: TypeAlias = Literal["controller", "target", "job"]
Act: TypeAlias = Literal["run", "keep"]
Op: TypeAlias = Literal["present", "absent", "equals", "at-least", "at-most", "less-than", "multiple-of", "one-of"]


class ManifestId(Value):
    """Which manifest was planned: `digest` is the SHA-256 of its merged value's canonical JSON."""

    name: str
    digest: str


class RepoId(Value):
    """Which source: the commit and tree that the ref meant."""

    url: str
    ref: str | None
    commit: str
    tree: str


class Provider(Value):
    """A plugin that answered."""

    name: str
    version: str


class BackendId(Value):
    """Which pair runs it, and which plugins had a say."""

    transport: str
    launcher: str
    plugins: tuple[Provider, ...] = ()


class SecretRef(Value, omit_defaults=True):
    """Where a value will be read; exactly one key is set."""

    env: str | None = None
    file: str | None = None
    target_file: str | None = None


class Job(Value):
    """The trainer's process: late words are spelled `${run.id}`, a literal `$` before `{` or `$` is doubled.

    With mode "shim" `${script.1}` is what the script itself tells: a part of one word, or as `${script.1*}` any number of words.
    """

    mode: Literal["direct", "shim", "command"]
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str | SecretRef]
    nodes: int
    action: Act


class Option(Value):
    """One flag on its way: the script's value, the manifest's, and the tokens that arrive (None: taken away)."""

    name: str
    script: Setting | None
    manifest: Setting | None
    final: tuple[str, ...] | None
    origin: str
    effect: Effect


class Forecast(Value):
    """What the run will bring, where the trainer description can tell. Not part of the plan's id."""

    updates: int | None = None
    checkpoints: tuple[int, ...] | None = None
    images: int | None = None
    effective_batch: int | None = None
    disk_bytes: int | None = None
    gpu_bytes: int | None = None
    host_bytes: int | None = None
    eta_seconds: float | None = None


class StepEntry(Value):
    """A step as the plan shows it; `digest` is that of its content."""

    stage: Stage
    id: str
    place: Place
    action: Act
    reason: str
    provider: str
    digest: str


class Predicate(Value):
    """What must hold of a fact: `present`, `absent`, or a comparison with *value*."""

    fact: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = None


class CheckEntry(Value):
    """A check as the plan shows it: `unknown` is asked again on the target before the trainer starts."""

    code: str
    level: Level
    place: Place
    predicate: Predicate
    state: Literal["true", "false", "unknown"]


class Assumption(Value):
    """A fact the plan rests on: it is asked anew at apply, and the plan is stale where it changed."""

    fact: str
    predicate: Predicate


class EndRule(Value):
    """What the target runs after the end, and how long it waits for the outputs to be fetched before that."""

    command: tuple[str, ...]
    wait_seconds: float


class Rules(Value):
    """When it is done, how it stops, where results go, what follows the end: as the supervisor reads them."""

    done: dict[str, object]
    stop: dict[str, object]
    outputs: dict[str, object]
    end: EndRule | None = None


class Plan(Value):
    """The whole plan. Same manifest and same facts give the same bytes."""

    format: int
    id: str
    name: str
    manifest: ManifestId
    repo: RepoId
    backend: BackendId
    job: Job
    options: tuple[Option, ...]
    forecast: Forecast
    steps: tuple[StepEntry, ...]
    rules: Rules
    checks: tuple[CheckEntry, ...]
    warnings: tuple[Finding, ...]
    refusals: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    assumes: tuple[Assumption, ...]

    @property
    def applicable(self) -> bool:
        """The one place that says whether the plan may be applied."""
        return not self.refusals


class SavedPlan(Value):
    """`plan --out`: everything needed to plan again and reach the same id; no secrets."""

    format: int
    plan: Plan
    manifest: msgspec.Raw
    facts: msgspec.Raw
    said: dict[str, Any] = {}
    """What was said beside the manifest: `args_file`, `passthrough`, `lints`, `bash`, and the `file` that it was."""
