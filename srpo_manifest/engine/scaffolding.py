"""The beginning of a plugin: a distribution whose tests pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from srpo_manifest import __version__
from srpo_manifest.engine.loading import built_in_trainers
from srpo_manifest.errors import UsageError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.wording import ticked

KINDS = ("stage", "transport", "launcher", "observer", "trainer")
_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){0,29}")
_ENDING = ".in"
"""Behind the name of each template, so that no tool takes it for what it will be."""


def scaffold(name: str, kind: str, folder: Path) -> tuple[str, ...]:
    """Write the distribution of a new plugin into *folder*; nothing there is overwritten.

    Returns: the files, beneath *folder*. Raises: UsageError `plugin-name` or `plugin-exists`.
    """
    if not _NAME.fullmatch(name) or len(name) > 30:
        hint = "write 1 to 30 small letters and digits, with single `-` between, such as `my-cluster`"
        raise UsageError("plugin-name", f"{ticked(name)} is no name for a plugin", hint)
    if name in (BUILTIN, "local", "direct", *built_in_trainers()):
        raise UsageError("plugin-name", f"{ticked(name)} is the name of a built-in part", "take another name")
    files = files_of(name, kind)
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise UsageError(
            "plugin-exists", f"{ticked(folder / there[0])} is there already", "give another folder with `--out DIR`"
        )
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")
    return tuple(files)


def files_of(name: str, kind: str) -> dict[str, str]:
    """The files of a plugin by their paths, sorted."""
    module = f"srpo_manifest_{name.replace('-', '_')}"
    major, minor, *_ = map(int, re.findall(r"\d+", __version__))
    words = {
        "name": name,
        "module": module,
        "upper": name.replace("-", "_").upper(),
        "versions": f">={major}.{minor},<{major}.{minor + 1}",
    }
    templates = resources.files("srpo_manifest") / "scaffolds"
    found = {}
    for folder in ("common", kind):
        for path, text in _texts(templates / folder):
            filled = re.sub(r"\{\{([a-z]+)\}\}", lambda word: words[word[1]], text)
            found[path.removesuffix(_ENDING).replace("MODULE", module)] = filled
    return dict(sorted(found.items()))


def _texts(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_text(encoding="utf-8")
