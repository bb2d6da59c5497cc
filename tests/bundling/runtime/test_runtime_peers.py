"""Several nodes of a run, each on a machine of its own as far as it can tell, and no client: they end one another."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from bundles import Bundle, Run

TOKEN = "token-of-this-run-f00f"  # noqa: S105 - made up


class Fleet:
    """Bundles with a workspace each, whose supervisors meet at a port of this machine."""

    def __init__(self, folder: Path, supervise, count: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.told = {"format": 1, "nodes": count, "chief": "localhost", "port": self.port, "token": TOKEN}
        self.bundles = []
        for number in range(count):
            (folder / f"gpu-{number}").mkdir()
            self.bundles.append(Bundle(folder / f"gpu-{number}", supervise))
            self.bundles[-1].rules["done"] = {"exit_zero": True}
        self.runs: dict[int, Run] = {}

    def start(self, number: int, *acts: str, more: tuple[str, ...] = ()) -> Run:
        node = self.bundles[number].workspace / f".srpo/runs/far-{self.port}/attempt-1/node-{number}"
        node.mkdir(parents=True)
        (node / "peers.json").write_text(json.dumps({**self.told, "place": f"gpu-{number}"}))
        flags = ("--run-id", f"far-{self.port}", "--node", str(number), "--chief", "127.0.0.1", "--port", "1", *more)
        self.runs[number] = self.bundles[number].start(*acts, flags=flags)
        return self.runs[number]

    def outcomes(self) -> list[str]:
        return [self.runs[number].end()["outcome"] for number in sorted(self.runs)]

    def connected(self) -> None:
        """Until all others have a connection to the first node."""
        for run in self.runs.values():
            run.until_event("job.started")
        self.runs[0].until(lambda: self.connections() == len(self.runs) - 1)
        time.sleep(1.5)  # a step of the slowest loop: what came is read

    def connections(self) -> int:
        ends = [line.split()[1:4:2] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(state == "01" and int(local.partition(":")[2], 16) == self.port for local, state in ends)

    def gone(self) -> None:
        """Nobody stays behind, and the token does not."""
        for number, run in self.runs.items():
            for name in ("outer", "inner"):
                pid = self.bundles[number].supervisor(run, name)
                run.until(lambda pid=pid, number=number: self.bundles[number].supervise.process(pid) is None)
            run.until(lambda run=run: not (run.node / "peers.json").exists())
            kept = [path for path in run.node.parents[1].rglob("*") if path.is_file() and TOKEN in path.read_text(errors="replace")]  # fmt: skip
            assert kept == []


@pytest.fixture
def fleet(tmp_path, supervise):
    made: list[Fleet] = []

    def make(count: int, **more: object) -> Fleet:
        made.append(Fleet(tmp_path, supervise, count))
        made[-1].told.update(more)
        return made[-1]

    yield make
    for one in made:
        for bundle in one.bundles:
            bundle.clean()


@pytest.mark.parametrize("number", range(3))
def test_a_node_that_fails_ends_the_others(fleet, number):
    """Whichever it is; the reason says which one, and why."""
    three = fleet(3)
    for node in range(3):
        three.start(node, *(["sleep:1", "exit:7"] if node == number else ["forever"]))
    assert three.outcomes() == ["failed" if node == number else "stopped" for node in range(3)]
    for node, run in three.runs.items():
        own = "exit status 7" if node == number else f"node {number} (gpu-{number}) failed: exit status 7"
        assert run.status()["reason"] == own
    three.gone()


@pytest.mark.parametrize("number", range(2))
def test_what_a_failed_trainer_leaves_behind_holds_nobody_up(fleet, number):
    """It has its grace; the others end meanwhile. The first one's artifacts have a while to become whole."""
    two = fleet(2)
    for node in range(2):
        two.bundles[node].rules["stop"]["grace_seconds"] = 60
        two.start(node, *(["worker:deaf", "sleep:1", "exit:7"] if node == number else ["forever"]))
    assert two.runs[1 - number].end()["outcome"] == "stopped"
    assert two.runs[1 - number].status()["reason"] == f"node {number} (gpu-{number}) failed: exit status 7"
    assert two.runs[number].status()["state"] == "stopping"
    two.runs[number].stop("--grace", "0")
    assert two.runs[number].end()["outcome"] == "failed"
    two.gone()


