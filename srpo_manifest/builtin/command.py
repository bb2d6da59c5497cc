"""Stage launch: the command that the GPU will see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srpo_manifest.builtin.repo import PIN, entry_of, script_of
from srpo_manifest.builtin.resources import platform_variables
from srpo_manifest.plugin import (
    ArgumentContract,
    Choice,
    Computed,
    Delivery,
    EntryContract,
    EnvVariable,
    Facts,
    Fault,
    Finding,
    JobStep,
    Launch,
    Level,
    Misfit,
    Opaque,
    Pin,
    Place,
    Plain,
    Probe,
    Proposal,
    ScriptContract,
    StageHandler,
    Token,
    Unknown,
    Value,
    Variable,
    Wanted,
    Wish,
    Word,
    anchors,
    bound_word,
    deliver,
    hookimpl,
    late,
    listed,
    parse_word,
    read_tokens,
    ticked,
    wish_of,
    word,
    work_out,
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
"""Launcher options that two runs on one host must not share."""


_MANUAL = "give the whole command as `entry.command`"


class Undeliverable(Exception):
    """The script cannot be served by direct mode: the fault says why. *observed*: with other facts it could be."""

    def __init__(self, code: str, message: str, *hints: str, observed: bool = False) -> None:
        super().__init__(message)
        finding = Finding(code=code, level="deny", message=message, hints=hints)
        self.fault = Fault(finding=finding, key="entry.script", final=True, observed=observed)


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
        more = (*wanted.args_file.args, *entry.extra_args, *wanted.passthrough)
        yield JobStep(mode="command", argv=(*map(bound_word, entry.command or ()), *map(word, more)))


class Script:
    """A script of the pinned repository, delivered as its final argv."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        if isinstance(facts.get(PIN, Pin), Unknown):
            return
        script, contract = script_of(wanted) or "", entry_of(wanted, facts)
        values = _values(wanted, facts)
        try:
            own = _own(wanted, script, contract, values)
        except Undeliverable as refused:
            yield refused.fault
            return
        yield from _not_given(script, contract.script)
        delivery = None
        if contract.arguments is not None:
            wishes, faults = _wishes(wanted, contract.arguments, own)
            delivery = deliver(contract.arguments, own, wishes)
            yield from faults
            yield from map(_told, delivery.misfits)
            yield from _noted(wanted, delivery)
        elif wanted.manifest.entry.set or wanted.manifest.entry.unset:
            yield _flags_unread(script)
        try:
            launch = _launch(wanted, script, contract, values)
        except Undeliverable as refused:
            yield refused.fault
            return
        yield from launch.exports
        if delivery is not None:
            yield JobStep(
                mode="direct",
                argv=(*launch.words, *delivery.argv),
                options=delivery.options,
                finals=delivery.finals,
                makes=launch.makes,
            )
        else:
            said = (*wanted.args_file.args, *wanted.manifest.entry.extra_args, *wanted.passthrough)
            yield JobStep(mode="direct", argv=(*launch.words, *own, *map(word, said)), makes=launch.makes)


def settled(wanted: Wanted, facts: Facts) -> dict[str, str]:
    """Values that will arrive at the entry, by flag, as far as they are known before the target is asked."""
    script, contract = script_of(wanted) or "", entry_of(wanted, facts)
    if contract.arguments is None:
        return {}
    try:
        own = _own(wanted, script, contract, _values(wanted, facts))
    except Undeliverable:
        return {}
    wishes, _ = _wishes(wanted, contract.arguments, own)
    finals = deliver(contract.arguments, own, wishes).finals
    return {flag: text for flag, values in finals.items() if len(values) == 1 and (text := values[0].text) is not None}


class _Launch(Value):
    """Launcher and entry as words, and the folders that the script makes."""

    words: tuple[Word, ...]
    makes: tuple[Word, ...] = ()
    exports: tuple[EnvVariable, ...] = ()
    """Variables that the script gives its programs; the manifest's own are stronger."""


