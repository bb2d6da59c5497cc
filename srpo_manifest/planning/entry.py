"""Which script is started, and what is known of it."""

from __future__ import annotations

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
    """What the pinned entry script and its program accept; an empty contract where that is not known."""
    pin = facts.get(PIN, Pin)
    return EntryContract() if isinstance(pin, Unknown) else pin.entries.get(script_of(wanted) or "", EntryContract())
