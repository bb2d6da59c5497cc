from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from srpo_manifest.planning.pruning import choose
from srpo_manifest.values.pruned import Checkout, Holdings, Leftover, OldRun, Wish

TREES = ("t1", "t2", "t3", "")


@st.composite
def holdings(draw) -> Holdings:
    """A workspace with runs of two names, their trees, and what else may lie there."""
    runs = []
    for number in range(draw(st.integers(0, 8))):
        name = draw(st.sampled_from(["a", "a-b"]))
        runs.append(
            OldRun(
                id=f"{name}-20260101T0000{number:02}Z-abcdef",
                name=name,
                outcome=draw(st.sampled_from([None, "succeeded", "failed", "lost"])),
                bytes=number,
                age_seconds=draw(st.sampled_from([0.0, 86400.0, 1e7])),
                plan=draw(st.sampled_from(["p", "q"])),
                tree=draw(st.sampled_from(TREES)),
                kept=draw(st.sampled_from([None, None, "it is supervised"])),
            )
        )
    checkouts = tuple(
        Checkout(tree=tree, bytes=1, kept=draw(st.sampled_from([None, "it is a link"])))
        for tree in draw(st.sets(st.sampled_from(["t1", "t2", "t3", "t4"])))
    )
    left = tuple(Leftover(path=f"runs/.x{n}.1-1-a.new", id=f"x{n}", bytes=1) for n in range(draw(st.integers(0, 2))))
    coming = draw(st.sampled_from([(), ("c",)]))
    order = draw(st.permutations(runs))
    return Holdings(format=1, there=True, runs=tuple(order), checkouts=checkouts, leftovers=left, coming=coming)


wishes = st.builds(
    Wish,
    keep=st.integers(0, 3),
    older_than_seconds=st.sampled_from([0.0, 86400.0 * 2]),
    names=st.sampled_from([None, frozenset({"a"})]),
    checkouts=st.booleans(),
    trees=st.frozensets(st.sampled_from(TREES)),
)


@given(holdings(), wishes)
def test_each_thing_goes_or_stays_and_what_is_used_stays(found: Holdings, wish: Wish):
    """Runs that cannot be told to have ended, others' runs, the newest, and every tree that is needed."""
    choice = choose(found, wish)
    going = {item.id for item in choice.going if item.kind == "run"}
    staying = {item.id for item in choice.staying if item.kind == "run"}
    meant = {run.id for run in found.runs if wish.names is None or run.name in wish.names}
    assert going | staying == meant
    assert not going & staying
    assert not going & {run.id for run in found.runs if run.kept or run.age_seconds < wish.older_than_seconds}
    for name in ("a", "a-b"):
        newest = sorted(run.id for run in found.runs if run.name == name)[::-1]
        assert not going & set(newest[: wish.keep])
        for plan in ("p", "q"):
            succeeded = [
                run.id for run in found.runs if run.name == name and run.plan == plan and run.outcome == "succeeded"
            ]
            assert wish.keep == 0 or not succeeded or max(succeeded) not in going
    trees = {item.id for item in choice.going if item.kind == "checkout"}
    assert not trees & wish.trees
    assert not trees & {run.tree for run in found.runs if run.id not in going}
    assert not trees & {checkout.tree for checkout in found.checkouts if checkout.kept}
    assert not trees or (wish.checkouts and not found.coming)
    assert all(item.reason for item in (*choice.going, *choice.staying))
    assert sum(item.kind == "leftover" for item in choice.going) == len(found.leftovers)


@given(holdings(), wishes)
def test_who_keeps_more_loses_less(found: Holdings, wish: Wish):
    """More runs kept, or older ones only: nothing new goes; the order of the answer is irrelevant."""
    going = {item.path for item in choose(found, wish).going}
    for careful in (replace(wish, keep=wish.keep + 1), replace(wish, older_than_seconds=wish.older_than_seconds + 1e6)):
        assert {item.path for item in choose(found, careful).going} <= going
    turned = replace(found, runs=found.runs[::-1])
    assert {item.path for item in choose(turned, wish).going} == going


def test_only_the_runs_of_records_go():
    """Where records say which runs are meant, others in the workspace stay, and count as users of trees."""
    runs = tuple(
        OldRun(
            id=f"a-2026010{day}T000000Z-abcdef", name="a", outcome="failed", bytes=1, age_seconds=9.0, tree=f"t{day}"
        )
        for day in (1, 2, 3)
    )
    found = Holdings(
        format=1, there=True, runs=runs, checkouts=(Checkout(tree="t1", bytes=1), Checkout(tree="t2", bytes=1))
    )
    choice = choose(found, Wish(keep=1, ids=frozenset({runs[0].id}), checkouts=True))
    assert [item.id for item in choice.going] == [runs[0].id, "t1"]
    assert [(item.kind, item.id) for item in choice.staying] == [("checkout", "t2")]
