"""The argv editor: a script's own arguments, the manifest's wishes, and what arrives at the entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from srpo_manifest.discretion import hushed_line
from srpo_manifest.upstream.flags import arity, dashed, misread, shown, spelled, tokens_of, typed
from srpo_manifest.upstream.misfits import UNPROVEN, Misfit, effects_of, fault_of, missing, place
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import ArgumentContract, Flag, Scalar, Setting
from srpo_manifest.values.manifest import Done, Outputs, Paths, Repo, Resources, Stop
from srpo_manifest.values.plan import Option
from srpo_manifest.values.words import Arrived, Text, Word, word
from srpo_manifest.wording import did_you_mean, plural, ticked

_TABLES = {"stop": Stop, "resources": Resources, "done": Done, "outputs": Outputs, "paths": Paths, "repo": Repo}


class Wish(Value):
    """One flag as somebody wants it: its values, or a switch that is on or off, or taken away.

    `origin` says who wants it (`entry.set`, `model.base`, `--`); `key` is the manifest key to blame.
    """

    name: str
    values: tuple[Scalar, ...] = ()
    on: bool = True
    away: bool = False
    """Not given at all, whatever the script says."""
    origin: str = ""
    key: str = ""
    late: Word | None = None
    """A value that only the target knows, in place of `values`."""


class Delivery(Value):
    """What arrives: the entry's arguments, each flag's way there, and what is wrong on it."""

    argv: tuple[Word, ...]
    options: tuple[Option, ...]
    misfits: tuple[Misfit, ...]
    finals: dict[str, tuple[Word, ...]]
    """Values that arrive, by flag."""
    edited: tuple[str, ...] = ()
    """Every spelling of the flags that the wishes settle, with its dashes: nothing else may bring one of them."""


class _Item(Value):
    """A stretch of the script's arguments: a flag with its values, or a word that stands alone."""

    words: tuple[Word, ...]
    flag: Flag | None = None
    values: tuple[Word, ...] = ()


def wish_of(contract: ArgumentContract, name: str, setting: Setting, *, origin: str, key: str) -> Wish:
    """A typed setting as a wish: a bool turns a switch on, or takes it away."""
    flag = _named(contract, name)
    if isinstance(setting, bool) and (flag is None or arity(flag) == (0, 0)):
        return Wish(name=name, on=setting, origin=origin, key=key)
    return Wish(name=name, values=setting if isinstance(setting, tuple) else (setting,), origin=origin, key=key)


def read_tokens(
    contract: ArgumentContract, tokens: Sequence[str], origin: str, key: str
) -> tuple[list[Wish], list[Misfit]]:
    """Read command-line tokens of a person (`--seed 7 --x=3`) as wishes. In a list of the manifest, *key* and a number is a token's own.

    A flag's own place is that of its first token.
    """
    wishes: list[Wish] = []
    misfits: list[Misfit] = []
    position = 0
    while position < len(tokens):
        token, at = tokens[position], key if key == "--" else f"{key}.{position}"
        position += 1
        if not token.startswith("-"):
            told = hushed_line(token)
            hint = f"write {ticked('--' + told)}" if "=" in token else "write the flag before it"
            message = f"argument {ticked(told)} belongs to no flag"
            misfits.append(Misfit(code="stray-argument", message=message, hints=(hint,), key=at))
            continue
        found = _spelled_as(contract, token)
        if found is None:
            start = position
            while position < len(tokens) and not tokens[position].startswith("--"):
                position += 1
            name, equals, value = token.partition("=")
            misfit = _unknown(contract, name.lstrip("-"), at, written=name)
            if misfit.code != UNPROVEN:
                misfits.append(misfit)
                continue
            values = ([value] if equals else []) + list(tokens[start:position])
            wishes.append(Wish(name=name.lstrip("-"), values=tuple(values), origin=origin, key=at))
            continue
        flag, spelling, glued = found
        values = [] if glued is None else [glued]
        _, most = arity(flag)
        while glued is None and position < len(tokens) and (most is None or len(values) < most):
            if _looks_like_flag(contract, tokens[position]):
                break
            values.append(tokens[position])
            position += 1
        on = flag.action != "boolean" or not spelling.startswith("--no-")
        wishes.append(Wish(name=flag.name, values=tuple(values), on=on, origin=origin, key=at))
    return wishes, misfits


