"""Asking: the controller until nothing new comes up, then the target, all at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from srpo_manifest import piped
from srpo_manifest.bundling.quoting import quote
from srpo_manifest.engine.files import beside, carried
from srpo_manifest.engine.parts import Part
from srpo_manifest.engine.several import at_once
from srpo_manifest.errors import FactError, PluginError, SrpoManifestError, TransportError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.planning.runs import RUNS, runs_probe
from srpo_manifest.ports.probes import (
    Answer,
    Ask,
    ControllerProbe,
    Environment,
    Find,
    Probe,
    Question,
    ReadFile,
    ReadRepository,
    TargetProbe,
)
from srpo_manifest.ports.transport import Transport, machines
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.lock import Pin
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import listed, ticked

ASK_SECONDS = 30.0
TARGET_SECONDS = 120.0
_MARK = b"srpo-facts 1\n"
_ONE = """( eval {script} ) >"$t/o" 2>"$t/e" </dev/null
s=$?
o=$(wc -c <"$t/o") e=$(wc -c <"$t/e")
printf '%d %d %d\\n' "$s" "$o" "$e"
cat "$t/o" "$t/e"
"""


class Pins(Protocol):
    """What pins a url and ref."""

    def pin(self, question: ReadRepository) -> Pin:
        """The pin. Raises: SrpoManifestError."""


def gather(
    wanted: Wanted,
    parts: Iterable[Part],
    repositories: Pins,
    open_transport: Callable[[Facts], Transport],
    *,
    again: Facts | None = None,
) -> Facts:
    """Every fact that the handlers want. *again* are facts whose pin is kept, for a saved plan.

    Raises: TransportError where the target cannot be reached, PluginError for a fault of a plugin.
    """
    parts = tuple(parts)
    facts = Facts(
        facts={
            "controller.folder": Known(value=wanted.folder),
            "controller.platform": Known(value="linux" if sys.platform.startswith("linux") else sys.platform),
        }
    )
    if again is not None and "repo.pin" in again:
        facts = facts.joined({"repo.pin": again.facts["repo.pin"]})
    facts = _ask_controller(wanted, parts, repositories, facts)
    others: list[Transport] = []
    asked: list[TargetProbe] = []
    while probes := _target_probes(wanted, parts, facts):
        try:
            first, *others = machines(open_transport(facts))
        except PluginError:
            raise
        except SrpoManifestError as error:
            if wanted.manifest.backend.transport.kind != "local":
                raise
            return facts.joined(dict.fromkeys((probe.name for probe in probes), _unknown(error)))
        facts = facts.joined(ask_target(first, probes))
        facts = _ask_controller(wanted, parts, repositories, facts)
        asked += probes
    return _with_others(facts, others, asked)


def _with_others(facts: Facts, machines: Sequence[Transport], probes: Sequence[TargetProbe]) -> Facts:
    """The same questions, put to all further machines at once. Raises: TransportError where one cannot be reached."""
    others = {}
    for machine, found in zip(machines, at_once([partial(ask_target, one, probes) for one in machines]), strict=True):
        if isinstance(found, SrpoManifestError):
            raise found
        others[machine.place] = {name: fact for name, fact in found.items() if fact != facts.facts[name]}
    return msgspec.structs.replace(facts, others=others)


def ask_target(transport: Transport, probes: Iterable[TargetProbe]) -> dict[str, Known | Unknown]:
    """All answers in one round trip, framed by length, so that no answer can be taken for another.

    Raises: TransportError where the target cannot be reached or its answers are cut off.
    """
    probes = tuple(probes)
    script = "".join(
        (
            't=$(mktemp -d "${TMPDIR:-/tmp}/srpo-facts.XXXXXX") || exit\n',
            """trap 'rm -rf -- "$t"' EXIT\n""",
            f"printf '{_MARK.decode().strip()}\\n'\n",
            *(_ONE.format(script=quote(probe.script)) for probe in probes),
        )
    )
    answer = transport.exec(script, timeout_seconds=TARGET_SECONDS)
    _, mark, rest = answer.output.partition(_MARK)
    if not mark:
        raise TransportError(
            "target-mute",
            f"{transport.place} runs a bash, but the questions were not answered: {answer.complaint}",
            "is its temporary folder writable and not full?",
        )
    found = {}
    for probe in probes:
        one, rest = _frame(rest, transport.place)
        found[probe.name] = _parsed(probe, one)
    return found


def _frame(data: bytes, place: str) -> tuple[Answer, bytes]:
    head, newline, rest = data.partition(b"\n")
    fields = head.split()
    if not newline or len(fields) != 3 or not all(field.isdigit() for field in fields):
        raise TransportError("target-mute", f"the answers of {place} are cut off or mixed with other output")
    status, output, error = map(int, fields)
    if len(rest) < output + error:
        raise TransportError("target-mute", f"the answers of {place} are cut off")
    answer = Answer(status=status, output=rest[:output], error=rest[output : output + error])
    return answer, rest[output + error :]


def _ask_controller(wanted: Wanted, parts: Iterable[Part], repositories: Pins, facts: Facts) -> Facts:
    while True:
        new = {
            probe.name: _parsed(probe, _put(probe.question, wanted, repositories))
            for probe in _questions(wanted, parts, facts)
            if isinstance(probe, ControllerProbe) and probe.name not in facts
        }
        if not new:
            return facts
        facts = facts.joined(new)


def _target_probes(wanted: Wanted, parts: Iterable[Part], facts: Facts) -> list[TargetProbe]:
    named = {probe.name: probe for probe in _questions(wanted, parts, facts) if isinstance(probe, TargetProbe)}
    return [named[name] for name in sorted(named) if name not in facts]


def _questions(wanted: Wanted, parts: Iterable[Part], facts: Facts) -> list[Probe]:
    """All that is asked, the built-in parts' first. Raises: PluginError where two ask for one fact in two ways."""
    named: dict[str, Probe] = {RUNS: runs_probe(wanted)}
    for part in sorted(parts, key=lambda part: part.provider.name != BUILTIN):
        for probe in part.probes(wanted, facts):
            if _asked(named.setdefault(probe.name, probe)) != _asked(probe):
                raise part.taken(probe.name)
    return list(named.values())


