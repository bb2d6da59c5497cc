"""Frames, without a machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from srpo_manifest_ssh.frame import began, complaints, unframed

from srpo_manifest.plugin import Answer

MARK = "ab" * 16
around = st.binary(max_size=40).filter(lambda noise: MARK.encode() not in noise)


@given(around, around, around, around, st.integers(0, 255), st.integers(0, 255))
def test_what_is_in_the_frame_comes_out_of_it(before, inside, behind, error, status, of_ssh):
    """Whatever was printed around it, and whatever ssh itself ended with."""
    mark = MARK.encode()
    output = before + b"\n" + mark + b"\n" + inside + b"\n" + mark + b" %d\n" % status + behind
    answer = Answer(status=of_ssh, output=output, error=before + b"\n" + mark + b"\n" + error)
    assert unframed(answer, MARK) == Answer(status=status, output=inside, error=error)


@given(around, around, st.integers(0, 255))
def test_what_was_not_heard_to_its_end_is_no_answer(before, inside, status):
    """A connection that broke, before or while the script ran."""
    mark = MARK.encode()
    for output, begun in ((before, False), (before + b"\n" + mark + b"\n" + inside, True)):
        answer = Answer(status=status, output=output, error=before)
        assert unframed(answer, MARK) is None
        assert began(answer, MARK) == begun
        assert complaints(answer, MARK) == before