def _own(wanted: Wanted, script: str, contract: EntryContract, values: dict[str, Word | None]) -> tuple[Word, ...]:
    """The script's own arguments for the entry."""
    if wanted.manifest.entry.mode == "shim":
        raise Undeliverable(
            "shim-unavailable", "shim mode is not part of this version", 'set `entry.mode = "auto"`, or `entry.command`'
        )
    if script.endswith(".py"):
        return ()
    if contract.script is None:
        raise Undeliverable("script-unread", f"{ticked(script)} could not be read as a script", _MANUAL)
    return _words(script, _only_launch(script, contract.script).arguments, values)


def _launch(wanted: Wanted, script: str, contract: EntryContract, values: dict[str, Word | None]) -> _Launch:
    """What stands before the entry's arguments. The entry's path in the checkout becomes absolute."""
    if contract.script is None:
        return _Launch(words=(word(_interpreter(wanted)), late("repo.dir") + f"/{script}"))
    launch = _only_launch(script, contract.script)
    if launch.environment:
        names = listed((name for name, _ in launch.environment), "and")
        raise Undeliverable(
            "script-indirect", f"{ticked(script)} line {launch.line} sets {names} for the launch alone",
            f"set it in `[env]`, and {_MANUAL}",
        )  # fmt: skip
    launcher = _pinned(_words(script, launch.launcher, values))
    entry = _words(script, (launch.entry,), values)
    if not launch.module:
        entry = tuple(one if str(one).startswith(("/", "${")) else late("repo.dir") + "/" + one for one in entry)
    exported = contract.script.exported
    return _Launch(
        words=(*launcher, *entry),
        makes=_words(script, contract.script.makes, values),
        exports=tuple(
            EnvVariable(name=name, value=_word(script, token, values))
            for name, token in contract.script.sets.items()
            if name in exported
        ),
    )


def _only_launch(script: str, contract: ScriptContract) -> Launch:
    for gap in (*contract.gaps, *contract.indirect):
        raise Undeliverable("script-indirect", f"{ticked(script)} line {gap.line}: {gap.reason}", _MANUAL)
    if len(contract.launches) != 1:
        found = (
            "starts no trainer that is known" if not contract.launches else f"starts {len(contract.launches)} programs"
        )
        raise Undeliverable("script-indirect", f"{ticked(script)} {found}", _MANUAL)
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
    # No variable has such a name: these are where `Place.base` lies, or what it lies under.
    return values | {"@repo": anchors.workspace(wanted), "@cwd": anchors.working_dir(wanted)}


def _words(script: str, tokens: Sequence[Token], values: dict[str, Word | None]) -> tuple[Word, ...]:
    """Tokens as bash would hand them on: an empty one without quotes is no word."""
    made = ((token, _word(script, token, values)) for token in tokens)
    return tuple(word_ for token, word_ in made if word_.pieces or token.quoted)


def _word(script: str, token: Token, values: dict[str, Word | None]) -> Word:
    """One token with its variables. Raises: Undeliverable where a value is missing, or would be split."""
    made = Word()
    for piece in token.pieces:
        match piece:
            case Plain(text=text):
                made = made + text
            case Variable(name=name, quoted=quoted) | Choice(name=name, quoted=quoted):
                value = _value(script, token, piece, values)
                if not quoted and value.text is not None and set(value.text) & set(" \t\n*?["):
                    message = f"{ticked(script)} line {token.line} uses `${name}` without quotes, and its value {ticked(value.text)} would be split or expanded"
                    raise Undeliverable("variable-splits", message, "give it a plain value in `[env]`")
                made = made + value
            case Place(path=path, base=base, quoted=quoted):
                value = values[f"@{base}"] or Word()
                if not quoted and set(str(value)) & set(" \t\n*?["):
                    message = f"{ticked(script)} line {token.line} uses a folder without quotes, and its name {ticked(str(value))} would be split or expanded"
                    raise Undeliverable("variable-splits", message, "choose another `paths.workspace`")
                made = made + (late("repo.dir") if base == "repo" else value) + (f"/{path}" if path else "")
            case Computed():
                made = made + _computed(script, token, piece, values)
            case Opaque():
                raise Undeliverable("script-indirect", f"{ticked(script)} line {token.line}: {piece.reason}", _MANUAL)
    return made


