"""When a run is done and how many workers it has, as far as its description says."""

from __future__ import annotations

import msgspec
import pytest

from srpo_manifest.planning.evidence import settled
from srpo_manifest.planning.rules import rules
from srpo_manifest.planning.workers import gpus_per_node
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.manifest import TransportOptions
from srpo_manifest.values.plan import EndRule
from srpo_manifest.values.trainer import Advice, DoneRule, Evidence, Trainer
from srpo_manifest.values.words import late, word

BASE = Trainer(format=1, name="t", title="t")


def done(make, rule: DoneRule, *, manifest: dict | None = None, **values):
    tables = {"done": manifest} if manifest else {}
    wanted = make.wanted(trainer=msgspec.structs.replace(BASE, done=rule), **tables)
    found = rules(wanted, {name: (value,) for name, value in values.items()}).done
    return found["files"], found["exit_zero"]


def test_files_of_a_description_are_filled(make):
    """With values that are known, and with what only the target knows; glob characters of a value mean themselves."""
    rule = DoneRule(files=("{out}/index.json", "plain"), exit_zero=True)
    assert done(make, rule, out=word("./a[1]/")) == (["a[[]1]/index.json", "plain"], True)
    assert done(make, rule, out=word("x/") + late("run.id")) == (["x/${run.id}/index.json", "plain"], True)


def test_files_are_a_rule_of_their_own_and_never_lost(make):
    """Without `exit_zero` the end is not waited for; a flag without a value leaves a pattern that nothing matches."""
    assert done(make, DoneRule(files=("{out}/a",))) == (["{out}/a"], False)
    assert done(make, DoneRule()) == ([], True)


def test_the_manifests_rule_is_the_whole_rule(make):
    """Nothing of the description is added to it."""
    rule = DoneRule(files=("a",), exit_zero=True)
    assert done(make, rule, manifest={"files": ["b"]}) == (["b"], False)
    assert done(make, rule, manifest={"exit_zero": True}) == ([], True)


@pytest.mark.parametrize(
    ("entry", "resources", "count"),
    [
        ({"script": "train.sh"}, {}, 2),
        ({"script": "train.py"}, {}, 1),
        ({"script": "train.py"}, {"gpus_per_node": 4}, 4),
        ({"command": ["python", "train.py"]}, {}, 2),
    ],
)
def test_a_program_without_a_launcher_is_one_process(make, entry, resources, count):
    """Whatever GPUs are there; who says a number is believed."""
    gpus = [{"name": "H100", "memory_mib": 81559}] * 2
    wanted = make.wanted(trainer=BASE, entry=entry, resources=resources)
    assert gpus_per_node(wanted, make.facts(target__gpus=gpus)) == count


@pytest.mark.parametrize("holds", [True, False])
def test_advice_rests_on_evidence_too(make, holds):
    """Where the pattern is gone, nothing is advised."""
    evidence = {"a": Evidence(file="f", pattern="p")}
    trainer = msgspec.structs.replace(BASE, afterwards=(Advice(text="copy", rule="a"),), evidence=evidence)
    pin = make.pin()
    entry = msgspec.structs.replace(pin.entries["train.sh"], evidence={"a": holds}, description=digest(trainer))
    facts = make.facts(msgspec.structs.replace(pin, entries={"train.sh": entry}))
    wanted, _ = settled(make.wanted(trainer=trainer), facts, "train.sh")
    assert [advice.text for advice in wanted.trainer.afterwards] == ["copy"] * holds
    notes = [note.message for note in make.planned(wanted, facts).plan.notes if note.code == "afterwards"]
    assert notes == ["when it is done: copy"] * holds


@pytest.mark.parametrize(
    ("table", "wait_seconds"),
    [({"command": ["off"]}, 0.0), ({"command": ["off"], "when": "fetched", "wait_hours": 2.0}, 0.0)],
)
def test_the_end_of_a_local_run_waits_for_nothing(make, table, wait_seconds):
    """What it made is at home."""
    assert rules(make.wanted(end=table), {}).end == EndRule(command=("off",), wait_seconds=wait_seconds)
    assert rules(make.wanted(), {}).end is None


@pytest.mark.parametrize(("hours", "wait_seconds"), [({}, 3600.0), ({"wait_hours": 0.5}, 1800.0)])
def test_the_end_elsewhere_waits_for_what_is_fetched(make, hours, wait_seconds):
    """An hour where nothing is said."""
    wanted = make.wanted(end={"command": ["off"], "when": "fetched"} | hours)
    backend = msgspec.structs.replace(wanted.manifest.backend, transport=TransportOptions(kind="elsewhere"))
    wanted = msgspec.structs.replace(wanted, manifest=msgspec.structs.replace(wanted.manifest, backend=backend))
    assert rules(wanted, {}).end == EndRule(command=("off",), wait_seconds=wait_seconds)
