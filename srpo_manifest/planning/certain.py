"""What still holds of a manifest of which a part is wrong: no finding that may only follow from another is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from srpo_manifest.finding import Finding, Where
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import nearest, related

_FLAGS = (
    "unknown-flag",
    "flag-abbreviated",
    "flag-type",
    "flag-value",
    "flag-never-read",
    "flag-no-effect",
    "flag-unproven",
    "stray-argument",
    "set-twice",
)
_CONTRACT = ("repo.url", "repo.ref", "entry.script", "entry.launch", "entry.command")
"""What decides which flags there are."""
_GIVEN = ("entry.set.", "entry.unset.", "entry.extra_args", "entry.args_file", "model.")
"""Where a manifest gives flags. What is said of the script's own rests on all that takes their place."""
_RESTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_FLAGS, _CONTRACT),
    "base-missing": ("model.type",),
    "command-has-no-flags": ("entry.command",),
    "done-impossible": ("model.type",),
    "env-denied": (),
    "env-loader": (),
    "hub-unsupported": (),
    "method-unavailable": ("model.type",),
    "nodes-unsupported": ("backend",),
    "not-interpolated": (),
    "path-outside": (),
    "secret-literal": (),
    "relative-path": ("backend",),
    "unknown-lint": (),
    "windows-path": (),
}
"""The keys that a finding rests on beside its own, by its code."""
_ALL = ("backend", "done", "entry", "env", "model", "outputs", "paths", "plugins", "python", "repo", "resources")
"""Those of a finding of another code: all but what decides about nothing else."""


class _Doubt(NamedTuple):
    """A place of which something is wrong: its key there and in the merged manifest."""

    where: Where
    key: str
    strange: bool
    """Nobody knows the key, which may mean another one."""


def certain(wanted: Wanted, found: Iterable[Finding], wrong: Iterable[Finding]) -> Iterator[Finding]:
    """Those *found* in what remains of a manifest, as *wanted*, that hold however the mistakes that are *wrong* with it are mended."""
    doubts = [_doubt(wanted, one) for one in wrong if not _is_read(one)]
    if any(_within(doubt.key, "drop") for doubt in doubts):
        return
    for one in found:
        own = _merged(one.where)
        rests = _rests(wanted, one.code, own)
        if not any(
            (own and _within(doubt.key, own)) or any(_is_doubtful(wanted, key, doubt) for key in rests)
            for doubt in doubts
        ):
            yield one


def _rests(wanted: Wanted, code: str, own: str) -> tuple[str, ...]:
    level = f"lints.{code}"
    if code not in _RESTS or (code in _FLAGS and not own.startswith(_GIVEN)):
        return (*_ALL, level)
    if code in _FLAGS and "entry.script" not in wanted.origins:
        return (*_RESTS[code], "model.type", level)
    return (*_RESTS[code], level)


def _is_read(finding: Finding) -> bool:
    """Whether the text is read as it is meant all the same."""
    return finding.code == "header-open" and finding.fix is not None


def _doubt(wanted: Wanted, finding: Finding) -> _Doubt:
    where, key = finding.where or Where(file=""), _merged(finding.where)
    args_file = wanted.manifest.entry.args_file
    if args_file is not None and where.file.endswith(args_file.rpartition("/")[2]):
        key = "entry.args_file"
    elif key == "extends":
        key = ""
    return _Doubt(where, key, finding.code == "unknown-key")


def _merged(where: Where | None) -> str:
    key = where.key if where else ""
    return ".".join(key.split(".")[2:]) if key.startswith("profile.") else key


def _within(key: str, around: str) -> bool:
    """Whether *key* is *around*, or in it."""
    return not around or key == around or key.startswith(f"{around}.")


def _is_doubtful(wanted: Wanted, key: str, doubt: _Doubt) -> bool:
    """Whether what *key* says may be another thing when the doubt is gone."""
    if _within(doubt.key, key):
        return True
    written = wanted.origins.get(key)
    if _within(key, doubt.key):
        # what stands in a table is known, though something else of that very table is lost
        return not (written and written.file == doubt.where.file and _within(written.key, doubt.where.key))
    return doubt.strange and written is None and _may_mean(doubt.key, key)


def _may_mean(strange: str, key: str) -> bool:
    above, _, name = strange.rpartition(".")
    step = key.removeprefix(f"{above}." if above else "").partition(".")[0]
    return _within(key, above) and (nearest(name, [step]) or related(name, [step])) is not None
