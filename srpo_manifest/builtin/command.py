"""Stage launch: the command that the GPU will see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srpo_manifest.builtin.repo import PIN, script_of
from srpo_manifest.builtin.resources import platform_variables
from srpo_manifest.plugin import (
    ArgumentContract,
    EntryContract,
    Facts,
    Fault,
    Finding,
    JobStep,
    Launch,
    Pin,
    Plain,
    Probe,
    Proposal,
    ScriptContract,
    StageHandler,
    Token,
    Unknown,
    Variable,
    Wanted,
    Wish,
    Word,
    deliver,
    hookimpl,
    late,
    parse_word,
    read_tokens,
    ticked,
    wish_of,
    word,
)

_ENDPOINTS = {
    "--rdzv_endpoint": late("run.chief") + ":" + late("run.port"),
    "--rdzv-endpoint": late("run.chief") + ":" + late("run.port"),
    "--rdzv_id": late("run.id"),
    "--rdzv-id": late("run.id"),
    "--master_port": late("run.port"),
    "--master-port": late("run.port"),
    "--main_process_port": late("run.port"),
}
"""Launcher options that two runs on one host must not share (T6, T7)."""


class Undeliverable(Exception):
    """The script cannot be served by direct mode: the finding says why."""

    def __init__(self, code: str, message: str, *hints: str) -> None:
        super().__init__(message)
        self.finding = Finding(code=code, level="deny", message=message, hints=hints)


@hookimpl
def srpo_launch(wanted: Wanted) -> StageHandler:
    """Direct mode and `entry.command`."""
    return Command() if wanted.manifest.entry.command is not None else Script()


class Command:
    """`entry.command`: the words as they stand, with the extra arguments after them."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        entry = wanted.manifest.entry
        for key, given in (("entry.set", entry.set), ("entry.unset", entry.unset)):
            if given:
                yield Fault(
                    finding=Finding(
                        code="command-has-no-flags",
                        level="deny",
                        message=f"{ticked(key)} needs a script whose flags can be read; `entry.command` is taken as it stands",
                        hints=("write the flags into `entry.command`",),
                    ),
                    key=key,
                )
        words = (*(entry.command or ()), *wanted.args_file.args, *entry.extra_args, *wanted.passthrough)
        yield JobStep(mode="command", argv=tuple(map(word, words)))


class Script:
    """A script of the pinned repository, delivered as its final argv."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        pin = facts.get(PIN, Pin)
        script = script_of(wanted) or ""
        if isinstance(pin, Unknown):
            return
        contract = pin.entries.get(script, EntryContract())
        try:
            launcher, entry, own, makes = _read(wanted, facts, script, contract)
        except Undeliverable as refused:
            yield Fault(finding=refused.finding, key="entry.script")
            return
        if contract.arguments is None:
            yield from _undescribed(wanted, script, (*launcher, entry), own, makes)
            return
        wishes, faults = _wishes(wanted, contract.arguments, own)
        yield from faults
        delivery = deliver(contract.arguments, own, wishes)
        for misfit in delivery.misfits:
            level = "warn" if misfit.code in ("flag-never-read", "flag-no-effect", "flag-unproven") else "deny"
            if misfit.key in ("model.base", "model.vae", "model.lora", ""):
                level = "note" if level == "warn" else level
            finding = Finding(code=misfit.code, level=level, message=misfit.message, hints=misfit.hints)  # type: ignore[arg-type]
            yield Fault(finding=finding, key=misfit.key)
        yield JobStep(
            mode="direct",
            argv=(*launcher, entry, *delivery.argv),
            options=delivery.options,
            finals=delivery.finals,
            makes=makes,
        )


def _read(
    wanted: Wanted, facts: Facts, script: str, contract: EntryContract
) -> tuple[tuple[Word, ...], Word, tuple[Word, ...], tuple[Word, ...]]:
    """Launcher words, the entry, the script's own arguments, and the folders that it makes."""
    if wanted.manifest.entry.mode == "shim":
        raise Undeliverable(
            "shim-unavailable", "shim mode is not part of this version", 'set `entry.mode = "auto"`, or `entry.command`'
        )
    if script.endswith(".py"):
        return (word(_interpreter(wanted)),), late("repo.dir") + f"/{script}", (), ()
    if contract.script is None:
        raise Undeliverable(
            "script-unread",
            f"{ticked(script)} could not be read as a script",
            "give the whole command as `entry.command`",
        )
    launch = _only_launch(script, contract.script)
    values = _values(wanted, facts)
    launcher = _pinned(_words(script, launch.launcher, values))
    entry = _words(script, (launch.entry,), values)
    if launch.module or len(entry) != 1:
        path = entry
    else:
        path = (entry[0] if str(entry[0]).startswith("/") else late("repo.dir") + "/" + entry[0],)
    makes = _words(script, contract.script.makes, values)
    if launch.environment:
        names = ", ".join(name for name, _ in launch.environment)
        raise Undeliverable(
            "script-indirect",
            f"{ticked(script)} line {launch.line} sets {ticked(names)} for the launch alone",
            "set it in `[env]`, and give the whole command as `entry.command`",
        )
    return launcher, path[0], _words(script, launch.arguments, values), makes


