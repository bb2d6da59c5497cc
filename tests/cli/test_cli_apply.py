from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from terminal import pids_of, until


def test_apply_trains_until_the_checkpoint_is_whole(place, say):
    """From an empty folder to a whole checkpoint, with the events as JSON lines; a second time there is nothing to do."""
    said = say("apply", "--json")
    assert said.status == 0, said.err
    names = [event["event"] for event in said.events]
    assert names[:3] == ["stream.opened", "facts.gathered", "plan.made"]
    assert names[-1] == "run.ended"
    assert {"job.started", "progress.made", "checkpoint.written", "image.written", "phase.started"} <= set(names)
    assert [event["seq"] for event in said.events] == list(range(len(names)))
    assert all({"format", "seq", "time", "event", "run"} <= set(event) for event in said.events)
    written = next(event for event in said.events if event["event"] == "checkpoint.written")
    assert sorted(path.name for path in Path(written["path"]).iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
    vendor = place.folder / "third_party/srpo/vendor"
    assert vendor.is_symlink()
    assert (vendor / "scripts/finetune/SRPO_training_demo.sh").is_file()
    assert not os.access(vendor / "minisrpo/train.py", os.W_OK) or os.geteuid() == 0
    assert oct((vendor / "minisrpo/train.py").stat().st_mode & 0o222) == "0o0"
    run = said.events[-1]["run"]
    assert pids_of(run) == []
    again = say("apply")
    assert (again.status, "there is nothing to do" in again.err) == (0, True)
    assert say("plan", "--detailed-exitcode").status == 0
    assert say("status").out.startswith(f"{run}  succeeded")
    assert say("status", "--json").json["checkpoints"][0]["whole"] is True
    assert say("wait", run[:12]).out == f"{run} succeeded\n"
    assert "***** Running training *****" in say("logs", "last").out
    assert say("attach", "demo", "--json").events[-1]["outcome"] == "succeeded"
    assert say("stop", run).out.startswith(f"{run} succeeded")


def test_a_run_goes_on_without_us_and_is_stopped_from_elsewhere(place, say):
    """Detached, seen, stopped: nothing of it is left."""
    run = say(
        "apply", "--detach", "--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999"
    ).out.strip()
    until(lambda: say("status", "--json").json["state"] == "running")
    assert say("apply").status == 4  # one is running already
    refused = say("apply", "--json")
    assert "already-running" in refused.err
    stopped = say("stop", run, "--json")
    assert (stopped.status, stopped.json["outcome"]) == (0, "stopped")
    assert pids_of(run) == []
    assert say("wait", run).status == 1


def test_a_signal_stops_the_run_and_waits_for_its_end(place, say):
    """SIGTERM to an attached client: the run is ended gracefully, the exit status is 130."""
    client = place.start(
        "apply", "--json", "--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999"
    )
    until(lambda: any(run["state"] == "running" for run in say("runs", "--refresh", "--json").json["runs"]))
    client.send_signal(signal.SIGTERM)
    out, err = client.communicate(timeout=60)
    assert client.returncode == 130, err
    ended = json.loads(out.splitlines()[-1])
    assert (ended["event"], ended["outcome"]) == ("run.ended", "stopped")
    assert pids_of(ended["run"]) == []


def test_a_hangup_detaches(place, say):
    """The terminal closes; the run goes on."""
    client = place.start(
        "apply", "--json", "--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999"
    )
    until(lambda: any(run["state"] == "running" for run in say("runs", "--refresh", "--json").json["runs"]))
    client.send_signal(signal.SIGHUP)
    _, err = client.communicate(timeout=60)
    assert client.returncode == 0, err
    assert say("status", "--json").json["state"] == "running"


def test_exit_zero_without_a_checkpoint_is_unverified(say):
    """Success is what is whole, not what exit 0 claims."""
    said = say("apply", "--set", 'env.DEMO_FAULT="exit-zero"')
    assert said.status == 1
    assert "unverified" in said.err


def test_a_crash_is_failed_with_its_status(say):
    """And the log is named."""
    said = say("apply", "--json", "--set", 'env.DEMO_FAULT="crash=2"')
    assert (said.status, said.events[-1]["outcome"]) == (1, "failed")


def test_dry_run_prepares_and_checks_and_does_not_train(place, say):
    """The checkout is there, the trainer was not started, and the plan still has to run."""
    said = say("apply", "--dry-run", "--json")
    assert said.status == 0, said.err
    assert "job.started" not in {event["event"] for event in said.events}
    assert (place.folder / "third_party/srpo/vendor/minisrpo").is_dir()
    assert say("plan", "--detailed-exitcode").status == 6


def test_a_saved_plan_is_applied_as_shown_or_refused(place, say):
    """Stale where a fact that it rests on has changed, and that fact is named; edited, it is no plan."""
    assert say("plan", "--out", "p.json").status == 0
    saved = json.loads((place.folder / "p.json").read_text())
    assert set(saved) >= {"format", "plan", "manifest", "facts"}
    vendor = place.folder / "third_party/srpo/vendor"
    vendor.mkdir(parents=True)
    (vendor / "mine").write_text("x")
    refused = say("apply", "p.json")
    assert refused.status == 4
    assert "`third_party/srpo/vendor` is a folder of yours" in refused.err
    assert (vendor / "mine").read_text() == "x"
    (vendor / "mine").unlink()
    done = say("apply", "p.json", "--json")
    assert done.status == 0, done.err
    assert {event["plan"] for event in done.events if event["event"] == "plan.made"} == {saved["plan"]["id"]}
    saved["plan"]["id"] = "0" * 64
    place.write("p.json", json.dumps(saved))
    assert "error[plan-unfaithful]" in say("apply", "p.json").err


def test_a_secret_reaches_the_trainer_and_no_file(place, say):
    """Read at apply, sent on standard input; a missing one is named before anything starts."""
    text = (place.folder / "srpo.toml").read_text()
    place.write(
        "srpo.toml",
        'schema = 1\nname = "own"\n[repo]\nurl = "demo:"\n[model]\ntype = "generic"\n[done]\nexit_zero = true\n'
        '[entry]\ncommand = ["bash", "-c", "printf %s \\"$TOKEN\\" | sha256sum >seen"]\n[env]\nTOKEN = { env = "MY_TOKEN" }\n',
    )
    missing = say("apply")
    assert missing.status == 2
    assert "error[secret-missing]" in missing.err
    assert not list(place.home.glob("runs/*"))
    said = say("apply", "--json", MY_TOKEN="very-secret-value")
    assert said.status == 0, said.err
    digest = subprocess.run(["sha256sum"], input=b"very-secret-value", capture_output=True, check=True).stdout.decode()
    assert (place.folder / "seen").read_text() == digest
    assert "very-secret-value" not in said.out + said.err
    for path in place.folder.rglob("*"):
        if path.is_file():
            assert b"very-secret-value" not in path.read_bytes(), path
    assert text


def test_a_bundle_run_by_hand_does_what_apply_does(place, say):
    """`bash DIR/launch.sh`: the same outcome, the same kind of run folder; the same plan gives the same bytes."""
    for name in ("one", "two"):
        assert say("bundle", "--out", name).status == 0
    files = {path.relative_to(place.folder / "one") for path in (place.folder / "one").rglob("*") if path.is_file()}
    assert {str(path) for path in files} >= {
        "launch.sh",
        "supervise.py",
        "leader.sh",
        "rules.json",
        "plan.json",
        "tree.tar",
    }
    for path in files:
        assert (place.folder / "one" / path).read_bytes() == (place.folder / "two" / path).read_bytes()
    done = subprocess.run(
        ["bash", "one/launch.sh"],
        cwd=place.folder,
        env=place.env,
        capture_output=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    (result,) = place.folder.glob(".srpo/runs/*/attempt-1/node-0/result.json")
    assert json.loads(result.read_text())["outcome"] == "succeeded"
    assert say("plan", "--detailed-exitcode").status == 0  # the hand-run counts as this plan's run
    assert say("bundle", "--out", "one").status == 2


def test_awkward_values_arrive_byte_for_byte(place, say):
    """Quotes, newlines, dollars and glob characters in arguments and environment, in a folder with an odd name."""
    odd = place.folder / "it's a $(touch canary) *"
    odd.mkdir()
    value = "a'b\"c\n$HOME `x` * \\ é😀"
    toml = json.dumps(value, ensure_ascii=False)
    (odd / "srpo.toml").write_text(
        'schema = 1\nname = "odd"\n[repo]\nurl = "demo:"\n[model]\ntype = "generic"\n[done]\nexit_zero = true\n'
        f'[entry]\ncommand = ["python3", "-c", "import os,sys,json; json.dump([sys.argv[1:], os.environ[\'ODD\']], open(\'seen\',\'w\'))", {toml}, ""]\n'
        f"[env]\nODD = {toml}\n",
        encoding="utf-8",
    )
    said = say("apply", str(odd / "srpo.toml"), "--", value)
    assert said.status == 0, said.err
    assert json.loads((odd / "seen").read_text()) == [[value, "", value], value]
    assert not list(place.folder.rglob("canary"))


def test_an_address_that_means_no_run(say):
    """Unknown and ambiguous addresses are told."""
    said = say("status", "nothing")
    assert (said.status, said.err.splitlines()[0]) == (2, "error[run-unknown]: no run `nothing` is on record here")


def test_a_trainer_that_saves_without_a_pause_is_ended_all_the_same(place, say):
    """The checkpoint being written is waited for, not all that follow."""
    quick = (
        "--set",
        "entry.set.max_train_steps=2",
        "--set",
        "entry.set.checkpointing_steps=2",
        "--set",
        "entry.set.step_seconds=0.0",
    )
    said = say("apply", *quick, "--set", 'env.DEMO_FAULT="slow-checkpoint=0.6"')
    assert said.status == 0, said.err
    assert "ended     succeeded" in said.err


def test_several_applies_at_once_start_one_run(place, say):
    """The others are refused by the target, and nothing of them is left."""
    endless = ("--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999")
    clients = [place.start("apply", "--detach", *endless) for _ in range(3)]
    for client in clients:
        client.communicate(timeout=60)
    assert sorted(client.returncode != 0 for client in clients) == [False, True, True]
    assert len(list(place.folder.glob(".srpo/runs/demo-*"))) == 1
    assert len(say("runs", "--json").json["runs"]) == 1


def test_a_signal_during_the_launch_stops_what_was_launched(place, say):
    """Whenever it comes, no run goes on that nobody knows of."""
    endless = ("--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999")
    for pause in (0.3, 0.5, 0.7, 0.9, 1.1):
        client = place.start("apply", "--again", *endless)
        time.sleep(pause)
        client.send_signal(signal.SIGTERM)
        _, err = client.communicate(timeout=60)
        # Python itself was not up yet, or our handler was.
        assert client.returncode in (-signal.SIGTERM, 130), err
        for run in say("runs", "--refresh", "--json").json["runs"]:
            assert run["state"] == "ended", err
            assert pids_of(run["id"]) == []


def test_a_bundle_that_arrives_cut_off_is_not_launched(place, say):
    """The client dies while it sends: half a tar is good tar, and no bundle."""
    receive = place.folder / "receive.sh"
    from srpo_manifest.engine.launching import receiving
    from srpo_manifest.engine.packing import Packer
    from srpo_manifest.values.bundle import Bundle, BundleFile

    receive.write_text(receiving("runs/run", f"touch {place.folder}/started\n"))
    whole = Bundle(plan="p", files=(BundleFile(name="a", data=b"x" * 512), BundleFile(name="b", data=b"y")))
    tar = b"".join(Packer(str(place.folder), lambda *_: iter(())).tar(whole))
    for size in range(512, len(tar) - 1024, 512):
        done = subprocess.run(
            ["bash", receive], input=b"{}\n" + tar[:size], cwd=place.folder, capture_output=True, check=False
        )
        if b".whole" in tar[:size]:
            break
        assert done.returncode == 74, done.stderr
        assert not (place.folder / "started").exists()
        assert not (place.folder / "runs/run").exists()
    for path in ("runs", "started"):
        subprocess.run(["rm", "-rf", place.folder / path], check=True)
    done = subprocess.run(["bash", receive], input=b"{}\n" + tar, cwd=place.folder, capture_output=True, check=False)
    assert (done.returncode, (place.folder / "started").exists()) == (0, True)


def test_what_cannot_be_sent_is_told_before_anything_starts(place, say):
    """Git is gone between plan and launch: no run, no record."""
    say("plan")
    tools = place.folder / "tools"
    tools.mkdir()
    (tools / "git").write_text(
        '#!/bin/bash\ncase " $* " in *" archive "*) echo "fatal: no" >&2; exit 128;; esac\nexec /usr/bin/git "$@"\n'
    )
    (tools / "git").chmod(0o755)
    said = say("apply", PATH=f"{tools}:{place.env['PATH']}")
    assert said.status == 5
    assert not list(place.folder.glob(".srpo/runs/*"))
    assert say("runs", "--json").json["runs"] == []


def kill_supervisors(run):
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"{run}/bundle/supervise.py".encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


ENDLESS = ("--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999")


@pytest.mark.slow
def test_a_run_that_lost_its_supervisors_is_taken_over(place, say):
    """Both are killed and the trainer goes on: whoever asks next takes it over, again and again, and a stop ends it."""
    run = say("apply", "--detach", *ENDLESS).out.strip()
    until(lambda: say("status", "--json").json["state"] == "running")
    (node,) = place.folder.glob(f".srpo/runs/{run}/attempt-1/node-0")
    for times, verb in enumerate([("status",), ("runs", "--refresh"), ("wait", "--timeout", "0.1"), ("plan",)], 1):
        kill_supervisors(run)
        say(*verb)
        assert (node / "events.jsonl").read_text().count('"code": "run-adopted"') == times
    kill_supervisors(run)
    said = say("apply", *ENDLESS)
    assert (said.status, "already-running" in said.err) == (4, True)
    kill_supervisors(run)
    assert say("stop", run).out.startswith(f"{run} stopped")
    assert not pids_of(run)


OLDER = """
import json, os, signal, sys
verb, node = sys.argv[1:3]
run = node.split("/")[-3]
if verb == "status":
    print(json.dumps({"format": 1, "run": run, "state": "ended", "outcome": "lost", "reason": "its supervisors died"}))
elif verb == "tidy":
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"SRPO_RUN_ID={run}" in open(f"/proc/{pid}/environ").read().split(chr(0)):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
else:
    sys.exit(2)
"""
"""As supervisors were before they could adopt."""


def test_an_older_supervisor_is_asked_for_what_it_can(place, say):
    """What it lost is not taken over: that is told, and a stop ends it."""
    run = say("apply", "--detach", *ENDLESS).out.strip()
    until(lambda: say("status", "--json").json["state"] == "running")
    kill_supervisors(run)
    (place.folder / ".srpo/runs" / run / "bundle/supervise.py").write_text(OLDER)
    told = say("status", "--json").json
    assert (told["outcome"], [one["code"] for one in told["warnings"]]) == ("lost", ["supervisor-older"])
    assert pids_of(run)
    assert say("stop", run).out.startswith(f"{run} lost")
    until(lambda: not pids_of(run))


def test_a_run_that_cannot_be_taken_over_is_not_said_to_be_stopped(place, say):
    """The target's own words say why; `status` shows them as a warning, and a stop fails."""
    run = say("apply", "--detach").out.strip()
    assert say("wait").status == 0
    answer = f'{{"format": 1, "run": "{run}", "state": "ended", "outcome": "lost", "unfinished": true}}'
    refuses = f"import sys\nif sys.argv[1] == 'adopt': sys.exit('error[run-foreign]: it is of another user')\nprint({answer!r})"
    (place.folder / ".srpo/runs" / run / "bundle/supervise.py").write_text(refuses)
    said = say("status")
    assert (said.status, "[run-unadopted]" in said.out, "of another user" in said.out) == (0, True, True)
    assert "error[" not in said.out
    said = say("stop")
    assert (said.status, "error[run-unadopted]" in said.err, "of another user" in said.err) == (5, True, True)


@pytest.mark.fault(72, "run-newer")
@pytest.mark.parametrize(("state", "status"), [("running", 0), ("levitating", 5)])
def test_a_newer_supervisor_is_told_to_be_one(place, say, state, status):
    """Where its answer can still be read it is shown; where it cannot, the hint says what to ask with."""
    run = say("apply", "--detach").out.strip()
    assert say("wait").status == 0
    answer = f'{{"format": 2, "run": "{run}", "state": "{state}", "aura": "blue"}}'
    (place.folder / ".srpo/runs" / run / "bundle/supervise.py").write_text(f"print({answer!r})")
    said = say("status")
    assert said.status == status
    assert "run-newer]" in said.out + said.err


def test_a_record_whose_run_never_came_to_be(place, say):
    """The client was killed during the launch: every verb has an answer."""
    run = say("apply", "--detach").out.strip()
    assert say("wait").status == 0
    moved = place.folder / ".srpo/runs" / run
    moved.rename(place.folder / "elsewhere")
    (place.home / "runs" / run / "seen.json").unlink()
    assert say("status").out.startswith(f"{run}  lost: it was never started")
    assert say("stop").status == 0
    assert say("wait").status == 1
    assert say("logs") == (0, "", "")


def test_a_run_whose_folder_is_gone_is_not_told_to_have_never_run(place, say):
    """Its end is told as it was seen; where that was not seen, nothing is made up, and the memory is kept."""
    run = say("apply", "--detach").out.strip()
    seen = place.home / "runs" / run / "seen.json"
    launched = seen.read_bytes()
    assert say("wait").status == 0
    ended = seen.read_bytes()
    folder = place.folder / ".srpo"
    folder.rename(place.folder / "elsewhere")
    for _ in range(2):
        told = say("status")
        assert (told.status, told.out.splitlines()[0].split(":")[0]) == (0, f"{run}  succeeded")
        assert f"[run-absent] {json.loads(ended)['ended']}: its folder is not on the target any more" in told.out
        assert told.out.count("run-absent") == 1
        assert f"in `{folder}/runs/{run}`; this was seen last" in told.out
    assert (say("wait").status, say("attach", "--json").events[-1]["outcome"]) == (0, "succeeded")
    assert json.loads(seen.read_bytes()) | {"warnings": []} == json.loads(ended) | {"warnings": []}
    seen.write_bytes(launched)
    for verb in ("status", "wait", "attach", "stop"):
        told = say(verb)
        assert told.status == 5, told.err
        assert f"error[run-absent]: run `{run}`: its folder is not on the target any more" in told.err
        assert "it was last seen pending" in told.err
    lost = say("status", "--json")
    assert (lost.status, lost.json["contact"], lost.json["state"]) == (5, "lost", "pending")
    assert say("runs", "--refresh").out.startswith(f"{run}  pending  (no contact)")
    assert seen.read_bytes() == launched
    (place.folder / "elsewhere").rename(folder)
    assert say("status").out.startswith(f"{run}  succeeded")


def test_a_saved_plan_is_applied_as_it_was_shown(place, say):
    """Nothing can be said beside it, and an edit shows even where the id stays."""
    assert say("plan", "--out", "p.json").status == 0
    for extra in (["--set", "entry.set.seed=4"], ["--", "--seed", "3"], ["--profile", "x"], ["--deny", "all"]):
        said = say("apply", "p.json", *extra)
        assert (said.status, "error[saved-plan-options]" in said.err) == (2, True)
    saved = json.loads((place.folder / "p.json").read_text())
    saved["plan"]["job"]["argv"] = ["rm", "-rf", "x"]
    place.write("p.json", json.dumps(saved))
    assert "error[plan-unfaithful]" in say("apply", "p.json").err
    assert oct((place.folder / "p.json").stat().st_mode & 0o777) == "0o600"


def test_detach_tells_the_run_on_the_stream(say):
    """A caller that reads JSON learns the id."""
    events = say("apply", "--detach", "--json").events
    assert events[-1]["event"] == "step.finished"
    assert events[-1]["run"].startswith("demo-")
