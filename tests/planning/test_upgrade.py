"""What differs between two readings is told exactly, and what matters is told of one manifest."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from srpo_manifest.finding import Finding, Where
from srpo_manifest.planning.relevance import Stake, described
from srpo_manifest.planning.relevance import given as given_flags
from srpo_manifest.planning.surroundings import files_named, grave, of_files, of_findings
from srpo_manifest.planning.upgrade import compared
from srpo_manifest.values.contract import (
    ArgumentContract,
    Flag,
    Gap,
    Import,
    Launch,
    Opaque,
    Plain,
    ScriptContract,
    Token,
    Variable,
)
from srpo_manifest.values.lock import EntryContract
from srpo_manifest.values.manifest import ArgsFile
from srpo_manifest.values.trainer import (
    Advice,
    DoneRule,
    Evidence,
    Loop,
    Memory,
    ModelFlags,
    NeededFile,
    Trainer,
    TrainerCheck,
)
from srpo_manifest.values.upgrade import Change, FileChange

names = st.text("abcd_", min_size=1, max_size=5)
texts = st.text("ab -$=", max_size=5)
scalars = st.one_of(st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False, width=16), texts)
tokens = st.builds(
    Token,
    pieces=st.lists(
        st.builds(Plain, text=texts) | st.builds(Variable, name=names, default=st.none() | texts) | st.builds(Opaque, source=texts, reason=texts),
        max_size=2,
    ).map(tuple),
    line=st.integers(0, 99),
)  # fmt: skip
lines = st.dictionaries(names, st.integers(1, 99), max_size=3)
gaps = st.lists(st.builds(Gap, line=st.integers(1, 9), reason=texts), max_size=2).map(tuple)
words = st.lists(tokens, max_size=4).map(tuple)
flags = st.builds(
    Flag,
    name=names,
    aliases=st.lists(names, max_size=1).map(tuple),
    type=st.sampled_from([None, "int", "other"]),
    nargs=st.sampled_from([None, 2, "?"]),
    choices=st.none() | st.tuples(scalars),
    default=st.none() | scalars,
    required=st.booleans(),
    effect=st.sampled_from(["used", "never-read", "unknown"]),
    line=st.integers(1, 99),
    read_at=st.none() | st.integers(1, 99),
)
launches = st.builds(
    Launch, launcher=words, entry=tokens, module=st.booleans(), arguments=words, line=st.integers(1, 9),
    environment=st.lists(st.tuples(names, tokens), max_size=2, unique_by=lambda pair: pair[0]).map(tuple),
)  # fmt: skip
scripts = st.builds(
    ScriptContract, path=st.just("run.sh"), digest=texts, reads=lines, dead=lines, sets=st.dictionaries(names, tokens, max_size=2),
    exported=st.lists(names, max_size=2, unique=True).map(tuple), makes=words, launches=st.lists(launches, max_size=2).map(tuple),
    forwards_arguments=st.booleans(), errexit=st.booleans(), indirect=gaps, gaps=gaps,
)  # fmt: skip
programs = st.builds(
    ArgumentContract, path=st.sampled_from(["a.py", "b.py"]), digest=texts, flags=st.lists(flags, max_size=4).map(tuple),
    allows_unknown=st.booleans(), gaps=gaps,
)  # fmt: skip
entries = st.builds(
    EntryContract, script=scripts, arguments=st.none() | programs, description=texts, evidence=st.dictionaries(names, st.booleans(), max_size=3)
)  # fmt: skip


@given(entry=st.none() | entries)
def test_a_reading_does_not_differ_from_itself(entry: EntryContract | None):
    """No change, nothing to tell."""
    assert compared("run.sh", entry, entry) == ()


@given(before=st.none() | entries, after=st.none() | entries)
def test_the_way_back_is_the_way_there_with_its_sides_exchanged(before, after):
    """Each change is found from both ends; equal readings alone give none but for their lines."""

    def turned(change: Change) -> Change:
        return replace(change, before=change.after, after=change.before, where=change.was, was=change.where)

    there, back = compared("run.sh", before, after), compared("run.sh", after, before)

    def known(changes: Any) -> list[bytes]:
        # A name is the new side's own where both have one; what is compared here are the sides.
        return sorted(msgspec.json.encode(replace(change, name="")) for change in changes)

    assert known(there) == known(map(turned, back))


def moved(value: Any, by: int) -> Any:
    """The same reading some lines further down."""
    if isinstance(value, msgspec.Struct):
        changed = {name: moved(getattr(value, name), by) for name in value.__struct_fields__}
        for name in ("line", "read_at"):
            if changed.get(name) is not None:
                changed[name] += by
        for name in ("reads", "dead"):
            if name in changed:
                changed[name] = {key: line + by for key, line in changed[name].items()}
        return type(value)(**changed)
    if isinstance(value, dict):
        return {key: moved(one, by) for key, one in value.items()}
    return tuple(moved(one, by) for one in value) if isinstance(value, tuple) else value


@given(entry=entries, by=st.integers(1, 50))
def test_lines_alone_are_no_change(entry: EntryContract, by: int):
    """A comment above moves everything, and changes nothing."""
    assert compared("run.sh", entry, moved(entry, by)) == ()


FIELDS: dict[str, Any] = {
    "type": "float", "nargs": "+", "choices": (1, 2), "default": 99, "unread": ("help",), "const": 7, "required": True,
    "action": "append", "effect": "no-effect", "conditional": True, "positional": True, "dest": "elsewhere", "aliases": ("-z",),
}  # fmt: skip


@given(
    kept=st.lists(names, unique=True, min_size=1, max_size=5),
    planted=st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(0, 4), min_size=0, max_size=6),
    came=st.lists(st.integers(0, 9), unique=True, max_size=3),
    went=st.lists(st.integers(0, 9), unique=True, max_size=3),
)
def test_exactly_the_planted_differences_of_flags_are_told(kept, planted, came, went):
    """Neither less nor more: by flag and field."""
    old = {name: Flag(name=name, type="int", default=1, line=1) for name in kept}
    new = dict(old)
    wanted = set()
    for field, at in planted.items():
        name = kept[at % len(kept)]
        new[name] = replace(new[name], **{field: FIELDS[field]})
        wanted.add((name, field))
    for number in came:
        new[f"new{number}"] = Flag(name=f"new{number}")
        wanted.add((f"new{number}", ""))
    for number in went:
        old[f"old{number}"] = Flag(name=f"old{number}")
        wanted.add((f"old{number}", ""))
    before, after = (
        EntryContract(arguments=ArgumentContract(path="a.py", digest="", flags=tuple(one.values())))
        for one in (old, new)
    )
    found = compared("a.py", before, after)
    assert {(change.name, change.field) for change in found} == wanted
    assert len(found) == len(wanted)
    assert {change.what for change in found} <= {"flag"}


def test_every_field_of_a_flag_is_compared_also_one_of_a_later_version():
    """What is there or not, of a field that holds a line, counts; which line it is does not."""

    class Later(Flag, frozen=True, kw_only=True):
        needed_at: int | None = None
        hidden: bool = False

    def told(**changed: Any) -> list[tuple[str, Any, Any]]:
        one, other = (
            EntryContract(arguments=ArgumentContract(path="a.py", digest="", flags=(Later(name="x", **more),)))
            for more in ({"needed_at": 3}, changed)
        )
        return [(change.field, change.before, change.after) for change in compared("a.py", one, other)]

    assert told(needed_at=9) == []
    assert told(needed_at=None) == [("needed_at", True, False)]
    assert told(needed_at=3, hidden=True) == [("hidden", False, True)]


def word(text: str, line: int = 1) -> Token:
    return Token(pieces=(Plain(text=text),), line=line)


def said(text: str) -> tuple[Token, ...]:
    return tuple(map(word, text.split()))


def script(**parts: Any) -> ScriptContract:
    launch = Launch(
        launcher=said(parts.pop("launcher", "torchrun --nproc_per_node 8")), entry=word(parts.pop("entry", "a.py")),
        arguments=said(parts.pop("arguments", "--steps 3 --fast")), line=5,
    )  # fmt: skip
    return ScriptContract(path="run.sh", digest="", launches=parts.pop("launches", (launch,)), **parts)


STEPS, FAST = Flag(name="steps", type="int", default=1, line=4), Flag(name="fast", action="store_true", line=5)
RATE = Flag(name="rate", aliases=("-r",), type="float", default=0.1, line=6, effect="used")


def entry(
    *flags: Flag,
    evidence: dict[str, bool] | None = None,
    imports: dict[str, Import] | None = None,
    path: str = "a.py",
    **parts: Any,
) -> EntryContract:
    program = ArgumentContract(path=path, digest="", flags=flags or (STEPS, FAST, RATE))
    return EntryContract(script=script(**parts), arguments=program, evidence=evidence or {}, imports=imports or {})


@pytest.mark.parametrize(
    ("after", "what", "name", "sides"),
    [
        (entry(arguments="--steps 4 --fast"), "argument", "steps", (["3"], ["4"])),
        (entry(arguments="--steps=4 --fast"), "argument", "steps", (["3"], ["4"])),
        (entry(arguments="--fast --steps 3"), None, "", ()),
        (entry(arguments="--steps 3"), "argument", "fast", ([], None)),
        (entry(launcher="torchrun --nproc_per_node 4"), "launcher", "nproc_per_node", (["8"], ["4"])),
        (entry(launcher="python3 --nproc_per_node 8"), "launcher", "words", (["torchrun"], ["python3"])),
        (entry(entry="b.py", path="b.py"), "entry", "run.sh", ("a.py", "b.py")),
        (entry(entry="./a.py"), "entry", "program", ("a.py", "./a.py")),
        (entry(reads={"HOST": 2}), "variable", "HOST", (None, True)),
        (entry(dead={"X": 2}), "variable", "X", (None, True)),
        (entry(sets={"X": word("1", 2)}), "variable", "X", (None, "1")),
        (entry(exported=("X",)), "variable", "X", (None, True)),
        (entry(makes=said("images")), "folder", "images", (None, True)),
        (entry(forwards_arguments=True), "forwarding", '"$@"', (False, True)),
        (entry(errexit=True), "script", "run.sh", (False, True)),
        (entry(evidence={"loops": False}), "rule", "loops", (None, False)),
        (entry(imports={"torch": Import(at="a.py:1")}), "import", "torch", (None, {"at": "a.py:1", "own": False})),
    ],
)
def test_each_part_of_a_script_is_told_in_its_own_words(after, what, name, sides):
    """One planted difference, one change."""
    found = compared("run.sh", entry(), after)
    assert [(change.what, change.name, (change.before, change.after)) for change in found] == ([(what, name, sides)] if what else [])  # fmt: skip


def test_a_script_that_does_more_is_served_no_longer():
    """The first line in the way is where it is told."""
    after = entry(indirect=(Gap(line=7, reason="`if` decides"),))
    mode, gap = compared("run.sh", entry(), after)
    assert (mode.what, mode.before, mode.after, mode.where) == (
        "mode",
        "direct",
        "not direct",
        Where(file="run.sh", line=7),
    )
    assert (gap.what, gap.name, gap.before, gap.after) == ("gap", "`if` decides", None, 1)


TRAINER = Trainer(
    format=1, name="t", title="t", model=ModelFlags(base="base"), pinned={"rdzv": "${run.id}"},
    loop=Loop(shape="plain", max_steps="steps", checkpoint_every="every", rule="loops"),
    files=(NeededFile(path="weights.pt", rule="opens"),),
    evidence={"loops": Evidence(file="a.py", pattern="x"), "opens": Evidence(file="b.py", pattern="y")},
)  # fmt: skip


@pytest.fixture
def matters(make):
    """The changes that matter to a manifest with these tables, as `what name`, with the reasons."""

    def ask(before: EntryContract, after: EntryContract, *, same_job: bool = False, **tables: Any) -> dict[str, str]:
        stake = Stake(make.wanted(**tables), before, after, same_job=same_job)
        found = stake.weighed(compared("run.sh", before, after))
        assert sorted(found, key=lambda one: not one.matters) == list(found)
        return {f"{one.what} {one.name}": one.why for one in found if one.matters}

    return ask


def test_a_flag_matters_to_who_gives_it(matters):
    """The manifest, the script, the description, a default: each says why; what nobody touches does not matter."""
    gone = entry(STEPS, FAST)
    sets = {"script": "train.sh", "set": {"rate": 1.0}}
    assert matters(entry(), gone) == {}
    assert matters(entry(), gone, entry=sets) == {"flag rate": "`entry.set` gives it"}
    assert matters(entry(), gone, entry={"script": "train.sh", "extra_args": ["-r", "1"]}) == {"flag rate": "`entry.extra_args` gives it"}  # fmt: skip
    renamed = entry(STEPS, FAST, replace(RATE, name="rates"))
    assert matters(entry(), renamed, entry=sets) == {"flag rate": "`entry.set` gives it; did you mean `rates`?"}
    assert matters(entry(), entry(FAST, RATE)) == {"flag steps": "the script passes it"}
    retyped = entry(STEPS, FAST, replace(RATE, type="int"))
    assert matters(entry(), retyped) == {}
    assert matters(entry(), retyped, entry=sets) == {"flag rate": "`entry.set` gives it"}
    loop = entry(STEPS, FAST, Flag(name="every"))
    assert matters(loop, entry(STEPS, FAST, Flag(name="other")), trainer=TRAINER) == {"flag every": "the description of `t` rests on it"}  # fmt: skip


def test_a_default_matters_where_nobody_sets_the_flag(matters):
    """A value that is given hides it, and so does a program that never reads it."""
    after = entry(STEPS, FAST, replace(RATE, default=0.5))
    assert matters(entry(), after) == {"flag rate": "nobody sets it; `rate = 0.1` in `[entry.set]` keeps it"}
    assert matters(entry(), after, entry={"script": "train.sh", "set": {"rate": 1.0}}) == {}
    assert matters(entry(), entry(replace(STEPS, default=2), FAST, RATE)) == {}
    dead = replace(RATE, effect="never-read")
    assert matters(entry(STEPS, FAST, dead), entry(STEPS, FAST, replace(dead, default=0.5))) == {}


def test_every_flag_that_a_description_reads_is_known():
    """Of its loop, memory, checks, conditions and patterns."""
    memory = Memory(offload="off", sharding="shard")
    check = TrainerCheck(code="c", message="m", flag="checked", when=("!absent", "kind=HPS"), rule="opens")
    files = (NeededFile(path="{index}/x", when=("wanted",)),)
    more = {"done": DoneRule(files=("{out}/a",)), "afterwards": (Advice(text="copy `{list}`"),)}
    assert described(replace(TRAINER, memory=memory, checks=(check,), files=files, **more)) == {
        "steps", "every", "off", "shard", "checked", "absent", "kind", "index", "wanted", "out", "list",
    }  # fmt: skip


def test_resting_on_a_flag_is_not_giving_it(matters):
    """The description only reads it: its default counts, and somebody has to give it."""
    every = Flag(name="every", default=1, effect="used")
    before = entry(STEPS, FAST, every)
    assert matters(before, entry(STEPS, FAST, replace(every, default=2)), trainer=TRAINER) == {
        "flag every": "nobody sets it; `every = 1` in `[entry.set]` keeps it"
    }
    assert list(matters(before, entry(STEPS, FAST, replace(every, required=True)), trainer=TRAINER)) == ["flag every"]
    assert list(matters(before, entry(STEPS, FAST, replace(every, type="int")), trainer=TRAINER)) == ["flag every"]


def test_what_a_program_newly_wants_matters_until_somebody_gives_it(matters):
    """A new flag, or one that is required now."""
    new = entry(STEPS, FAST, RATE, Flag(name="seed", required=True))
    assert matters(entry(), new) == {"flag seed": "nobody gives it, and the program wants it"}
    assert matters(entry(), entry(STEPS, FAST, RATE, Flag(name="seed"))) == {}
    now = entry(STEPS, FAST, replace(RATE, required=True))
    assert matters(entry(), now) == {"flag rate": "nobody gives it, and the program wants it"}
    assert matters(entry(), now, entry={"script": "train.sh", "set": {"rate": 1.0}}) == {}


def test_a_flag_that_died_matters_to_who_sets_it(matters):
    """Its value reaches nothing any more."""
    after = entry(STEPS, FAST, replace(RATE, effect="never-read"))
    assert matters(entry(), after) == {}
    assert matters(entry(), after, entry={"script": "train.sh", "set": {"rate": 1.0}}) == {"flag rate": "`entry.set` gives it"}  # fmt: skip


def test_knowing_more_of_a_flag_is_no_change_of_it(matters):
    """Where nothing is said to be dead on either side."""
    after = entry(STEPS, FAST, replace(RATE, effect="unknown"))
    assert matters(entry(), after, entry={"script": "train.sh", "set": {"rate": 1.0}}) == {}


def test_what_the_script_says_matters_unless_the_manifest_says_its_own(matters):
    """Equal jobs are equal, however the script spells them."""
    after = entry(arguments="--steps 4 --fast")
    assert list(matters(entry(), after)) == ["argument steps"]
    assert matters(entry(), after, entry={"script": "train.sh", "set": {"steps": 1}}) == {}
    assert matters(entry(), after, same_job=True) == {}
    assert list(matters(entry(), entry(launcher="torchrun --nproc_per_node 4"))) == ["launcher nproc_per_node"]
    assert matters(entry(), entry(launcher="torchrun --nproc_per_node 4"), same_job=True) == {}


def test_variables_matter_where_they_are_needed_or_given(matters):
    """A new one needs a value; one of `[env]` that nothing reads any more has no effect."""
    reads = entry(reads={"HOST": 2})
    assert list(matters(entry(), reads)) == ["variable HOST"]
    assert matters(reads, entry()) == {}
    assert list(matters(reads, entry(), env={"HOST": "1"})) == ["variable HOST"]
    one, two = (entry(sets={"X": word(text)}, exported=("X",)) for text in "12")
    assert matters(one, two) == {"variable X": "the job finds it in its environment"}
    assert matters(one, two, env={"X": "3"}) == {}
    assert matters(*(entry(sets={"X": word(text)}) for text in "12")) == {}


def test_rules_modes_and_lost_folders_matter(matters):
    """What rests on them is named."""
    lost = matters(entry(evidence={"opens": True}), entry(evidence={"opens": False}), trainer=TRAINER)
    assert lost == {"rule opens": "`weights.pt` rested on it: unknown now"}
    found = matters(entry(evidence={"loops": False}), entry(evidence={"loops": True}), trainer=TRAINER)
    assert found == {"rule loops": "`the loop` rests on it"}
    more = entry(indirect=(Gap(line=7, reason="`if` decides"),))
    assert matters(entry(), more)["mode run.sh"] == "direct mode serves it no more: `if` decides"
    assert matters(more, entry())["mode run.sh"] == "direct mode serves it now"
    assert list(matters(entry(makes=said("images")), entry())) == ["folder images"]
    assert matters(entry(), entry(makes=said("images"))) == {}


def test_text_alone_matters_where_the_script_itself_runs(make):
    """In direct mode the argv is all there is."""
    before, after = entry(), entry()
    after = replace(after, script=replace(after.script, digest="other"))
    changes = compared("run.sh", before, after)
    assert [one.what for one in changes] == ["text"]
    for shim in (False, True):
        (change,) = Stake(make.wanted(), before, after, shim=shim).weighed(changes)
        assert change.matters is shim


def test_every_way_to_give_a_flag_is_known(make):
    """Each with the key to look at; the strongest is named."""
    wanted = make.wanted(
        trainer=TRAINER, model={"type": "t", "base": "x"}, args_file=ArgsFile(args=("--file=1", "-r", "-5")), passthrough=("--rest",),
        entry={"script": "train.sh", "set": {"a": 1}, "unset": ["b"], "extra_args": ["--c", "--a"]},
    )  # fmt: skip
    assert given_flags(wanted, [RATE]) == {
        "base": "model.base", "a": "entry.extra_args", "b": "entry.unset", "c": "entry.extra_args", "file": "entry.args_file",
        "rate": "entry.args_file", "rest": "--", "rdzv": "the run",
    }  # fmt: skip


def test_files_that_somebody_names_are_told(make):
    """Gone, moved, new or changed; others are nobody's."""
    command = {"command": ["python3", "${repo.dir}/tools/go.py"]}
    named = files_named(make.wanted(trainer=TRAINER, entry=command), entry())
    assert named == {"b.py": "the trainer description", "tools/go.py": "`entry.command`"}
    passing = files_named(make.wanted(), entry(arguments="--config ./conf/a.py:hps --steps 3 --data=x.json"))
    assert passing == {"conf/a.py": "an argument of the script", "x.json": "an argument of the script"}
    changed = (
        FileChange(path="b.py", to=None, before="1", after=None),
        FileChange(path="tools/go.py", to="tools/run.py", before="1", after="1"),
        FileChange(path="README.md", to="README.md", before="1", after="2"),
    )
    found = of_files(changed, named)
    assert [(one.name, one.field, one.before, one.after) for one in found] == [("b.py", "", "b.py", None), ("tools/go.py", "", "tools/go.py", "tools/run.py")]  # fmt: skip
    assert found[1].why == "`entry.command` names it; it is `tools/run.py` now"
    new, other = of_files(
        (
            FileChange(path="b.py", to="b.py", before=None, after="1"),
            FileChange(path="tools/go.py", to="tools/go.py", before="1", after="2"),
        ),
        named,
    )
    assert (new.field, new.before, new.after) == ("", None, "b.py")
    assert (other.field, other.before, other.after) == ("text", "1", "2")
    stake = Stake(make.wanted(trainer=TRAINER), entry(), entry())
    assert [one.matters for one in stake.weighed((new, other))] == [True, False]


def test_findings_that_moved_are_the_same():
    """A refusal or warning that came or went is grave; a note is not."""

    def finding(message: str, level: Any = "deny") -> Finding:
        return Finding(code="x", level=level, message=message, where=Where(file="srpo.toml", line=3))

    same = of_findings([finding("`a.sh` line 3: it is so")], [finding("`a.sh` line 5: it is so")])
    assert (same.new, same.gone, grave(same)) == ((), (), False)
    other = of_findings([finding("one")], [finding("two"), finding("three", "note")])
    assert ([one.message for one in other.new], [one.message for one in other.gone]) == (["two", "three"], ["one"])
    assert grave(other)
    counted = of_findings([finding("`a` of 18 flags")], [finding("`a` of 31 flags")])
    assert (counted.new, counted.gone) == ((), ())
    assert of_findings([finding("`a1`")], [finding("`a2`")]).new
    assert not grave(of_findings([], [finding("three", "note")]))
