"""The manifest with everything that was said beside it, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srpo_manifest.finding import Where
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import AnyManifest, ArgsFile
from srpo_manifest.values.trainer import GENERIC, Trainer


class Wanted(Value):
    """What is planned: the merged manifest, the args file, and the arguments after `--`.

    `folder` is the manifest's folder on the controller, which relative paths of the controller hang on. `origins` maps a
    dotted key to where its value was written; keys that nobody wrote are absent.
    """

    manifest: AnyManifest
    folder: str
    file: str = "srpo.toml"
    args_file: ArgsFile = ArgsFile()
    trainer: Trainer = GENERIC
    """The description that `model.type` names."""
    passthrough: tuple[str, ...] = ()
    origins: Mapping[str, Where] = {}
    values: Mapping[str, Where] = {}
    """Where the value itself stands, likewise."""
    lints: dict[str, str] = {}
    """Levels that `--allow`, `--warn` and `--deny` gave, by code or `all`: they beat the manifest's table."""
    bash: str | None = None
    """What `--bash` gave; concerns the local transport alone."""
    data: dict[str, Any] = {}
    """The merged manifest as plain data: what its digest and a saved plan are made of."""

    def where_value(self, key: str) -> Where | None:
        """Where the value of *key* was written, or what `where` tells."""
        return self.values.get(key) or self.where(key)

    def where(self, key: str) -> Where | None:
        """Where *key* was written, or the nearest table around it in a file."""
        found = self.origins.get(key)
        while key and found is None:
            key = key.rpartition(".")[0]
            around = self.origins.get(key)
            found = around if around and not around.file.startswith("--") else None
        return found
