"""Two machines that share nothing but a network: real hosts in namespaces of their own."""

from __future__ import annotations

import json
import os
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.several
TORCHRUN = Path(__file__).parents[3] / ".venv/torch-env/bin/torchrun"
WORKER = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
print("rank", dist.get_rank(), "of", dist.get_world_size(), "on", os.uname().nodename, "sum", int(total), flush=True)
dist.destroy_process_group()
"""


def test_the_demo_trains_on_machines_that_share_nothing(apart):
    """They meet at the address of the first one in their network."""
    apart.demo()
    said = apart.say("apply")
    assert said.status == 0, said.err
    log = apart.say("logs").out
    for number in range(2):
        assert f"[gpu-{number}] node {number} of 2, workers: 1" in log
    assert "chief: 10.77.0.10:" in log


def test_a_machine_that_dies_is_told_and_ends_the_run_once_it_can_be_asked(apart):
    """No word is invented while it is away; back again, its node is lost, and the others are ended."""
    apart.command("sleep", "600")
    assert apart.say("apply", "--detach").status == 0
    apart.machines[0].until(lambda: apart.say("status", "--json").json["state"] == "running")
    apart.machines[1].die()
    status = apart.say("status", "--json").json
    assert (status["state"], status["outcome"]) == ("running", None)
    assert [node["state"] for node in status["nodes"]] == ["running", None]
    apart.machines[1].start()
    assert apart.say("wait").status == 1
    status = apart.say("status", "--json").json
    assert status["outcome"] == "lost"
    assert status["reason"].startswith("node 1 (gpu-1): ")
    assert [node["outcome"] for node in status["nodes"]] == ["stopped", "lost"]


def test_a_cable_that_is_pulled_out_for_a_while_costs_nothing(apart):
    """The run goes on on both; the reader comes back by itself."""
    apart.command("bash", "-c", "for i in $(seq 1 100); do echo line $i; sleep 0.1; done")
    assert apart.say("apply", "--detach").status == 0
    reader = apart.start("logs", "-f")
    apart.machines[1].until(lambda: (apart.node(1) / "log").read_text().count("\n") > 5)
    apart.machines[1].link("down")
    apart.machines[0].until(lambda: (apart.node(0) / "log").read_text().count("\n") > 60)
    apart.machines[1].link("up")
    out, err = reader.communicate(timeout=120)
    for number in range(2):
        mine = [line for line in out.splitlines() if line.startswith(f"[gpu-{number}] line")]
        assert mine == [f"[gpu-{number}] line {count}" for count in range(1, 101)], err
    assert apart.say("wait").status == 0


def test_a_node_that_fails_is_heard_once_the_cable_is_back(apart):
    """Nobody looks; until then nothing is known, and nothing ends."""
    apart.command("bash", "-c", 'until [ -e "$SRPO_RUN_DIR/go" ]; do sleep 0.1; done; exit 7')
    assert apart.say("apply", "--detach").status == 0
    apart.machines[0].until((apart.node(1) / "phases").exists)
    time.sleep(3)
    apart.machines[1].link("down")
    (apart.node(1) / "go").touch()
    apart.machines[0].until((apart.node(1) / "result.json").exists)
    time.sleep(5)
    assert not (apart.node(0) / "result.json").exists()
    apart.machines[1].link("up")
    apart.machines[0].until((apart.node(0) / "result.json").exists)
    result = json.loads((apart.node(0) / "result.json").read_text())
    assert (result["outcome"], result["reason"]) == ("stopped", "node 1 (gpu-1) failed: exit status 7")
    assert apart.say("status", "--json").json["outcome"] == "failed"


def test_a_network_that_lets_nothing_through_is_told_before_anything_starts(apart):
    """Each can be logged in to, and they cannot reach one another."""
    apart.machines[1].lose(apart.machines[0].address)
    apart.command("true")
    said = apart.say("apply")
    assert said.status == 5
    assert "error[nodes-apart]: `gpu-1` cannot reach gpu-0 at port" in said.err
    assert not (apart.machines[0].home / "far/.srpo/runs").exists()


@pytest.mark.slow
def test_torchrun_meets_across_machines(apart):
    """The real one: two nodes of two ranks each, and a sum over all of them."""
    if not TORCHRUN.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no torchrun here: `make parts` installs it")
    worker = apart.folder / "worker.py"
    worker.write_text(textwrap.dedent(WORKER))
    apart.command(
        str(TORCHRUN), "--nnodes", "2", "--nproc_per_node", "2", "--node_rank", "${run.index}", "--rdzv_id", "${run.id}",
        "--rdzv_endpoint", "${run.chief}:${run.port}", str(worker),
        more='\n[env]\nGLOO_SOCKET_IFNAME = "eth0"\n',
    )  # fmt: skip
    said = apart.say("apply")
    assert said.status == 0, said.err + apart.say("logs").out
    lines = {line.partition("] ")[2] for line in apart.say("logs").out.splitlines() if " sum " in line}
    assert lines == {f"rank {rank} of 4 on gpu-{rank // 2} sum 4" for rank in range(4)}
    assert json.loads((apart.node(0) / "result.json").read_text())["outcome"] == "succeeded"
