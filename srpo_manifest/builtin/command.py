"""Stage launch: the command that the GPU will see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from srpo_manifest.builtin.launches import (
    MANUAL,
    Undeliverable,
    chosen,
    mode_of,
    script_contract,
)
from srpo_manifest.builtin.shim import file_probe, shim_of
from srpo_manifest.builtin.tokens import Expander, in_checkout, pinned, values_of
from srpo_manifest.builtin.wishes import noted, told, wishes_of
from srpo_manifest.plugin import (
    PIN,
    Arriving,
    Delivery,
    EntryContract,
    EnvVariable,
    Facts,
    Fault,
    Finding,
    JobStep,
    Launch,
    Pin,
    Probe,
    Proposal,
    ScriptContract,
    StageHandler,
    Unknown,
    Value,
    Wanted,
    Word,
    arriving,
    bound_word,
    deliver,
    entry_of,
    hookimpl,
    late,
    of_command,
    replace,
    script_of,
    ticked,
    word,
)

A = TypeVar("A")


@hookimpl
def srpo_launch(wanted: Wanted) -> StageHandler:
    """Direct mode, shim mode and `entry.command`."""
    return Command() if wanted.manifest.entry.command is not None else Script()


class Command:
    """`entry.command`: the words as they stand, with the extra arguments after them."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        entry = wanted.manifest.entry
        more = (*wanted.args_file.args, *entry.extra_args, *wanted.passthrough)
        yield JobStep(mode="command", argv=(*map(bound_word, entry.command or ()), *map(word, more)))


class Script:
    """A script of the pinned repository, delivered as its final argv: in its place, or as what its launch becomes."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        contract = entry_of(wanted, facts).script
        return map(file_probe(wanted), contract.files if contract else ())

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        if isinstance(facts.get(PIN, Pin), Unknown):
            return
        script, contract = script_of(wanted) or "", described(wanted, entry_of(wanted, facts))
        try:
            own = _own(wanted, facts, script, contract)
        except Undeliverable as refused:
            yield refused.fault
            return
        yield from _not_given(script, contract.script)
        delivery = None
        if contract.arguments is not None:
            arguments = of_command(contract.arguments, own.arguments)
            wishes, faults = wishes_of(wanted, arguments, own.arguments)
            delivery = deliver(arguments, own.arguments, wishes)
            yield from faults
            yield from map(told, delivery.misfits)
            yield from noted(wanted, delivery)
        elif wanted.manifest.entry.set or wanted.manifest.entry.unset:
            yield _flags_unread(script)
        said = map(word, (*wanted.args_file.args, *wanted.manifest.entry.extra_args, *wanted.passthrough))
        job = JobStep(
            mode="shim" if own.runs else "direct",
            argv=(*own.launcher, own.entry, *(delivery.argv if delivery else (*own.arguments, *said))),
            options=delivery.options if delivery else (),
            finals=delivery.finals if delivery else {},
        )
        yield from _served(wanted, facts, script, contract, own, delivery, job)


def described(wanted: Wanted, contract: EntryContract) -> EntryContract:
    """The contract with what the trainer description knows to be without effect."""
    dead = {flag.flag for flag in wanted.trainer.dead}
    if contract.arguments is None or not dead:
        return contract
    flags = tuple(
        replace(flag, effect="no-effect") if flag.name in dead and flag.effect != "never-read" else flag
        for flag in contract.arguments.flags
    )
    return replace(contract, arguments=replace(contract.arguments, flags=flags))


def _remembered(call: Callable[[Wanted, Facts], A]) -> Callable[[Wanted, Facts], A]:
    """*call* with its last answer kept: every stage asks the same of the same two values."""
    last: tuple[Wanted, Facts, A] | None = None

    def answered(wanted: Wanted, facts: Facts) -> A:
        nonlocal last
        known = last
        if known is None or known[0] is not wanted or known[1] is not facts:
            last = known = (wanted, facts, call(wanted, facts))
        return known[2]

    return answered


@_remembered
def working_values(wanted: Wanted, facts: Facts) -> Arriving:
    """What the entry will work with, by flag: what arrives, and defaults. Of a launch that cannot be told, the description's."""
    finals = finals_of(wanted, facts)
    arguments = None if finals is None else entry_of(wanted, facts).arguments
    return arriving(finals or {}, arguments, wanted.trainer)