def of_command(contract: ArgumentContract, script: Sequence[Word]) -> ArgumentContract:
    """The contract as the command that the script names leaves it: flags of other commands are gone.

    Where no command is named, each flag of a command is one that may exist.
    """
    if not any(flag.command for flag in contract.flags):
        return contract
    command = _command(contract, _items(_without_commands(contract), script, [], overridden=frozenset()))
    if command is None:
        flags = tuple(replace(flag, conditional=flag.conditional or bool(flag.command)) for flag in contract.flags)
        return replace(contract, flags=flags)
    own = tuple(flag for flag in contract.flags if flag.command == command)
    names = {flag.name for flag in own}
    outer = tuple(flag for flag in contract.flags if not flag.command and (flag.positional or flag.name not in names))
    return replace(contract, flags=(*outer, *own))


def deliver(contract: ArgumentContract, script: Sequence[Word], wishes: Iterable[Wish]) -> Delivery:
    """Edit the script's arguments by the wishes; of two for one flag the later wins.

    An overridden flag keeps its place, new flags come last in the order of the wishes (the program's own before a
    command, whose flags follow it), everything else stays as it is.
    A flag that may exist, in a program that could not be read whole, is told and comes at the very end.
    """
    misfits: list[Misfit] = []
    wanted: dict[str, Wish] = {}
    unproven: dict[str, Wish] = {}
    for wish in wishes:
        flag = _named(contract, wish.name)
        if flag is None:
            misfit = _unknown(contract, wish.name, wish.key)
            misfits.append(_unremovable(wish) if misfit.code == UNPROVEN and (wish.away or not wish.on) else misfit)
            if misfits[-1].code == UNPROVEN:
                unproven[wish.name] = wish
        elif fault := _fault(contract, flag, wish):
            misfits.append(fault)
        else:
            wanted.pop(flag.name, None)
            wanted[flag.name] = wish
            misfits.extend(effects_of(contract, flag, wish.key))
    items = _items(contract, script, misfits, overridden=wanted.keys())
    argv: list[Word] = []
    finals: dict[str, tuple[Word, ...]] = {}
    placed: set[str] = set()
    command = _command(contract, items)
    before: int | None = None
    for item in items:
        if command is not None and before is None and item.flag is None and item.words[0].text == command:
            before = len(argv)
        name = item.flag.name if item.flag else ""
        if item.flag is None or name not in wanted:
            argv.extend(item.words)
            if item.flag:
                finals[name] = item.values
        elif name not in placed:
            placed.add(name)
            argv.extend(_place(item.flag, wanted[name], finals))
    for name, wish in wanted.items():
        if name not in placed and (flag := _named(contract, name)):
            tokens = _place(flag, wish, finals)
            if flag.command or before is None:
                argv.extend(tokens)
            else:
                # What follows a command belongs to it.
                argv[before:before] = tokens
                before += len(tokens)
    for wish in unproven.values():
        argv.extend(_place(_guessed(wish), wish, finals))
    given = {item.flag.name: item for item in items if item.flag}
    described = (*contract.flags, *map(_guessed, unproven.values()))
    options = tuple(
        _option(flag, given.get(flag.name), (wanted | unproven).get(flag.name), finals)
        for flag in described
        if not flag.positional
    )
    hidden = any(
        isinstance(piece, Arrived) and piece.many for item in items for one in item.words for piece in one.pieces
    )
    if not hidden:
        misfits.extend(missing(contract, finals.keys()))
    edited = (spelling for name in wanted if (flag := _named(contract, name)) for spelling in _spellings(flag))
    return Delivery(
        argv=tuple(argv),
        options=options,
        misfits=tuple(misfits),
        finals=finals,
        edited=tuple(dict.fromkeys((*edited, *(f"--{name}" for name in unproven)))),
    )


def _without_commands(contract: ArgumentContract) -> ArgumentContract:
    return replace(contract, flags=tuple(flag for flag in contract.flags if not flag.command))


