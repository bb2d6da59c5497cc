"""A trainer that goes round for ever, spins or hangs is told, once, and not ended."""

from __future__ import annotations

import pytest

SOON = 0.01
"""Minutes."""


def warned(run):
    return {event["code"]: event for event in run.events("warning.raised")}


def torn(run):
    return [event for event in run.events("warning.raised") if event["code"] == "checkpoint-torn"]


def test_steps_that_begin_again_without_a_checkpoint_are_an_endless_loop(bundle):
    """The step that saves is never reached: told long before anything stands still."""
    run = bundle.start_demo("--checkpointing_steps 20")
    run.until(lambda: "endless-loop" in warned(run))
    told = warned(run)["endless-loop"]
    assert told["message"] == "steps began again at 1 for the 2. time, and no checkpoint was written since"
    assert told["hints"]
    status = run.status()
    assert status["state"] == "running"
    assert status["warnings"] == [{name: told[name] for name in ("time", "code", "message", "hints")}]
    run.until_said("Progress: 4/4")
    run.stop()
    assert run.end()["outcome"] == "stopped"
    assert [event["code"] for event in run.events("warning.raised")] == ["endless-loop"]


def test_only_pictures_after_the_checkpoint_are_an_endless_loop(bundle):
    """Upstream as shipped: one checkpoint, then pictures for ever; a second one is waited for in vain."""
    bundle.rules["done"]["checkpoints"] = 2
    bundle.rules["stop"]["stall_minutes"] = 0.05
    run = bundle.start_demo("--max_train_steps 30000000")
    run.until(lambda: "endless-loop" in warned(run))
    message = warned(run)["endless-loop"]["message"]
    assert message.startswith("since checkpoint `checkpoint-4-0` at ")
    assert message.endswith(" there was no line of progress, and the trainer goes on")
    assert set(warned(run)) == {"endless-loop"}
    run.stop()
    run.end()


def test_a_trainer_that_saves_in_every_round_is_no_endless_loop(bundle):
    """Steps begin again, and a checkpoint came in between."""
    bundle.rules["done"]["checkpoints"] = 4
    run = bundle.start_demo("--step_seconds 0.2")
    assert run.end()["outcome"] == "succeeded"
    assert run.events("warning.raised") == []


def test_a_checkpoint_in_between_makes_steps_that_begin_again_good(bundle):
    """However many rounds there are, each told to its last step."""
    bundle.rules["done"]["checkpoints"] = 9
    rounds = [act for number in range(3) for act in ("progress:2", f"checkpoint:{number}-1", "sleep:1.2")]
    run = bundle.start(*rounds, "exit:1")
    run.end()
    assert len(run.events("checkpoint.written")) == 3
    assert run.events("warning.raised") == []


def test_a_step_past_the_total_is_an_endless_loop(bundle):
    """A trainer that counts on."""
    run = bundle.start("say:Progress: 3/3", "say:Progress: 4/3", "exit:1")
    run.end()
    assert [event["message"] for event in run.events("warning.raised")] == ["step 4 is past the total of 3"]


@pytest.mark.parametrize("fault", ["spin=2", "hang=2"])
def test_what_stands_still_is_told_by_what_its_processes_do(bundle, fault):
    """A loop over nothing keeps a core busy, what hangs does not; the phase shows that it is no rendezvous."""
    bundle.rules["stop"]["stall_minutes"] = 0.03
    run = bundle.start_demo(DEMO_FAULT=fault)
    run.until_event("warning.raised")
    ((code, told),) = warned(run).items()
    assert code == ("spinning" if fault.startswith("spin") else "stalled")
    assert "in phase `training`: no log line, no file" in told["message"]
    assert ("keeps a core" in told["message"]) == (code == "spinning")
    assert not any("rendezvous-hang" in hint for hint in told["hints"])
    assert run.status()["state"] == "running"
    run.stop()
    run.end()
    assert len(run.events("warning.raised")) == 1


