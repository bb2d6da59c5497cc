"""Runs of several nodes, each on a machine of its own behind ssh."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from srpo_manifest.testing import Program

pytestmark = pytest.mark.several
MANY = 64


def outcomes(status):
    return [node["outcome"] for node in status["nodes"]]


def nodes_on(machine):
    """Folders of all nodes that were ever started there."""
    return list(machine.home.glob("far/.srpo/runs/far-*/attempt-1/node-*"))


def test_the_demo_trains_on_three_machines(fleet):
    """Each rank on its own, at one meeting point; the first one's artifacts end it, and the others with it."""
    fleet.demo()
    said = fleet.say("apply", "--json")
    assert said.status == 0, said.err
    status = fleet.say("status", "--json").json
    assert (status["outcome"], status["reason"]) == ("succeeded", "the done rule holds")
    assert [node["place"] for node in status["nodes"]] == ["gpu-0", "gpu-1", "gpu-2"]
    assert all(node["state"] == "ended" for node in status["nodes"])
    assert [event["event"] for event in said.events].count("run.ended") == 1
    shown = fleet.say("status").out
    assert "node 2      gpu-2  stopped: node 0 (gpu-0) succeeded" in shown
    logs = fleet.say("logs").out
    for number in range(3):
        assert f"[gpu-{number}] node {number} of 3, workers: 1, run: {status['run']}, chief: " in logs
        alone = fleet.say("logs", "--node", str(number), "--raw").out
        assert alone == (fleet.node(number) / "log").read_text()
    refused = fleet.say("logs", "--raw")
    assert (refused.status, "--node" in refused.err) == (2, True)
    assert "has no node `3`" in fleet.say("logs", "--node", "3").err
    assert fleet.say("logs", "--node", "gpu-2", "--raw").out == alone
    fetched = fleet.folder / "runs" / status["run"]
    assert (fetched / "log").read_text() == (fleet.node(0) / "log").read_text()
    assert (fetched / "node-2/log").read_text() == (fleet.node(2) / "log").read_text()


def test_a_script_that_runs_itself_hands_over_on_each_machine(fleet):
    """The ranks are those of the plan, whoever starts them; a dry run of all nodes comes before."""
    fleet.demo(more='[entry]\nmode = "shim"\n')
    dry = fleet.say("apply", "--dry-run")
    assert dry.status == 0, dry.err
    said = fleet.say("apply")
    assert said.status == 0, said.err
    logs = fleet.say("logs").out
    assert all(f"[gpu-{number}] node {number} of 3, workers: 1" in logs for number in range(3))


def test_each_node_gets_its_number_and_all_the_same_meeting_point(fleet):
    """Here as variables; the demo's script reads the platform's own."""
    fleet.command("bash", "-c", 'echo "$SRPO_RUN_INDEX $SRPO_RUN_CHIEF $SRPO_RUN_PORT"')
    assert fleet.say("apply").status == 0
    told = [(fleet.node(number) / "log").read_text().split() for number in range(3)]
    assert [line[0] for line in told] == ["0", "1", "2"]
    ((chief, port),) = {(line[1], line[2]) for line in told}
    assert chief
    assert int(port) > 0


def test_a_node_that_fails_takes_the_others_along(fleet):
    """The run has failed, for its reason; nobody waits for ever."""
    fleet.command(
        "bash", "-c", 'if [ "$SRPO_RUN_INDEX" = 2 ]; then echo "error: no more disk" >&2; exit 7; fi; sleep 600'
    )
    said = fleet.say("apply")
    assert said.status == 1, said.err
    status = fleet.say("status", "--json").json
    assert (status["outcome"], status["exit"]) == ("failed", 7)
    assert status["reason"].startswith("node 2 (gpu-2): exit status 7")
    assert outcomes(status) == ["stopped", "stopped", "failed"]
    assert "node 2 (gpu-2) failed" in (fleet.node(0) / "result.json").read_text()


def test_nobody_is_attached_and_the_machines_end_one_another(fleet):
    """A node that failed is heard by the others; the next command finds all of it over."""
    fleet.command("bash", "-c", 'if [ "$SRPO_RUN_INDEX" = 1 ]; then exit 7; fi; sleep 600')
    assert fleet.say("apply", "--detach").status == 0
    for number in range(3):
        fleet.machines[0].until((fleet.node(number) / "result.json").exists)
    for number in (0, 2):
        result = json.loads((fleet.node(number) / "result.json").read_text())
        assert (result["outcome"], result["reason"]) == ("stopped", "node 1 (gpu-1) failed: exit status 7")
    status = fleet.say("status", "--json").json
    assert (status["outcome"], status["exit"]) == ("failed", 7)
    assert outcomes(status) == ["stopped", "failed", "stopped"]