def _only_launch(script: str, contract: ScriptContract) -> Launch:
    manual = "give the whole command as `entry.command`"
    for gap in (*contract.gaps, *contract.indirect):
        raise Undeliverable("script-indirect", f"{ticked(script)} line {gap.line}: {gap.reason}", manual)
    if len(contract.launches) != 1:
        found = (
            "starts no trainer that is known" if not contract.launches else f"starts {len(contract.launches)} programs"
        )
        raise Undeliverable("script-indirect", f"{ticked(script)} {found}", manual)
    return contract.launches[0]


def _values(wanted: Wanted, facts: Facts) -> dict[str, Word | None]:
    """What a variable of the environment is at that time: the plan's own values, then the target's."""
    values: dict[str, Word | None] = {
        name: None if isinstance(value, Unknown) else value for name, value in platform_variables(wanted, facts).items()
    }
    for name in facts.facts:
        if name.startswith("target.env.") and isinstance(text := facts.get(name, str), str):
            values[name.removeprefix("target.env.")] = word(text)
    values |= {name: word(value) for name, value in wanted.manifest.env.items() if isinstance(value, str)}
    values["HOME"] = late("target.home")
    return values


def _words(script: str, tokens: Sequence[Token], values: dict[str, Word | None]) -> tuple[Word, ...]:
    """Tokens as bash would hand them on. Rule: unquoted empty is no word; an unquoted value must not split."""
    words: list[Word] = []
    for token in tokens:
        made = Word()
        for piece in token.pieces:
            match piece:
                case Plain(text=text):
                    made = made + text
                case Variable(name=name, quoted=quoted, default=default):
                    value = values.get(name) or (word(default) if default is not None else None)
                    if value is None:
                        raise Undeliverable(
                            "variable-unset",
                            f"{ticked(script)} line {token.line} needs `${name}`, which has no value",
                            "give it a value in `[env]`",
                        )
                    if (
                        not quoted
                        and value.text is not None
                        and any(character in value.text for character in " \t\n*?[")
                    ):
                        raise Undeliverable(
                            "variable-splits",
                            f"{ticked(script)} line {token.line} uses `${name}` without quotes, and its value {ticked(value.text)} would be split or expanded",
                            "give it a plain value in `[env]`",
                        )
                    made = made + value
                case _:
                    raise Undeliverable(
                        "script-indirect",
                        f"{ticked(script)} line {token.line}: {piece.reason}",
                        "give the whole command as `entry.command`",
                    )
        if made.pieces or token.quoted:
            words.append(made)
    return tuple(words)


def _pinned(launcher: tuple[Word, ...]) -> tuple[Word, ...]:
    """The launcher with its meeting point made this run's own."""
    words = list(launcher)
    for position, option in enumerate(launcher):
        name, glued, _ = (option.text or str(option)).partition("=")
        if name not in _ENDPOINTS:
            continue
        if glued:
            words[position] = word(f"{name}=") + _ENDPOINTS[name]
        elif position + 1 < len(words):
            words[position + 1] = _ENDPOINTS[name]
    return tuple(words)