def test_a_node_that_is_stopped_ends_the_others(fleet):
    """By whatever means: here somebody on that machine."""
    three = fleet(3)
    for node in range(3):
        three.start(node, "forever")
    three.connected()
    three.runs[1].stop("--reason", "somebody needs this machine")
    assert three.outcomes() == ["stopped"] * 3
    assert three.runs[2].status()["reason"] == "node 1 (gpu-1) stopped: somebody needs this machine"
    assert three.runs[1].status()["reason"] == "somebody needs this machine"
    three.gone()


def test_a_node_that_succeeds_ends_nobody(fleet):
    """The first one's success does, and gives the others a while: they come to their own end before."""
    four = fleet(4, parting_seconds=3)
    four.start(3, "forever")
    four.start(2, "await:go", "exit:0")
    four.start(1, "exit:0")
    four.start(0, "await:go", "exit:0")
    four.runs[1].until_event("run.ended")
    time.sleep(1.5)
    assert four.runs[0].status()["state"] == "running"
    (four.runs[0].node / "go").touch()
    four.runs[0].until_event("run.ended")
    time.sleep(1.5)
    (four.runs[2].node / "go").touch()
    assert four.outcomes() == ["succeeded", "succeeded", "succeeded", "stopped"]
    assert four.runs[3].status()["reason"] == "node 0 (gpu-0) succeeded"
    four.gone()


@pytest.mark.parametrize("killed", [False, True])
def test_what_falls_down_after_the_first_one_has_what_it_was_to_make_changes_nothing(fleet, killed):
    """Its trainer ends, and those of the others miss it: no reason for an end, also for a supervisor that took over."""
    three = fleet(3, parting_seconds=2)
    first = three.bundles[0]
    first.rules["done"] = {"checkpoints": 1}
    first.rules["stop"]["grace_seconds"] = 6
    three.start(2, "forever")
    three.start(1, "await:go", "exit:1")
    run = three.start(0, "checkpoint:9-9", "deaf", "forever")
    run.until_event("grace.started")
    if killed:
        os.kill(first.supervisor(run, "inner"), 9)
        run.until(lambda: "supervisor-died" in [one["code"] for one in run.events("warning.raised")])
    (three.runs[1].node / "go").touch()
    assert three.outcomes() == ["succeeded", "failed", "stopped"]
    assert three.runs[2].status()["reason"] == "node 0 (gpu-0) succeeded"
    (checkpoint,) = run.result()["checkpoints"]
    assert all(file["digest"] for file in checkpoint["files"])
    three.gone()


@pytest.mark.parametrize("number", range(2))
def test_a_supervisor_that_dies_leaves_the_connection_to_the_other_one(fleet, number):
    """Of the first node as of another; then one fails."""
    two = fleet(2)
    for node in range(2):
        two.start(node, "await:go", "exit:3") if node else two.start(node, "forever")
    two.connected()
    os.kill(two.bundles[number].supervisor(two.runs[number], "inner"), 9)
    time.sleep(1)
    (two.runs[1].node / "go").touch()
    assert two.outcomes() == ["stopped", "failed"]
    two.gone()


def test_a_node_that_lost_both_supervisors_ends_nobody_and_is_heard_once_it_has_new_ones(fleet):
    """Nothing is known of it meanwhile, and nothing invented."""
    two = fleet(2)
    two.start(0, "forever")
    two.start(1, "await:go", "exit:3")
    two.connected()
    two.bundles[1].lose(two.runs[1])
    time.sleep(2)
    assert two.runs[0].status()["state"] == "running"
    two.runs[1].ask("adopt")
    (two.runs[1].node / "go").touch()
    assert two.outcomes()[0] == "stopped"
    assert two.runs[0].status()["reason"].startswith("node 1 (gpu-1) ")
    two.gone()


