"""What is installed beside the built-in parts."""

from __future__ import annotations

from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import PluginError
from srpo_manifest.ports.hookspecs import GROUP
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import LauncherOptions, TransportOptions


def backends() -> tuple[dict[str, type[TransportOptions]], dict[str, type[LauncherOptions]], list[PluginError]]:
    """Options of every transport and launcher that is installed, the built-in ones first; and what cannot be loaded."""
    registry = Registry()
    transports: dict[str, type[TransportOptions]] = {"local": registry.transport("local").options}
    launchers: dict[str, type[LauncherOptions]] = {"direct": registry.launcher("direct").options}
    faults: list[PluginError] = []
    for name in registry.names():
        try:
            registry.load(name, key="plugins")
            hooks = registry.hooks(name)
            if "srpo_transport" in hooks:
                transports[name] = registry.transport(name).options
            if "srpo_launcher" in hooks:
                launchers[name] = registry.launcher(name).options
        except PluginError as error:
            faults.append(error)
    return transports, launchers, faults


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
