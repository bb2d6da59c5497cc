"""What `validate` finds in one manifest: the mistakes in it, all of them, and nothing that only follows from one."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistakes import Mistake, Place, joined, mistakes, written

from srpo_manifest.engine.checking import findings
from srpo_manifest.finding import Finding, Spot
from srpo_manifest.values.said import Said

SCRIPT = "script = 'scripts/finetune/SRPO_training_demo.sh'\n"
DEMO = "schema = 1\nname = 'a'\nrepo = { url = 'demo:', refresh = 'always' }\nmodel = { type = 'demo', base = 'builtin' }\n"


def found(text: str) -> list[Finding]:
    """What refuses it."""
    return [one for one in findings(Said(manifest="a.toml"), text.encode()) if one.level == "deny"]


def place(one: Finding) -> Place:
    where = one.where
    return Place(where.line, where.column, where.width) if isinstance(where, Spot) else Place(0, 0, 1)


class Later(NamedTuple):
    """A mistake that only a manifest of the right types shows, and the top-level keys that it rests on."""

    text: str
    code: str
    rests: frozenset[str] = frozenset()

    @property
    def home(self) -> str:
        return self.text.strip("[«").partition(".")[0].partition("]")[0]


LATER = (
    Later(f"[entry]\n{SCRIPT}[entry.set]\n«lerning_rat» = 3\n", "unknown-flag", frozenset({"repo"})),
    Later(f"[entry]\n{SCRIPT}extra_args = [«'--seed'», 'abc']\n", "flag-type", frozenset({"repo"})),
    Later(f"[entry]\n{SCRIPT}extra_args = [«'seed=3'»]\n", "stray-argument", frozenset({"repo"})),
    Later("env.«LD_PRELOAD» = 'x'\n", "env-denied"),
    Later("[env]\n«PPID» = '1'\n", "env-denied"),
    Later("[resources]\n«nodes» = 3\n", "nodes-unsupported", frozenset({"backend"})),
    Later("done.files = «['../x']»\n", "path-outside"),
    Later("model.type = 'generic'\nmodel.vae = «'hf:a/b'»\n", "hub-unsupported"),
)


@cache
def certain() -> list[Mistake]:
    """Mistakes about one key: where a whole header is lost, nobody knows what else is. No backend's plugin is asked."""
    told = {case: found(written(case.whole).text) for case in mistakes() if case.home}
    return [case for case, (*_, one) in told.items() if one.code == case.code and one.where and one.where.key]


@st.composite
def planted(draw: st.DrawFn) -> tuple[list[str], str]:
    """Up to six mistakes of the first kind with up to four of the other, each about a top-level key of its own."""
    later = draw(st.lists(st.sampled_from(LATER), min_size=1, max_size=4, unique_by=lambda one: one.home))
    taken = {one.home for one in later}.union(*(one.rests for one in later))
    free = [case for case in certain() if case.home not in taken]
    cases = draw(st.lists(st.sampled_from(free), max_size=6, unique_by=lambda case: case.home))
    homes = {case.home for case in cases}
    good = ["repo.url = 'demo:'\n"] if "repo" not in homes else []
    more = [Mistake("", "", "", "", one.text, one.code, "", None) for one in later]
    return [one.code for one in (*cases, *later)], joined([*cases, *more], good)


@given(plants=planted(), end=st.sampled_from(["\n", "\r\n"]))
def test_no_mistake_hides_another_nor_brings_one(plants: tuple[list[str], str], end: str) -> None:
    """Of the text, of a key, of a flag, of a value that Linux does not take: as many findings as mistakes, each at its place."""
    codes, signed = plants
    expected = written(signed)
    told = found(expected.text.replace("\n", end))
    assert [place(one) for one in told] == [*expected.places], told
    assert sorted(one.code for one in told) == sorted(codes)