@pytest.mark.parametrize("killed", [False, True])
def test_a_node_that_ended_before_the_first_one_was_there_is_heard(fleet, killed):
    """It stays until then, also where one of its supervisors dies, and holds nobody up: its lock is free for readers."""
    two = fleet(2)
    two.start(1, "exit:7")
    run = two.runs[1]
    run.until_event("run.ended")
    run.until(lambda: not run.supervise.is_held(run.node / "lock"))
    if killed:
        os.kill(two.bundles[1].supervisor(run, "inner"), 9)
    two.start(0, "forever")
    assert two.outcomes() == ["stopped", "failed"]
    two.gone()


def test_who_is_never_heard_of_is_told_and_nobody_waits_for_ever(fleet):
    """The warning stands in the first node's status; its end does not hang on the others."""
    two = fleet(2, missing_seconds=1, start_seconds=1, leave_seconds=1)
    two.start(0, "forever")
    two.runs[0].until(lambda: two.runs[0].events("warning.raised"))
    (warning,) = two.runs[0].events("warning.raised")
    assert warning["code"] == "nodes-unwatched"
    assert "node 1" in warning["message"]
    two.runs[0].stop()
    assert two.outcomes() == ["stopped"]
    two.gone()


def test_a_first_node_that_is_not_there_any_more_is_told(fleet):
    """By each of the others, which go on: nothing is known of it."""
    two = fleet(2, missing_seconds=1)
    for node in range(2):
        two.start(node, "forever")
    two.connected()
    two.bundles[0].lose(two.runs[0])
    two.runs[1].until(lambda: two.runs[1].events("warning.raised"))
    (warning,) = two.runs[1].events("warning.raised")
    assert (warning["code"], warning["message"].partition(":")[0]) == ("nodes-unwatched", "node 0 is not heard")
    assert two.runs[1].status()["state"] == "running"
    two.runs[0].ask("adopt")
    two.connected()
    two.runs[1].stop()
    assert two.outcomes() == ["stopped", "stopped"]
    two.gone()


def test_a_port_that_is_taken_costs_the_warning_alone(fleet):
    """The run goes on; and once it is free the nodes meet."""
    two = fleet(2, missing_seconds=1, start_seconds=1)
    with socket.create_server(("", two.port)):
        two.start(0, "forever")
        two.start(1, "await:go", "exit:7")
        two.runs[0].until(lambda: two.runs[0].events("warning.raised"))
    (two.runs[1].node / "go").touch()
    assert two.outcomes() == ["stopped", "failed"]


def test_strangers_are_not_listened_to(fleet):
    """Neither those that guess, nor those that flood, nor those that say nothing."""
    two = fleet(2)
    for node in range(2):
        two.start(node, "forever")
    two.connected()
    strangers = []
    end = b'{"outcome": "failed", "reason": "so there"}\n'
    for said in (
        b'{"token": "' + TOKEN.encode() + b'", "node": 1, "place": "gpu-1"}\n' + end,
        b'{"node": 1, "place": "gpu-1", "nonce": "1", "proof": "' + b"0" * 64 + b'"}\n' + end,
        b'{"node": 1, "place": "gpu-1", "proof": null}\n' + end,
        b'{"node": 1, "place": "gpu-1", "proof": "\\ud800"}\n' + end,
        b'{"node": true, "proof": {}}\n' + end,
        b'{"node": [1], "proof": ""}\n' + end,
        b'{"node": 99, "proof": ""}\n' + end,
        b"[" * 100_000,
        b"[" * 8000 + b"\n",
        b"\xff\xfe\n" + end,
        b"null\n" + end,
        b"{}\n" * 2000,
        end,
        b"x" * 1_000_000,
        *[b""] * 50,
    ):
        connection = socket.create_connection(("127.0.0.1", two.port))
        strangers.append(connection)
        connection.settimeout(0)
        if said:
            connection.send(said)
    time.sleep(3)
    assert [run.status()["state"] for run in two.runs.values()] == ["running", "running"]
    for run in two.runs.values():
        assert run.events("warning.raised") == []
    two.runs[0].until(lambda: two.connections() == 1)  # those that say nothing are sent away as well
    two.runs[1].stop()
    assert two.outcomes() == ["stopped", "stopped"]
    for connection in strangers:
        connection.close()
    two.gone()


