"""A report reads from the most important to the least, and shows nothing that a terminal would obey."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from srpo_manifest.finding import Finding, Where
from srpo_manifest.planning.upgrade_show import compact, show, verdict
from srpo_manifest.values.upgrade import FORMAT, Change, Findings, Report, Side, Span

AGAIN = "srpo-manifest lock --upgrade"


def report(*changes: Change, **more: Any) -> Report:
    said: dict[str, Any] = {
        "locked": Side(commit="a" * 40, date="2025-01-01T00:00:00Z"), "to": Side(commit="b" * 40, date="2025-02-01T00:00:00Z"),
        "commits": Span(added=2, gone=0), "files": 3, "matters": any(one.matters for one in changes), "findings": Findings(),
        "same_plan": True, "plan": (), "notes": (),
    } | more  # fmt: skip
    return Report(format=FORMAT, name="srpo.toml", url="u", ref=None, script="run.sh", lock="srpo.lock", changes=changes, **said)  # fmt: skip


def flag(before: Any, after: Any, field: str = "", **more: Any) -> Change:
    return Change(what="flag", name="x", field=field, before=before, after=after, why="so", **more)


def side(*found: str) -> str:
    return next(line for line in found if "→" in line).split("  (so)")[0].strip()


def test_each_kind_of_side_is_told_in_a_few_words():
    """What is not there, a switch, a list, a text that is long."""
    for change, expected in (
        (flag(None, {"type": "int", "default": 5, "required": True}), "flag  x  not there → int, default 5, required"),
        (flag({"action": "store_true", "effect": "never-read"}, None), "flag  x  switch, never read → not there"),
        (flag(None, {"action": "append", "nargs": 2}), "flag  x  not there → str, repeatable, nargs 2"),
        (flag({"effect": "no-effect", "conditional": True}, None), "flag  x  str, at times, without effect → not there"),
        (flag(None, 0.5, "default"), "flag  x default  none → 0.5"),
        (Change(what="flag", name="x", field="required", before=False, after=True, why="so"), "flag  x required  no → yes"),
        (flag([1, 2], [1, 2, 3], "choices"), "flag  x choices  1 2 → 1 2 3"),
        (flag("", "y" * 70, "default"), f'flag  x default  "" → {"y" * 60}…'),
        (Change(what="argument", name="x", after=[], why="so"), "argument  x  not there → given"),
        (Change(what="gap", name="x", before=1, after=2, why="so"), "gap  x  there → 2 times"),
        (Change(what="variable", name="x", field="read before set", after=True, why="so"), "variable  x read before set  not there → yes"),
    ):  # fmt: skip
        assert side(*show(report(change), AGAIN)) == expected


def test_nothing_of_upstream_reaches_the_terminal_as_it_is():
    """A default that would clear the screen is spelled out."""
    lines = show(report(flag("\x1b[2J", "b", "default"), notes=("\x1b",), plan=("rules.done: \x1b",)), AGAIN)
    assert "\x1b" not in "".join(lines)
    assert side(*lines) == "flag  x default  \\x1b[2J → b"


def test_the_verdict_says_why_and_what_to_do():
    """A sentence and the next command, for each way it may matter or not."""
    one = flag(1, 2, "default", matters=True)
    error, warning = (Finding(code="c", level=level, message="m", where=Where(file="srpo.toml", line=3)) for level in ("deny", "warn"))  # type: ignore[arg-type]  # fmt: skip
    again = f"next: look at it, then `{AGAIN}`"
    for found, expected in (
        (report(one), ["this matters to `srpo.toml`: 1 change", again]),
        (report(one, findings=Findings(new=(error, warning), gone=(error,))), ["this matters to `srpo.toml`: 1 change, 1 new error, 1 new warning, 1 finding gone", again]),
        (report(matters=True, same_plan=False), ["this matters to `srpo.toml`: the plan differs", again]),
        (report(matters=True, commits=None), ["this matters to `srpo.toml`: the locked commit is gone", again]),
        (report(), ["the new commit changes nothing that matters to `srpo.toml`", f"next: `{AGAIN}`"]),
    ):  # fmt: skip
        assert verdict(found, AGAIN) == expected
    same = report(to=Side(commit="a" * 40))
    assert verdict(same, AGAIN) == ["nothing new"]
    assert verdict(replace(same, changes=(flag(1, 2),)), AGAIN)[0].startswith("reading the same commit again changes nothing")  # fmt: skip
    assert verdict(report(locked=None), AGAIN)[0].startswith("nothing is locked yet")


def test_a_plan_that_no_change_explains_is_shown():
    """What the options say is told by the flags; the forecast is told in any case."""
    lines = ("options.x: 1 → 2", "forecast.updates: 19 → 24", "job.argv[3]: 1 → 2")
    assert "    job.argv[3]: 1 → 2" in show(report(matters=True, same_plan=False, plan=lines), AGAIN)
    for found in (report(flag(1, 2, matters=True), same_plan=False, plan=lines), report(plan=lines)):
        shown = show(found, AGAIN)
        assert "    forecast.updates: 19 → 24" in shown
        assert not [line for line in shown if "job.argv" in line or "options" in line]


def test_the_compact_report_tells_what_matters_and_counts_the_rest():
    """No more than a screen."""
    mattering = [flag(1, 2, f"f{number}", matters=True) for number in range(25)]
    finding = Finding(code="c", level="warn", message="m")
    note = Finding(code="n", level="note", message="m")
    lines = compact(
        report(*mattering, flag(1, 2), findings=Findings(new=(finding, note)), commits=Span(added=1, gone=1))
    )
    assert lines[3] == "  between   1 commit, 1 locked commit left behind, 3 files changed"
    assert sum("→" in line for line in lines) == 20
    assert lines[-3:] == ["  … and 5 more", "    new warning[c]: m", "  1 other change without weight here"]
