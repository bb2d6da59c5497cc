"""Rules of a trainer description that the pinned source does not bear out are not claimed."""

from __future__ import annotations

from msgspec.structs import replace

from srpo_manifest.finding import Finding
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.facts import Facts, Unknown
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import listed, ticked


def settled(wanted: Wanted, facts: Facts, script: str) -> tuple[Wanted, tuple[Finding, ...]]:
    """*wanted* with the rules alone whose evidence stands in the pinned source, and a note on the others."""
    trainer = wanted.trainer
    pin = facts.get("repo.pin", Pin)
    if not trainer.evidence or isinstance(pin, Unknown):
        return wanted, ()
    entry = pin.entries.get(script, EntryContract())
    current = entry.description == digest(trainer)
    proven = {rule for rule, holds in entry.evidence.items() if holds} if current else set()
    missing = sorted(set(trainer.evidence) - proven)
    if not missing:
        return wanted, ()
    note = _note(trainer.name, missing, script, current=current)
    return replace(wanted, trainer=_without(trainer, set(missing))), (note,)


def _note(trainer: str, missing: list[str], script: str, *, current: bool) -> Finding:
    if script and not current:
        message = f"what `srpo.lock` says of trainer {ticked(trainer)} is of another version: its rules are unknown"
        return Finding(code="lock-outdated", level="note", message=message, hints=("run `srpo-manifest lock`",))
    unproven = f"unknown at this commit: {listed(missing, 'and')} of trainer {ticked(trainer)}"
    nothing = f"no script is run that could prove what trainer {ticked(trainer)} says of it"
    message, hint = unproven if script else nothing, "nothing is claimed that rests on it"
    return Finding(code="rule-unproven", level="note", message=message, hints=(hint,))


def _without(trainer: Trainer, missing: set[str]) -> Trainer:
    return replace(
        trainer,
        loop=None if trainer.loop and trainer.loop.rule in missing else trainer.loop,
        memory=None if trainer.memory and trainer.memory.rule in missing else trainer.memory,
        checks=tuple(check for check in trainer.checks if check.rule not in missing),
        dead=tuple(flag for flag in trainer.dead if flag.rule not in missing),
        files=tuple(file for file in trainer.files if file.rule not in missing),
        modules=tuple(module for module in trainer.modules if module.rule not in missing),
        log=tuple(rule for rule in trainer.log if rule.rule not in missing),
        afterwards=tuple(advice for advice in trainer.afterwards if advice.rule not in missing),
    )