def test_a_first_node_that_succeeds_lets_the_others_come_to_their_own_end(fleet):
    """Neither their supervisors nor the client that is attached cut them short."""
    fleet.command("bash", "-c", 'if [ "$SRPO_RUN_INDEX" != 0 ]; then sleep 5; fi')
    assert fleet.say("apply").status == 0
    assert outcomes(fleet.say("status", "--json").json) == ["succeeded"] * 3


def test_where_the_machines_cannot_hear_one_another_the_next_command_ends_the_rest(fleet):
    """As where a port is closed between them, or a supervisor is of an older version: here a node lost the way."""
    fleet.command(
        "bash", "-c", 'while [ ! -e "$SRPO_RUN_DIR/go" ]; do sleep 0.1; done; if [ "$SRPO_RUN_INDEX" = 1 ]; then exit 7; fi; sleep 600'
    )  # fmt: skip
    assert fleet.say("apply", "--detach").status == 0
    for number in range(3):
        fleet.machines[0].until((fleet.node(number) / "phases").exists)
        (fleet.node(number) / "peers.json").unlink()
        for name in ("inner", "outer"):
            slots = (fleet.node(number) / "slots").read_text().partition("#")[0]
            os.kill(json.loads(slots)[name][0], signal.SIGKILL)
    assert fleet.say("status", "--json").json["state"] == "running"
    for number in range(3):
        (fleet.node(number) / "go").touch()
    fleet.machines[0].until((fleet.node(1) / "result.json").exists)
    time.sleep(3)
    assert not [number for number in (0, 2) if (fleet.node(number) / "stop.req").exists()]
    assert fleet.say("status", "--json").json["state"] in ("stopping", "ended")
    assert fleet.say("wait").status == 1
    assert outcomes(fleet.say("status", "--json").json) == ["stopped", "failed", "stopped"]


def test_a_stop_reaches_all(fleet):
    """From another terminal; and the client that is attached sees the end."""
    fleet.command("sleep", "600")
    client = fleet.start("apply", "--json")
    fleet.machines[0].until(lambda: list(fleet.machines[0].home.glob("far/.srpo/runs/far-*/attempt-1/node-0/phases")))
    fleet.machines[0].until(lambda: fleet.say("status", "--json").json["state"] == "running")
    stopped = fleet.say("stop", "--json")
    assert stopped.status == 0, stopped.err
    assert outcomes(stopped.json) == ["stopped"] * 3
    assert client.wait(timeout=60) == 1
    client.communicate()


def test_the_plan_asks_every_machine(fleet):
    """What one of them lacks is told with its name, and a saved plan knows it as well; one that is not alike is refused."""
    for machine in fleet.machines[:2]:
        (machine.home / "far").mkdir()
        (machine.home / "far/weights.bin").write_text("here")
    fleet.command("true", more='\n[[files]]\npath = "weights.bin"\n')
    said = fleet.say("plan", "--out", "plan.json")
    assert said.status == 4
    assert "error[file-missing]: on `gpu-2`: " in said.err + said.out
    assert "gpu-1" not in said.err + said.out
    (fleet.machines[2].home / "far").mkdir()
    (fleet.machines[2].home / "far/weights.bin").write_text("here")
    assert fleet.say("plan").status == 0
    vendor = fleet.machines[1].home / "far/third_party/srpo/vendor"
    vendor.mkdir(parents=True)
    (vendor / "mine.txt").write_text("a folder of my own")
    said = fleet.say("plan", "--json")
    assert said.status == 4
    assert any("`gpu-1`" in one["message"] for one in said.json["refusals"])
    assert fleet.say("apply").status == 4


def test_what_cannot_start_everywhere_starts_nowhere(fleet):
    """The machine is named; what had begun elsewhere is ended, and no record is left."""
    (fleet.machines[1].home / "far").mkdir()
    (fleet.machines[1].home / "far/.srpo").write_text("a file stands where our folder belongs")
    fleet.command("sleep", "600")
    said = fleet.say("apply")
    assert said.status == 5, said.err
    assert "on gpu-1 (exit status" in said.err
    assert fleet.say("runs", "--json").json["runs"] == []
    for machine in (fleet.machines[0], fleet.machines[2]):
        for node in nodes_on(machine):
            assert json.loads((node / "result.json").read_text())["outcome"] in ("stopped", "failed")


