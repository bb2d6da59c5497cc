"""Digests of whole checkpoints: after the trainer's end, bounded, and in nobody's way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st


def files(run):
    return {file["path"]: file for one in run.status()["checkpoints"] for file in one["files"]}


def test_a_whole_checkpoint_has_the_digest_of_each_file(bundle):
    """As `sha256sum` would have it, which can check them."""
    run = bundle.start("torn-checkpoint:0-0", "checkpoint:1-1", "forever")
    assert run.end()["outcome"] == "succeeded"
    torn, whole = sorted(run.result()["checkpoints"], key=lambda one: one["whole"])
    assert {file["path"] for file in whole["files"]} == {"config.json", "model.safetensors"}
    for file in whole["files"]:
        data = (Path(whole["path"]) / file["path"]).read_bytes()
        assert file == {
            "path": file["path"],
            "bytes": len(data),
            "digest": hashlib.sha256(data).hexdigest(),
            "reason": None,
        }
    assert {(file["digest"], file["reason"]) for file in torn["files"]} == {(None, "the checkpoint is not whole")}
    subprocess.run(
        ["sha256sum", "--check", "--strict", run.node / "checkpoints.sha256"], check=True, capture_output=True
    )
    (phase,) = (event for event in run.events("phase.started") if event["phase"] == "digests")
    assert (phase["bytes"], phase["limit_seconds"]) == (whole["bytes"], 300)
    names = [event["event"] for event in run.events()]
    assert names[-1] == "run.ended"


def test_time_for_digests_is_limited(bundle):
    """A tebibyte takes longer than is given: the run ends all the same, and says why there is none."""
    bundle.rules["artifacts"]["digest_seconds"] = 0.5
    run = bundle.start("sparse-checkpoint:1-1", "forever")
    assert run.end()["outcome"] == "succeeded"
    found = files(run)
    assert found["config.json"]["digest"]
    assert (found["model.safetensors"]["digest"], found["model.safetensors"]["reason"]) == (
        None,
        "0.5 seconds did not suffice",
    )
    assert bundle.processes(run) == []


def test_a_stop_does_not_wait_for_digests(bundle):
    """Asked for meanwhile, it ends them; the outcome stays, and it was durable before they began."""
    bundle.rules["artifacts"]["digest_seconds"] = 600
    run = bundle.start("sparse-checkpoint:1-1", "forever")
    run.until(lambda: run.status()["phase"] == "digests")
    found = run.status()
    assert (found["state"], found["outcome"], bundle.processes(run)) == ("stopping", None, [])
    assert run.result()["outcome"] == "succeeded"
    run.stop()
    assert run.end()["outcome"] == "succeeded"
    assert files(run)["model.safetensors"]["reason"] == "a stop was asked for"


def test_a_run_that_is_stopped_has_none(bundle):
    """Whoever stops a run wants it gone."""
    bundle.rules["done"]["checkpoints"] = 2
    run = bundle.start("checkpoint:1-1", "forever")
    run.until_event("checkpoint.written")
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert {(file["digest"], file["reason"]) for file in files(run).values()} == {(None, "a stop was asked for")}
    assert not (run.node / "checkpoints.sha256").exists()


def test_no_time_means_no_digests(bundle):
    """The rules may say so."""
    bundle.rules["artifacts"]["digest_seconds"] = 0
    run = bundle.start("checkpoint:1-1", "forever")
    run.end()
    assert {file["reason"] for file in files(run).values()} == {"the rules give no time for it"}


def test_a_supervisor_that_dies_meanwhile_takes_no_outcome_along(bundle, supervise):
    """The other one tells the end; what was not computed says so."""
    bundle.rules["artifacts"]["digest_seconds"] = 600
    run = bundle.start("sparse-checkpoint:1-1", "forever")
    run.until(lambda: run.status()["phase"] == "digests")
    inner = bundle.supervisor(run, "inner")
    left = [found.pid for found in supervise.tree("no-run", [supervise.identity(inner)])]
    os.kill(inner, signal.SIGKILL)
    ended = run.end()
    assert (ended["outcome"], len(run.events("run.ended"))) == ("succeeded", 1)
    assert {file["reason"] for file in files(run).values()} == {"not computed yet"}
    for pid in left:
        run.until(lambda pid=pid: (found := supervise.process(pid)) is None or found.state == "Z")


@given(
    names=st.lists(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=9), unique=True)
)
def test_any_name_comes_back_from_the_lines(tmp_path_factory, supervise, names):
    """Newlines and backslashes are escaped as `sha256sum` does; a cut line is none."""
    told = tmp_path_factory.mktemp("lines") / "told"
    lines = "".join(supervise.digest_line("/" + name, name.encode().hex()) for name in names)
    told.write_bytes(os.fsencode(lines + "cut  /away"))
    assert supervise.read_digests(str(told)) == {"/" + name: name.encode().hex() for name in names}