def test_nodes_that_wait_for_each_other_are_told(bundle):
    """Two are wanted, one came: the trainer never says its first line."""
    bundle.rules["stop"]["stall_minutes"] = SOON
    run = bundle.start_demo("--master_port 0", nodes=2)
    run.until_event("warning.raised")
    assert warned(run)["stalled"]["hints"][0].startswith("rendezvous-hang: ")
    run.stop()
    run.end()


def test_a_preview_that_cannot_be_copied_is_told(bundle):
    """Once; the run and its other files go on."""
    run = bundle.start("await:go", "image:a.png=one", "checkpoint:1-1", "forever")
    (run.node / "images").touch()
    (run.node / "go").touch()
    assert run.end()["outcome"] == "succeeded"
    (told,) = run.events("warning.raised")
    assert (told["code"], told["message"]) == ("preview-uncopied", "a preview could not be copied: File exists")


def test_a_script_that_nothing_is_known_of_has_no_rendezvous(bundle):
    """Without rules for its log it may be silent."""
    bundle.rules["log"] = []
    bundle.rules["stop"]["stall_minutes"] = SOON
    run = bundle.start("forever")
    run.until_event("warning.raised")
    assert not any("rendezvous-hang" in hint for hint in warned(run)["stalled"]["hints"])
    run.stop()
    run.end()


def test_a_line_of_the_log_has_a_code_and_a_hint(bundle):
    """As the trainer's description words them; secrets are left out."""
    bundle.rules["log"].append(
        {
            "event": "warning.raised",
            "pattern": "FileNotFoundError: .*",
            "code": "file-not-found",
            "hint": "put it there",
        }
    )
    bundle.secrets = ("TOKEN",)
    run = bundle.start("say:FileNotFoundError: data/s3cret-of-mine", "exit:1", TOKEN="s3cret-of-mine")
    run.end()
    (told,) = run.events("warning.raised")
    assert (told["code"], told["message"]) == ("file-not-found", "FileNotFoundError: data/***")
    assert told["hints"] == ["put it there"]


def test_checkpoints_that_are_never_whole_are_told_while_the_trainer_goes_on(bundle):
    """The first three one by one, the others as a number at the end."""
    run = bundle.start_demo("--step_seconds 0.3", DEMO_FAULT="no-marker")
    run.until(lambda: len(torn(run)) >= 3)
    assert run.status()["state"] == "running"
    run.stop("--grace", "1")
    left = [found for found in run.end()["checkpoints"] if not found["whole"]]
    *singles, number = torn(run)
    assert len({event["path"] for event in singles}) == 3
    assert all(event["message"].endswith("the run wrote no `config.json`") for event in singles)
    assert all(event["hints"] for event in (*singles, number))
    assert number["message"].startswith(f"{len(left)} checkpoints in all are not whole, {len(left) - 3} of them")


def test_a_torn_checkpoint_is_told_when_only_pictures_follow(bundle):
    """Upstream as shipped saves once, and paints for ever."""
    run = bundle.start_demo("--max_train_steps 30000000", DEMO_FAULT="no-marker")
    run.until(lambda: torn(run))
    assert run.status()["state"] == "running"


def test_a_torn_checkpoint_is_told_once_when_only_steps_follow(bundle):
    """Not while the trainer may still be saving, and not again when it ends."""
    steps = [act for _ in range(9) for act in ("sleep:1", "progress:1")]
    run = bundle.start("torn-checkpoint:1-1", "sleep:11", "say:no step yet", "await:go", *steps, "forever")
    run.until_said("no step yet")
    assert torn(run) == []
    (run.node / "go").touch()
    run.until(lambda: torn(run))
    assert run.status()["state"] == "running"
    run.stop("--grace", "1")
    run.end()
    assert [event["path"].rpartition("/")[2] for event in torn(run)] == ["checkpoint-1-1"]
