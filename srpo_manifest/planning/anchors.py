"""Where relative paths hang: the manifest's folder, the workspace, the working directory (D3)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from srpo_manifest.errors import ManifestError
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Word, late, word
from srpo_manifest.wording import ticked

REMOTE_WORKSPACE = "~/srpo-manifest"
CHECKOUTS = ".srpo/checkouts"
RUNS_FOLDER = ".srpo/runs"


def is_local(wanted: Wanted) -> bool:
    """Whether the target is this machine, so that the controller's paths are the target's."""
    return wanted.manifest.backend.transport.kind == "local"


def workspace(wanted: Wanted) -> Word:
    """The target folder that everything of ours is under."""
    given = wanted.manifest.paths.workspace
    if given is None:
        return word(wanted.folder) if is_local(wanted) else _homed(REMOTE_WORKSPACE)
    return _anchored(wanted, given, "paths.workspace", word(wanted.folder))


def working_dir(wanted: Wanted) -> Word:
    """The job's working directory on the target."""
    given = wanted.manifest.paths.working_dir
    return workspace(wanted) if given is None else _anchored(wanted, given, "paths.working_dir", workspace(wanted))


def beneath(base: Word, path: str) -> Word:
    """A target path: absolute and `~` paths as they are, others under *base*."""
    if path.startswith("/"):
        return word(posixpath.normpath(path))
    if path == "~" or path.startswith("~/"):
        return _homed(path)
    known = base.text
    if known is not None:
        return word(posixpath.normpath(f"{known}/{path}"))
    tidy = posixpath.normpath(path)
    return base if tidy == "." else base + "/" + tidy


def interpreter(wanted: Wanted) -> Word | None:
    """The training interpreter where its path is known; a bare name is looked for on PATH, or in conda."""
    python = wanted.manifest.python
    if python.kind != "venv" and "/" not in python.path:
        return None
    return beneath(workspace(wanted), python.path if python.kind == "existing" else f"{python.path}/bin/python")


def checkout(wanted: Wanted, tree: str) -> Word:
    """Where the pinned tree is unpacked, read-only."""
    return workspace(wanted) + f"/{CHECKOUTS}/{tree}"


def _homed(path: str) -> Word:
    rest = posixpath.normpath(path[2:]) if len(path) > 2 else "."
    return late("target.home") if rest == "." else late("target.home") + f"/{rest}"


def misplaced(wanted: Wanted) -> Iterator[tuple[str, ManifestError]]:
    """Each of the two folders that is none on the target: its key below `paths`, and why."""
    for name in ("workspace", "working_dir"):
        given = getattr(wanted.manifest.paths, name)
        if given is not None and (error := _fault(wanted, given, f"paths.{name}")):
            yield name, error


def of_windows(key: str, path: str) -> tuple[str, str]:
    """What is said of a path of another system, and what to do."""
    message = f"{ticked(key)} is the Windows path {ticked(path)}, but jobs run on Linux"
    return message, "give the path as the target sees it, such as `~/srpo`"


def _anchored(wanted: Wanted, path: str, key: str, base: Word) -> Word:
    if error := _fault(wanted, path, key):
        raise error
    return beneath(base, path)


def _fault(wanted: Wanted, path: str, key: str) -> ManifestError | None:
    if _windows(path):
        return ManifestError("windows-path", *of_windows(key, path), where=wanted.where_value(key))
    if not is_local(wanted) and not path.startswith(("/", "~/")) and path != "~":
        return ManifestError(
            "relative-path",
            f"{ticked(key)} is the relative path {ticked(path)}, which has no meaning on another machine",
            "write an absolute path or one that begins with `~/`",
            where=wanted.where_value(key),
        )
    return None


def _windows(path: str) -> bool:
    return "\\" in path or (len(path) > 1 and path[1] == ":" and path[0].isalpha())
