"""What stage handlers hand to the planner: steps, variables, checks, the job, and findings."""

from __future__ import annotations

from typing import Literal, TypeAlias

from srpo_manifest.finding import Level
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Scalar
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.plan import Act, Op, Option, Place, SecretRef
from srpo_manifest.values.words import Word


class Content(Value):
    """What a carried file holds: its text, a file of the controller, or the pinned commit's tree as a tar."""

    text: str | None = None
    controller_file: str | None = None
    tree: str | None = None
    digest: str = ""
    """SHA-256 of the bytes (for a tree: its git id): what enters the plan's id."""


class Put(Value):
    """Carry a file in the bundle, under *name*."""

    id: str
    name: str
    content: Content
    reason: str


class Sh(Value):
    """Bash text that runs on the target, under the supervisor, before the trainer.

    It settles for itself whether there is something to do, and may run twice. It runs with `-e -o pipefail`: a line that
    fails in the middle fails the step, which is named. `place` "job" makes it lines that are
    sourced before everything else, on every node. `action` and `reason` say what the facts let expect.
    """

    id: str
    script: str
    reason: str
    action: Act = "run"
    place: Place = "target"


class Get(Value):
    """Bring what *pattern* matches, in the working directory, home into *to*."""

    id: str
    pattern: str
    to: str
    reason: str


class AtEnd(Value):
    """Bash text that the target's supervisor runs on every end, with SRPO_RUN_OUTCOME, inside the grace."""

    id: str
    script: str
    reason: str


class Variable(Value):
    """One variable of the job's environment. `weight` decides between two of the same name: the manifest's is 1."""

    name: str
    value: Word | SecretRef
    weight: int = 0


class Check(Value):
    """A predicate over a fact, and the bash text that asks for the fact where the plan could not know it.

    `probe` prints one value, or nothing; it runs in the job's working directory. `level` is what the check has when
    no lint says otherwise.
    """

    code: str
    level: Level
    fact: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None
    message: str
    hints: tuple[str, ...] = ()
    probe: str = ""
    known: Scalar | None = None
    """What the fact is, where the plan itself decides it: a flag's final value."""
    place: Place = "target"
    key: str = ""
    """The manifest key that is to blame, for the place in the file."""


class Shim(Value):
    """How the real script is run, with its launches intercepted (`shim.json` in the bundle says what each becomes).

    `programs` are the launchers as the script spells them; `keeps` are the variables that the trainer gets as planned,
    whatever the script made of them. `entry` is the program as the launch spells it, empty where another launch has it, too.
    """

    script: Word
    programs: tuple[Word, ...]
    keeps: tuple[str, ...] = ()
    entry: str = ""


class JobStep(Value):
    """The trainer's command: the launch stage's answer."""

    mode: Literal["direct", "shim", "command"]
    argv: tuple[Word, ...]
    options: tuple[Option, ...] = ()
    finals: dict[str, tuple[Word, ...]] = {}
    """Values that arrive at the entry, by flag: what artifact patterns and forecasts rest on."""
    makes: tuple[Word, ...] = ()
    """Folders that the script would have made, in the working directory."""
    shim: Shim | None = None
    """With mode "shim": the script that comes to hand over its launch, in place of which `argv` runs."""


class Assume(Value):
    """Say that the plan rests on this."""

    fact: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = None


Proposal: TypeAlias = Put | Sh | Get | AtEnd | Variable | Check | Fault | JobStep | Assume