def _command(contract: ArgumentContract, items: Iterable[_Item]) -> str | None:
    """The first word that stands alone and names a command."""
    commands = {flag.command for flag in contract.flags if flag.command}
    alone = (item.words[0].text for item in items if item.flag is None)
    return next((text for text in alone if text in commands), None)


def _named(contract: ArgumentContract, name: str) -> Flag | None:
    return next((flag for flag in contract.flags if not flag.positional and flag.name == name), None)


def _spelled_as(contract: ArgumentContract, token: str) -> tuple[Flag, str, str | None] | None:
    """The flag that a command-line word names, the spelling, and the value glued to it (`--x=1`, `-x1`)."""
    if not token.startswith("-"):
        return None
    name, glued, value = token.partition("=")
    for flag in contract.flags:
        if not flag.positional and (name[2:] == flag.name or name in flag.aliases) and name in _spellings(flag):
            return flag, name, value if glued else None
        if flag.action == "boolean" and name == f"--no-{flag.name}":
            return flag, name, value if glued else None
    for flag in contract.flags:
        if not flag.positional and token[:2] in flag.aliases and arity(flag) != (0, 0):
            return flag, token[:2], token[2:].removeprefix("=")
    return None


def _spellings(flag: Flag) -> tuple[str, ...]:
    return (dashed(flag), *flag.aliases, *((f"--no-{flag.name}",) if flag.action == "boolean" else ()))


def _looks_like_flag(contract: ArgumentContract, token: str) -> bool:
    return token.startswith("--") or _spelled_as(contract, token) is not None


def _unknown(contract: ArgumentContract, name: str, key: str, *, written: str = "") -> Misfit:
    if written in ("-h", "--help"):
        message = f"{ticked(written)} prints the help of {ticked(contract.path)}, which trains nothing"
        return Misfit(code="unknown-flag", message=message, hints=("take it away",), key=key)
    names = [flag.name for flag in contract.flags if not flag.positional]
    longer = [known for known in names if known != name and known.startswith(name)] if name else []
    if len(longer) == 1:
        return Misfit(
            code="flag-abbreviated",
            message=f"flag {ticked(name)} is an abbreviation; upstream may give it another meaning later",
            hints=(f"write {ticked(longer[0])}",),
            key=key,
        )
    if not contract.complete:
        gap = contract.gaps[0]
        return Misfit(
            code=UNPROVEN,
            message=f"flag {ticked(name)} is not among the {plural(len(names), 'flag')} read in {ticked(contract.path)}, which could not be read whole",
            hints=(f"{place(contract, gap.line, gap.file)}: {gap.reason}",),
            key=key,
        )
    if contract.allows_unknown:
        return Misfit(
            code=UNPROVEN,
            message=f"flag {ticked(name)} is unknown to {ticked(contract.path)}, which passes it over",
            key=key,
        )
    return Misfit(
        code="unknown-flag",
        message=f"unknown flag {ticked(name)}: {ticked(contract.path)} has {plural(len(names), 'flag')} and would end with status 2",
        hints=did_you_mean(name, names)
        or _home(name)
        or ("`srpo-manifest plan --origin` lists the flags that there are",),
        key=key,
    )


def _home(name: str) -> tuple[str, ...]:
    """What to do with a key of the manifest that stands where flags do."""
    table = next((table for table, kind in _TABLES.items() if name in kind.__struct_fields__), None)
    return (f"{ticked(name)} belongs to `[{table}]`",) if table else ()


def _unremovable(wish: Wish) -> Misfit:
    return Misfit(
        code="flag-unremovable",
        message=f"flag {ticked(wish.name)} cannot be taken away: how many values it has in the script is not known",
        hints=("give the whole command as `entry.command`",),
        key=wish.key,
    )


def _guessed(wish: Wish) -> Flag:
    """A flag that nobody could read: the wish's own shape."""
    nargs = None if len(wish.values) == 1 else "*"
    return Flag(name=wish.name, action="store" if wish.values else "store_true", nargs=nargs if wish.values else None)