def test_who_listens_in_place_of_the_first_node_learns_nothing_and_ends_nobody(fleet):
    """Its port is free until it comes: whoever takes it does not know the token, and is not told."""
    two = fleet(2)
    with socket.create_server(("127.0.0.1", two.port)) as server:
        two.start(1, "await:go", "exit:7")
        heard = b""
        for nonce in (b'{"nonce": "1"}\n', b"{}\n"):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                connection.sendall(nonce)
                heard += connection.recv(4096)
                connection.sendall(b'{"proof": "' + b"0" * 64 + b'"}\n{"end": "so there"}\n{"heard": true}\n')
                assert connection.recv(4096) == b""
    assert TOKEN.encode() not in heard
    assert b"proof" in heard
    two.start(0, "forever")
    assert two.runs[1].status()["state"] == "running"
    (two.runs[1].node / "go").touch()
    assert two.outcomes() == ["stopped", "failed"]
    two.gone()


def test_who_stands_between_two_nodes_ends_nobody(fleet):
    """It may hand on what they prove to one another; what it adds to that is not believed."""
    two = fleet(2)
    with socket.create_server(("127.0.0.1", two.port)) as server:
        two.start(1, "await:go", "exit:7")
        node, _ = server.accept()
    two.start(0, "forever")
    two.runs[0].until(lambda: listens(two.port))
    with node, socket.create_connection(("127.0.0.1", two.port)) as first:
        for come, goes in ((first, node), (node, first), (first, node)):
            come.settimeout(10)
            line = come.makefile("rb").readline()
            assert b"nonce" in line or b"proof" in line
            goes.sendall(line)
        node.sendall(b'{"end": "so there"}\n{"told": {"end": "so there"}, "seal": "' + b"0" * 64 + b'"}\n')
        first.sendall(b'{"outcome": "failed", "reason": "so there"}\n')
        assert node.recv(4096) == first.recv(4096) == b""
    time.sleep(3)
    assert [run.status()["state"] for run in two.runs.values()] == ["running", "running"]
    (two.runs[1].node / "go").touch()
    assert two.outcomes() == ["stopped", "failed"]
    two.gone()


