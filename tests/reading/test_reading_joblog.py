"""Lines of a log, however its bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.reading.joblog import LONGEST_BYTES, Lines, last_state, plain

pieces = st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([b"\r", b"\n", b"\r\n", b"50%\r", b"x"])))


def read(lines: Lines, arriving: list[bytes]) -> list[bytes]:
    return [line for piece in arriving for line in lines.feed(piece)] + list(lines.end())


@given(pieces)
def test_raw_lines_are_the_bytes(arriving: list[bytes]):
    """Nothing is lost, doubled or changed."""
    assert b"".join(read(Lines(raw=True), arriving)) == b"".join(arriving)


@given(pieces)
def test_how_it_arrives_changes_no_line(arriving: list[bytes]):
    """One chunk or many: each line once, in its last state, and none that was not there."""
    whole = b"".join(arriving)
    *ended, rest = whole.split(b"\n")
    expected = [last_state(line) + b"\n" for line in ended] + [last_state(rest)] * bool(rest)
    assert read(Lines(), arriving) == expected
    assert read(Lines(), [whole]) == expected


@pytest.mark.parametrize("raw", [False, True])
def test_a_line_without_an_end_comes_in_pieces(raw: bool):
    """A gigabyte without a line's end is not held in memory, and its bytes stay."""
    lines, seen = Lines(raw=raw), 0
    for _ in range(8):
        for piece in lines.feed(b"x" * LONGEST_BYTES):
            assert piece.count(b"\n") == 0
            seen += len(piece)
        assert len(lines.rest) <= LONGEST_BYTES
    assert seen + len(lines.rest) == 8 * LONGEST_BYTES


def test_a_bar_takes_no_room():
    """Two hundred thousand updates of a bar are one state."""
    lines = Lines()
    for step in range(2000):
        assert not list(lines.feed(b"".join(b"%d%%\r" % number for number in range(step, step + 100))))
        assert len(lines.rest) < 10
    assert list(lines.feed(b"done\n")) == [b"done\n"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;a title\x07text\x1b[2K\x1b[A", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b(B", "link"),
        (b"cut \x1b[3", "cut \x1b[3"),
        ("é😀\r\n".encode(), "é😀"),
    ],
)
def test_plain_text_has_no_commands_to_a_terminal(line: bytes, text: str):
    """Colours, titles, links and movements are left out; what is no command stays, to be spelled out."""
    assert plain(line) == text
