"""How a run ends by itself, or because it has what it is for."""

from __future__ import annotations

import pytest


def test_a_whole_checkpoint_ends_an_endless_trainer(bundle):
    """The run is ended when its checkpoint is whole, and that is success whatever the status was."""
    run = bundle.start("progress:5", "worker:sleep:0", "checkpoint:1-1", "forever")
    ended = run.end()
    assert (ended["state"], ended["outcome"], ended["exit"]) == ("ended", "succeeded", -15)
    (written,) = run.events("checkpoint.written")
    (checkpoint,) = ended["checkpoints"]
    assert (checkpoint["path"], checkpoint["bytes"]) == (written["path"], written["bytes"])
    assert checkpoint["whole"]
    assert ended["progress"] == {"step": 5, "total": 5, "loss": 0.2}
    assert run.result()["checkpoints"] == ended["checkpoints"]
    assert bundle.processes(run) == []
    names = [event["event"] for event in run.events()]
    assert names.count("job.started") == names.count("run.ended") == 1
    assert names[-1] == "run.ended"


@pytest.mark.fault(46, "failed (exit status 137, or killed by signal 9)")
@pytest.mark.parametrize(
    ("acts", "outcome", "status", "reason"),
    [
        (("exit:0",), "unverified", 0, "exit status 0 with 0 of 1 checkpoint"),
        (("torn-checkpoint:1-1", "exit:0"), "unverified", 0, "exit status 0 with 0 of 1 checkpoint"),
        (("exit:7",), "failed", 7, "exit status 7"),
        (("exit:137",), "failed", 137, "exit status 137"),
        (("die:9",), "failed", -9, "killed by signal 9"),
        (("checkpoint:1-1", "exit:3"), "succeeded", 3, "the done rule holds"),
    ],
)
def test_an_end_is_judged_by_the_artifacts(bundle, acts, outcome, status, reason):
    """Exit 0 proves nothing, another status spoils nothing, and a signal is told apart from a number."""
    run = bundle.start(*acts)
    ended = run.end()
    assert (ended["outcome"], ended["exit"], ended["reason"]) == (outcome, status, reason)
    torn = [found for found in ended["checkpoints"] if not found["whole"]]
    assert len(torn) == acts[0].startswith("torn") == len(run.events("warning.raised"))


@pytest.mark.parametrize(("status", "outcome"), [(0, "succeeded"), (1, "failed")])
def test_exit_zero_alone_may_be_the_rule(bundle, status, outcome):
    """A trainer that does end is judged by its status."""
    bundle.rules["done"] = {"checkpoints": None, "images": None, "files": [], "exit_zero": True}
    assert bundle.start(f"exit:{status}").end()["outcome"] == outcome


def test_only_what_this_run_made_counts(bundle):
    """A file that was there before satisfies nothing; the same file written anew does."""
    bundle.cwd.mkdir()
    (bundle.cwd / "wanted").write_text("old")
    bundle.rules["done"] = {"checkpoints": None, "images": None, "files": ["want*"], "exit_zero": False}
    run = bundle.start("sleep:1", "touch:wanted", "say:made it anew", "forever")
    assert run.end()["outcome"] == "succeeded"
    assert run.log() == "made it anew\n"
    assert [found["path"] for found in run.result()["files"]] == [str(bundle.cwd / "wanted")]


def test_pictures_are_kept_when_the_trainer_writes_over_them(bundle):
    """Every version of a preview is told of and copied."""
    run = bundle.start("image:a.png=one", "await:images/a.png", "image:a.png=other", "image:b.png=two", "exit:0")
    assert run.end()["images"] == 2
    copies = {path.name: path.read_text() for path in (run.node / "images").iterdir()}
    assert copies == {"a.png": "one", "a-2.png": "other", "b.png": "two"}
    assert [event["bytes"] for event in run.events("image.written")] == [3, 5, 3]


def test_what_is_left_behind_is_swept(bundle):
    """A leader's end is not the run's end: workers in their own sessions go, deaf ones too."""
    bundle.rules["stop"]["grace_seconds"] = 0.5
    run = bundle.start("worker:deaf,say:deaf", "worker:say:hears", "sleep:0.5", "exit:0")
    assert run.end()["outcome"] == "unverified"
    assert bundle.processes(run) == []


def test_max_hours_stops_the_run(bundle):
    """The deadline counts preparation, and its name is the reason."""
    bundle.rules["stop"]["max_hours"] = 0.0001
    ended = bundle.start("forever").end()
    assert (ended["outcome"], ended["reason"]) == ("stopped", "max_hours (0.0001) passed")


def test_a_stall_is_told_once(bundle):
    """Nothing that moves is a warning, not an end."""
    bundle.rules["stop"]["stall_minutes"] = 0.005
    run = bundle.start("sleep:1.6", "exit:0")
    run.end()
    assert [event["code"] for event in run.events("warning.raised")] == ["stalled"]


def test_the_log_tells_phases_warnings_and_the_last_progress(bundle):
    """Lines end at a carriage return too, colours do not matter, a warning is told once."""
    lines = ("say:--> \033[1mmodel loaded\033[0m", "say:CUDA out of memory: 5 GiB", "say:CUDA out of memory: 6 GiB")
    run = bundle.start(*lines, "progress:200", "exit:1")
    run.end()
    assert [event["phase"] for event in run.events("phase.started")] == ["job", "model-loaded"]
    assert [event["message"] for event in run.events("warning.raised")] == ["out of memory: 5 GiB"]
    assert run.events("progress.made")[-1]["step"] == 200
    assert len(run.events("progress.made")) <= 3


def test_steps_for_the_end_run_once_and_know_the_outcome(bundle):
    """`on_stop.sh` gets the outcome and the job's variables; what it leaves running is killed."""
    bundle.on_stop = 'echo "$SRPO_RUN_OUTCOME of $SRPO_RUN_ID"; sleep 60 & exit 4'
    run = bundle.start("exit:7")
    run.end()
    assert run.log().count(f"failed of {run.id}") == 1
    assert [event["code"] for event in run.events("warning.raised")] == ["on-stop-failed"]
    assert bundle.processes(run) == []


def test_steps_for_the_end_are_bounded_by_the_grace(bundle):
    """A hanging `on_stop.sh` does not keep the run from ending."""
    bundle.on_stop = "trap '' TERM; while :; do sleep 1; done"
    bundle.rules["stop"]["grace_seconds"] = 0.5
    assert bundle.start("exit:7").end()["outcome"] == "failed"
