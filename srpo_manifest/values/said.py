"""What was said beside the manifest: on the command line, or by who embeds us."""

from __future__ import annotations

from srpo_manifest.values.base import Value


class Said(Value):
    """Paths are of the controller, relative to the current folder.

    `passthrough` are the arguments after `--`; `lints` are levels by code, or by `all`. `without_plugins` imports
    none of those that the manifest names.
    """

    manifest: str = "srpo.toml"
    profiles: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    lints: dict[str, str] = {}
    bash: str | None = None
    lock: str | None = None
    locked: bool = False
    offline: bool = False
    without_plugins: bool = False
