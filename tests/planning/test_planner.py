from __future__ import annotations

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.planning.diff import diff
from srpo_manifest.planning.order import ordered
from srpo_manifest.planning.planner import plan_id
from srpo_manifest.planning.show import show
from srpo_manifest.reading.canonical import canonical_json
from srpo_manifest.rendering import told
from srpo_manifest.values.contract import Flag, Gap
from srpo_manifest.values.facts import Facts, Known, Unknown
from srpo_manifest.values.plan import Plan
from srpo_manifest.values.planned import Proposed
from srpo_manifest.values.step import Assume, AtEnd, Check, Content, Get, JobStep, Put, Sh, Variable
from srpo_manifest.values.words import word

FLAGS = (
    Flag(name="steps", type="int", default=10),
    Flag(name="rate", type="float"),
    Flag(name="range", type="float", nargs=2),
    Flag(name="tf32", action="store_true"),
    Flag(name="dead", type="str", effect="never-read", line=7),
)
OWN = ("--steps", "30", "--rate", "1e-5", "--tf32", "--dead", "x")
names = st.text("abcdef", min_size=1, max_size=6)
texts = st.text(max_size=12)
proposals = st.one_of(
    st.builds(lambda i, t: Put(id=i, name=f"files/{i}", content=Content(text=t), reason=t), names, texts),
    st.builds(lambda i, t, a: Sh(id=i, script=t, reason="", action=a), names, texts, st.sampled_from(["run", "keep"])),
    st.builds(lambda i, t: AtEnd(id=i, script=t, reason=""), names, texts),
    st.builds(lambda i, t: Get(id=i, pattern=t, to=t, reason=""), names, texts),
    st.builds(lambda n, t, w: Variable(name=n, value=word(t), weight=w), names, texts, st.integers(0, 2)),
    st.builds(
        lambda c, f, v: Check(code=c, level="warn", fact=f, op="equals", value=v, message=c), names, names, texts
    ),
    st.builds(lambda f, v: Assume(fact=f, op="equals", value=v), names, texts),
    st.builds(lambda argv: JobStep(mode="command", argv=tuple(map(word, argv))), st.lists(texts, min_size=1)),
)
stages = st.sampled_from(["resolve-repo", "build-env", "pre-launch", "on-stop"])
proposed_lists = st.lists(
    st.tuples(stages, st.sampled_from(["srpo-manifest", "alpha", "beta"]), proposals), max_size=12
).map(
    lambda found: [
        Proposed(stage=stage, provider=provider, turn=turn, proposal=proposal)
        for turn, (stage, provider, proposal) in enumerate(found)
    ]
)
facts_dicts = st.dictionaries(names, st.one_of(st.builds(Known, value=texts), st.just(Unknown(reason="no"))))


@given(found=proposed_lists, facts=facts_dicts, chance=st.randoms(use_true_random=False))
def test_loading_order_of_plugins_plays_no_part(make, found: list[Proposed], facts: dict, chance: random.Random):
    """Same wishes, facts and proposals: byte-identical plan, however the proposals came in."""
    from srpo_manifest.planning.planner import decide

    plan = decide(make.wanted(), Facts(facts=facts), found).plan
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert canonical_json(decide(make.wanted(), Facts(facts=facts), shuffled).plan) == canonical_json(plan)
    assert plan_id(plan) == plan.id
    assert ordered(shuffled) == ordered(found)


@given(found=proposed_lists, facts=facts_dicts)
def test_a_plan_survives_its_json(make, found: list[Proposed], facts: dict):
    """Decode of encode is identity, for plans and for facts; every plan can be shown and equals itself."""
    from srpo_manifest.planning.planner import decide

    known = Facts(facts=facts)
    plan = decide(make.wanted(), known, found).plan
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    assert msgspec.json.decode(msgspec.json.encode(known), type=Facts) == known
    assert diff(plan, plan) == []
    assert show(plan)
    assert show(plan, origins=True)