def test_of_those_that_start_at_once_one_does(fleet):
    """The others are refused, as where they had looked a moment later, and leave nothing."""
    fleet.command("sleep", "600")
    clients = [fleet.start("apply", "--detach") for _ in range(3)]
    said = [one.communicate(timeout=60) for one in clients]
    assert sorted(one.returncode for one in clients) == [0, 4, 4], said
    assert "error[already-running]" in "".join(err for _, err in said)
    (run,) = fleet.say("runs", "--json").json["runs"]
    assert [node["state"] for node in fleet.say("status", "--json").json["nodes"]] == ["running"] * 3
    for machine in fleet.machines:
        left = [node for node in nodes_on(machine) if not (node / "result.json").exists()]
        assert [node.parts[-3] for node in left] == [run["id"]]


PASSING = """#!/bin/sh
case $* in *.new/bundle)
  run=${{2##*/.}} run=${{run%%.*}}
  echo "$run" >>"$HOME/came"
  while [ "$(sort -u "$HOME/came" | wc -l)" -lt 2 ]; do sleep 0.05; done
  first=$(sort {order} "$HOME/came" | head -n 1)
  until [ "$first" = "$run" ] || [ -e "$HOME/far/.srpo/runs/$first"/attempt-1/node-*/slots ]; do sleep 0.05; done;;
esac
exec {mkdir} "$@"
"""


