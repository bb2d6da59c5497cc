"""What `validate` checks: the decoder always, then what the stages can say without asking a machine."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from srpo_manifest.engine.files import is_file
from srpo_manifest.engine.loading import (
    built_in_registry,
    built_in_trainers,
    load,
    load_plugins,
    plugin_names,
    profiles,
)
from srpo_manifest.engine.lockfiles import DEMO, find
from srpo_manifest.errors import PluginError, SrpoManifestError
from srpo_manifest.finding import Finding, Where
from srpo_manifest.planning.anchors import misplaced
from srpo_manifest.planning.lints import placed
from srpo_manifest.planning.sanity import faults
from srpo_manifest.reading.manifest import by_place
from srpo_manifest.reading.overlay import MOST_PROFILES
from srpo_manifest.reading.spanned import MOST_MISTAKES
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.said import Said
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

_TOLD = ("deny", "warn")
_MANY = 100
"""A file with more mistakes is mended before each profile is asked for more."""


_CUT = Finding(
    code="mistakes-cut",
    level="note",
    message=f"{MOST_MISTAKES:,} mistakes are told, and there may be more",
    hints=("mend some, and check again",),
)


def findings(said: Said, text: bytes | None = None) -> tuple[Finding, ...]:
    """Everything that is to be said of one manifest, or of *text* in its place: by itself, and under each of its profiles.

    What a profile alone brings about is told with its name; a note of one that is merged is none of the file.
    """
    found = _findings(said, text)
    names = () if said.profiles or len(found) > _MANY else profiles(said, text)
    for name in names if len(names) <= MOST_PROFILES else ():
        told = (
            one
            for one in _findings(replace(said, profiles=(name,)), text)
            if one.level in _TOLD or one.code == "flags-unchecked"
        )
        hint = f"so it is with `--profile {name}`"
        known = {_mistake(one) for one in found}
        found += tuple(replace(one, hints=(*one.hints, hint)) for one in told if _mistake(one) not in known)
    return found


def _mistake(found: Finding) -> tuple[object, ...]:
    """What makes a finding the same as another: not its hints, nor its edit."""
    return found.code, found.message, found.where


def _findings(said: Said, text: bytes | None) -> tuple[Finding, ...]:
    try:
        return check(said, text)
    except SrpoManifestError as error:
        more = (_CUT,) if len(error.findings) >= MOST_MISTAKES else _beside(error.findings, said, text)
        return (*by_place((*error.findings, *more)),)


def _beside(wrong: tuple[Finding, ...], said: Said, text: bytes | None) -> Iterator[Finding]:
    """What is to be said of a manifest beside what is *wrong* with it, and does not follow from that."""
    from srpo_manifest.planning.certain import certain  # noqa: PLC0415 - only a wrong file pays

    try:
        wanted = load(said, text, remains=True)
        found = (*_checked_anyhow(wanted, said), *_unknown_lints(wanted))
    except SrpoManifestError:
        return
    told = (one for one in found if one.level in _TOLD)
    yield from certain(wanted, told, (one for one in wrong if _is_merged(one.where, said)))


def _checked_anyhow(wanted: Wanted, said: Said) -> tuple[Finding, ...]:
    """As `_checked`, and without the plugins where they cannot be asked."""
    try:
        return _checked(wanted, said)
    except PluginError:
        return _checked(wanted, replace(said, without_plugins=True))


def _is_merged(where: Where | None, said: Said) -> bool:
    """Whether it is of no profile that is left out."""
    top, _, below = (where.key if where else "").partition(".")
    return top != "profile" or not below or below.partition(".")[0] in said.profiles


def check(said: Said, text: bytes | None = None) -> tuple[Finding, ...]:
    """Findings on one manifest, or on *text* in its place; on its flags too, where the lock knows the script.

    Raises: ManifestError where it does not decode; PluginError.
    """
    wanted = load(said, text)
    unread = _unread(wanted) if said.without_plugins else ()
    return (*_checked(wanted, said), *_unknown_lints(wanted), *unread)


def _checked(wanted: Wanted, said: Said) -> tuple[Finding, ...]:
    if wrong := dict(misplaced(wanted)):
        kept = replace(wanted.manifest.paths, **dict.fromkeys(wrong))
        wanted = replace(wanted, manifest=replace(wanted.manifest, paths=kept))
    return (*(one for error in wrong.values() for one in error.findings), *_of_stages(wanted, said))


def _of_stages(wanted: Wanted, said: Said) -> tuple[Finding, ...]:
    named = wanted.manifest.plugins and not said.without_plugins
    if not named and wanted.manifest.repo.url != DEMO and not is_file(find(wanted.folder, said.lock)):
        return tuple(placed(wanted, fault) for fault in faults(wanted))
    from srpo_manifest.engine.deciding import manifest_faults, unchecked  # noqa: PLC0415 - costs as much as all the rest
    from srpo_manifest.engine.repositories import Repositories  # noqa: PLC0415 - likewise

    registry = built_in_registry() if said.without_plugins else load_plugins(wanted)
    repositories = Repositories(wanted, lock=said.lock)
    found = manifest_faults(wanted, repositories.known(), registry)
    if unknown := repositories.unknown():
        why, hints, key = unknown
        found = (*found, placed(wanted, unchecked(why, *hints, key=key)))
    return found


def _unknown_lints(wanted: Wanted) -> Iterator[Finding]:
    """Codes that nobody of ours tells: a plugin may."""
    given = {code: f"`--{level} {code}`" for code, level in wanted.lints.items() if code != "all"}
    given |= {code: f"{ticked(code)} in `lints`" for code in wanted.manifest.lints}
    if not given:
        return
    from srpo_manifest.engine.explaining import codes  # noqa: PLC0415 - most manifests have no lints

    known = {*codes(), *(check.code for check in wanted.trainer.checks)}
    for code in sorted(given.keys() - known):
        message = f"{given[code]} has no effect: there is no such code"
        hints = (*did_you_mean(code, sorted(known)), "correct it, unless it is a code of a plugin")
        finding = Finding(code="unknown-lint", level="warn", message=message, hints=hints)
        yield placed(wanted, Fault(finding=finding, key=f"lints.{code}" if code in wanted.manifest.lints else ""))


def _unread(wanted: Wanted) -> tuple[Finding, ...]:
    names = dict.fromkeys(name for name, _ in plugin_names(wanted))
    if wanted.manifest.model.type not in built_in_trainers():
        names |= {wanted.manifest.model.type: None}
    if not names:
        return ()
    message = f"no plugin was imported: what {listed(names, 'and')} would say is not known"
    return (Finding(code="plugins-unread", level="note", message=message, hints=("leave `--no-plugins` out",)),)