def _wishes(wanted: Wanted, contract: ArgumentContract, own: Sequence[Word]) -> tuple[list[Wish], list[Fault]]:
    """Every wish in D3's order of precedence, the weakest first."""
    entry, trainer = wanted.manifest.entry, wanted.trainer
    wishes: list[Wish] = []
    faults: list[Fault] = []
    for key, flag, value in (
        ("model.base", trainer.model.base, wanted.manifest.model.base),
        ("model.vae", trainer.model.vae, wanted.manifest.model.vae),
        ("model.lora", trainer.model.lora, wanted.manifest.model.lora),
    ):
        if flag is not None and value is not None:
            wishes.append(Wish(name=flag, values=(value,), origin=key, key=key))
    faults += _read_into(wishes, contract, wanted.args_file.args, "entry.args_file")
    manifest: list[Wish] = [
        wish_of(contract, name, setting, origin="entry.set", key=f"entry.set.{name}")
        for name, setting in entry.set.items()
    ]
    manifest += [Wish(name=name, on=False, origin="entry.unset", key="entry.unset") for name in entry.unset]
    faults += _read_into(manifest, contract, entry.extra_args, "entry.extra_args")
    seen: dict[str, Wish] = {}
    for wish in manifest:
        if wish.name in seen:
            message = f"flag {ticked(wish.name)} is set twice: by {ticked(seen[wish.name].origin)} and by {ticked(wish.origin)}"
            faults.append(
                Fault(
                    finding=Finding(code="set-twice", level="deny", message=message, hints=("keep one of them",)),
                    key=wish.key,
                )
            )
        seen[wish.name] = wish
    wishes += manifest
    faults += _read_into(wishes, contract, wanted.passthrough, "--")
    known = {flag.name for flag in contract.flags}
    return [*wishes, *_per_run(wanted, contract, own, wishes), *_late(wanted, known)], faults


def _read_into(wishes: list[Wish], contract: ArgumentContract, tokens: Sequence[str], key: str) -> list[Fault]:
    read, misfits = read_tokens(contract, tokens, key, key)
    wishes += read
    return [
        Fault(
            finding=Finding(code=misfit.code, level="deny", message=misfit.message, hints=misfit.hints), key=misfit.key
        )
        for misfit in misfits
    ]


def _late(wanted: Wanted, known: set[str]) -> Iterable[Wish]:
    for name, spelling in wanted.trainer.pinned.items():
        if name in known:
            yield Wish(name=name, late=parse_word(spelling), origin="run")


def _per_run(wanted: Wanted, contract: ArgumentContract, own: Sequence[Word], wishes: Sequence[Wish]) -> Iterable[Wish]:
    """Outputs get the run's id, so that no run writes over another's (T30, T31)."""
    if not wanted.manifest.outputs.per_run:
        return
    finals = deliver(contract, own, wishes).finals
    rules = [(name, "/") for name in wanted.trainer.per_run.folder] + [
        (name, "-") for name in wanted.trainer.per_run.name
    ]
    for name, joint in rules:
        values = finals.get(name)
        if values and len(values) == 1 and (text := values[0].text) is not None:
            yield Wish(name=name, late=word(text.rstrip("/") + joint) + late("run.id"), origin="outputs.per_run")


def _undescribed(
    wanted: Wanted, script: str, launch: tuple[Word, ...], own: tuple[Word, ...], makes: tuple[Word, ...]
) -> Iterable[Proposal]:
    """The entry's flags are not known: only what is said as whole arguments can be delivered."""
    entry = wanted.manifest.entry
    if entry.set or entry.unset:
        yield Fault(
            finding=Finding(
                code="flags-unread",
                level="deny",
                message=f"the flags of the program that {ticked(script)} starts could not be read, so none can be set",
                hints=("give the whole command as `entry.command`",),
            ),
            key="entry.set",
        )
    yield JobStep(
        mode="direct",
        argv=(*launch, *own, *map(word, (*wanted.args_file.args, *entry.extra_args, *wanted.passthrough))),
        makes=makes,
    )


def _interpreter(wanted: Wanted) -> str:
    python = wanted.manifest.python
    return python.path if python.kind == "existing" and "/" not in python.path else "python"