LOST = "entry.set.lr = 3\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("[entry]\nmode = 'direkt'\n[entry.set]\nlr = 3\n", ["invalid-value", "unknown-flag"]),
        ("[entry]\nmode: 'direct'\n[entry.set]\nlr = 3\nseed = 'x'\n", ["no-equals", "unknown-flag", "flag-type"]),
        ("[entry]\nscirpt = 'x'\n[entry.set]\nlr = 3\n", ["unknown-key"]),
        ("[entry]\nscirpt = 'x'\nscript = 'y'\n[entry.set]\nlr = 3\n", ["unknown-key"]),
        ("[entry]\nlearning_rate = 3\n[entry.set]\nlr = 3\n", ["unknown-key", "unknown-flag"]),
        ("[entry.set]\nlr = 3\nseed 4\nmax_hours = 2\n", ["unknown-flag", "no-equals", "unknown-flag"]),
        ("[entry.set]\nlr = 3\nseed = 1979-05-27\n", ["unknown-flag", "wrong-type"]),
        ("[entry]\n%%%\n[entry.set]\nlr = 3\n", ["bad-key"]),
        (f"[entry]\n{SCRIPT}launch = 1979-05-27\n[entry.set]\nlr = 3\n", ["wrong-type"]),
        ("[entry\nunset = ['lr']\n", ["header-open", "unknown-flag"]),
        ("[entry.set]\ncheckpointing_steps = nan\n[done]\nimages = 1_000\n", ["invalid-value"]),
        ("[done]\nfiles = ['../x']\nimages = 1_000\nimage = 3\n", ["path-outside", "unknown-key"]),
        ("[entry.set]\nlr = 3\n[lints]\nunknown-flag = 'wran'\n", ["invalid-value"]),
        ("[resources]\nnodes = 2\n[backend.launcher]\nkind = 'drict'\n", ["plugin-missing"]),
        ("[resources]\nnodes = 2\n[backend.transport]\nkind = 'lcoal'\n", ["plugin-missing"]),
        ("plugins = ['a', 'b', 3]\n" + LOST, ["plugin-missing", "plugin-missing", "wrong-type", "unknown-flag"]),
        ("extends = 'none.toml'\n" + LOST, ["file-missing"]),
        ("[profile.p]\nname = 'A'\n[profile.p.entry.set]\nlr = 3\n", ["invalid-value", "unknown-flag"]),
        ("[profile.p]\nname: 'b'\n[profile.p.entry]\nscrpt = 'x'\n[entry.set]\nlr = 3\n", ["no-equals", "unknown-flag", "unknown-key"]),
        ("[profile.p]\ndrop = ['entry.scrpt']\n[profile.p.entry.set]\nlr = 3\n", ["unknown-drop"]),
    ],
)  # fmt: skip
def test_what_does_not_rest_on_a_mistake_is_told_beside_it(text: str, codes: list[str]) -> None:
    """And nothing that would be another thing when it is mended."""
    assert [one.code for one in found(DEMO + text)] == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("schema = 1\nna me = 'a'\nmodel.type = 'generic'\n", "no-equals"),
        ("schema = 1\n'name = 'a'\nmodel.type = 'generic'\n", "no-equals"),
        ("schema = 1\n%name = 'a'\nmodel.type = 'generic'\n", "bad-key"),
        ("schema = 1\nname = 'a'\n[mod el]\ntype = 'generic'\n", "header-open"),
        ("schema = 1\nname = 'a'\n[%model]\ntype = 'generic'\n", "bad-key"),
        ("schema = 1\nname = 'a'\n[model]\nty pe = 'generic'\n", "no-equals"),
        ("sche ma = 1\nname = 'a'\nmodel.type = 'generic'\n", "no-equals"),
        ("\ufeff\ufeffschema = 1\nname = 'a'\nmodel.type = 'generic'\n", "bad-key"),
    ],
)
def test_a_line_that_is_lost_is_not_missed(text: str, code: str) -> None:
    """What cannot be read may be the very key that nobody finds."""
    assert [one.code for one in found(text)] == [code]


def test_what_has_no_place_is_told_beside_a_mistake() -> None:
    """Of the command line, and a flag that nobody gives."""
    said = Said(manifest="a.toml", lints={"nosuchcode": "deny"})
    told = findings(said, f"{DEMO}[stop]\nmax_hours = '3'\n".encode())
    assert [one.code for one in told] == ["wrong-type", "unknown-lint"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("model.type = 'demo'\n", ["missing-key", "base-missing"]),
        ("name = 'a'\nmodel.base = 'hf:a/b'\n", ["missing-key", "hub-unsupported"]),
        ("name = 'a'\n[model]\ntype = 'demo'\nbsae = 'x'\n", ["unknown-key"]),
        ("name = 'a'\n[model]\ntype = 'dmeo'\n", ["unknown-trainer"]),
        (f"name = 'a'\n[model]\ntype = 'dmeo'\n[entry]\n{SCRIPT}set.lr = 3\n", ["unknown-trainer", "unknown-flag"]),
        ("name = 'a'\n[model]\ntype = 'dmeo'\n[entry]\nset.lr = 3\n", ["unknown-trainer"]),
    ],
)
def test_what_a_manifest_lacks_is_stood_in_for(text: str, codes: list[str]) -> None:
    """What needs the very thing is not told."""
    assert [one.code for one in found(f"schema = 1\nrepo.url = 'demo:'\n{text}")] == codes


def test_no_finding_about_a_flag_shows_a_secret_beside_it() -> None:
    """Neither as `key=value` nor as the next word of a list."""
    line = 'extra_args = ["hub_token=swordfish", "--seed", "abc", "--hub_token", "swordfish"]\n'
    told = found(f"{DEMO}[entry]\n{line}[entry.set]\nhub_token = 'swordfish'\n")
    assert [one.code for one in told] == ["stray-argument", "flag-type", "unknown-flag", "unknown-flag"]
    assert "swordfish" not in repr(told)


def test_a_script_that_the_demo_does_not_have_is_told() -> None:
    """As one that a lock does not know: nobody takes flags for checked that were not."""
    text = f"{DEMO}[entry]\n{SCRIPT.replace('_demo', '_dmo')}set.lr = 3\n"
    (one,) = findings(Said(manifest="a.toml"), text.encode())
    assert (one.code, one.level, one.where.line if one.where else 0) == ("flags-unchecked", "note", 6)
    assert one.hints[0] == "did you mean `scripts/finetune/SRPO_training_demo.sh`?"
