"""Shim mode: the real script runs, and what its launch hands over is compared and replaced (`docs/delivery.md`)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Sequence

from srpo_manifest.builtin.launches import MANUAL, Undeliverable, shown
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
    Wanted,
    Word,
    anchors,
    late,
    quote,
    replace,
    shell,
    ticked,
    word,
)

FORMAT = 1
_STRICT = ("torchrun", "accelerate", "deepspeed")
"""Programs that do nothing but launch: a call of theirs that the script was not seen to make is refused."""
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
    launches = [_entry(launch, expected, job.argv, edited)]
    others = [other for other in contract.launches if other is not launch]
    programs = {str(one): one for one in (expected[0], *map(word, _STRICT))}
    for other in others:
        expand = Expander(wanted, script, values_of(wanted, facts), runs=True).words
        launcher, entry, arguments = map(expand, (other.launcher, (other.entry,), other.arguments))
        at_home = [in_checkout(one, module=other.module or bool(_numbers(one))) for one in entry]
        launches.append(_entry(other, (*launcher, *entry, *arguments), (*launcher, *at_home, *arguments), ()))
        if not _numbers(launcher[0]):
            programs.setdefault(str(launcher[0]), launcher[0])
    secrets = [name for name, value in wanted.manifest.env.items() if isinstance(value, Reference)]
    content = {"format": FORMAT, "script": script, "launches": launches, "secrets": sorted(secrets)}
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    yield Put(id="shim", name="shim.json", content=Content(text=text), reason=f"what {shown(launch)} must hand over")
    yield from _files(wanted, script, contract)
    yield from _notes(wanted, script, contract, launch, others, expander.told)
    keeps = sorted({name for name, value in wanted.manifest.env.items() if isinstance(value, str)} - {"PATH"})
    shim = Shim(
        script=late("repo.dir") + f"/{script}",
        programs=tuple(programs.values()),
        keeps=tuple(dict.fromkeys((*keeps, "PYTHONPATH"))),
        entry="" if any(other.entry.text == launch.entry.text for other in others) else _plain(launch.entry.text),
    )
    yield replace(job, shim=shim)


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


def _entry(launch: Launch, expected: Sequence[Word], final: Sequence[Word], edited: Sequence[str]) -> dict[str, object]:
    return {
        "line": launch.line,
        "expected": list(map(str, expected)),
        "final": list(map(str, final)),
        "edited": list(edited),
    }


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
