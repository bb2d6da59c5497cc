"""Where nodes meet, tried with real sockets: each machine is a bash of this one."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from srpo_manifest.engine.meeting import meet
from srpo_manifest.errors import LaunchError
from srpo_manifest.piped import PipedTransport


def machines(count: int) -> list[PipedTransport]:
    return [PipedTransport(place=f"gpu-{number}") for number in range(count)]


def test_all_get_an_address_that_they_have_reached_and_a_port_that_is_free():
    """Numbers in order, one place for all."""
    ranks = meet(machines(4), chief=None, port=None)
    assert [rank.index for rank in ranks] == [0, 1, 2, 3]
    ((chief, port),) = {(rank.chief, rank.port) for rank in ranks}
    with socket.create_server((chief, port)):
        pass


def test_what_the_manifest_insists_on_is_taken():
    """An address and a port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert {(rank.chief, rank.port) for rank in meet(machines(2), chief="127.0.0.1", port=port)} == {
        ("127.0.0.1", port)
    }


def test_a_port_that_is_taken_is_told_before_anything_starts():
    """By whom it was wanted, and where."""
    with socket.create_server(("", 0)) as server, pytest.raises(LaunchError, match=r"cannot be used on gpu-0") as told:
        meet(machines(2), chief=None, port=server.getsockname()[1])
    assert told.value.code == "port-taken"


def test_an_address_that_nobody_reaches_is_told_with_those_who_tried():
    """They try for a while, as the first may begin to listen later."""
    with pytest.raises(
        LaunchError, match=r"`gpu-1` and `gpu-2` cannot reach gpu-0 at port \d+: tried was `no.such`"
    ) as told:
        meet(machines(3), chief="no.such", port=None, patience_seconds=1.0)
    assert told.value.code == "nodes-apart"


def test_a_stranger_at_that_address_is_none_of_ours(root: Path):
    """Another machine may have the same private address: it does not know the token."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = stranger.accept()
                    connection.recv(100)
                    connection.sendall(b"hello\n")
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        program = [
            sys.executable,
            "-I",
            str(root / "srpo_manifest/bundling/runtime/meet.py"),
            "reach",
            str(stranger.getsockname()[1]),
            "token",
            "1",
            "1",
            "127.0.0.1",
        ]
        said = subprocess.run(program, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == {"reached": []}


def test_a_machine_without_python_is_named(tmp_path: Path):
    """Nothing has been started by then."""
    bare = tmp_path / "bash"
    bare.write_text("#!/bin/sh\nexit 69\n")
    bare.chmod(0o755)
    with pytest.raises(LaunchError, match="gpu-9") as told:
        meet([PipedTransport(place="gpu-0"), PipedTransport(bash=str(bare), place="gpu-9")], chief=None, port=None)
    assert told.value.code == "python-missing"
