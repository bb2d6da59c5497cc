"""Options that every verb with a manifest takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from srpo_manifest.cli import completion
from srpo_manifest.errors import UsageError
from srpo_manifest.values.said import Said

F = TypeVar("F", bound=Callable[..., Any])

_SHARED = (
    click.option(
        "--profile", "profiles", multiple=True, metavar="NAME", help="Merge this profile; repeatable.",
        shell_complete=completion.profiles,
    ),
    click.option(
        "--with", "parts", multiple=True, metavar="FILE", help="Merge this part after the profiles; repeatable.",
        shell_complete=completion.files,
    ),
    click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set one key; the strongest of all.",
        shell_complete=completion.settings,
    ),
    click.option("--bash", metavar="PATH", help="The bash of this machine, for the local transport."),
    click.option(
        "--lock", metavar="FILE", help="Use this lock file, not the nearest srpo.lock.", shell_complete=completion.files
    ),
    click.option("--locked", is_flag=True, help="Want a fitting lock entry, and never change it."),
    click.option("--offline", is_flag=True, help="Open no network for the repository."),
    *(
        click.option(f"--{level}", into, multiple=True, metavar="CODE", help=text, shell_complete=completion.codes)
        for level, into, text in (
            ("allow", "allowed", "Silence a check, or `all`."),
            ("warn", "warned", "Only warn of a check, or `all`."),
            ("deny", "denied", "Refuse where a check fails, or `all`."),
        )
    ),
)  # fmt: skip


def manifest_options(command: F) -> F:
    """Add the manifest and the shared options."""
    return click.argument("manifest", default="srpo.toml", shell_complete=completion.files)(shared_options(command))


def shared_options(command: F) -> F:
    """Add the options that say how a manifest is read; `said` takes them out of what the command is given."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def overlay_options(command: F) -> F:
    """Add what may be merged over the manifest of `-m`; `overlaid` takes them out of what the command is given."""
    for option in reversed(_SHARED[:3]):
        command = option(command)
    return command


def overlaid(manifest: str | None, given: dict[str, Any]) -> Said | None:
    """The manifest of `-m` with its overlays. Raises: UsageError where there are overlays and no manifest."""
    named = {name: given.pop(name) for name in ("profiles", "parts", "sets")}
    if manifest is not None:
        return Said(manifest=manifest, **named)
    if any(named.values()):
        raise UsageError(
            "usage",
            "`--profile`, `--with` and `--set` change a manifest, and none is named",
            "name it with `-m MANIFEST`",
        )
    return None


def said(context: click.Context, given: dict[str, Any]) -> Said:
    """What the command line said, taken out of *given*; arguments after `--` come with the context."""
    levels = {"allow": given.pop("allowed"), "warn": given.pop("warned"), "deny": given.pop("denied")}
    return Said(
        manifest=given.pop("manifest", "srpo.toml"),
        profiles=given.pop("profiles"),
        parts=given.pop("parts"),
        sets=given.pop("sets"),
        passthrough=context.obj or (),
        lints={code: level for level, codes in levels.items() for code in codes},
        bash=given.pop("bash"),
        lock=given.pop("lock"),
        locked=given.pop("locked"),
        offline=given.pop("offline"),
    )