@_remembered
def finals_of(wanted: Wanted, facts: Facts) -> dict[str, tuple[Word, ...]] | None:
    """Values that will arrive at the entry, by flag; None where its flags or its launch cannot be told."""
    script, contract = script_of(wanted) or "", entry_of(wanted, facts)
    if contract.arguments is None:
        return None
    try:
        own = _own(wanted, facts, script, contract)
    except Undeliverable:
        return None
    arguments = of_command(contract.arguments, own.arguments)
    wishes, _ = wishes_of(wanted, arguments, own.arguments)
    return deliver(arguments, own.arguments, wishes).finals


class _Own(Value):
    """The chosen launch as the script has it, but for the meeting point and the entry's place."""

    launcher: tuple[Word, ...]
    entry: Word
    arguments: tuple[Word, ...] = ()
    launch: Launch | None = None
    """None for a Python program without a script around it."""
    runs: bool = False
    """Whether the script itself runs."""


def _own(wanted: Wanted, facts: Facts, script: str, contract: EntryContract) -> _Own:
    if script.endswith(".py"):
        message = f"{ticked(script)} is started as it stands: there is no script around it"
        if wanted.manifest.entry.mode == "shim":
            raise Undeliverable("shim-unavailable", message, 'set `entry.mode = "auto"`', key="entry.mode")
        if wanted.manifest.entry.launch is not None:
            raise Undeliverable("launch-unknown", message, "leave `entry.launch` out", key="entry.launch")
        return _Own(launcher=(word(_interpreter(wanted)),), entry=late("repo.dir") + f"/{script}")
    read = script_contract(script, contract)
    launch, values = chosen(wanted, script, read), values_of(wanted, facts)
    runs = mode_of(wanted, script, read, launch, values) == "shim"
    expander = Expander(wanted, script, values, runs=runs)
    launcher, entry = expander.words(launch.launcher), expander.word(launch.entry)
    return _Own(
        launcher=pinned(launcher),
        entry=in_checkout(entry, launch),
        arguments=expander.words(launch.arguments),
        launch=launch,
        runs=runs,
    )


def _served(
    wanted: Wanted,
    facts: Facts,
    script: str,
    contract: EntryContract,
    own: _Own,
    delivery: Delivery | None,
    job: JobStep,
) -> Iterable[Proposal]:
    """The job, with what the script does besides: by itself, or done for it."""
    if contract.script is None or own.launch is None:
        yield job
        return
    try:
        if own.runs:
            yield from shim_of(
                wanted, facts, script, contract.script, own.launch, job, delivery.edited if delivery else ()
            )
        else:
            yield from _instead(wanted, facts, script, contract.script, job)
    except Undeliverable as refused:
        yield refused.fault


def _instead(wanted: Wanted, facts: Facts, script: str, contract: ScriptContract, job: JobStep) -> Iterable[Proposal]:
    """What the script would have done before its launch: folders, and variables (the manifest's own are stronger)."""
    expander = Expander(wanted, script, values_of(wanted, facts), runs=False)
    made = replace(job, makes=expander.words(contract.makes))
    for name, token in contract.sets.items():
        if name in contract.exported:
            yield EnvVariable(name=name, value=expander.word(token))
    yield made


def _not_given(script: str, contract: ScriptContract | None) -> Iterable[Fault]:
    """Arguments that the script may be meant to be started with."""
    for name, line in (contract.arguments if contract else {}).items():
        message = f"{ticked(script)} line {line} uses `${name}`, and the script is started without arguments"
        hint = "set the flag that it feeds in `[entry.set]`"
        yield Fault(
            finding=Finding(code="script-arguments", level="warn", message=message, hints=(hint,)), key="entry.script"
        )


def _flags_unread(script: str) -> Fault:
    """Only what is said as whole arguments can be delivered."""
    message = f"the flags of the program that {ticked(script)} starts could not be read, so none can be set"
    return Fault(
        finding=Finding(code="flags-unread", level="deny", message=message, hints=(MANUAL,)),
        key="entry.set",
        final=True,
    )


def _interpreter(wanted: Wanted) -> str:
    python = wanted.manifest.python
    return python.path if python.kind == "existing" and "/" not in python.path else "python"
