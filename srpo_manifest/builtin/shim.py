"""Shim mode: the real script runs, and what its launch hands over is compared and replaced (`docs/delivery.md`)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Sequence

from srpo_manifest.builtin.launches import MANUAL, Undeliverable, shown, uncatchable
from srpo_manifest.builtin.pythonless import python_needed
from srpo_manifest.builtin.tokens import Expander, Told, in_checkout, values_of
from srpo_manifest.plugin import (
    Arrived,
    Check,
    Content,
    Facts,
    Fault,
    Finding,
    JobStep,
    Launch,
    Level,
    Proposal,
    Put,
    Reference,
    ScriptContract,
    Shim,
    TargetProbe,
    Value,
    Wanted,
    Word,
    anchors,
    late,
    quote,
    replace,
    secret_name,
    shell,
    ticked,
    word,
)

FORMAT = 1
_STRICT = ("torchrun", "accelerate", "deepspeed")
"""Programs that do nothing but launch: a call of theirs that the script was not seen to make is refused."""
_BY_NAME = "let the script name the launcher without a path, and say where Python is by `python.path`"
_MOVES = ("`cd` ", "`pushd` ", "`popd` ")


def shim_of(
    wanted: Wanted,
    facts: Facts,
    script: str,
    contract: ScriptContract,
    launch: Launch,
    job: JobStep,
    edited: Sequence[str],
) -> Iterable[Proposal]:
    """The script as the job, with *job*'s argv in place of what *launch* hands over.

    Raises: Undeliverable where the launch is not known well enough to be recognised.
    """
    expander = Expander(wanted, script, values_of(wanted, facts), runs=True)
    expected = expander.words((*launch.launcher, launch.entry, *launch.arguments))
    if _numbers(expected[0], expander.word(launch.entry)):
        message = f"{ticked(script)} line {launch.line}: which program it starts is known only when the script runs"
        raise Undeliverable("script-indirect", message, MANUAL)
    if why := uncatchable(launch, str(expected[0])):
        message = f"{ticked(script)} line {launch.line}: the launch cannot be replaced by the planned one, as {why}"
        raise Undeliverable("launch-uncatchable", message, MANUAL, _BY_NAME)
    others = [other for other in dict.fromkeys(contract.launches) if _words(other) != _words(launch)]
    more = [_as_it_says(other, Expander(wanted, script, values_of(wanted, facts), runs=True)) for other in others]
    launches = [_Met(line=launch.line, expected=expected, final=job.argv, edited=tuple(edited)), *more]
    content = Content(text=_json(wanted, script, contract, launches))
    yield Put(id="shim", name="shim.json", content=content, reason=f"what {shown(launch)} must hand over")
    yield from _files(wanted, script, contract)
    yield from _notes(wanted, script, contract, launch, others, expander.told)
    called = (*(met.expected[0] for met in launches), *map(word, _STRICT))
    programs = {str(program): program for program in called if not _numbers(program)}
    keeps = sorted({name for name, value in wanted.manifest.env.items() if isinstance(value, str)} - {"PATH"})
    shim = Shim(
        script=late("repo.dir") + f"/{script}",
        programs=tuple(programs.values()),
        keeps=tuple(dict.fromkeys((*keeps, "PYTHONPATH"))),
        entry="" if any(other.entry.text == launch.entry.text for other in others) else _plain(launch.entry.text),
    )
    if wanted.manifest.backend.launcher.kind == "direct":
        why = "the script itself has to run, and what takes over its launch is Python"
        yield python_needed(why, "give the whole command as `entry.command`", key="entry.script")
    yield replace(job, shim=shim)


class _Met(Value):
    """A launch of the script: what it hands over, and what that becomes."""

    line: int
    expected: tuple[Word, ...]
    final: tuple[Word, ...]
    edited: tuple[str, ...] = ()


def _as_it_says(launch: Launch, expander: Expander) -> _Met:
    """Another launch, with its program found in the checkout."""
    launcher, entry, arguments = map(expander.words, (launch.launcher, (launch.entry,), launch.arguments))
    at_home = [in_checkout(one, launch) for one in entry]
    return _Met(line=launch.line, expected=(*launcher, *entry, *arguments), final=(*launcher, *at_home, *arguments))


def _json(wanted: Wanted, script: str, contract: ScriptContract, launches: Iterable[_Met]) -> str:
    """The file that `deliver.py` reads: words in the plan's spelling, the launch that is meant first."""
    secrets = {name for name, value in wanted.manifest.env.items() if isinstance(value, Reference)}
    told = [
        {
            "line": met.line,
            "expected": list(map(str, met.expected)),
            "final": list(map(str, met.final)),
            "edited": list(met.edited),
        }
        for met in launches
    ]
    return (
        json.dumps(
            {
                "format": FORMAT,
                "script": script,
                "launches": told,
                "secrets": sorted(secrets | set(filter(secret_name, contract.reads))),
            },
            indent=1,
        )
        + "\n"
    )


