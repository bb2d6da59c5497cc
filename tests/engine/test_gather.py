from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srpo_manifest.engine.gather import ask_target
from srpo_manifest.errors import TransportError
from srpo_manifest.piped import PipedTransport
from srpo_manifest.ports.probes import Answer, TargetProbe
from srpo_manifest.values.facts import Known, Unknown


class Counting(PipedTransport):
    """Counts round trips."""

    trips = 0

    def exec(self, script, data=(), *, timeout_seconds):
        self.trips += 1
        return super().exec(script, data, timeout_seconds=timeout_seconds)


def whole(answer: Answer) -> Known:
    return Known(value=[answer.status, answer.output.hex(), answer.error.hex()])


def test_all_answers_come_in_one_round_trip():
    """Exit status, output and errors of each question arrive apart, whatever the others do."""
    transport = Counting()
    probes = [
        TargetProbe(name="good", script="printf 'a\\n\\n'; printf b >&2", parse=whole),
        TargetProbe(name="exits", script="exit 7", parse=whole),
        TargetProbe(name="broken", script="if then ((", parse=whole),
        TargetProbe(name="frames", script="printf '0 3 0\\nabc'", parse=whole),
        TargetProbe(name="reads", script="cat", parse=whole),
        TargetProbe(name="nul", script="printf 'a\\0b'", parse=whole),
        TargetProbe(name="last", script="printf last", parse=whole),
    ]
    found = ask_target(transport, probes)
    assert transport.trips == 1
    values = {name: fact.value for name, fact in found.items()}
    assert values["good"] == [0, b"a\n\n".hex(), b"b".hex()]
    assert values["exits"] == [7, "", ""]
    assert values["broken"][0] != 0
    assert values["frames"] == [0, b"0 3 0\nabc".hex(), ""]
    assert values["reads"] == [0, "", ""]
    assert values["nul"] == [0, b"a\0b".hex(), ""]
    assert values["last"] == [0, b"last".hex(), ""]


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_any_bytes_come_back(blobs: list[bytes]):
    """Bytes of every kind are framed by length."""
    probes = [
        TargetProbe(name=f"p{number}", script="printf '" + "".join(f"\\{byte:03o}" for byte in blob) + "'", parse=whole)
        for number, blob in enumerate(blobs)
    ]
    found = ask_target(PipedTransport(), probes)
    assert [found[f"p{number}"].value for number in range(len(blobs))] == [[0, blob.hex(), ""] for blob in blobs]


def test_nothing_answered_is_unknown():
    """The ready-made parser gives no default for an empty answer."""
    found = ask_target(PipedTransport(), [TargetProbe(name="a", script=":"), TargetProbe(name="b", script="echo 12")])
    assert isinstance(found["a"], Unknown)
    assert found["b"] == Known(value=12)


def test_a_target_without_room_for_answers_says_so(monkeypatch):
    """Where no temporary file can be made the error names the place, not a parser."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    with pytest.raises(TransportError) as caught:
        ask_target(PipedTransport(place="that box"), [TargetProbe(name="a", script=":")])
    assert caught.value.code == "target-mute"
    assert "that box" in str(caught.value)
