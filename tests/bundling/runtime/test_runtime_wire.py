"""Lines between two supervisors, over a connection that somebody else has in his hands."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from supervising.wire import Line

SAID = ({"outcome": "failed", "reason": "é😀\n"}, {"asked": "enough"}, {"heard": True})


def a_connection() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


@pytest.fixture
def sent() -> list[bytes]:
    """What a node says, line by line, as it goes over the wire."""
    node, wire = a_connection()
    line = Line(node, "node")
    line.seal(b"key")
    for told in SAID:
        line.say(**told)
    list(line.hear())
    found = wire.recv(65536).splitlines(keepends=True)
    line.close()
    wire.close()
    return found


@pytest.fixture
def first() -> Iterator[tuple[Line, socket.socket]]:
    """The first node's end, and whoever is at the other one."""
    end, wire = a_connection()
    line = Line(end, "chief")
    line.seal(b"key")
    yield line, wire
    line.close()
    wire.close()


def heard(first: tuple[Line, socket.socket], *lines: bytes) -> list[object]:
    line, wire = first
    wire.sendall(b"".join(lines))
    line.connection.settimeout(5)
    return list(line.hear())


def test_what_is_said_is_heard(sent, first):
    """In order, each once."""
    assert heard(first, *sent) == [*SAID]
    assert not first[0].broken


@pytest.mark.parametrize("order", [(1,), (0, 0), (0, 2), (1, 0), (2, 1, 0)])
def test_what_is_said_again_left_out_or_put_elsewhere_is_not_believed(sent, first, order):
    """It ends the connection; what came before it counts."""
    good = next((number for number, index in enumerate(order) if index != number), len(order))
    assert heard(first, *(sent[index] for index in order)) == [*SAID[:good]]
    assert first[0].broken


def test_what_is_changed_is_not_believed(sent, first):
    """A single word of it."""
    changed = json.loads(sent[0])
    changed["told"]["outcome"] = "succeeded"
    assert heard(first, json.dumps(changed).encode() + b"\n") == []
    assert first[0].broken


@pytest.mark.parametrize(
    "line",
    [
        b'{"outcome": "failed"}',
        b'{"told": {}}',
        b'{"told": 1, "seal": 1}',
        b'{"told": {}, "seal": "\\u00e9"}',
        b"[]",
        b"null",
        b"\xff",
    ],
)
def test_what_is_no_sealed_line_ends_the_connection_alone(first, line):
    """Whatever its shape."""
    assert heard(first, line + b"\n") == []
    assert first[0].broken


def test_what_one_says_is_not_taken_for_the_others_word(first):
    """It comes back as it went."""
    line, wire = first
    line.say(heard=True)
    list(line.hear())
    assert heard(first, wire.recv(65536)) == []
    assert line.broken


def test_a_flood_ends_the_connection(sent, first):
    """More lines at once than anybody of ours says."""
    assert heard(first, sent[0], b"{}\n" * 20) == []
    assert first[0].broken
