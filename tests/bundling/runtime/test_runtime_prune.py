"""`prune.py` as a target gets it, on standard input, in folders that tests make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from srpo_manifest.values.pruned import Holdings

from .conftest import RUNTIME

RUN = "demo-20260102T030405Z-abcdef"
DROP = "import __future__, contextlib, errno, fcntl, json, os, re, stat, sys, time, typing, zlib; open(os.devnull, encoding='ascii').close(); os.setgid(12345); os.setuid(12345); exec(sys.stdin.read())"


class Store:
    """A `.srpo` by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "runs").mkdir(parents=True)
        (folder / "checkouts").mkdir()

    def ask(self, *words: str, first: Sequence[str] = ("-",)) -> Any:
        done = subprocess.run(
            [sys.executable, "-I", *first, *words],
            cwd=self.folder,
            input=(RUNTIME / "prune.py").read_bytes(),
            capture_output=True,
            check=True,
        )
        return json.loads(done.stdout)

    def remove(self, kind: str, path: str) -> str | None:
        """Returns: why it stays."""
        (one,) = self.ask("remove", json.dumps([{"kind": kind, "path": path}]))["done"]
        assert one["removed"] == (one["reason"] is None)
        reason: str | None = one["reason"]
        return reason

    def run(self, name: str = RUN, tree: str = "a" * 40, **result: Any) -> Path:
        """A run that has ended, and rests since long."""
        path = self.folder / "runs" / name
        node = path / "attempt-1/node-0"
        node.mkdir(parents=True)
        (path / "bundle").mkdir()
        rules = {"format": 1, "name": "demo", "plan": "p", "repo": f"${{target.home}}/x/.srpo/checkouts/{tree}"}
        (path / "bundle/rules.json").write_text(json.dumps(rules))
        (node / "lock").touch()
        (node / "slots").write_bytes(b" " * 1536)
        (node / "result.json").write_text(json.dumps({"outcome": "failed"} | result))
        return path

    def checkout(self, tree: str) -> Path:
        """Read-only, as it is unpacked."""
        path = self.folder / "checkouts" / tree
        (path / "deep/er").mkdir(parents=True)
        (path / "deep/er/file").write_text("x")
        for one in (path / "deep/er/file", path / "deep/er", path / "deep", path):
            one.chmod(0o500 if one.is_dir() else 0o400)
        return path

    def kept(self) -> dict[str, str | None]:
        return {run["id"]: run["kept"] for run in self.ask("survey")["runs"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty one."""
    return Store(tmp_path / ".srpo")


def test_the_pruner_is_python_3_9():
    """The target's Python may be that old."""
    import ast

    ast.parse((RUNTIME / "prune.py").read_text(), feature_version=(3, 9))


def test_what_has_ended_is_told_with_its_size_and_goes(store):
    """A run with its name, plan, tree and outcome; nothing of it is left."""
    path = store.run()
    (path / "attempt-1/node-0/log").write_bytes(b"x" * 100_000)
    (run,) = store.ask("survey")["runs"]
    assert {key: run[key] for key in ("id", "name", "plan", "tree", "outcome", "kept")} == {
        "id": RUN, "name": "demo", "plan": "p", "tree": "a" * 40, "outcome": "failed", "kept": None,
    }  # fmt: skip
    assert run["bytes"] >= 100_000
    assert 0 <= run["age_seconds"] < 600
    assert store.remove("run", f"runs/{RUN}") is None
    assert list((store.folder / "runs").iterdir()) == []


def test_a_run_that_lives_stays(bundle, supervise):
    """Supervised, or with processes that outlived their supervisors; stopped, it may go."""
    run = bundle.start("say:ready", "forever")
    store = Store.__new__(Store)
    store.folder = bundle.workspace / ".srpo"
    run.until_said("ready")
    assert store.kept()[run.id] in ("processes of it live", "it is supervised")
    assert store.remove("run", f"runs/{run.id}") in ("processes of it live", "it is supervised")
    for name in ("outer", "inner"):
        os.kill(bundle.supervisor(run, name), 9)
    run.until(lambda: not supervise.is_held(run.node / "lock"))
    assert store.remove("run", f"runs/{run.id}") == "processes of it live"
    bundle.clean()
    assert store.remove("run", f"runs/{run.id}") is None
    assert not run.node.exists()


def test_a_held_lock_alone_keeps_a_run(store):
    """Shared, as while the end of a run waits, or alone."""
    path = store.run()
    program = (
        "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f, int(sys.argv[2])); print(flush=True); sys.stdin.read()"
    )
    for how in ("1", "2"):
        argv = [sys.executable, "-c", program, path / "attempt-1/node-0/lock", how]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout
            holder.stdout.readline()
            assert store.remove("run", f"runs/{RUN}") == "it is supervised"
            holder.communicate()
    assert store.kept() == {RUN: None}


def test_links_and_strange_names_lead_nowhere(store, tmp_path: Path):
    """In place of a run, of a folder within one, of the runs themselves; names with `..`."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    store.run().joinpath("attempt-1/out").symlink_to(outside)
    (store.folder / "runs/linked-20260102T030405Z-abcdef").symlink_to(outside)
    assert store.kept() == {RUN: None, "linked-20260102T030405Z-abcdef": "it is a link"}
    assert store.remove("run", "runs/linked-20260102T030405Z-abcdef") == "it is a link"
    for path in ("runs/..", "runs/../../outside", "../outside", "checkouts", "runs/", "elsewhere/x"):
        assert store.remove("run", path) is not None
        assert store.remove("leftover", path) is not None
    assert store.remove("run", f"runs/{RUN}") is None
    (store.folder / "runs").rename(store.folder / "really")
    (store.folder / "runs").symlink_to("really")
    store.folder.joinpath("really", RUN).mkdir()
    assert store.ask("survey")["runs"] == []
    assert store.remove("run", f"runs/{RUN}") is not None
    assert (outside / "precious").read_text() == "x"


def test_checkouts_go_where_no_run_uses_them(store):
    """Though they are read-only; one that a run uses, or that a run on its way may want, stays."""
    store.run(tree="a" * 40)
    for tree in ("a" * 40, "b" * 40):
        store.checkout(tree)
    assert store.remove("checkout", f"checkouts/{'a' * 40}") == f"run {RUN} uses it"
    coming = subprocess.Popen(["sleep", "60"])
    fields = Path(f"/proc/{coming.pid}/stat").read_text().rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    new = store.folder / f"runs/.{RUN[:-1]}g.{coming.pid}-{fields[19]}-{boot}.new"
    new.mkdir()
    assert store.remove("checkout", f"checkouts/{'b' * 40}") == "a run is on its way, and may want it"
    found = store.ask("survey")
    assert (found["coming"], found["leftovers"]) == ([f"{RUN[:-1]}g"], [])
    assert store.remove("leftover", f"runs/{new.name}") is not None
    coming.kill()
    coming.wait()
    assert [one["path"] for one in store.ask("survey")["leftovers"]] == [f"runs/{new.name}"]
    assert store.remove("leftover", f"runs/{new.name}") is None
    assert store.remove("checkout", f"checkouts/{'b' * 40}") is None
    assert [one.name for one in (store.folder / "checkouts").iterdir()] == ["a" * 40]


def test_what_a_killed_pruner_left_is_no_run_and_goes(store):
    """It is renamed before anything in it goes."""
    path = store.run()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    path.rename(path.with_name(f".{RUN}.1-1-{boot}.gone"))
    store.checkout("c" * 40).rename(store.folder / f"checkouts/{'c' * 40}.gone.1-1-{boot}")
    store.checkout("d" * 40).rename(store.folder / f"checkouts/{'d' * 40}.aside.{os.uname().nodename}.999999999")
    (store.folder / "runs/.x.1-1-0.new").mkdir()
    assert store.ask("survey")["coming"] == ["x"]  # of another machine, perhaps: it gets a day
    os.utime(store.folder / "runs/.x.1-1-0.new", (1, 1))
    found = store.ask("survey")
    assert (found["runs"], found["checkouts"]) == ([], [])
    for left in found["leftovers"]:
        assert store.remove("leftover", left["path"]) is None
    assert [list((store.folder / one).iterdir()) for one in ("runs", "checkouts")] == [[], []]


def test_results_that_lie_in_a_run_keep_it(store):
    """Told by its result, or by its events alone."""
    path = store.run(checkpoints=[{"path": str(store.folder / f"runs/{RUN}/out/checkpoint-1")}])
    assert store.kept() == {RUN: "a result of it lies in it: checkpoint-1"}
    shutil.rmtree(path)
    path = store.run()
    event = {"event": "checkpoint.written", "path": str(path / "out/checkpoint-2")}
    (path / "attempt-1/node-0/events.jsonl").write_text("torn\n" + json.dumps(event) + "\n")
    assert store.remove("run", f"runs/{RUN}") == "a result of it lies in it: checkpoint-2"


def test_what_cannot_be_told_stays(store, need):
    """A newer format, another shape, no supervisor yet, somebody else's."""
    path = store.run()
    node = path / "attempt-1/node-0"
    (path / "bundle/rules.json").write_text('{"format": 2}')
    assert store.kept() == {RUN: "a newer version wrote it"}
    (path / "bundle/rules.json").write_text('{"format": 1}')
    (node / "result.json").write_text('{"checkpoints": [1]}')
    assert store.kept() == {RUN: "its files have another shape"}
    (node / "result.json").unlink()
    (node / "slots").unlink()
    assert store.kept() == {RUN: "it may be starting"}
    long_ago = time.time() - 7200
    os.utime(path, (long_ago, long_ago))
    (run,) = store.ask("survey")["runs"]
    assert (run["kept"], run["outcome"]) == (None, "never-started")
    need("root")
    os.chown(path, 12345, 12345)
    assert store.kept() == {RUN: "it belongs to user 12345"}


def test_a_read_only_checkout_goes_for_a_user_without_rights(store, need):
    """Root would not notice the modes."""
    need("root")
    store.checkout("b" * 40)
    for path in [store.folder, *store.folder.rglob("*")]:
        os.chown(path, 12345, 12345)
    request = json.dumps([{"kind": "checkout", "path": f"checkouts/{'b' * 40}"}])
    (done,) = store.ask("remove", request, first=("-c", DROP))["done"]
    assert (done["reason"], list((store.folder / "checkouts").iterdir())) == (None, [])


def test_a_copy_under_another_name_is_nobodys_run(tmp_path):
    """It takes no run's place among the newest of a name."""
    store = Store(tmp_path / ".srpo")
    store.run()
    store.run("demo-backup")
    assert {run["id"]: run["name"] for run in store.ask("survey")["runs"]} == {RUN: "demo", "demo-backup": ""}


def test_what_another_pruner_removed_is_gone(store):
    """Of any kind; and two at once remove all of it, and contradict nobody."""
    for path in (f"runs/{RUN}", "checkouts/" + "a" * 40, "runs/.x.1-1-x.gone"):
        assert store.remove({"c": "checkout"}.get(path[0], "leftover" if ".gone" in path else "run"), path) is None
    names = [f"demo-20260102T0304{number:02}Z-abcdef" for number in range(30)]
    for name in names:
        store.run(name)
    request = json.dumps([{"kind": "run", "path": f"runs/{name}"} for name in names])
    both = [
        subprocess.Popen(
            [sys.executable, "-I", RUNTIME / "prune.py", "remove", request], cwd=store.folder, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for one in both:
        answer = json.loads(one.communicate()[0])
        assert {row["reason"] for row in answer["done"]} == {None}
    assert list((store.folder / "runs").iterdir()) == []


def test_a_store_that_cannot_be_written_says_so(store, need):
    """It was read well."""
    need("root")
    store.run()
    for path in [store.folder, *store.folder.rglob("*")]:
        os.chown(path, 12345, 12345)
    (store.folder / "runs").chmod(0o500)
    request = json.dumps([{"kind": "run", "path": f"runs/{RUN}"}])
    (done,) = store.ask("remove", request, first=("-c", DROP))["done"]
    assert (done["removed"], done["reason"]) == (False, "it cannot be removed: Permission denied")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("attempt-1/node-0/result.json", '{"outcome": 5}'),
        ("attempt-1/node-0/result.json", '{"checkpoints": [{"path": 7}]}'),
        ("bundle/rules.json", '{"plan": 5}'),
        ("bundle/rules.json", '{"format": "x"}'),
    ],
)
def test_a_run_of_another_shape_hides_no_other(store, name, text):
    """It stays, and is told with what the client can decode."""
    other = RUN.replace("demo", "odd")
    (store.run(other) / name).write_text(text)
    store.run()
    told = msgspec.json.decode(json.dumps(store.ask("survey")), type=Holdings)
    assert {run.id: run.kept for run in told.runs} == {RUN: None, other: "its files have another shape"}
    assert store.remove("run", f"runs/{other}") == "its files have another shape"


@pytest.mark.parametrize("name", ["lock", "slots", "result.json", "events.jsonl", "../../starting"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(store, name):
    """Nobody may ever write to it."""
    path = store.run() / "attempt-1/node-0" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    (run,) = store.ask("survey")["runs"]
    assert run["kept"] in (None, f"it cannot be read: `{path.name}` is no regular file")
    assert (run["kept"] is None) == (name == "result.json")
