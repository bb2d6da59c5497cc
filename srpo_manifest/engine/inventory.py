"""What is installed beside the built-in parts."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any, NamedTuple

from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import PluginError, SrpoManifestError
from srpo_manifest.ports.hookspecs import GROUP
from srpo_manifest.reading.explanations import parse_explanations
from srpo_manifest.values.base import Value
from srpo_manifest.values.explanation import Area
from srpo_manifest.values.manifest import LauncherOptions, Manifest, TransportOptions


class Brought(NamedTuple):
    """What all plugins together bring: each by the name of its plugin, the built-in backends first, and what failed."""

    transports: dict[str, type[TransportOptions]]
    launchers: dict[str, type[LauncherOptions]]
    areas: dict[str, tuple[Area, ...]]
    faults: tuple[SrpoManifestError, ...]

    def manifests(self) -> dict[str, Any]:
        """The type of a manifest with each plugin's backend, by its kind; one plugin may bring both of its tables."""
        kinds = {*self.transports, *self.launchers} - {"local", "direct"}
        return {
            kind: Manifest[self.transports.get(kind, TransportOptions), self.launchers.get(kind, LauncherOptions)]  # type: ignore[misc] # known once they are installed
            for kind in sorted(kinds)
        }


def brought() -> Brought:
    """Load every plugin that is installed, and see; whatever they print is talk."""
    registry = Registry()
    transports: dict[str, type[TransportOptions]] = {"local": registry.transport("local").options}
    launchers: dict[str, type[LauncherOptions]] = {"direct": registry.launcher("direct").options}
    areas: dict[str, tuple[Area, ...]] = {}
    faults: list[SrpoManifestError] = []
    with redirect_stdout(sys.stderr):
        for name in registry.names():
            alone = Registry()
            try:
                alone.load(name, key="plugins")
                hooks = alone.hooks(name)
                if "srpo_transport" in hooks:
                    transports[name] = alone.transport(name).options
                if "srpo_launcher" in hooks:
                    launchers[name] = alone.launcher(name).options
                areas[name] = tuple(
                    parse_explanations(data, f"explanations of {name}") for data in alone.explanations()
                )
            except SrpoManifestError as error:
                faults.append(error)
    return Brought(transports, launchers, areas, tuple(faults))


class Installed(Value):
    """An entry point of our group, as `plugins list` shows it. `fault` says why it cannot be loaded."""

    name: str
    distribution: str
    version: str
    provides: tuple[str, ...] = ()
    fault: str | None = None


def installed() -> list[Installed]:
    """Every plugin that is installed, each loaded to see what it provides."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - only `plugins list` pays for it

    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        registry = Registry()
        try:
            registry.load(entry.name, key="plugins")
            provides, fault = registry.hooks(entry.name), None
        except PluginError as error:
            provides, fault = (), str(error)
        distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
        found.append(
            Installed(name=entry.name, distribution=distribution, version=version, provides=provides, fault=fault)
        )
    return found