def test_the_plan_has_exactly_the_keys_of_the_contract(make):
    """All keys are always present, and none beside them."""
    plan = msgspec.to_builtins(make.planned(make.wanted(), make.facts()).plan)
    assert list(plan) == [
        "format", "id", "name", "manifest", "repo", "backend", "job", "options", "forecast", "steps", "rules",
        "checks", "warnings", "refusals", "notes", "assumes",
    ]  # fmt: skip
    assert set(plan["job"]) == {"mode", "argv", "cwd", "env", "nodes", "action"}
    assert set(plan["repo"]) == {"url", "ref", "commit", "tree"}
    assert set(plan["steps"][0]) == {"stage", "id", "place", "action", "reason", "provider", "digest"}
    assert set(plan["forecast"]) == {
        "updates", "checkpoints", "images", "effective_batch", "disk_bytes", "gpu_bytes", "host_bytes", "eta_seconds",
    }  # fmt: skip


def test_overrides_arrive_once_and_keep_their_place(make):
    """A flag of the script keeps its place, a new one comes last, a switch is taken away."""
    wanted = make.wanted(
        entry={"script": "train.sh", "set": {"rate": 5e-06, "tf32": False, "range": [0.1, 0.25]}},
        passthrough=("--steps", "7"),
    )
    plan = make.planned(wanted, make.facts(make.pin(*FLAGS, arguments=OWN))).plan
    assert not plan.refusals, [told(finding) for finding in plan.refusals]
    assert plan.job.argv == (
        "python3", "${repo.dir}/train.py", "--steps", "7", "--rate", "5e-06", "--dead", "x", "--range", "0.1", "0.25",
    )  # fmt: skip
    options = {option.name: option for option in plan.options}
    assert (options["steps"].script, options["steps"].manifest, options["steps"].origin) == (30, "7", "--")
    assert options["tf32"].final is None
    assert options["dead"].effect == "never-read"


def test_what_upstream_would_refuse_is_refused_before(make):
    """Unknown flags, abbreviations and floats for integers are told one by one."""
    wanted = make.wanted(entry={"script": "train.sh", "set": {"stepz": 1, "ste": 1, "steps": 3.5}})
    plan = make.planned(wanted, make.facts(make.pin(*FLAGS, arguments=OWN))).plan
    assert sorted(finding.code for finding in plan.refusals) == ["flag-abbreviated", "flag-type", "unknown-flag"]


def test_a_flag_that_is_never_read_is_warned_about_where_it_was_written(make):
    """Nothing the manifest sets and upstream ignores stays silent."""
    wanted = make.wanted(entry={"script": "train.sh", "set": {"dead": "y"}})
    plan = make.planned(wanted, make.facts(make.pin(*FLAGS, arguments=OWN))).plan
    assert [finding.code for finding in plan.warnings] == ["flag-never-read"]


def test_a_lint_raises_and_lowers_what_may_be_lowered(make):
    """`--deny` beats the manifest's table; a fault without which no run can be stays."""
    facts = make.facts(make.pin(*FLAGS, arguments=OWN))
    dead = {"script": "train.sh", "set": {"dead": "y"}}
    assert make.planned(make.wanted(entry=dead), facts).plan.applicable
    denied = {"flag-never-read": "deny"}
    assert not make.planned(make.wanted(entry=dead, lints=denied), facts).plan.applicable
    allowed = msgspec.structs.replace(make.wanted(entry=dead), lints={"all": "allow"})
    assert not make.planned(allowed, facts).plan.warnings
    unknown = msgspec.structs.replace(make.wanted(), lints={"all": "allow", "repo-unknown": "allow"})
    no_repo = Facts(facts={name: fact for name, fact in facts.facts.items() if name != "repo.pin"})
    assert not make.planned(unknown, no_repo).plan.applicable


def test_what_only_chooses_actions_is_not_part_of_the_id(make):
    """A checkout that is there, an earlier run and the forecast change no id."""
    wanted = make.wanted()
    first = make.planned(wanted, make.facts()).plan
    again = make.planned(wanted, make.facts(target__checkout="present")).plan
    assert first.id == again.id
    assert {step.id: step.action for step in again.steps}["checkout"] == "keep"
    done = [{"id": "a-run-x", "plan": first.id, "state": "ended", "outcome": "succeeded", "whole": True}]
    kept = make.planned(wanted, make.facts(target__runs=done))
    assert (kept.plan.id, kept.plan.job.action) == (first.id, "keep")
    assert plan_id(kept.plan) == first.id
    assert make.planned(wanted, make.facts(target__runs=done), again=True).plan.job.action == "run"
    assert make.planned(wanted, make.facts(target__runs=[done[0] | {"whole": False}])).plan.job.action == "run"


