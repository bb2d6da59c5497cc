"""Several machines at once."""

from __future__ import annotations

import threading

import pytest

from srpo_manifest.engine.several import at_once, interleaved
from srpo_manifest.errors import TransportError

MANY = 64


def test_all_have_begun_before_the_first_ends():
    """However many: each waits for all the others."""
    meeting = threading.Barrier(MANY, timeout=60)
    assert at_once([lambda number=number: (meeting.wait(), number)[1] for number in range(MANY)]) == [*range(MANY)]


def test_an_error_of_ours_is_an_answer_and_another_is_raised():
    """In its place; the others are heard all the same."""
    lost = TransportError("contact-lost", "gone")

    def fail(error):
        raise error

    assert at_once([lambda: 1, lambda: fail(lost), lambda: 3]) == [1, lost, 3]
    with pytest.raises(ZeroDivisionError):
        at_once([lambda: 1, lambda: 1 // 0])


def test_streams_come_as_they_come():
    """Each in its own order, and none waits for another; one that fails keeps no other from its end."""
    go = threading.Event()

    def late():
        assert go.wait(30)
        yield "late"

    def early():
        yield "a"
        yield "b"

    found = []
    for one in interleaved([late(), early()]):
        found.append(one)
        if one == (1, "b"):
            go.set()
    assert found == [(1, "a"), (1, "b"), (0, "late")]

    def broken():
        yield "a"
        raise TransportError("contact-lost", "gone")

    found = []
    with pytest.raises(TransportError):
        found.extend(interleaved([broken(), iter("xyz")]))
    assert sorted(found) == [(0, "a"), (1, "x"), (1, "y"), (1, "z")]