def listens(port: int) -> bool:
    """Whether somebody does at the port."""
    told = [line.split()[1:4:2] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(state == "0A" and int(local.partition(":")[2], 16) == port for local, state in told)


@pytest.mark.parametrize("chief", ["nosuch.invalid", "::1", "", "a" * 300])
def test_a_first_node_without_an_address_costs_the_connection_alone(fleet, chief):
    """The end is written, nothing stays."""
    two = fleet(2, chief=chief, leave_seconds=1)
    two.start(1, "exit:7")
    assert two.outcomes() == ["failed"]
    assert two.runs[1].events("warning.raised") == []
    two.gone()


@pytest.mark.parametrize(
    "damage", [{"port": "x"}, {"nodes": None}, {"token": None}, {"port": 1 << 20}, {"done_with": 5}]
)
def test_a_file_that_is_damaged_loses_no_run(fleet, damage):
    """Where it can be told it is."""
    two = fleet(2, leave_seconds=1, **damage)
    two.start(0, "sleep:1", "exit:0")
    os.kill(two.bundles[0].supervisor(two.runs[0], "inner"), 9)
    assert two.outcomes() == ["succeeded"]
    codes = {event["code"] for event in two.runs[0].events("warning.raised")} - {"supervisor-died"}
    assert codes <= {"nodes-unwatched"}


def test_a_dry_run_tries_out_every_node(fleet):
    """None needs another one: who is slower is waited for."""
    two = fleet(2, parting_seconds=0.5)
    two.bundles[1].before = "sleep 4; touch tried"
    for node in range(2):
        two.start(node, more=("--dry-run",))
    assert two.outcomes() == ["succeeded", "succeeded"]
    assert (two.bundles[1].cwd / "tried").exists()
    two.gone()


def test_a_dry_run_that_is_over_on_the_first_node_holds_up_no_stop(fleet):
    """There is no trainer whose checkpoint it could wait for."""
    two = fleet(2)
    two.bundles[1].before = "sleep 600"
    for node in range(2):
        two.start(node, more=("--dry-run",))
    two.runs[0].until(lambda: two.runs[0].status()["state"] == "ended")
    two.runs[0].until(lambda: two.connections() == 1)
    two.runs[1].stop()
    assert two.outcomes() == ["succeeded", "stopped"]
    two.gone()


def test_a_first_node_whose_supervisor_died_remembers_who_has_ended(fleet):
    """Nobody is waited for who came to his end."""
    two = fleet(2)
    two.start(0, "await:go", "exit:0")
    two.start(1, "exit:0")
    two.runs[1].end()
    two.runs[1].until(lambda: not (two.runs[1].node / "peers.json").exists())
    os.kill(two.bundles[0].supervisor(two.runs[0], "inner"), 9)
    time.sleep(3)
    (two.runs[0].node / "go").touch()
    assert two.outcomes() == ["succeeded", "succeeded"]
    assert [event["code"] for event in two.runs[0].events("warning.raised")] == ["supervisor-died"]
    two.gone()


def test_a_failure_is_told_before_the_steps_for_the_end(fleet):
    """They may take all of the grace; the others need not pay for it."""
    two = fleet(2)
    two.bundles[1].on_stop = "until [ -e stopped ]; do sleep 0.1; done\n"
    two.start(0, "forever")
    two.start(1, "exit:7")
    assert two.runs[0].end()["outcome"] == "stopped"
    assert two.runs[1].status()["state"] != "ended"
    (two.runs[1].node / "stopped").touch()
    assert two.outcomes() == ["stopped", "failed"]
    two.gone()


def test_a_stop_on_one_machine_is_told_at_its_beginning(fleet):
    """The trainers of all are told to save at the same time, and none misses another one."""
    two = fleet(2)
    for node in range(2):
        two.bundles[node].rules["stop"]["grace_seconds"] = 15
        two.start(node, "deaf" if node else "count", "forever")
    two.connected()
    two.runs[1].stop("--reason", "no power")
    assert two.runs[0].end()["outcome"] == "stopped"
    assert two.runs[1].status()["state"] == "stopping"
    assert two.runs[0].status()["reason"] == "node 1 (gpu-1) stopped: no power"
    two.runs[1].stop("--grace", "0")
    two.runs[1].end()
    two.gone()


def test_a_checkpoint_that_is_being_written_comes_before_the_end_of_the_others(fleet):
    """It may need them."""
    two = fleet(2)
    two.start(1, "forever")
    two.start(0, "slow-checkpoint:5", "forever")
    two.connected()
    two.runs[0].stop()
    assert two.outcomes() == ["stopped", "stopped"]
    (written,) = two.runs[0].events("checkpoint.written")
    (asked,) = two.runs[1].events("stop.asked")
    assert written["time"] < asked["time"]
    two.gone()


@pytest.mark.parametrize("asked", [[0, 1, 2], [2], [0]])
def test_whoever_is_asked_to_stop_the_first_nodes_checkpoint_comes_first(fleet, asked):
    """Its collective needs all of them: they are told to end when its own trainer is."""
    three = fleet(3)
    for node in (1, 2):
        three.start(node, "forever")
    first = three.start(0, "held-checkpoint:go", "forever")
    three.connected()
    for node in asked:
        three.runs[node].stop("--reason", "enough")
    for node in {0, *asked}:
        three.runs[node].until_event("checkpoint.awaited")
    (first.node / "go").touch()
    assert three.outcomes() == ["stopped"] * 3
    (written,) = first.events("checkpoint.written")
    assert written["time"] < min(run.events("grace.started")[0]["time"] for run in three.runs.values())
    for node, run in three.runs.items():
        assert run.status()["reason"] == (
            "enough" if node in asked else f"node {asked[0]} (gpu-{asked[0]}) stopped: enough"
        )
    three.gone()


@pytest.mark.parametrize("name", ["inner", "outer"])
def test_a_supervisor_that_dies_while_the_first_node_saves_asks_it_again(fleet, name):
    """Of the node that was asked to stop; the first one is asked once."""
    two = fleet(2)
    two.start(1, "forever")
    first = two.start(0, "held-checkpoint:go", "forever")
    two.connected()
    two.runs[1].stop("--reason", "enough")
    first.until_event("stop.asked")
    os.kill(two.bundles[1].supervisor(two.runs[1], name), 9)
    time.sleep(3)
    (first.node / "go").touch()
    assert two.outcomes() == ["stopped", "stopped"]
    (written,) = two.runs[0].events("checkpoint.written")
    assert written["time"] < two.runs[1].events("grace.started")[0]["time"]
    assert len(two.runs[0].events("stop.asked")) == 1
    two.gone()


@pytest.mark.parametrize("asked", [True, False])
def test_a_node_that_ends_while_the_first_one_saves_ends_no_other_before(fleet, asked):
    """Whoever it was that ended: the checkpoint may still become whole."""
    three = fleet(3)
    three.start(2, "await:go", "exit:7")
    three.start(1, "forever")
    first = three.start(0, "held-checkpoint:go", "forever")
    three.connected()
    if asked:
        three.runs[1].stop("--reason", "enough")
        first.until_event("checkpoint.awaited")
    (three.runs[2].node / "go").touch()
    three.runs[2].until_event("run.ended")
    first.until_event("checkpoint.awaited")
    time.sleep(2)
    (first.node / "go").touch()
    assert three.outcomes() == ["stopped", "stopped", "failed"]
    (written,) = first.events("checkpoint.written")
    assert written["time"] < three.runs[1].events("grace.started")[0]["time"]
    three.gone()


def test_a_first_node_whose_trainer_has_ended_holds_up_no_stop(fleet):
    """What that left behind has its grace, and saves nothing."""
    two = fleet(2)
    two.bundles[0].rules["stop"]["grace_seconds"] = 60
    two.start(0, "worker:deaf", "sleep:1", "exit:0")
    two.start(1, "forever")
    two.connected()
    two.runs[0].until_event("grace.started")
    two.runs[1].stop()
    assert two.runs[1].end()["outcome"] == "stopped"
    assert two.runs[0].status()["state"] == "stopping"
    two.runs[0].stop("--grace", "0")
    assert two.outcomes() == ["succeeded", "stopped"]
    two.gone()


def test_a_first_node_that_stands_still_holds_up_a_stop_for_as_long_as_a_checkpoint_may_take(fleet):
    """And no longer than whoever asks for it wants to wait."""
    two = fleet(2)
    for node in range(2):
        two.start(node, "forever")
    two.connected()
    frozen = [two.bundles[0].supervisor(two.runs[0], name) for name in ("inner", "outer")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    two.runs[1].stop()
    two.runs[1].until_event("checkpoint.awaited")
    two.runs[1].stop("--checkpoint", "0")
    two.runs[1].until_event("run.ended")
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    assert two.outcomes() == ["stopped", "stopped"]
    two.gone()


def test_who_goes_on_with_an_ended_run_tells_the_others_as_well(fleet):
    """Both supervisors die while they wait; the command for the end waits for the others all the same."""
    two = fleet(2)
    bundle = two.bundles[0]
    bundle.rules["end"] = {"command": ["true"], "when": "fetched", "wait_seconds": 0.5}
    bundle.before = 'echo true >"$SRPO_BUNDLE/end.sh"'
    two.start(0, "exit:0")
    run = two.runs[0]
    run.until_event("run.ended")
    run.until(lambda: run.status()["end"])
    bundle.lose(run)
    run.ask("adopt")
    time.sleep(2)
    assert run.status()["end"]["state"] == "waiting"
    two.start(1, "forever")
    run.until(lambda: run.status()["end"]["state"] == "ended")
    assert two.runs[1].end()["outcome"] == "stopped"
    two.runs[0].until(lambda: not (run.node / "peers.json").exists())


@pytest.fixture
def ending(fleet):
    """A first node with a command for the end, which has ended while another one was never heard of."""
    two = fleet(2)
    bundle = two.bundles[0]
    bundle.rules["end"] = {"command": ["true"], "when": "fetched", "wait_seconds": 0.5}
    bundle.before = 'echo true >"$SRPO_BUNDLE/end.sh"'
    two.start(0, "exit:0")
    two.runs[0].until_event("run.ended")
    return two


@pytest.mark.parametrize("number", range(2))
def test_an_end_that_was_not_heard_before_both_supervisors_died_is_told_by_new_ones(fleet, number):
    """The next command that asks for the run starts them; nothing stays."""
    two = fleet(2)
    run = two.start(number, "exit:7")
    run.until_event("run.ended")
    run.until(lambda: run.status()["state"] == "ended")
    two.bundles[number].lose(run)
    status = run.status()
    assert (status["state"], status["outcome"], status["unfinished"]) == ("ended", "failed", True)
    two.start(1 - number, "forever")
    assert not json.loads(run.ask("adopt").stdout)["unfinished"]
    assert two.runs[1 - number].end()["outcome"] == "stopped"
    two.gone()


def test_a_signal_in_the_parting_time_ends_the_others_at_once(fleet):
    """Nobody would tell them later."""
    two = fleet(2, parting_seconds=600)
    two.start(1, "forever")
    run = two.start(0, "await:go", "exit:0")
    two.connected()
    (run.node / "go").touch()
    run.until_event("run.ended")
    run.until(lambda: run.status()["state"] == "ended")
    os.kill(two.bundles[0].supervisor(run, "inner"), signal.SIGTERM)
    assert two.outcomes() == ["succeeded", "stopped"]
    two.gone()


def test_the_command_for_the_end_waits_until_the_others_know(ending):
    """Its state is told from the beginning."""
    run = ending.runs[0]
    run.until(lambda: run.status()["end"])
    time.sleep(2)
    assert run.status()["end"]["state"] == "waiting"
    ending.start(1, "forever")
    run.until(lambda: run.status()["end"]["state"] == "ended")
    assert ending.runs[1].end()["outcome"] == "stopped"


@pytest.mark.parametrize("name", ["inner", "outer"])
def test_a_signal_while_the_others_do_not_know_yet_calls_the_command_off(ending, name):
    """As ever."""
    run = ending.runs[0]
    run.until(lambda: run.status()["end"])
    os.kill(ending.bundles[0].supervisor(run, name), signal.SIGTERM)
    run.until(lambda: run.status()["end"]["state"] == "called-off")
    ending.gone()


def test_the_job_never_sees_the_token(fleet):
    """Neither in its environment, nor in anybody's arguments or environment."""
    two = fleet(2)
    bundle = two.bundles[0]
    bundle.before = "env >environment; cat /proc/[0-9]*/cmdline 2>/dev/null >arguments; cat /proc/[0-9]*/environ 2>/dev/null >>arguments"
    two.start(0, "exit:0")
    two.start(1, "exit:0")
    assert two.outcomes() == ["succeeded", "succeeded"]
    for name in ("environment", "arguments"):
        text = (bundle.cwd / name).read_bytes()
        assert b"far-" in text
        assert TOKEN.encode() not in text
    two.gone()