def test_two_that_keep_machines_from_each_other(fleet):
    """One has the first machine, the other one the last: who began first waits, and goes on; the other one leaves."""
    for machine, order in zip(fleet.machines, ("-u", "-u", "-ur"), strict=True):
        passing = machine.home / "bin/mkdir"
        passing.parent.mkdir()
        passing.write_text(PASSING.format(order=order, mkdir=shutil.which("mkdir")))
        passing.chmod(0o755)
        (machine.home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    fleet.command("sleep", "600")
    clients = [fleet.start("apply", "--detach") for _ in range(2)]
    said = [one.communicate(timeout=120) for one in clients]
    assert sorted(one.returncode for one in clients) == [0, 4], said
    assert len(nodes_on(fleet.machines[2])) == 2, "they did not meet"
    (run,) = fleet.say("runs", "--json").json["runs"]
    assert run["id"] == min(node.parts[-3] for node in nodes_on(fleet.machines[2]))
    assert [node["state"] for node in fleet.say("status", "--json").json["nodes"]] == ["running"] * 3


SLOW = "sleep 4\n"


def test_whoever_asks_while_it_starts_ends_nothing(fleet):
    """One machine is slow to take its part, and another terminal is impatient."""
    home = fleet.machines[1].home
    (home / "bin").mkdir()
    (home / "bin/mkdir").write_text(
        f'#!/bin/sh\ncase $* in *.srpo/runs*) sleep 8;; esac\nexec {shutil.which("mkdir")} "$@"\n'
    )
    (home / "bin/mkdir").chmod(0o755)
    (home / ".bashrc").write_text("PATH=$HOME/bin:$PATH\n")
    fleet.command("sleep", "20")
    client = fleet.start("apply", "--detach")
    fleet.machines[0].until(lambda: list(fleet.machines[0].home.glob("far/.srpo/runs/far-*/attempt-1/node-0/slots")))
    asked = fleet.say("status", "--json").json
    assert not list(home.glob("far/.srpo/runs/far-*")), "it was asked too late"
    assert [node["state"] for node in asked["nodes"]][1] == "pending"
    assert asked["state"] == "pending"
    _, err = client.communicate(timeout=60)
    assert client.returncode == 0, err
    assert fleet.say("wait").status == 0, fleet.say("status").out


def test_whoever_asks_while_it_starts_and_the_first_machine_is_gone_is_told_so(fleet):
    """That is no bug of ours."""
    (fleet.machines[1].home / ".bashrc").write_text(SLOW)
    fleet.command("sleep", "600")
    client = fleet.start("apply")
    fleet.machines[0].until(lambda: list(fleet.machines[0].home.glob("far/.srpo/runs/far-*/attempt-1/node-0/slots")))
    fleet.machines[0].off()
    asked = fleet.say("status")
    assert (asked.status, "error[host-unreachable]" in asked.err) == (5, True)
    assert fleet.say("runs", "--refresh").status == 0
    fleet.machines[0].start()
    client.communicate(timeout=60)


def test_a_client_that_is_killed_while_it_starts_leaves_nothing_that_waits(fleet):
    """What had begun is ended by the next command."""
    (fleet.machines[1].home / ".bashrc").write_text(SLOW)
    fleet.command("sleep", "600")
    client = fleet.start("apply")
    fleet.machines[0].until(lambda: list(fleet.machines[0].home.glob("far/.srpo/runs/far-*/attempt-1/node-0/slots")))
    client.send_signal(signal.SIGKILL)
    client.communicate()
    fleet.machines[1].cut()
    (fleet.machines[1].home / ".bashrc").write_text("")
    fleet.machines[0].until(lambda: fleet.say("status", "--json").json["state"] == "ended")
    status = fleet.say("status", "--json").json
    assert status["outcome"] == "lost"
    assert status["nodes"][0]["outcome"] == "stopped"


def test_a_machine_out_of_reach_keeps_all_from_starting(fleet):
    """It is named, and nothing was sent."""
    fleet.machines[2].stop()
    fleet.command("true")
    said = fleet.say("apply")
    assert said.status == 5
    assert "error[host-unreachable]: `gpu-2`" in said.err
    assert not (fleet.machines[0].home / "far/.srpo/runs").exists()


def test_contact_with_one_is_lost_and_the_run_goes_on(fleet):
    """It is told with the node; what the others are is told as well, and a stop says whom it did not reach."""
    fleet.running()
    fleet.machines[1].off()
    status = fleet.say("status", "--json").json
    assert (status["state"], status["outcome"]) == ("running", None)
    assert [node["state"] for node in status["nodes"]] == ["running", None, "running"]
    assert "gpu-1" in status["nodes"][1]["reason"]
    stopped = fleet.say("stop", "--no-wait")
    assert (stopped.status, "`gpu-0` and `gpu-2` were asked to stop, `gpu-1` not: " in stopped.err) == (5, True)
    fleet.machines[1].start()
    assert fleet.say("stop").status == 0
    assert outcomes(fleet.say("status", "--json").json) == ["stopped"] * 3


def test_an_end_that_was_seen_is_told_for_ever(fleet):
    """Its machines are gone by now, the first one and another: nothing is taken back, and nobody waits."""
    fleet.command("true")
    assert fleet.say("apply").status == 0
    for number in (0, 2):
        fleet.machines[number].off()
    for _ in range(2):
        (row,) = fleet.say("runs", "--refresh", "--json").json["runs"]
        assert (row["state"], row["outcome"], row["contact"]) == ("ended", "succeeded", "lost")
    assert fleet.say("wait").out.endswith(" succeeded\n")
    status = fleet.say("status", "--json").json
    assert (status["state"], status["outcome"], status["contact"]) == ("ended", "succeeded", "lost")
    assert outcomes(status) == ["succeeded"] * 3
    told = fleet.say("status")
    assert (told.status, told.out.count("[seen-last]"), "`gpu-0` does not answer" in told.out) == (0, 2, True)
    assert "has ended already" in fleet.say("stop").err
    attached = fleet.say("attach")
    assert (attached.status, "contact lost: " in attached.err, "ended     succeeded" in attached.err) == (0, True, True)
    assert fleet.say("logs").status == 5
    for number in (0, 2):
        fleet.machines[number].start()
    assert "seen-last" not in fleet.say("status").out


@pytest.mark.parametrize("gone", [(2,), (0, 2)])
def test_a_machine_that_goes_after_the_success_changes_nothing(fleet, gone):
    """As where `[end]` turns it off: the success is told when it is there, and what became of the other one is not known."""
    script = 'if [ "$SRPO_RUN_INDEX" = 0 ]; then sleep 2; else sleep 600; fi'
    fleet.command("bash", "-c", script, more="[outputs]\nfetch = []\n")
    client = fleet.start("apply", "--json")
    for line in client.stdout:
        if json.loads(line)["event"] == "run.ended":
            break
    for number in gone:
        fleet.machines[number].off()
    rest, told = client.communicate(timeout=120)
    assert client.returncode == 0, told
    assert not [line for line in rest.splitlines() if json.loads(line)["event"] == "run.ended"]
    status = fleet.say("status", "--json").json
    assert (status["state"], status["outcome"], status["nodes"][2]["state"]) == ("ended", "succeeded", None)
    assert [one["code"] for one in status["warnings"]].count("node-unseen") == 1
    for number in gone:
        fleet.machines[number].start()
    assert outcomes(fleet.say("status", "--json").json) == ["succeeded", "stopped", "stopped"]


def test_what_the_machines_do_after_the_end_is_told_of_each(fleet):
    """A machine that stays on costs money."""
    script = 'echo done; [ "$SRPO_RUN_INDEX" != 1 ] || exit 9'
    fleet.command("true", more=f'[end]\ncommand = ["bash", "-c", {json.dumps(script)}]\nwhen = "ended"\n')
    assert fleet.say("apply").status == 0
    fleet.machines[0].until(
        lambda: [(one["end"] or {}).get("exit") for one in fleet.say("status", "--json").json["nodes"]] == [0, 9, 0]
    )
    told = [line.split("` ")[1] for line in fleet.say("status").out.splitlines() if line.startswith("  end ")]
    assert [line.partition(":")[0] for line in told] == [f"ended with status {number}" for number in (0, 9, 0)]


def test_whoever_waits_hears_that_contact_is_lost(fleet):
    """And waits no longer than he wants to."""
    fleet.running()
    fleet.machines[0].off()
    said = fleet.say("wait", "--timeout", "8")
    assert said.status == 5
    assert "contact lost: `gpu-0` does not answer" in said.err
    assert "error[contact-lost]" in said.err
    told = fleet.say("status")
    assert (told.status, "as it was seen last:" in told.out, "gpu-2  running" in told.out) == (5, True, True)


def test_whoever_waits_for_the_others_waits_no_longer_than_he_wants_to(fleet):
    """The first one has ended, and how another one did nobody can tell."""
    fleet.command("bash", "-c", "sleep 4; exit 7")
    assert fleet.say("apply", "--detach").status == 0
    fleet.machines[1].off()
    said = fleet.say("wait", "--timeout", "9")
    assert said.status == 5
    assert (
        "error[contact-lost]: the first node has ended, and no contact with `gpu-1` tells how it is there" in said.err
    )


def test_a_client_that_is_killed_is_not_missed(fleet):
    """Another one attaches, and takes all nodes to the end."""
    fleet.demo(steps=60)
    client = fleet.start("apply")
    fleet.machines[0].until(lambda: list(fleet.machines[0].home.glob("far/.srpo/runs/far-*/attempt-1/node-0/phases")))
    client.send_signal(signal.SIGKILL)
    client.communicate()
    attached = fleet.say("attach")
    assert attached.status == 0, attached.err
    assert outcomes(fleet.say("status", "--json").json) == ["succeeded", "stopped", "stopped"]


def test_a_stop_reaches_all_but_the_one_that_is_away(fleet):
    """Even where that is the first one, of which nothing can be known."""
    fleet.running()
    fleet.machines[0].off()
    said = fleet.say("stop")
    assert (said.status, "`gpu-0` does not answer" in said.err) == (5, True)
    for number in (1, 2):
        fleet.machines[number].until((fleet.node(number) / "result.json").exists)
    fleet.machines[0].start()
    assert fleet.say("wait").status == 1
    assert outcomes(fleet.say("status", "--json").json) == ["stopped"] * 3


def test_a_node_whose_folder_is_gone_is_lost_once_nothing_else_goes_on(fleet):
    """A disk may come back, so it ends nobody by itself; but nobody waits for it either."""
    fleet.running()
    shutil.rmtree(fleet.node(1).parents[1])
    status = fleet.say("status", "--json").json
    assert (status["state"], status["nodes"][1]["state"]) == ("running", None)
    stopped = fleet.say("stop")
    assert (stopped.status, "gpu-1" in stopped.err) == (5, True)
    assert fleet.say("wait").status == 1
    status = fleet.say("status", "--json").json
    assert (status["state"], status["outcome"]) == ("ended", "lost")
    assert outcomes(status) == ["stopped", "lost", "stopped"]


def test_the_address_that_the_manifest_gives_is_tried_out_as_well(fleet):
    """Given as it is or by reference, it must lead to the first machine, and only for the others."""
    fleet.demo(more='[env]\nCHIEF_IP = "127.0.0.1"\n')
    said = fleet.say("apply")
    assert said.status == 0, said.err
    assert "chief: 127.0.0.1:" in (fleet.node(2) / "log").read_text()
    fleet.demo(more='[env]\nCHIEF_IP = { env = "CHIEF" }\n', steps=11)
    said = fleet.say("apply", CHIEF="no-such-machine.invalid")
    assert (said.status, "error[nodes-apart]" in said.err) == (5, True)
    assert "`CHIEF_IP` in `[env]` is right" in said.err


def test_one_machine_that_is_away_hides_nothing_of_the_others(fleet):
    """Neither logs, nor what comes home, nor what can be pruned; and it is told."""
    fleet.command("bash", "-c", 'echo "I am $SRPO_RUN_INDEX"')
    assert fleet.say("apply").status == 0
    fleet.machines[1].off()
    logs = fleet.say("logs")
    assert (logs.status, "gpu-1" in logs.err) == (5, True)
    assert "[gpu-0] I am 0" in logs.out
    assert "[gpu-2] I am 2" in logs.out
    shutil.rmtree(fleet.folder / "runs")
    fleet.say("fetch")
    (home,) = (fleet.folder / "runs").iterdir()
    assert "I am 0" in (home / "log").read_text()
    assert "I am 2" in (home / "node-2/log").read_text()
    assert not (home / "node-1").exists()
    pruned = fleet.say("prune", "--keep", "0", "--yes")
    assert "warning[target-unreached]" in pruned.err
    assert not list(fleet.machines[2].home.glob("far/.srpo/runs/far-*"))
    assert len(fleet.say("runs", "--json").json["runs"]) == 1
    assert not list(Path(fleet.env["SRPO_MANIFEST_CACHE"]).glob("locks/far-*"))


def test_machines_may_share_their_disk(fleet):
    """One workspace, one run folder, a folder for each node in it."""
    for machine in fleet.machines[1:]:
        machine.home.joinpath(".bashrc").unlink()
        machine.home.rmdir()
        machine.home.symlink_to(fleet.machines[0].home)
    fleet.demo()
    said = fleet.say("apply")
    assert said.status == 0, said.err
    (run,) = fleet.machines[0].home.glob("far/.srpo/runs/far-*")
    assert sorted(path.name for path in (run / "attempt-1").iterdir()) == ["node-0", "node-1", "node-2"]
    assert not (run / "starting").exists()
    fleet.machines[0].until(lambda: fleet.say("prune", "--keep", "0", "--yes") and not run.exists())


def test_prune_forgets_no_machine(fleet):
    """What a run left is removed everywhere."""
    fleet.command("true")
    assert fleet.say("apply").status == 0
    runs = [run for machine in fleet.machines for run in machine.home.glob("far/.srpo/runs/far-*")]
    assert len(runs) == 3
    fleet.machines[0].until(
        lambda: fleet.say("prune", "--keep", "0", "--yes").status == 0 and not any(run.exists() for run in runs)
    )
    assert fleet.say("runs", "--json").json["runs"] == []


STAND_IN = """#!{python}
import os, pathlib, sys, time
words, here = sys.argv[1:], pathlib.Path({here!r})
host = words[words.index("--") + 1] if "--" in words else words[-1]
if "-G" in words:
    print("hostname", host)
elif "-O" in words:
    sys.exit(255)
elif words[-1] != "exit":
    (here / host).touch()
    until = time.monotonic() + 90
    while len(list(here.iterdir())) < {many} and time.monotonic() < until:
        time.sleep(0.05)
    if len(list(here.iterdir())) < {many}:
        sys.exit("not all of them were asked at once")
    os.execvp("bash", ["bash", "-c", words[-1]])
"""


def test_sixty_four_machines_are_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The stand-in for ssh answers nobody before all of them have been called."""
    bin_folder, here = tmp_path / "bin", tmp_path / "here"
    for folder in (bin_folder, here, tmp_path / "run"):
        folder.mkdir(mode=0o700)
    ssh = bin_folder / "ssh"
    ssh.write_text(STAND_IN.format(python=sys.executable, here=str(here), many=MANY))
    ssh.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    desk = Program(tmp_path)
    run = "far-20260102T030405Z-abcdef"
    record = {
        "format": 1, "id": run, "name": "far", "plan": "0" * 64, "manifest": str(tmp_path / "srpo.toml"),
        "workspace": str(tmp_path), "folder": f"{tmp_path}/.srpo/runs/{run}",
        "transport": {"kind": "ssh", "hosts": [f"m{number}" for number in range(MANY)]}, "launcher": {"kind": "direct"},
        "started": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    home = Path(desk.env["SRPO_MANIFEST_HOME"], "runs", run)
    home.mkdir(parents=True, mode=0o700)
    (home / "record.json").write_text(json.dumps(record))
    said = desk.say("status", "--json", PATH=f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    assert len(list(here.iterdir())) == MANY, said.err
    assert "at once" not in said.err
