"""Stage pre-launch: what the script itself says in vain, told once."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.builtin.command import described, finals_of
from srpo_manifest.plugin import (
    EntryContract,
    Facts,
    Fault,
    Finding,
    Probe,
    Proposal,
    StageHandler,
    Wanted,
    entry_of,
    hookimpl,
    listed,
    script_of,
    ticked,
)

_COMPATIBLE = ("SRPO_WORKSPACE_DIR", "SRPO_CACHE_DIR", "SRPO_BASE_MODEL", "SRPO_VAE_MODEL", "SRPO_LORA", "SRPO_CONCEPT_FILE")  # fmt: skip


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """The built-in answer for scripts."""
    return DeadCode() if wanted.manifest.entry.command is None else None


class DeadCode:
    """Flags that are passed and never read, variables that are set for nobody. What the manifest sets is warned about elsewhere."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        return ()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        contract = described(wanted, entry_of(wanted, facts))
        if flags := _flags(contract, finals_of(wanted, facts).keys() - wanted.manifest.entry.set.keys()):
            message = f"{ticked(script_of(wanted))} passes flags that change nothing: {'; '.join(flags)}"
            yield _note("dead-flags", message)
        script = contract.script
        if script is None:
            return
        if script.dead:
            places = listed((f"{name} (line {line})" for name, line in script.dead.items()), "and")
            yield _note("dead-variables", f"{ticked(script.path)} sets variables that nobody reads: {places}")
        if not any(name in script.reads for name in _COMPATIBLE):
            message = f"{ticked(script.path)} reads none of the {ticked('SRPO_…')} variables; they are there for scripts of your own"
            yield _note("variables-unread", message)


def _flags(contract: EntryContract, given: Iterable[str]) -> list[str]:
    arguments, names = contract.arguments, set(given)
    told = []
    for effect, what in (("never-read", "never read"), ("no-effect", "read without effect")):
        found = [
            flag for flag in (arguments.flags if arguments else ()) if flag.effect == effect and flag.name in names
        ]
        if found:
            told.append(f"{listed((flag.name for flag in found), 'and')} ({what})")
    return told


def _note(code: str, message: str) -> Fault:
    return Fault(finding=Finding(code=code, level="note", message=message), key="entry.script")
