"""Trainer descriptions, read from the files that ship or that a plugin brings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.conversion import converted
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import decoded, parsed
from srpo_manifest.reading.tree import Node, marked
from srpo_manifest.reading.versions import known_format
from srpo_manifest.values.trainer import FORMAT, PROGRESS, LogRule, Trainer, TrainerCheck
from srpo_manifest.wording import did_you_mean, listed, ticked

_VERSION = re.compile(r"(==|!=)\s*\d+(\.\d+)*(\.\*)?|(>=|<=|>|<)\s*\d+(\.\d+)*")
_CONDITION = re.compile(r"!?[A-Za-z_][A-Za-z0-9_-]*|[A-Za-z_][A-Za-z0-9_-]*=.*")
_NAMED = re.compile(r"\{[A-Za-z_][A-Za-z0-9_-]*(\.\d+)?\}")
_Place = Callable[[Key], Where]


def parse_trainer(data: bytes, file: str) -> Trainer:
    """Read a trainer description.

    Raises: ManifestError of `read_toml` and `converted`; `format-newer`; `rule-without-evidence`, `bad-pattern`, `unknown-group`,
    `bad-condition`, `bad-template`, or `check-shape`.
    """
    text = decoded(data, file)
    found = parsed(text, file)
    known_format(found, FORMAT, file)

    def tree() -> Node:
        return marked(parse(text).root, Page(text, file))

    def place(key: Key) -> Where:
        return tree().place(key) or Where(file=file, key=dotted(key))

    trainer = converted(found, Trainer, tree, "the trainer description")
    _proven(trainer, place)
    _patterned(trainer, place)
    for number, check in enumerate(trainer.checks):
        _shaped(check, ("checks", number), place)
    for key, condition in _conditions(trainer):
        if not _CONDITION.fullmatch(condition):
            raise ManifestError(
                "bad-condition",
                f"{ticked(dotted(key))} is {ticked(condition)}, which is no condition",
                "write `flag=value`, `flag` (it is given), or `!flag` (it is not)",
                where=place(key),
            )
    for name, conditions in trainer.packages.items():
        if not all(_VERSION.fullmatch(one.strip()) for one in conditions.split(",")):
            raise ManifestError(
                "bad-condition",
                f"{ticked(f'packages.{name}')} is {ticked(conditions)}, which says nothing of versions",
                "write `==2.6.*`, `>=4.46`, or several with commas",
                where=place(("packages", name)),
            )
    for key, template in _templates(trainer):
        if re.search(r"[{}]", _NAMED.sub("", template)):
            raise ManifestError(
                "bad-template",
                f"{ticked(dotted(key))} holds a brace that stands around no name",
                "write `{flag}`, or `{flag.0}` for the first of several values",
                where=place(key),
            )
    return trainer


def _proven(trainer: Trainer, place: _Place) -> None:
    """Every rule that something rests on has its evidence."""
    rules: list[tuple[Key, str]] = [
        ((table, number, "rule"), one.rule)
        for table in ("checks", "dead", "files", "modules", "log", "afterwards")
        for number, one in enumerate(getattr(trainer, table))
    ]
    rules += [((table, "rule"), one.rule) for table in ("loop", "memory") if (one := getattr(trainer, table))]
    for key, rule in rules:
        if rule and rule not in trainer.evidence:
            raise ManifestError(
                "rule-without-evidence",
                f"{ticked(dotted(key))} names {ticked(rule)}, which has no evidence",
                *did_you_mean(rule, trainer.evidence),
                f"write a table {ticked(f'[evidence.{rule}]')} with `file` and `pattern`",
                where=place(key),
            )


def _patterned(trainer: Trainer, place: _Place) -> None:
    """Every pattern is a regular expression, and names what its event can hold."""
    for rule, evidence in trainer.evidence.items():
        _compiled(evidence.pattern, ("evidence", rule, "pattern"), place)
    for number, line in enumerate(trainer.log):
        key: Key = ("log", number, "pattern")
        groups = _compiled(line.pattern, key, place).groupindex
        if line.event == "progress.made":
            _grouped(line, list(groups), key, place)
        elif line.event == "phase.started" and not line.phase:
            raise ManifestError(
                "missing-key", f"`log.{number}` needs `phase`", "write what the run is at then", where=place(key[:2])
            )


def _grouped(line: LogRule, groups: list[str], key: Key, place: _Place) -> None:
    unknown = next((group for group in groups if group not in PROGRESS), None)
    if unknown is not None:
        raise ManifestError(
            "unknown-group",
            f"{ticked(dotted(key))} names the group {ticked(unknown)}, which `{line.event}` does not have",
            *did_you_mean(unknown, PROGRESS),
            f"it has {listed(PROGRESS, 'and')}",
            where=place(key),
        )
    if "step" not in groups:
        raise ManifestError(
            "unknown-group",
            f"{ticked(dotted(key))} names no group `step`, without which there is no progress",
            r"write `(?P<step>\d+)` where the line has its number",
            where=place(key),
        )


def _compiled(pattern: str, key: Key, place: _Place) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ManifestError(
            "bad-pattern",
            f"{ticked(dotted(key))} is no regular expression: {error.msg}",
            "escape what shall mean itself with a backslash, and put the pattern in single quotes",
            where=place(key),
        ) from None


def _shaped(check: TrainerCheck, key: Key, place: _Place) -> None:
    fault = None
    if (check.flag is None) == (not check.probe):
        fault = "asks either a `flag` or a `probe`", "keep one of them"
    elif check.value is None and check.op not in ("present", "absent"):
        fault = f"compares with nothing: `op` is {ticked(check.op)}", "write `value = …`"
    elif (check.op == "one-of") != isinstance(check.value, tuple):
        fault = (
            f"has a `value` that does not fit `op` {ticked(check.op)}",
            "`one-of` takes a list, the others one value",
        )
    if fault:
        raise ManifestError("check-shape", f"{ticked(dotted(key))} {fault[0]}", fault[1], where=place(key))


def _conditions(trainer: Trainer) -> Iterator[tuple[Key, str]]:
    for table in ("checks", "files", "modules"):
        for number, one in enumerate(getattr(trainer, table)):
            for position, condition in enumerate(one.when):
                yield (table, number, "when", position), condition


def _templates(trainer: Trainer) -> Iterator[tuple[Key, str]]:
    artifacts = {"checkpoints": trainer.artifacts.checkpoints, "images": trainer.artifacts.images}
    yield from ((("artifacts", name), text) for name, text in artifacts.items() if text)
    yield from ((("done", "files", number), text) for number, text in enumerate(trainer.done.files))
    yield from ((("files", number, "path"), file.path) for number, file in enumerate(trainer.files))
    yield from ((("afterwards", number, "text"), advice.text) for number, advice in enumerate(trainer.afterwards))
    for number, check in enumerate(trainer.checks):
        key: Key = ("checks", number)
        yield (*key, "message"), check.message
        yield from (((*key, "hints", position), hint) for position, hint in enumerate(check.hints))
        if isinstance(check.value, str):
            yield (*key, "value"), check.value
