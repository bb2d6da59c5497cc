"""What one plugin, or a built-in part, has to say in a stage: its questions and proposals, held against what they may be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, get_args

import msgspec

from srpo_manifest.engine.plugin_faults import guarded, said, tell_authors, wrong_answer
from srpo_manifest.errors import PluginError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.ports.probes import Answer, ControllerProbe, Probe, TargetProbe
from srpo_manifest.ports.stage import StageHandler
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.plan import Provider, Stage
from srpo_manifest.values.planned import Proposed
from srpo_manifest.values.step import AtEnd, Check, JobStep, Proposal, Put, Sh
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked

A = TypeVar("A")
_PROPOSALS: tuple[type, ...] = Proposal.__args__
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_RESERVED = {"launch.sh", "supervise.py", "settings.sh", "leader.sh", "rules.json", "plan.json", "steps", "on_stop.sh", "deliver", "deliver.py", "supervising", "shim", "shim.sh"}  # fmt: skip


class Part:
    """One stage handler and whose it is: its faults carry that name."""

    def __init__(self, stage: Stage, provider: Provider, handler: StageHandler) -> None:
        self.stage, self.provider, self._handler = stage, provider, handler

    def probes(self, wanted: Wanted, facts: Facts) -> list[Probe]:
        """The handler's questions. Raises: PluginError."""
        found: list[Probe] = self._call("probes", lambda: list(self._handler.probes(wanted, facts)))
        self._typed(found, (ControllerProbe, TargetProbe), "a probe")
        if self.provider.name == BUILTIN:
            return found
        return [msgspec.structs.replace(probe, parse=partial(self._parsed, probe)) for probe in found]

    def _parsed(self, probe: Probe, answer: Answer) -> Known | Unknown:
        what = f"the parser of {ticked(probe.name)}"
        found = guarded(self.provider, what, partial(probe.parse, answer))
        if not isinstance(found, Known | Unknown):
            raise wrong_answer(self.provider, what, "Known or Unknown", found)
        if why := _misshapen(found):
            raise self._misnamed(type(found).__name__, f"has another shape than its type says: {why}")
        return found

    def steps(self, wanted: Wanted, facts: Facts) -> list[Proposal]:
        """The handler's proposals. Raises: PluginError."""
        found: list[Proposal] = self._call("steps", lambda: list(self._handler.steps(wanted, facts)))
        for proposal in self._typed(found, _PROPOSALS, "a proposal"):
            if isinstance(proposal, Put) and not _stays_inside(proposal.name):
                raise self._misnamed(proposal.name, "is no name for a file of its own beneath the bundle")
            if isinstance(proposal, Put | Sh | AtEnd) and not _ID.fullmatch(proposal.id):
                raise self._misnamed(proposal.id, "is no id: letters, digits, `.`, `_` and `-`")
            if isinstance(proposal, Check) and not _CODE.fullmatch(proposal.code):
                raise self._misnamed(proposal.code, "is no code: words of small letters and digits, with `-` between")
        launches = (
            self.stage == "launch" and self.provider.name != BUILTIN and isinstance(facts.facts.get("repo.pin"), Known)
        )
        if launches and not any(isinstance(one, JobStep | Fault) for one in found):
            raise wrong_answer(self.provider, "stage launch", "a JobStep, or a Fault that says why there is none", None)
        return found

    def taken(self, name: str) -> PluginError:
        """The error for a fact of *name*, which somebody else asks for otherwise."""
        return self._misnamed(
            name, "is a fact that another part asks for in another way; begin its name with the plugin's"
        )

    def _misnamed(self, name: str, why: str) -> PluginError:
        message = f"{ticked(name)}, which plugin {said(self.provider)} answered stage {self.stage} with, {why}"
        return PluginError("plugin-answer", message, tell_authors(self.provider.name))

    def _call(self, what: str, call: Callable[[], A]) -> A:
        return guarded(self.provider, f"{what}() of stage {self.stage}", call)

    def _typed(self, found: list[A], types: tuple[type, ...], what: str) -> list[A]:
        for one in found:
            if not isinstance(one, types):
                raise wrong_answer(self.provider, f"stage {self.stage}", what, one)
            why = "" if self.provider.name == BUILTIN else _misshapen(one)
            if why:
                raise self._misnamed(type(one).__name__, f"has another shape than its type says: {why}")
        return found


def propose(parts: Iterable[Part], wanted: Wanted, facts: Facts) -> list[Proposed]:
    """What all handlers propose, each numbered in the order of its stage and provider."""
    turns: Counter[tuple[Stage, str]] = Counter()
    found: list[Proposed] = []
    for part in parts:
        whose = (part.stage, part.provider.name)
        for proposal in part.steps(wanted, facts):
            found.append(Proposed(stage=part.stage, provider=part.provider.name, turn=turns[whose], proposal=proposal))
            turns[whose] += 1
    return found


def _misshapen(value: Any) -> str:
    """Which field of a struct holds something of another type, and what; nothing looks when a struct is made."""
    for field in msgspec.structs.fields(type(value)):
        found, kinds = getattr(value, field.name), get_args(field.type) or (field.type,)
        if field.name == "parse":
            why = "" if callable(found) else "it is no function"
        elif isinstance(found, msgspec.Struct) and type(found) in kinds:
            why = _misshapen(found)
        else:
            try:
                msgspec.convert(msgspec.to_builtins(found), field.type)
            except (TypeError, ValueError) as error:
                why = str(error)
            else:
                continue
        if why:
            return f"`{field.name}`: {why}"
    return ""


def _stays_inside(name: str) -> bool:
    """Whether a file of the bundle lies in it, in the place of none that makes it run."""
    parts = name.split("/")
    hidden = parts[0].startswith(".") or parts[0] in _RESERVED
    return "\0" not in name and not {"", ".", ".."}.intersection(parts) and not hidden
