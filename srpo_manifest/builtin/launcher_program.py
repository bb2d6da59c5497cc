"""Stage pre-launch: the program that the command begins with, and the Python that it would run under."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from srpo_manifest.builtin.interpreter import PYTHON, SAY_PYTHON, made_later, program, prologue
from srpo_manifest.builtin.launches import chosen_or_none
from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.plugin import (
    Check,
    Facts,
    Interpreter,
    Level,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Wanted,
    entry_of,
    hookimpl,
    quote,
    script_of,
    ticked,
)

_UNDER_PYTHON = ("torchrun", "accelerate", "deepspeed")
"""Launchers that start workers under the Python which their own first line names."""
PROGRAM, PROGRAM_PYTHON = "target.launcher", "target.launcher-python"
# pip writes `#!/bin/sh` with an exec of the interpreter below it where the interpreter's path is long or holds blanks.
_HOME = """program=$(command -v {name}) || exit 0
IFS= read -r first <"$program" 2>/dev/null || exit 0
case $first in
  '#!/bin/sh') { read -r _; read -r _ python _; } <"$program" ;;
  '#!'*env' '*python*) python=$(command -v "${first##* }") ;;
  '#!'*python*) python=${first#'#!'} python=${python%% *} ;;
  *) exit 0 ;;
esac
python=${python#[\\'\\"]} python=${python%[\\'\\"]}
case $python in *python*) ;; *) exit 0 ;; esac
home=$("$python" -I -S -c {say} | head -n 1) && echo "${home%/*}"
"""


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - every command begins with a program
    """The built-in answer for the launcher's program."""
    return LauncherProgram()


class LauncherProgram:
    """Whether it is on the job's PATH, and belongs to the planned Python."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        name = _name(wanted, facts)
        if name and not made_later(wanted):
            yield TargetProbe(name=PROGRAM, script=_where(wanted, name), parse=parse_presence)
            if name in _UNDER_PYTHON:
                yield TargetProbe(name=PROGRAM_PYTHON, script=_whose(wanted, name), parse=parse_presence)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        name = _name(wanted, facts)
        if not name:
            return
        yield Check(
            code="launcher-missing",
            level=_level(wanted, facts),
            fact=PROGRAM,
            op="present",
            value=None,
            message=f"{ticked(name)} is not on the job's PATH",
            hints=("set `python.path` to the environment that has it",),
            probe=_where(wanted, name),
            key="python.path",
        )
        planned = facts.get(PYTHON, Interpreter)
        if name not in _UNDER_PYTHON or facts.get(PROGRAM, str) == "":
            return
        yield Check(
            code="torchrun-unknown",
            level="warn",
            fact=PROGRAM_PYTHON,
            op="present",
            value=None,
            message=f"{ticked(name)} is no Python script: under which Python it runs is not known",
            hints=("set `python.path` to the environment that has the trainer's packages",),
            probe=_whose(wanted, name),
            key="python.path",
        )
        if isinstance(planned, Interpreter):
            yield Check(
                code="torchrun-interpreter",
                level=_level(wanted, facts),
                fact=PROGRAM_PYTHON,
                op="one-of",
                value=("", posixpath.dirname(planned.path)),
                message=f"{ticked(name)} runs under another Python than the planned {ticked(planned.path)}",
                hints=("set `python.path` to the environment that both belong to",),
                probe=_whose(wanted, name),
                key="python.path",
            )


def _name(wanted: Wanted, facts: Facts) -> str | None:
    """The command's first word, where it is plain."""
    if wanted.manifest.entry.command is not None:
        return wanted.manifest.entry.command[0]
    script = script_of(wanted) or ""
    if script.endswith(".py"):
        return program(wanted)
    launch = chosen_or_none(wanted, script, entry_of(wanted, facts))
    return launch.launcher[0].text if launch else None


def _level(wanted: Wanted, facts: Facts) -> Level:
    """A script that does more than launch may lead PATH elsewhere before it does."""
    contract = entry_of(wanted, facts).script
    return "warn" if wanted.manifest.entry.command is None and contract and contract.indirect else "deny"


def _where(wanted: Wanted, name: str) -> str:
    return f"{prologue(wanted)}command -v {quote(name)} || :\n"


def _whose(wanted: Wanted, name: str) -> str:
    return prologue(wanted) + _HOME.replace("{name}", quote(name)).replace("{say}", quote(SAY_PYTHON))