def file_probe(wanted: Wanted) -> Callable[[str], TargetProbe]:
    """Asks whether a file that the script names is where it would look."""

    def probe(path: str) -> TargetProbe:
        at = f"cd -- {shell(anchors.working_dir(wanted))} 2>/dev/null || {{ echo missing; exit 0; }}"
        return TargetProbe(name=f"script-file.{path}", script=f"{at}\n{_ask(path)}")

    return probe


def _ask(path: str) -> str:
    return f"[ -e {quote(path)} ] && echo there || echo missing"


def _files(wanted: Wanted, script: str, contract: ScriptContract) -> Iterable[Check]:
    """The script starts in the working directory, and its checkout is elsewhere."""
    for path, line in contract.files.items():
        folder, vendor = anchors.working_dir(wanted), wanted.manifest.repo.path
        yield Check(
            code="script-file-missing",
            level="deny",
            fact=f"script-file.{path}",
            op="equals",
            value="there",
            message=f"{ticked(script)} line {line} looks for {ticked(path)} in the working directory {ticked(folder)}, where it is not",
            hints=(f"put a link to it there: the checkout is {ticked(vendor)} in the workspace", MANUAL),
            probe=_ask(path),
            key="entry.script",
        )


def _words(launch: Launch) -> Launch:
    return replace(launch, conditions=())


def _plain(entry: str | None) -> str:
    return posixpath.normpath(entry) if entry else ""


def _numbers(*words: Word) -> set[int]:
    return {piece.number for one in words for piece in one.pieces if isinstance(piece, Arrived)}


def _notes(
    wanted: Wanted,
    script: str,
    contract: ScriptContract,
    launch: Launch,
    others: Sequence[Launch],
    told: Sequence[Told],
) -> Iterable[Fault]:
    why = [f"line {gap.line}: {gap.reason}" for gap in contract.indirect[:5]]
    yield _fault("script-runs", "note", f"{ticked(script)} itself runs; {shown(launch)} becomes the command", *why)
    for one in told:
        name = "${script." + str(one.number) + "}"
        message = f"{ticked(name)} in the command is what {ticked(one.source)} in line {one.line} turns out to be when the script runs"
        yield _fault("script-decides", "note", message)
    if others:
        message = f"{ticked(script)} also starts {' and '.join(map(shown, others))}: run as the script says"
        yield _fault("launch-others", "note", message)
    moved = [gap for gap in contract.indirect if gap.reason.startswith(_MOVES)]
    for gap in moved:
        folder = ticked(anchors.working_dir(wanted))
        message = f"{ticked(script)} line {gap.line}: {gap.reason}; the trainer starts in {folder} all the same, and the checkout cannot be written"
        yield _fault(
            "script-changes-folder", "warn", message, "see whether the script writes by relative paths after it"
        )


def _fault(code: str, level: Level, message: str, *hints: str) -> Fault:
    return Fault(finding=Finding(code=code, level=level, message=message, hints=hints), key="entry.script")
