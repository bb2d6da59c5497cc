"""What every stage promises: a plugin inherits the suite, and names itself and the manifests that it has something to say to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from srpo_manifest.engine.parts import Part
from srpo_manifest.piped import run
from srpo_manifest.plugin import (
    Answer,
    AtEnd,
    Check,
    FactError,
    Facts,
    Known,
    Probe,
    Proposal,
    Sh,
    TargetProbe,
    Unknown,
    Wanted,
)
from srpo_manifest.runner import Runner, Said
from srpo_manifest.testing.program import Program
from srpo_manifest.testing.purity import watched

_CHECK_SECONDS = 30.0
_ODD = (b"", b"\n", b"0\n", b"-1", b"null\n", b"[]", b"{}", b'{"a": ', b"a b c\nd\n", b"\xff\xfe\0\r\n", b"x" * 100_000)
"""What probes are answered by machines that nobody thought of."""
_BYSTANDER = """from srpo_manifest.plugin import hookimpl
raise SystemExit("nobody asked for me")
"""


class _Case(NamedTuple):
    """A manifest, what is known, and what the plugin has to say to it."""

    wanted: Wanted
    facts: Facts
    parts: tuple[Part, ...]

    @property
    def probes(self) -> list[Probe]:
        """Of the first round and of the last one."""
        return [
            one for part in self.parts for facts in (Facts(), self.facts) for one in part.probes(self.wanted, facts)
        ]

    def steps(self, facts: Facts) -> list[Proposal]:
        """What is proposed where *facts* are known."""
        return [one for part in self.parts for one in part.steps(self.wanted, facts)]


class StageSuite:
    """Inherit it in a `Test…` class that overrides the fixture `plugin`, and `manifests` where the smallest one says too little."""

    @pytest.fixture
    def plugin(self) -> str:
        """The name of the one under test, which is installed."""
        raise NotImplementedError("a suite that inherits this one names its plugin")

    @pytest.fixture
    def manifests(self) -> Sequence[str]:
        """TOML tables of manifests that can be run here, each beside those of the smallest one."""
        return ("",)

    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
        """The program in a folder of its own."""
        found = Program(tmp_path)
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        return found

    @pytest.fixture
    def cases(self, plugin: str, manifests: Sequence[str], program: Program) -> Iterator[_Case]:
        """Each manifest with what this machine answers; made anew, handler and all, whenever one is asked for."""
        return (self.case(plugin, tables, program) for tables in manifests)

    @staticmethod
    def written(plugin: str, tables: str, program: Program, command: str = "true") -> Path:
        """The manifest of *tables*, which names the plugin."""
        return program.manifest(f'plugins = ["{plugin}"]', tables, command=(command,))

    def case(self, plugin: str, tables: str, program: Program) -> _Case:
        """The manifest of *tables*, with what this machine answers."""
        runner = Runner(Said(manifest=str(self.written(plugin, tables, program))))
        facts = runner.plan(again=True).facts
        parts = tuple(part for part in runner.registry.parts(runner.wanted) if part.provider.name == plugin)
        return _Case(runner.wanted, facts, parts)

    def test_a_manifest_that_names_it_plans(
        self, plugin: str, manifests: Sequence[str], program: Program, cases: Iterator[_Case]
    ) -> None:
        """It answers a stage at least, and is told among the plugins."""
        for tables, case in zip(manifests, cases, strict=True):
            self.written(plugin, tables, program)
            said = program.say("plan", "--json")
            assert said.status == 0, said.err
            assert plugin in [one["name"] for one in said.json["backend"]["plugins"]]
            assert case.parts, "no hook of a stage answers"

    def test_the_same_facts_give_the_same_steps(
        self, plugin: str, manifests: Sequence[str], program: Program, cases: Iterator[_Case]
    ) -> None:
        """Asked again, of another handler, and in another process with another order of everything."""
        for tables, case in zip(manifests, cases, strict=True):
            first = case.steps(case.facts)
            assert case.steps(case.facts) == first
            assert self.case(plugin, tables, program).steps(case.facts) == first
            plans = [program.say("plan", "--json", "--again", PYTHONHASHSEED=seed).json for seed in ("1", "2")]
            assert plans[0] == plans[1]

    def test_it_reads_nothing_but_its_arguments(self, cases: Iterator[_Case], monkeypatch: pytest.MonkeyPatch) -> None:
        """No file, process, network, clock or environment: what it needs to know is a probe's business."""
        for case in cases:
            for facts in (case.facts, Facts()):
                case.steps(facts)
                with watched(monkeypatch) as read:
                    for part in case.parts:
                        part.probes(case.wanted, facts)
                        part.steps(case.wanted, facts)
                assert read == []

    def test_no_answer_makes_it_raise(self, cases: Iterator[_Case]) -> None:
        """Nothing, failures and rubbish: a parser tells Known, Unknown or a FactError, and the steps do with any of that."""
        for case in cases:
            odd = [Answer(status=status, output=output) for output in _ODD for status in (0, 1)]
            for answer in odd:
                found: dict[str, Known | Unknown] = {}
                for probe in case.probes:
                    try:
                        found[probe.name] = probe.parse(answer)
                    except FactError as error:
                        found[probe.name] = Unknown(reason=str(error))
                case.steps(case.facts.joined(found))
            unknown = Unknown(reason="the target did not say")
            case.steps(case.facts.joined({probe.name: unknown for probe in case.probes}))
            case.steps(Facts(facts=dict.fromkeys(case.facts.facts, unknown)))
            case.steps(Facts())

    def test_its_steps_have_names_of_their_own(self, cases: Iterator[_Case]) -> None:
        """And its facts: each belongs to one question."""
        for case in cases:
            for part in case.parts:
                named = [getattr(one, "id", "") for one in part.steps(case.wanted, case.facts)]
                given = [name for name in named if name]
                assert sorted(set(given)) == sorted(given)
            asked = {(probe.name, getattr(probe, "script", None)) for probe in case.probes}
            assert len(asked) == len({name for name, _ in asked})

    def test_its_scripts_are_bash(self, cases: Iterator[_Case]) -> None:
        """Of probes, checks and steps."""
        for case in cases:
            steps = case.steps(case.facts)
            texts = [probe.script for probe in case.probes if isinstance(probe, TargetProbe)]
            texts += [one.script for one in steps if isinstance(one, Sh | AtEnd)]
            texts += [one.probe for one in steps if isinstance(one, Check)]
            for text in texts:
                answer = run(("bash", "-n"), data=(text.encode(),), timeout_seconds=_CHECK_SECONDS)
                assert answer.status == 0, answer.complaint

    def test_what_else_is_installed_changes_no_plan(
        self, plugin: str, manifests: Sequence[str], program: Program
    ) -> None:
        """Only what the manifest names is loaded."""
        site = program.folder / "site"
        info = site / "srpo_manifest_bystander-1.dist-info"
        info.mkdir(parents=True)
        (site / "bystander.py").write_text(_BYSTANDER)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: srpo-manifest-bystander\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[srpo_manifest]\nbystander = bystander\n")
        path = os.pathsep.join(filter(None, (str(site), program.env.get("PYTHONPATH"))))
        for tables in manifests:
            self.written(plugin, tables, program)
            assert program.say("plan", "--json", PYTHONPATH=path).out == program.say("plan", "--json").out

    @pytest.mark.parametrize(("command", "outcome"), [("true", "succeeded"), ("false", "failed")])
    def test_its_steps_run_at_either_end(
        self, plugin: str, manifests: Sequence[str], program: Program, command: str, outcome: str
    ) -> None:
        """Before the job, and behind it whether it succeeded or failed; nothing of it is warned about."""
        for tables in manifests:
            self.written(plugin, tables, program, command)
            said = program.say("apply", "--json", "--again")
            assert said.events[-1].get("outcome") == outcome, said.err
            warned = [event["message"] for event in said.events if event["event"] == "warning.raised"]
            assert warned == []
