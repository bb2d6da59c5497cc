"""Reading a pinned commit: the contracts of its scripts, and what of a trainer description it bears out."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import ManifestError
from srpo_manifest.planning.entry import programs_started
from srpo_manifest.reading.canonical import digest
from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.imports import read_imports
from srpo_manifest.upstream.script import read_script
from srpo_manifest.values.contract import ArgumentContract, Launch
from srpo_manifest.values.lock import LARGE_BYTES, EntryContract, Pin
from srpo_manifest.values.trainer import Evidence, Trainer
from srpo_manifest.wording import did_you_mean, ticked

MOST = 20
"""Names of a kind that a pin tells."""
_LARGE = b"version https://git-lfs.github.com/spec/"


def read_pin(
    mirror: Mirror,
    url: str,
    ref: str | None,
    commit: str,
    scripts: Iterable[str],
    trainer: Trainer,
) -> Pin:
    """The pin of *commit* with an entry for each of *scripts*; nothing of the repository is run.

    Raises: ManifestError `script-missing` or `script-outside`; TransportError.
    """
    evidence = _verdicts(mirror, commit, trainer)
    return Pin(
        url=url,
        ref=ref,
        commit=commit,
        tree=mirror.tree_of(commit),
        **_peculiar(mirror, commit),
        entries={
            script: _with_imports(
                mirror, commit, trainer.package_roots, _entry(mirror, commit, script, digest(trainer), evidence)
            )
            for script in sorted(set(scripts))
        },
    )


def _peculiar(mirror: Mirror, commit: str) -> dict[str, Any]:
    """What of the tree does not travel as everybody expects. At most so many names of a kind, for the lock's sake."""
    submodules, large, folded = [], {}, defaultdict(list)
    for mode, size, path in mirror.listing(commit):
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if mode == "160000":
            submodules.append(shown)
        if size > LARGE_BYTES:
            large[shown] = size
        folded[unicodedata.normalize("NFC", path).casefold()].append(shown)
    alike = [path for paths in folded.values() if len(paths) > 1 for path in sorted(paths)]
    return {
        "submodules": tuple(submodules[:MOST]),
        "large": dict(sorted(large.items(), key=lambda one: -one[1])[:MOST]),
        "alike": tuple(alike[:MOST]),
    }


def _entry(mirror: Mirror, commit: str, script: str, described: str, evidence: dict[str, bool]) -> EntryContract:
    path = _inside(script)
    source = mirror.read(commit, path)
    if source is None or source.startswith(_LARGE):
        raise _missing(mirror, commit, path, source)
    if path.endswith(".py"):
        return EntryContract(
            arguments=read_arguments(source, path, partial(mirror.read, commit)),
            description=described,
            evidence=evidence,
        )
    contract = read_script(source, path, read=lambda name: _plain(mirror.read(commit, name)))
    programs = {
        launch.entry.text: arguments
        for launch in contract.launches
        if launch.entry.text is not None and (arguments := _arguments(mirror, commit, launch)) is not None
    }
    only = next(iter(programs.values()), None) if len(programs_started(contract.launches)) == 1 else None
    return EntryContract(
        script=contract,
        arguments=only,
        description=described,
        evidence=evidence,
        programs=programs if only is None else {},
    )


def _plain(source: bytes | None) -> bytes | None:
    """A file that is kept in the repository itself."""
    return None if source is None or source.startswith(_LARGE) else source


def _arguments(mirror: Mirror, commit: str, launch: Launch) -> ArgumentContract | None:
    """The interface of the program that *launch* starts, where it lies in the checkout."""
    if (name := launch.entry.text) is None:
        return None
    stem = name.replace(".", "/")
    names = (f"{stem}.py", f"{stem}/__main__.py") if launch.module else (name,)
    for path in (posixpath.normpath(posixpath.join(launch.folder or "", name)) for name in names):
        if (source := mirror.read(commit, path)) is not None:
            return read_arguments(source, path, partial(mirror.read, commit))
    return None


def _with_imports(mirror: Mirror, commit: str, roots: Iterable[str], entry: EntryContract) -> EntryContract:
    """The entry with what its program imports, or with the path where no program is."""
    contract = entry.script
    launches = contract.launches if contract else ()
    launch = launches[0] if len(programs_started(launches)) == 1 else None
    if entry.arguments is not None:
        path = entry.arguments.path
        # Python looks first where the program lies; a module is found by its whole name alone.
        first = () if launch is not None and launch.module else (posixpath.dirname(path) or ".",)
        imports = read_imports(
            path, mirror.files(commit), (*first, *roots), lambda paths: mirror.read_all(commit, paths)
        )
        return replace(entry, imports=imports)
    if contract is None or launch is None or not contract.direct or launch.module or launch.folder is None:
        return entry
    name = launch.entry.text or ""
    path = posixpath.normpath(posixpath.join(launch.folder, name))
    is_there = not name.endswith(".py") or name.startswith("/") or mirror.read(commit, path) is not None
    return entry if is_there else replace(entry, absent=path)


def _verdicts(mirror: Mirror, commit: str, trainer: Trainer) -> dict[str, bool]:
    """For each rule of the description, whether its pattern stands in its file; a file that is not there bears no rule out."""
    sources = {file: mirror.read(commit, file) for file in {evidence.file for evidence in trainer.evidence.values()}}

    def holds(evidence: Evidence) -> bool:
        source = sources[evidence.file]
        return source is not None and bool(re.search(evidence.pattern, source.decode("utf-8", "replace"), re.MULTILINE))

    return {rule: holds(evidence) for rule, evidence in sorted(trainer.evidence.items())}


def _inside(script: str) -> str:
    """The path of *script* from the root of the checkout, in its shortest form."""
    path = posixpath.normpath(script)
    if path.startswith(("/", "../")) or path in (".", "..") or not path.isprintable():
        raise ManifestError(
            "script-outside",
            f"{ticked(script)} does not lie in the checkout",
            "give its path from the repository's root",
        )
    return path


def _missing(mirror: Mirror, commit: str, script: str, source: bytes | None) -> ManifestError:
    files = mirror.files(commit)
    modules = re.findall(rb"^\s*path\s*=\s*(.+?)\s*$", mirror.read(commit, ".gitmodules") or b"", re.MULTILINE)
    module = next((name for name in map(bytes.decode, modules) if script.startswith(f"{name}/")), None)
    if source is not None:
        hints: tuple[str, ...] = ("git lfs keeps it elsewhere; commit it as a plain file",)
    elif module is not None:
        hints = (f"{ticked(module)} is a submodule, which is not fetched; name the submodule's own url in `repo.url`",)
    elif script in files:
        hints = ("it is a link; name the file that it leads to",)
    else:
        hints = did_you_mean(script, (path for path in files if path.endswith((".sh", ".bash", ".py"))))
    return ManifestError(
        "script-missing", f"the repository has no script {ticked(script)} at commit {ticked(commit[:12])}", *hints
    )
