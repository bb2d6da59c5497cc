"""Every wish for a flag, from every place that may hold one, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srpo_manifest.plugin import (
    ArgumentContract,
    Arrived,
    Delivery,
    Fault,
    Finding,
    Level,
    Misfit,
    Wanted,
    Wish,
    Word,
    arriving,
    deliver,
    late,
    parse_word,
    read_tokens,
    ticked,
    wish_of,
    word,
)


def wishes_of(wanted: Wanted, contract: ArgumentContract, own: Sequence[Word]) -> tuple[list[Wish], list[Fault]]:
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
    manifest += [
        Wish(name=name, away=True, origin="entry.unset", key=f"entry.unset.{at}") for at, name in enumerate(entry.unset)
    ]
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
    kept_apart = list(_per_run(wanted, contract, own, wishes))
    wishes += [*(one for one in kept_apart if isinstance(one, Wish)), *_late(wanted, known)]
    return wishes, [*faults, *(one for one in kept_apart if isinstance(one, Fault))]


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


def _per_run(
    wanted: Wanted, contract: ArgumentContract, own: Sequence[Word], wishes: Sequence[Wish]
) -> Iterable[Wish | Fault]:
    """Outputs get the run's id, so that no run writes over another's. One that has no name is a fault."""
    if not wanted.manifest.outputs.per_run:
        return
    finals = arriving(deliver(contract, own, wishes).finals, contract, wanted.trainer)
    rules = [(name, "/") for name in wanted.trainer.per_run.folder] + [
        (name, "-") for name in wanted.trainer.per_run.name
    ]
    for name, joint in rules:
        values = finals.get(name)
        if values and len(values) == 1 and (value := _stem(values[0])) is not None:
            if joint == "/" and not value.pieces:
                yield _nameless(name, values[0])
                continue
            yield Wish(name=name, late=value + joint + late("run.id"), origin="outputs.per_run")


def _nameless(name: str, value: Word) -> Fault:
    shown = ticked(value.text) if value.text else "empty"
    message = f"flag {ticked(name)} is {shown}: results would lie in the root of the file system"
    finding = Finding(code="output-root", level="deny", message=message, hints=("name a folder of yours",))
    return Fault(finding=finding, key=f"entry.set.{name}", final=True)


def _stem(value: Word) -> Word | None:
    """A value that something can be put after."""
    if (text := value.text) is not None:
        return word(text.rstrip("/"))
    one = all(isinstance(piece, Arrived) and not piece.many for piece in value.pieces if not hasattr(piece, "text"))
    return value if one else None


def told(misfit: Misfit) -> Fault:
    """A misfit as a finding: what the manifest's model table feeds is the trainer's habit, and only noted."""
    doubt = misfit.code in ("flag-never-read", "flag-no-effect", "flag-unproven", "flag-expected")
    habit = misfit.key in ("", "model.base", "model.vae", "model.lora") and misfit.code != "flag-expected"
    level: Level = "deny" if not doubt else "note" if habit else "warn"
    finding = Finding(code=misfit.code, level=level, message=misfit.message, hints=misfit.hints)
    return Fault(finding=finding, key=misfit.key, final=not doubt and misfit.code != "flag-needed")


def noted(wanted: Wanted, delivery: Delivery) -> Iterable[Fault]:
    """What the trainer description says about flags that the manifest sets."""
    known = {flag.flag: flag.why for flag in wanted.trainer.dead} | wanted.trainer.notes
    for option in delivery.options:
        said = known.get(option.name)
        if said and option.manifest is not None:
            message = f"flag {ticked(option.name)}: {said}"
            yield Fault(finding=Finding(code="trainer-note", level="note", message=message), key=option.origin)