def test_a_running_run_of_the_name_is_attached_to_not_doubled(make):
    """Two runs of one name in one workspace are refused."""
    running = [{"id": "a-run-x", "plan": "p", "state": "running"}]
    plan = make.planned(make.wanted(), make.facts(target__runs=running)).plan
    assert [finding.code for finding in plan.refusals] == ["already-running"]


@given(facts=facts_dicts)
def test_unknown_facts_never_become_defaults(make, facts: dict):
    """With facts of any kind a plan is made; without a pin it is refused, whatever else is known."""
    plan = make.planned(make.wanted(), Facts(facts=facts)).plan
    assert not plan.applicable
    assert "repo-unknown" in {finding.code for finding in plan.refusals}


def test_a_number_of_gpus_that_nobody_knows_is_not_guessed(make):
    """The script reads HOST_GPU_NUM, nvidia-smi does not answer: refused with the key to set."""
    pin = make.pin(launcher=(make.token("torchrun"), make.token("--nproc_per_node"), make.variable("HOST_GPU_NUM")))
    entry = pin.entries["train.sh"]
    script = msgspec.structs.replace(entry.script, reads={"HOST_GPU_NUM": 1})
    pin = msgspec.structs.replace(pin, entries={"train.sh": msgspec.structs.replace(entry, script=script)})
    trainer = msgspec.structs.replace(make.wanted().trainer, needs_gpu=True)
    wanted = make.wanted(trainer=trainer)
    codes = {finding.code for finding in make.planned(wanted, make.facts(pin)).plan.refusals}
    assert "gpu-count-unknown" in codes
    with_count = make.wanted(trainer=trainer, resources={"gpus_per_node": 4})
    plan = make.planned(with_count, make.facts(pin)).plan
    assert plan.applicable
    assert plan.job.argv[:3] == ("torchrun", "--nproc_per_node", "4")
    assert plan.job.env["HOST_GPU_NUM"] == "4"


def test_a_flag_that_may_exist_is_delivered_and_told(make):
    """A program that could not be read whole: nothing is dropped, and nothing is claimed."""
    pin = make.pin(*FLAGS, arguments=OWN)
    entry = pin.entries["train.sh"]
    arguments = msgspec.structs.replace(entry.arguments, gaps=(Gap(line=9, reason="a loop over names"),))
    pin = msgspec.structs.replace(pin, entries={"train.sh": msgspec.structs.replace(entry, arguments=arguments)})
    wanted = make.wanted(entry={"script": "train.sh", "set": {"maybe": 3, "switch": True}}, passthrough=("--other=-1",))
    plan = make.planned(wanted, make.facts(pin)).plan
    assert plan.applicable, plan.refusals
    assert plan.job.argv[-4:] == ("--maybe", "3", "--switch", "--other=-1") or plan.job.argv[-5:] == (
        "--maybe", "3", "--switch", "--other", "-1",
    )  # fmt: skip
    assert [finding.code for finding in plan.warnings] == ["flag-unproven"] * 3
    away = make.planned(make.wanted(entry={"script": "train.sh", "unset": ["maybe"]}), make.facts(pin)).plan
    assert [finding.code for finding in away.refusals] == ["flag-unremovable"]


def test_a_switch_with_two_spellings_is_set_off_or_taken_away(make):
    """`false` is `--no-x`; `unset` leaves it to the trainer's default."""
    flags = (Flag(name="cache", action="boolean", default=True),)
    facts = make.facts(make.pin(*flags, arguments=("--cache",)))
    off = make.planned(make.wanted(entry={"script": "train.sh", "set": {"cache": False}}), facts).plan
    assert off.job.argv[2:] == ("--no-cache",)
    away = make.planned(make.wanted(entry={"script": "train.sh", "unset": ["cache"]}), facts).plan
    assert away.job.argv[2:] == ()
