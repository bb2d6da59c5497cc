"""Records and run folders, through the program: what is lost here comes back from the target."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.mark.fault(71, "record-torn")
def test_the_store_is_made_anew_from_the_runs(place, say):
    """Wiped, or torn: `runs -m` puts the records back, and every verb works again."""
    run = say("apply", "--json").events[-1]["run"]
    record = place.home / "runs" / run / "record.json"
    before = json.loads(record.read_text())
    shutil.rmtree(place.home)
    assert (say("runs", "--json").json["runs"], say("status", "last").status) == ([], 2)
    told = say("runs", "-m", "srpo.toml")
    assert told.out == f"{run}  succeeded  whole\n"
    assert told.err == f"1 record restored here from the target: {run}\n"
    after = json.loads(record.read_text())
    assert {key: value for key, value in after.items() if key not in ("started", "transport")} == {
        key: value for key, value in before.items() if key not in ("started", "transport")
    }
    assert (after["started"][:16], after["transport"]["kind"]) == (before["started"][:16], "local")
    (row,) = say("runs", "--json").json["runs"]
    assert (row["state"], row["outcome"], row["newer"]) == ("ended", "succeeded", False)
    assert say("status").out.startswith(f"{run}  succeeded")
    assert "***** Running training *****" in say("logs", "demo").out
    assert say("attach", run, "--json").events[-1]["outcome"] == "succeeded"
    assert say("stop", run).out.startswith(f"{run} succeeded")
    record.write_text(record.read_text()[:100])
    torn = say("runs")
    assert torn.err.startswith(
        f"no run is on record here\nwarning[record-torn]: the record of {run} is left alone: it is torn"
    )
    assert "hint: `srpo-manifest runs -m MANIFEST` makes it anew" in torn.err
    (damaged,) = say("runs", "--json").json["damaged"]
    assert (damaged["id"], damaged["code"], sorted(damaged)) == (run, "record-torn", ["code", "hints", "id", "message"])
    refused = say("status", run)
    assert (refused.status, refused.err.splitlines()[0].split(":")[0]) == (5, "error[record-torn]")
    assert say("runs", "-m", "srpo.toml", "--json").json["restored"] == [run]
    assert say("runs", "-m", "srpo.toml", "--json").json["restored"] == []
    assert say("wait", run).out == f"{run} succeeded\n"
    node = place.folder / f".srpo/runs/{run}/attempt-1/node-0"
    (node / "result.json").write_text('{"format": 1}')
    other = node.parents[1].with_name("demo-20260102T030405Z-abcdef")
    shutil.copytree(node.parents[1], other)
    (other / "attempt-1/node-0/result.json").write_text('{"outcome": "succeeded"}')
    rows = {one["id"]: one for one in say("runs", "-m", "srpo.toml", "--json").json["runs"]}
    assert rows[other.name]["state"] == "unreadable"
    assert "another shape" in rows[other.name]["reason"]


def test_a_newer_record_is_listed_and_not_acted_upon(place, say):
    """With what can be read of it."""
    folder = place.home / "runs/demo-20260102T030405Z-abcdef"
    folder.mkdir(parents=True, mode=0o700)
    place.home.chmod(0o700)
    folder.parent.chmod(0o700)
    (folder / "record.json").write_text(
        '{"format": 9, "id": "demo-20260102T030405Z-abcdef", "name": "demo", "plan": 5}'
    )
    (folder / "record.json").chmod(0o600)
    (row,) = say("runs", "--json", "--refresh").json["runs"]
    assert (row["name"], row["plan"], row["newer"], row["contact"]) == ("demo", "", True, "lost")
    assert say("runs").out == "demo-20260102T030405Z-abcdef  not asked yet  (newer record)  \n"
    refused = say("status", "demo")
    assert (refused.status, refused.err.splitlines()[0]) == (
        5,
        "error[record-newer]: the record of `demo-20260102T030405Z-abcdef` has format 9, and this version knows up to 1",
    )
    shutil.rmtree(folder)


def test_a_store_of_others_is_refused(place, say):
    """Records say which program is started."""
    runs = Path(place.home / "runs")
    runs.mkdir(parents=True, mode=0o700)
    place.home.chmod(0o777)
    refused = say("runs")
    assert (refused.status, refused.err.splitlines()[0]) == (
        5, f"error[home-unsafe]: records are not read here: others may write `{place.home}`",
    )  # fmt: skip
    place.home.chmod(0o700)


def test_overlays_belong_to_a_manifest(place, say):
    """`runs` and `prune` of a target that a profile or a value names."""
    place.write("other/.srpo/runs/x", "")
    told = say("runs", "-m", "srpo.toml", "--set", "paths.workspace=other")
    assert (told.status, told.err) == (0, "no run of this name is on the target\n")
    assert say("prune", "-m", "srpo.toml", "--set", "paths.workspace=other", "--json").json["going"] == []
    for verb in ("runs", "prune"):
        refused = say(verb, "--set", "name=x")
        assert (refused.status, refused.err.splitlines()[1]) == (2, "hint: name it with `-m MANIFEST`")


def test_a_link_among_the_runs_is_listed_and_not_followed(place, say):
    """It has the name that is listed, and hides no other."""
    run = say("apply", "--json").events[-1]["run"]
    folder = place.folder / ".srpo/runs" / run
    outside = place.folder / "data"
    folder.rename(outside)
    other = folder.with_name("demo-20300102T030405Z-abcdef")
    shutil.copytree(outside, folder)
    other.symlink_to(outside)
    told = say("runs", "-m", "srpo.toml")
    assert told.status == 0, told.err
    assert told.out.splitlines() == [f"{other.name}  unreadable: it is a link", f"{run}  succeeded  whole"]
