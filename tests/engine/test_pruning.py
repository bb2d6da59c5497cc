"""Asking a target and having it remove, with the real program on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from srpo_manifest.cli import prune as verb
from srpo_manifest.engine import pruning
from srpo_manifest.engine.locks import held
from srpo_manifest.errors import LaunchError
from srpo_manifest.values.pruned import Removed, Wish

RUN = "demo-20260102T030405Z-abcdef"


@pytest.fixture
def target(tmp_path: Path) -> pruning.Target:
    """A workspace with an odd name and one run that has ended."""
    node = tmp_path / f"it's here/.srpo/runs/{RUN}/attempt-1/node-0"
    node.mkdir(parents=True)
    (node / "lock").touch()
    (node / "slots").write_bytes(b" " * 1536)
    (node / "result.json").write_text('{"outcome": "failed"}')
    return pruning.Target(transport={"kind": "local"}, workspace=str(tmp_path / "it's here"), wish=Wish(keep=0))


def test_what_began_to_live_after_it_was_told_stays(target, capsys):
    """It is looked at once more; the verb tells why, and ends with 5."""
    (looked,) = pruning.look(target)
    assert [(item.kind, item.id) for item in looked.choice.going] == [("run", RUN)]
    lock = Path(target.workspace) / f".srpo/runs/{RUN}/attempt-1/node-0/lock"
    program = "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        done = list(pruning.take(looked))
        holder.communicate()
    assert [(one.removed, one.reason) for one in done] == [(False, "it is supervised")]
    going = [(looked.place, item) for item in looked.choice.going]
    assert verb._ended(going, [], done, yes=True, as_json=False) == 5
    assert f"warning[not-removed]: runs/{RUN} is still there: it is supervised" in capsys.readouterr().err
    assert verb._ended(going, [], done, yes=True, as_json=True) == 5
    told = json.loads(capsys.readouterr().out)
    assert (told["bytes"], told["going"][0]["failed"]) == (0, "it is supervised")
    assert [one.removed for one in pruning.take(looked)] == [True]
    assert pruning.look(target)[0].choice.going == ()


def test_a_store_that_is_a_link_is_left_alone(target):
    """Whatever it leads to."""
    folder = Path(target.workspace) / ".srpo"
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")
    with pytest.raises(LaunchError) as caught:
        pruning.look(target)
    assert caught.value.code == "prune-failed"
    assert str(caught.value).endswith("is a link")


def test_a_workspace_without_runs_is_not_taken_for_an_empty_one(target):
    """Its disk may not be mounted."""
    nowhere = pruning.Target(transport=target.transport, workspace=f"{target.workspace}/x", wish=target.wish)
    choice = pruning.look(nowhere)[0].choice
    assert (choice.going, choice.staying) == ((), ())


def test_a_mirror_that_is_in_use_stays(tmp_path: Path):
    """When it is looked at, and when it would go."""
    folder = tmp_path / "cache/repositories/x.git"
    (folder / "objects").mkdir(parents=True)
    choice = pruning.mirrors(0.0)
    assert [item.id for item in choice.going] == ["x.git"]
    with held(folder, code="mirror-held", patience_seconds=1):
        assert [item.reason for item in pruning.mirrors(0.0).staying] == ["a process works at it"]
        (kept,) = pruning.take_mirrors(choice)
    assert (kept.removed, folder.is_dir()) == (False, True)
    assert "has held" in str(kept.reason)
    assert [one.removed for one in pruning.take_mirrors(choice)] == [True]
    assert list(folder.parent.glob("*x.git*.gone")) == []
    assert not folder.exists()


def test_what_could_not_be_removed_is_not_nothing(target, capsys):
    """There was something to delete."""
    (looked,) = pruning.look(target)
    (item,) = looked.choice.going
    failed = [Removed(kind="run", path=item.path, removed=False, reason="it cannot be removed: Read-only file system")]
    assert verb._ended([(looked.place, item)], [], failed, yes=True, as_json=False) == 5
    told = capsys.readouterr().err
    assert f"{item.path} is still there: it cannot be removed: Read-only file system" in told
    assert "nothing was deleted: 1 thing could not be" in told
    assert "there is nothing to delete" not in told