def _asked(probe: Probe) -> str | Question:
    return probe.script if isinstance(probe, TargetProbe) else probe.question


def _put(question: Question, wanted: Wanted, repositories: Pins) -> Answer | Known | Unknown:
    try:
        match question:
            case Ask(argv=argv):
                return piped.run(argv, timeout_seconds=ASK_SECONDS)
            case Environment(variable=variable):
                value = os.environ.get(variable)
                if value is None:
                    return Unknown(reason=f"{variable} is not set")
                return Answer(status=0, output=value.encode("utf-8", "surrogateescape"))
            case Find(program=program):
                if not (places := piped.which(program)):
                    return Unknown(reason=_nowhere(program))
                return Answer(status=0, output="\n".join(places).encode("utf-8", "surrogateescape"))
            case ReadFile(path=path, inside=inside):
                found = (carried if inside else beside)(wanted.folder, path)
                return Answer(status=0, output=found)
            case ReadRepository():
                return Known(value=msgspec.to_builtins(repositories.pin(question)))
    except OSError as error:
        return Unknown(reason=f"{error.strerror}: {error.filename}")
    except SrpoManifestError as error:
        return _unknown(error)


def _nowhere(program: str) -> str:
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    return f"no {ticked(program)} lies in {listed(folders)} (PATH)" if folders else "PATH is empty"


def _unknown(error: SrpoManifestError) -> Unknown:
    first = error.findings[0]
    return Unknown(reason=first.message, code=first.code, hints=first.hints)


def _parsed(probe: ControllerProbe | TargetProbe, answer: Answer | Known | Unknown) -> Known | Unknown:
    if not isinstance(answer, Answer):
        return answer
    try:
        return probe.parse(answer)
    except FactError as error:
        return Unknown(reason=str(error))
