"""What is wrong with a wish, or with a flag that nobody wishes for, by the contract of the entry program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from srpo_manifest.upstream.flags import fault_of_values, refused_default, spelled
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import ArgumentContract, Flag, Scalar
from srpo_manifest.wording import ticked

UNPROVEN = "flag-unproven"


class Misfit(Value):
    """A wish that cannot be delivered, or that has no effect: code, sentence, hints, and the key to blame."""

    code: str
    message: str
    hints: tuple[str, ...] = ()
    key: str = ""


def place(contract: ArgumentContract, line: int, file: str = "") -> str:
    """Where something stands, for people: `path:line`."""
    return ticked(f"{file or contract.path}:{line}")


def fault_of(contract: ArgumentContract, flag: Flag, values: tuple[Scalar, ...], key: str) -> Misfit | None:
    """Why `argparse` would refuse the values, which may be the flag's own default."""
    message = fault_of_values(flag, values)
    if message is None:
        return None
    texts = tuple(map(spelled, values))
    declared = place(contract, flag.line, flag.file)
    typed_wrong = "type=int" in message
    hints: tuple[str, ...] = (f"{ticked(flag.name)} is declared at {declared}",)
    if refused_default(flag) == texts:
        shown = ticked(" ".join(texts))
        message = f"{message}, though {shown} is its own default"
        hints = (f"leave it out to have {shown}", *hints)
    return Misfit(code="flag-type" if typed_wrong else "flag-value", message=message, hints=hints, key=key)


def effects_of(contract: ArgumentContract, flag: Flag, key: str) -> Iterable[Misfit]:
    """What the program does not do with a flag that is set."""
    declared = place(contract, flag.line, flag.file)
    if flag.conditional:
        yield Misfit(
            code=UNPROVEN,
            message=f"flag {ticked(flag.name)} is declared at {declared} under a condition of its own",
            key=key,
        )
    if flag.effect in ("never-read", "no-effect"):
        read = f"read at {place(contract, flag.read_at)} without effect" if flag.read_at else "never read"
        yield Misfit(
            code=f"flag-{flag.effect}",
            message=f"flag {ticked(flag.name)} is accepted at {declared} and {read}",
            hints=("leave it out: it changes nothing",),
            key=key,
        )


def missing(contract: ArgumentContract, given: AbstractSet[str]) -> Iterator[Misfit]:
    """Flags that the program cannot do without and that nobody gives."""
    for flag in contract.flags:
        if flag.positional or flag.name in given:
            continue
        hints = (f"set it: `[entry.set] {flag.name} = …`",)
        if flag.required:
            message = f"flag {ticked(flag.name)} is required and nobody sets it"
            yield Misfit(code="flag-missing", message=message, hints=hints)
        elif flag.needed_at is not None:
            where = place(contract, flag.needed_at)
            message = f"flag {ticked(flag.name)} has no default, nobody sets it, and {where} cannot do without a value"
            yield Misfit(code="flag-needed" if flag.needed_always else "flag-expected", message=message, hints=hints)