def _fault(contract: ArgumentContract, flag: Flag, wish: Wish) -> Misfit | None:
    if wish.away or wish.late is not None or (not wish.on and not wish.values):
        return None
    if fault := fault_of(contract, flag, wish.values, wish.key):
        return fault
    if tokens_of(flag, tuple(map(spelled, wish.values)), on=wish.on) is None:
        values = " and ".join(shown(flag, value) for value in wish.values)
        message = f"flag {ticked(flag.name)} cannot be given {values}: `argparse` would take what begins with `-` for an option"
        return Misfit(code="flag-value", message=message, key=wish.key)
    return None


def _items(
    contract: ArgumentContract, script: Sequence[Word], misfits: list[Misfit], *, overridden: AbstractSet[str]
) -> list[_Item]:
    items: list[_Item] = []
    position = 0
    while position < len(script):
        start = position
        text, rest = _head(script[position])
        position += 1
        found = _spelled_as(contract, text) if text else None
        if found is None:
            if text and misread(text) and " " not in text:
                misfit = _unknown(contract, text.partition("=")[0].lstrip("-"), "entry.script")
                misfits.append(
                    Misfit(
                        code=misfit.code,
                        message=f"the script itself: {misfit.message}",
                        hints=misfit.hints,
                        key=misfit.key,
                    )
                )
            items.append(_Item(words=(script[start],)))
            continue
        flag, _, glued = found
        values = [] if glued is None else [word(glued) + rest]
        least, most = arity(flag)
        while glued is None and position < len(script) and (most is None or len(values) < most):
            following = script[position].text
            if following is not None and _looks_like_flag(contract, following):
                break
            values.append(script[position])
            position += 1
        if len(values) < least and flag.name not in overridden:
            misfits.append(
                Misfit(code="flag-blank", message=f"the script gives flag {ticked(flag.name)} {plural(len(values), 'value')}, it takes {least}",
                       hints=(f"set it: `[entry.set] {flag.name} = …`",), key="entry.script")
            )  # fmt: skip
        elif glued is None and flag.name not in overridden and any(misread(value.text or "") for value in values):
            misfits.append(
                Misfit(code="flag-value", message=f"the script gives flag {ticked(flag.name)} a value that `argparse` takes for an option",
                       hints=(f"set it: `[entry.set] {flag.name} = …`",), key="entry.script")
            )  # fmt: skip
        items.append(_Item(words=tuple(script[start:position]), flag=flag, values=tuple(values)))
    return items


def _head(argument: Word) -> tuple[str | None, Word]:
    """The text in which an argument names its flag, and the late rest of a value that is glued to it."""
    first = argument.pieces[0] if argument.pieces else None
    if argument.text is None and isinstance(first, Text) and "=" in first.text:
        return first.text, Word(pieces=argument.pieces[1:])
    return argument.text, Word()


def _place(flag: Flag, wish: Wish, finals: dict[str, tuple[Word, ...]]) -> tuple[Word, ...]:
    if wish.away:
        return ()
    if wish.late is not None:
        finals[flag.name] = (wish.late,)
        return (word(dashed(flag)), wish.late)
    texts = tuple(map(spelled, wish.values))
    tokens = tokens_of(flag, texts, on=wish.on) or ()
    if tokens:
        finals[flag.name] = tuple(map(word, texts))
    return tuple(map(word, tokens))


def _option(flag: Flag, item: _Item | None, wish: Wish | None, finals: dict[str, tuple[Word, ...]]) -> Option:
    script = None if item is None else typed(flag, tuple(str(value) for value in item.values))
    manifest = None if wish is None else _manifest_value(flag, wish)
    final: tuple[str, ...] | None = None
    if flag.name in finals:
        if wish is not None:
            final = tuple(map(str, _place(flag, wish, dict(finals))))
        elif item is not None:
            final = tuple(map(str, item.words))
    origin = wish.origin if wish else "script" if item else "default"
    return Option(name=flag.name, script=script, manifest=manifest, final=final, origin=origin, effect=flag.effect)


def _manifest_value(flag: Flag, wish: Wish) -> Setting:
    if wish.late is not None:
        return str(wish.late)
    if wish.away or not wish.values:
        return wish.on and not wish.away
    return wish.values[0] if len(wish.values) == 1 and flag.nargs is None else wish.values