def _computed(script: str, token: Token, piece: Computed, values: dict[str, Word | None]) -> str:
    """What bash would work out. Raises: Undeliverable where that is not certain, or would be split."""
    texts = {
        name: _word(script, Token(pieces=pieces, line=token.line, quoted=True), values).text
        for name, pieces in piece.values
    }
    known = {name: text for name, text in texts.items() if text is not None}
    text = work_out(piece.source, known) if len(known) == len(texts) else None
    if text is None:
        message = f"{ticked(script)} line {token.line}: what {ticked(piece.source)} comes to here is not certain"
        raise Undeliverable("script-indirect", message, f"give its variables plain values in `[env]`, or {_MANUAL}")
    if not piece.quoted and set(text) & set(" \t\n*?["):
        message = f"{ticked(script)} line {token.line} uses {ticked(piece.source)} without quotes, and its value {ticked(text)} would be split or expanded"
        raise Undeliverable("variable-splits", message, "give its variables plain values in `[env]`")
    return text


def _value(script: str, token: Token, piece: Variable | Choice, values: dict[str, Word | None]) -> Word:
    """The value of a variable, or of its default. Raises: Undeliverable `variable-unset`."""
    value = values.get(piece.name)
    if isinstance(piece, Choice):
        if value is None or (value.text == "" and not piece.only_unset):
            return _word(script, Token(pieces=piece.default, line=token.line, quoted=True), values)
    elif piece.default is not None and (value is None or value.text == ""):
        return word(piece.default)
    if value is None:
        message = f"{ticked(script)} line {token.line} needs `${piece.name}`, which has no value"
        raise Undeliverable("variable-unset", message, "give it a value in `[env]`", observed=True)
    return value


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
    manifest += [Wish(name=name, away=True, origin="entry.unset", key="entry.unset") for name in entry.unset]
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
            finding=Finding(code=misfit.code, level="deny", message=misfit.message, hints=misfit.hints),
            key=misfit.key,
            final=True,
        )
        for misfit in misfits
    ]


def _late(wanted: Wanted, known: set[str]) -> Iterable[Wish]:
    for name, spelling in wanted.trainer.pinned.items():
        if name in known:
            yield Wish(name=name, late=parse_word(spelling), origin="run")


def _per_run(wanted: Wanted, contract: ArgumentContract, own: Sequence[Word], wishes: Sequence[Wish]) -> Iterable[Wish]:
    """Outputs get the run's id, so that no run writes over another's."""
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


def _told(misfit: Misfit) -> Fault:
    """A misfit as a finding: what the manifest's model table feeds is the trainer's habit, and only noted."""
    doubt = misfit.code in ("flag-never-read", "flag-no-effect", "flag-unproven")
    habit = misfit.key in ("", "model.base", "model.vae", "model.lora")
    level: Level = "deny" if not doubt else "note" if habit else "warn"
    finding = Finding(code=misfit.code, level=level, message=misfit.message, hints=misfit.hints)
    return Fault(finding=finding, key=misfit.key, final=not doubt)


def _noted(wanted: Wanted, delivery: Delivery) -> Iterable[Fault]:
    """What the trainer description says about flags that the manifest sets."""
    for option in delivery.options:
        said = wanted.trainer.notes.get(option.name)
        if said and option.manifest is not None:
            message = f"flag {ticked(option.name)}: {said}"
            yield Fault(finding=Finding(code="trainer-note", level="note", message=message), key=option.origin)


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
        finding=Finding(code="flags-unread", level="deny", message=message, hints=(_MANUAL,)),
        key="entry.set",
        final=True,
    )


def _interpreter(wanted: Wanted) -> str:
    python = wanted.manifest.python
    return python.path if python.kind == "existing" and "/" not in python.path else "python"
