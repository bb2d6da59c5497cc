"""Which script is started, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from srpo_manifest.values.contract import Launch, ScriptContract
from srpo_manifest.values.facts import Facts, Unknown
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.wanted import Wanted

PIN = "repo.pin"


def script_of(wanted: Wanted) -> str | None:
    """The entry script: the manifest's, else the trainer description's; None with a command."""
    if wanted.manifest.entry.command is not None:
        return None
    return wanted.manifest.entry.script or wanted.trainer.script or "scripts/finetune/SRPO_training_hpsv2.sh"


def entry_of(wanted: Wanted, facts: Facts) -> EntryContract:
    """What the pinned entry script and its program accept; an empty contract where that is not known.

    Of a script that starts several programs the `arguments` are those of the one that the manifest means.
    """
    pin = facts.get(PIN, Pin)
    if isinstance(pin, Unknown):
        return EntryContract()
    contract = pin.entries.get(script_of(wanted) or "", EntryContract())
    if contract.script is None or not contract.programs:
        return contract
    meant = launches_meant(wanted, contract.script)
    only = contract.programs.get(meant[0].entry.text or "") if len(meant) == 1 else None
    return replace(contract, arguments=only)


def launches_meant(wanted: Wanted, contract: ScriptContract) -> tuple[Launch, ...]:
    """The launches that `entry.launch` may mean: all of them where it is not said. What a loop repeats is one."""
    said = wanted.manifest.entry.launch
    line = int(said) if isinstance(said, str) and said.isdigit() else said

    def fits(launch: Launch) -> bool:
        if line is None or isinstance(line, int):
            return line in (None, launch.line)
        return f"/{launch.entry.text}".endswith(f"/{said}")

    # Whatever decides how often the script gets there, the same words are one launch.
    return tuple({replace(launch, conditions=()): launch for launch in filter(fits, contract.launches)}.values())


def programs_started(launches: Iterable[Launch]) -> set[tuple[str | None, bool, str | None]]:
    """Each program once, whatever it is started with: its path or module, and the folder that it is looked for in."""
    return {(launch.entry.text, launch.module, launch.folder) for launch in launches}
