"""What plugins do wrong, each with the name of who brings it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from srpo_manifest.engine.patience import Hung, bounded, patience_seconds
from srpo_manifest.errors import PluginError, SrpoManifestError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.ports.hookspecs import GROUP
from srpo_manifest.values.plan import Provider
from srpo_manifest.wording import listed, ticked

A = TypeVar("A")


def wrong_answer(provider: Provider, where: str, wanted: str, found: object) -> PluginError:
    """An answer of another type."""
    return PluginError(
        "plugin-answer",
        f"plugin {said(provider)} answered {where} with {ticked(type(found).__name__)}, expected {wanted}",
        tell_authors(provider.name),
    )


def guarded(provider: Provider, what: str, call: Callable[[], A], *, beside_seconds: float | None = 0) -> A:
    """Built-ins speak for themselves; a plugin's surprise, or its silence, becomes a fault with its name.

    It gets *beside_seconds* more than its hooks do, or with None all the time that it wants.
    """
    if provider.name == BUILTIN:
        return call()
    seconds = None if beside_seconds is None else patience_seconds() + beside_seconds
    try:
        with bounded(seconds):
            return call()
    except SrpoManifestError:
        raise
    except Hung:
        raise hung(provider, what, seconds) from None
    except (Exception, SystemExit) as error:
        raise PluginError(
            "plugin-failed",
            f"plugin {said(provider)} failed in {what}: {type(error).__name__}: {error}",
            f"{tell_authors(provider.name)}, or take it out of the manifest",
        ) from error


def broken(provider: Provider, error: BaseException) -> PluginError:
    """One that cannot be imported."""
    return PluginError(
        "plugin-broken",
        f"plugin {said(provider)} cannot be loaded: {type(error).__name__}: {error}",
        f"update {distribution(provider.name)}, or take it out of the manifest",
    )


def hung(provider: Provider, what: str, seconds: float | None = None) -> PluginError:
    """One that does not answer in its time."""
    return PluginError(
        "plugin-hung",
        f"plugin {said(provider)} did not answer within {seconds or patience_seconds():g} seconds in {what}",
        f"hooks answer at once, long work is a step's: tell the authors of {distribution(provider.name)}, or take it out of the manifest",
    )


def tell_authors(name: str) -> str:
    """The hint where nobody else can mend it."""
    return f"this is a fault of the plugin: tell the authors of {distribution(name)}"


def told(error: Exception) -> str:
    """The words of an error, on one line."""
    return " ".join(str(error).split())


def distribution(name: str) -> str:
    """Who brings the plugin *name*, for a hint."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - only a fault asks

    found = [entry.dist.name for entry in entry_points(group=GROUP, name=name) if entry.dist]
    return listed(sorted(found), "and") if found else ticked(name)


def said(provider: Provider) -> str:
    """A plugin and its version, for people."""
    return f"{ticked(provider.name)} {provider.version}".strip()
