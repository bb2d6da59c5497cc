"""The local transport: a bash of this machine."""

from __future__ import annotations

from srpo_manifest.builtin.bash import chosen_bash
from srpo_manifest.plugin import (
    Facts,
    LocalOptions,
    PipedTransport,
    Transport,
    TransportError,
    TransportOptions,
    Unknown,
    Wanted,
)

PLACE = "this machine"


class LocalKind:
    """`kind = "local"`."""

    options = LocalOptions

    def open(self, options: TransportOptions, wanted: Wanted | None, facts: Facts) -> Transport:
        """A transport to the bash that resolve-bash proved, or to the recorded one."""
        if wanted is None:
            return PipedTransport(prefix=(), bash=options.bash or "bash", place=PLACE)
        bash = chosen_bash(wanted, facts)
        if isinstance(bash, Unknown):
            raise TransportError(
                "no-bash",
                f"no bash answers on this machine: {bash.reason}",
                "install bash, or name one with `--bash PATH`",
            )
        return PipedTransport(prefix=(), bash=bash.path, place=PLACE)
