"""What verbs that rewrite files have in common: options, writing, and telling what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from srpo_manifest.cli.checking import FORMAT, WRONG
from srpo_manifest.cli.output import data, say, tell
from srpo_manifest.cli.patch import patch, show
from srpo_manifest.engine.rewriting import Rewritten, write
from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import visible
from srpo_manifest.wording import plural

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--check", is_flag=True, help="Write nothing; name the files that would change, and exit 2 for any."),
    click.option("--diff", is_flag=True, help="Write nothing; print what would change as a patch, and exit 2 for any."),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
)


def rewriting_options(command: F) -> F:
    """Add `--check`, `--diff` and `--json`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def ended(found: Sequence[Rewritten], *, word: str, good: str, check: bool, diff: bool, as_json: bool) -> int:
    """Write what is to be written, and tell it. *word* is what a changed file has been, *good* what others are.

    Returns: 2 where a file is wrong, cannot be written, or (nothing being written) would change.
    """
    writes = not (check or diff)
    found = [_written(one) if writes and one.changed else one for one in found]
    if as_json:
        data({"format": FORMAT, "written": writes, "files": [_row(one, diff=diff) for one in found]})
    else:
        for one in found:
            _tell(one, word, writes=writes, diff=diff)
        _sum(found, word, good, writes=writes)
    wrong = any(one.after is None or (one.changed and not writes) for one in found)
    return WRONG if wrong else 0


def _written(one: Rewritten) -> Rewritten:
    try:
        write(one.file, one.after or b"")
    except ManifestError as error:
        return msgspec.structs.replace(one, after=None, findings=error.findings)
    return one


def _tell(one: Rewritten, word: str, *, writes: bool, diff: bool) -> None:
    if one.changed and not diff:
        _moves(one)
    tell(one.findings)
    if not one.changed:
        return
    if diff:
        show(one.before, one.after or b"", one.file)
    elif writes:
        say(f"{visible(one.file)}: {word}")
    else:
        print(visible(one.file))


def _moves(one: Rewritten) -> None:
    """Which key became which."""
    moved = [(old, new) for old, new in one.moved if old and new]
    width = max((len(old) for old, _ in moved), default=0)
    if moved:
        say(*(f"  {visible(old):{width}}  ->  {visible(new)}" for old, new in moved), "")


def _sum(found: Sequence[Rewritten], word: str, good: str, *, writes: bool) -> None:
    changed = sum(one.changed for one in found)
    wrong = sum(one.after is None for one in found)
    parts = [
        f"{plural(changed, 'file')} {'' if writes else 'would be '}{word}" if changed else "",
        f"{plural(same, 'file')} {good}" if (same := len(found) - changed - wrong) else "",
        f"{plural(wrong, 'file')} left alone" if wrong else "",
    ]
    say(", ".join(filter(None, parts)))


def _row(one: Rewritten, *, diff: bool) -> dict[str, object]:
    return {
        "file": one.file,
        "changed": one.changed,
        "diff": "\n".join(patch(one.before, one.after or b"", one.file)) if diff and one.changed else None,
        "moved": [{"from": old, "to": new} for old, new in one.moved],
        "findings": one.findings,
    }
