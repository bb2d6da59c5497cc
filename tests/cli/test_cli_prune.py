"""`prune` names before it deletes, and never touches what runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


def names(place) -> set[str]:
    return {path.name for path in (place.folder / ".srpo/runs").iterdir() if not path.name.startswith(".")}


@pytest.mark.slow
def test_old_runs_go_and_what_runs_stays(place, say):
    """Nothing without --yes; then run folders, unpacked trees and records; results outside stay."""
    quick = ("--again", "--set", "entry.set.step_seconds=0.0", "--json")
    first, second = (say("apply", *quick).events[-1]["run"] for _ in range(2))
    endless = (
        "--again",
        "--detach",
        "--set",
        "entry.set.max_train_steps=1000",
        "--set",
        "entry.set.checkpointing_steps=999",
    )
    third = say("apply", *endless).out.strip()
    stale = place.folder / f".srpo/checkouts/{'b' * 40}"
    shutil.copytree(next((place.folder / ".srpo/checkouts").iterdir()), stale)
    before = names(place)
    told = say("prune", "-m", "srpo.toml")
    lines = [line.split()[:2] for line in told.out.splitlines()]
    assert sorted(lines) == [["checkout", "b" * 40], ["run", first]]
    assert "nothing was deleted: `--yes` deletes 2 things" in told.err
    assert f"stays: run {third}: " in told.err
    assert f"stays: run {second}: its plan has succeeded: without it `apply` would train again" in told.err
    assert "checkpoints and other results outside `.srpo` are never touched" in told.err
    assert names(place) == before == {first, second, third}
    found = say("prune", "-m", "srpo.toml", "--json").json
    assert (found["deleted"], len(found["going"]), sorted(found)) == (
        False, 2, ["bytes", "deleted", "format", "going", "staying"],
    )  # fmt: skip
    assert found["bytes"] == sum(one["bytes"] for one in found["going"]) > 0
    done = say("prune", "-m", "srpo.toml", "--yes")
    assert done.status == 0, done.err
    assert names(place) == {second, third}
    assert not stale.exists()
    assert sorted(path.name for path in (place.home / "runs").iterdir()) == [second, third]
    assert (place.folder / f"output/demo/{first}/checkpoint-4-0/config.json").is_file()
    assert (place.folder / "third_party/srpo/vendor/minisrpo").is_dir()
    everything = say("prune", "--keep", "0", "--yes", "--json").json
    assert [one["id"] for one in everything["going"] if one["kind"] == "run"] == [second]
    assert [one["id"] for one in everything["staying"]] == [third]
    assert say("status", third, "--json").json["state"] in ("preparing", "running")
    assert say("stop", third).status == 0
    assert say("prune", "--keep", "0", "--older-than", "1", "--json").json["going"] == []
    assert say("prune", "--keep", "0", "--yes").status == 0
    assert names(place) == set()
    assert say("runs", "--json").json["runs"] == []
    assert "there is nothing to delete" in say("prune").err


def test_a_record_whose_run_is_gone_goes(place, say):
    """Not while the target cannot be asked, nor where its disk may be absent, nor while it may be on its way."""
    old = {
        "format": 1, "id": "demo-20260102T030405Z-abcdef", "name": "demo", "plan": "p", "manifest": "m",
        "workspace": str(place.folder), "folder": f"{place.folder}/.srpo/runs/demo-20260102T030405Z-abcdef",
        "transport": {"kind": "local", "bash": "/bin/bash"}, "launcher": {"kind": "direct"}, "started": "2026-01-02T03:04:05Z",
    }  # fmt: skip

    def write(**change: object) -> Path:
        record = old | change
        folder = place.home / "runs" / str(record["id"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_text(json.dumps(record))
        for path in (place.home, place.home / "runs", folder):
            path.chmod(0o700)
        (folder / "record.json").chmod(0o600)
        return folder

    folder = write()
    assert say("prune", "--json").json["going"] == []
    (place.folder / ".srpo/runs").mkdir(parents=True)
    write(started="2999-01-01T00:00:00Z")
    assert [one["reason"] for one in say("prune", "--json").json["staying"]] == ["its run may be on its way"]
    write(transport={"kind": "local", "bash": "/no/bash"})
    told = say("prune", "--yes")
    assert told.err.startswith(f"warning[target-unreached]: the runs in `{place.folder}` are left alone")
    write()
    (row,) = say("prune", "--json").json["going"]
    assert (row["kind"], row["reason"]) == ("record", "its run is not on the target any more")
    assert say("prune", "-m", "srpo.toml", "--yes").status == 0
    assert not folder.exists()


def test_the_cache_is_made_anew(place, say):
    """The mirrors go but those in use; the next command fetches again."""
    cache = place.folder / "cache"
    assert say("lock", SRPO_MANIFEST_CACHE=str(cache)).status == 0
    mirrors = list(cache.glob("demo/*.git"))
    assert say("bundle", "--out", "b", SRPO_MANIFEST_CACHE=str(cache)).status == 0
    mirrors = list(cache.glob("demo/*.git"))
    assert len(mirrors) == 1
    told = say("prune", "--cache", SRPO_MANIFEST_CACHE=str(cache))
    assert told.out.startswith(f"mirror    {mirrors[0].name}")
    assert say("prune", "--cache", "--older-than", "1", "--json", SRPO_MANIFEST_CACHE=str(cache)).json["going"] == []
    assert mirrors[0].is_dir()
    assert say("prune", "--cache", "--yes", SRPO_MANIFEST_CACHE=str(cache)).status == 0
    assert not mirrors[0].exists()
    assert say("bundle", "--out", "c", SRPO_MANIFEST_CACHE=str(cache)).status == 0
    assert mirrors[0].is_dir()
