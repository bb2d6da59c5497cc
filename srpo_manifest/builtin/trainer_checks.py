"""Stage pre-launch: the traps that a trainer description knows, each a predicate over a flag or over what the target says.

What it advises for afterwards is told here, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from srpo_manifest.builtin.command import finals_of
from srpo_manifest.plugin import (
    Answer,
    ArgumentContract,
    Arriving,
    Check,
    Facts,
    Fault,
    Finding,
    Known,
    Probe,
    Proposal,
    Scalar,
    StageHandler,
    TargetProbe,
    Text,
    TrainerCheck,
    Unknown,
    Value,
    Wanted,
    Word,
    anchors,
    arrivals,
    arriving,
    entry_of,
    forecast,
    gpus_per_node,
    hookimpl,
    quote,
    replace,
    shell,
    word,
)

_AWAY = '{ echo "the working directory is not there yet" >&2; exit 1; }'
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """The built-in answer for descriptions that have checks or advice."""
    return TrainerChecks() if wanted.trainer.checks or wanted.trainer.afterwards else None


class TrainerChecks:
    """What holds of flags is told without a machine; the rest is asked."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        for trap in _traps(wanted, facts):
            if trap.probe is not None:
                yield TargetProbe(
                    name=trap.fact,
                    script=f"cd -- {shell(anchors.working_dir(wanted))} 2>/dev/null || {_AWAY if trap.in_folder else ':'}\n{trap.probe}",
                    parse=parse_found,
                )

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        for trap in _traps(wanted, facts):
            check = trap.check
            yield Check(
                code=check.code,
                level=check.level,
                fact=trap.fact,
                op=check.op,
                value=trap.value,
                message=trap.message,
                hints=trap.hints,
                probe=trap.asked_later,
                known=trap.known,
                key=check.key or _blamed(wanted, check),
            )
        yield from _advice(wanted, facts)


def parse_found(answer: Answer) -> Known | Unknown:
    """What the probe printed, which may be nothing; a failure, such as a working directory that is not there yet, is no answer."""
    return Known(value=answer.text.strip()) if answer.status == 0 else Unknown(reason=answer.complaint)


class _Trap(Value):
    """A description's check with this plan's values in place."""

    check: TrainerCheck
    fact: str
    value: Scalar | tuple[Scalar, ...] | None
    message: str
    hints: tuple[str, ...]
    known: Scalar | None = None
    probe: str | None = None
    """What can be asked at plan time: nothing in it is late."""
    asked_later: str = ""
    in_folder: bool = False
    """Whether it speaks of a flag's value, which may be a path in the working directory."""


def _traps(wanted: Wanted, facts: Facts) -> Iterable[_Trap]:
    """Those whose conditions hold and whose values are known."""
    contract = entry_of(wanted, facts).arguments
    if contract is None:
        return
    values = arriving(finals_of(wanted, facts), contract, wanted.trainer)
    more = _more(wanted, facts, values)
    seen: dict[str, int] = {}
    for check in wanted.trainer.checks:
        seen[check.code] = number = seen.get(check.code, 0) + 1
        if not all(arrivals.holds(condition, values) for condition in check.when):
            continue
        value = _value(check.value, values, more)
        if check.value is not None and value is None:
            continue
        told = more | {"found": "{found}"}
        trap = _Trap(
            check=check,
            fact=f"trainer.{check.code}" + (f".{number}" if number > 1 else ""),
            value=value,
            message=arrivals.filled(check.message, values, told) or check.message,
            hints=tuple(arrivals.filled(hint, values, told) or hint for hint in check.hints),
        )
        yield _of_flag(trap, values) if check.flag is not None else _of_target(trap, wanted, contract, values, more)


def _advice(wanted: Wanted, facts: Facts) -> Iterable[Fault]:
    values = arriving(finals_of(wanted, facts), entry_of(wanted, facts).arguments, wanted.trainer)
    for advice in wanted.trainer.afterwards:
        message = f"when it is done: {arrivals.filled(advice.text, values, {}) or advice.text}"
        yield Fault(finding=Finding(code="afterwards", level="note", message=message), observed=True)


def _blamed(wanted: Wanted, check: TrainerCheck) -> str:
    """The key that sets one of the flags that it speaks of."""
    if check.flag is None:
        return "model.type"
    keys = [f"entry.set.{name}" for name in (check.flag, *arrivals.names_in(f"{check.value} {check.message}"))]
    return next((key for key in keys if key in wanted.origins), keys[0])


def _of_flag(trap: _Trap, values: Arriving) -> _Trap:
    flag = trap.check.flag or ""
    given = values.get(flag)
    text = arrivals.text_of(values, flag, trap.check.item or 0)
    # A switch that is on has no value, and some values only the target knows: both are there.
    known = "" if given is None else text if text is not None else str(given[0]) if given else "on"
    item = "" if trap.check.item is None else f".{trap.check.item}"
    return replace(trap, fact=f"flag.{flag}{item}", known=known)


def _of_target(
    trap: _Trap, wanted: Wanted, contract: ArgumentContract, values: Arriving, more: dict[str, str]
) -> _Trap:
    probe = trap.check.probe
    used = dict.fromkeys(_VARIABLE.findall(probe))
    flags = {name.replace("-", "_"): name for name in (*values, *(flag.name for flag in contract.flags))}
    named: dict[str, tuple[Word, ...]] = {name: (word(known),) for name, known in more.items() if name in used}
    named |= {variable: values.get(name, ())[:1] for variable, name in flags.items() if variable in used}
    # What the job will find in its environment: probes run before that is set.
    given = {name: value for name in used if isinstance(value := wanted.manifest.env.get(name), str)}
    probe = "".join(f"{name}={quote(value)}\n" for name, value in given.items()) + probe
    now = "".join(f"{name}={quote(''.join(map(_known, value)))}\n" for name, value in named.items())
    later = "".join(f"{name}={''.join(map(shell, value)) or quote('')}\n" for name, value in named.items())
    return replace(trap, probe=now + probe, asked_later=later + probe, in_folder=bool(named))


def _known(value: Word) -> str:
    """The value; of one that ends in what only the target knows, the folder before that."""
    if value.text is not None:
        return value.text
    first = value.pieces[0]
    return first.text.rpartition("/")[0] if isinstance(first, Text) else ""


def _value(
    spelled: Scalar | tuple[Scalar, ...] | None, values: Arriving, more: dict[str, str]
) -> Scalar | tuple[Scalar, ...] | None:
    if not isinstance(spelled, str):
        return spelled
    text = arrivals.filled(spelled, values, more)
    try:
        return None if text is None else int(text)
    except ValueError:
        return text


def _more(wanted: Wanted, facts: Facts, values: Arriving) -> dict[str, str]:
    """What the plan knows beside flags; amounts of bytes also in gigabytes, for people."""
    count = gpus_per_node(wanted, facts)
    gpus = None if isinstance(count, Unknown) else count
    nodes = wanted.manifest.resources.nodes
    told = forecast(wanted, values, gpus)
    numbers = {
        "nodes": nodes,
        "gpus_per_node": gpus,
        "workers": None if gpus is None else gpus * nodes,
        "disk_bytes": told.disk_bytes,
        "gpu_bytes": told.gpu_bytes,
        "host_bytes": told.host_bytes,
    }
    known = {name: str(number) for name, number in numbers.items() if number is not None}
    sizes = {name: number for name, number in numbers.items() if name.endswith("_bytes") and number is not None}
    return known | {name.replace("_bytes", "_gb"): f"{number / 1e9:.1f} GB" for name, number in sizes.items()}
