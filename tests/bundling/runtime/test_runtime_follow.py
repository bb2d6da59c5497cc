"""Files that are cut, replaced, or asked for by lines and by time."""

from __future__ import annotations

import json
import os
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st


class Reader:
    """Follows a run, as a client does."""

    def __init__(self, run) -> None:
        self.run, self.events, self.log = run, 0, 0
        self.marks: dict[str, str] = {}

    def read(self, wait: str = "0") -> tuple[bytes, bytes]:
        answer = self.run.ask(
            "follow", "--events", str(self.events), "--log", str(self.log), "--wait", wait,
            *(word for name, mark in self.marks.items() if mark for word in (f"--{name}-mark", mark)),
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        line, _, data = answer.stdout.partition(b"\n")
        head = json.loads(line)
        self.anew = [name for name in ("events", "log") if head[f"{name}_from"] != getattr(self, name)]
        self.events, self.log = head["events_from"] + head["events"], head["log_from"] + head["log"]
        self.marks = {name: head[f"{name}_mark"] for name in ("events", "log")}
        return data[: head["events"]], data[head["events"] :]


@pytest.fixture
def run(either):
    """One that is over, so that only the test writes."""
    run = either.start("say:first", "exit:1")
    run.end()
    return run


@pytest.mark.parametrize(("name", "at"), [("log", 1), ("events.jsonl", 0)])
@pytest.mark.parametrize("after", [b"", b"new\n", b"new\n" * 20000])
def test_a_file_that_begins_anew_is_read_from_there(run, name, at, after):
    """Shorter, or grown past the old offset meanwhile: it is told, and no byte of it is missed or doubled."""
    reader = Reader(run)
    old = (run.node / name).read_bytes()
    assert reader.read()[at] == old
    (run.node / name).write_bytes(after)
    assert reader.read()[at] == after
    assert reader.anew == [name.partition(".")[0]]
    with (run.node / name).open("ab") as file:
        file.write(b"more\n")
    assert reader.read()[at] == b"more\n"
    assert reader.anew == []


def test_another_file_of_that_name_is_read_from_its_beginning(run):
    """Renamed away and made anew; in between there is none."""
    reader = Reader(run)
    reader.read()
    (run.node / "log").rename(run.node / "log.1")
    assert reader.read()[1] == b""
    assert reader.anew == ["log"]
    (run.node / "log").write_bytes(b"second\n" * 1000)
    assert reader.read()[1] == b"second\n" * 1000
    assert reader.anew == []


def test_a_file_that_lost_its_end_repeats_nothing(run):
    """What stays was shown before."""
    log = run.node / "log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    reader = Reader(run)
    reader.read()
    os.truncate(log, 3000)
    assert reader.read()[1] == b""
    assert reader.anew == ["log"]
    with log.open("ab") as file:
        file.write(b"more\n")
    assert reader.read()[1] == b"more\n"


def test_a_log_is_cut_under_a_trainer_that_writes(either):
    """As logrotate's `copytruncate` does: what it writes afterwards is followed."""
    run = either.start("say:first", "await:go", "say:second", "await:again", "say:third", "forever")
    run.until_said("first")
    reader = Reader(run)
    assert reader.read()[1] == b"first\n"
    os.truncate(run.node / "log", 0)
    (run.node / "go").touch()
    run.until_said("second")
    assert reader.read("5")[1] == b"second\n"
    assert reader.anew == ["log"]
    (run.node / "again").touch()
    assert reader.read("5")[1] == b"third\n"
    run.stop()
    assert run.end()["outcome"] == "stopped"


def seek(run, *options) -> int:
    answer = run.ask("seek", *options)
    assert answer.returncode == 0, answer.stderr
    offset: int = json.loads(answer.stdout)["offset"]
    return offset


@given(
    data=st.binary(max_size=60).map(lambda data: data.replace(b"0", b"\n")),
    count=st.integers(0, 9),
    chunk=st.integers(1, 7),
)
def test_the_last_lines_are_those_of_tail(tmp_path_factory, supervise, data, count, chunk):
    """Whatever is in them, and however few bytes are read at once."""
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(data)
    usual, supervise.CHUNK_BYTES = supervise.CHUNK_BYTES, chunk
    file = os.open(path, os.O_RDONLY)
    try:
        begin = supervise.begin_of_last(file, count)
    finally:
        os.close(file)
        supervise.CHUNK_BYTES = usual
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    assert data[begin:] == b"".join(lines[-count:] if count else [])


def test_times_of_the_log_are_noted_while_it_grows(bundle):
    """Lines of before and after a moment are told apart by the index; it begins early at most, at a line."""
    run = bundle.start("say:early", "await:go", "say:late", "forever")
    run.until(lambda: "early" in run.log() and str(len("early\n")) in (run.node / "log.index").read_text().split())
    time.sleep(1.1)  # the index counts whole seconds
    moment = time.time()
    (run.node / "go").touch()
    run.until_said("late")
    run.until(lambda: (run.node / "log.index").read_text().endswith(f" {len(run.log())}\n"))
    assert seek(run, "--since", str(moment)) == len("early\n")
    assert seek(run, "--since", str(moment - 3600)) == seek(run, "--ago", "3600") == 0
    assert seek(run, "--ago", "0") in (len("early\n"), len(run.log()))
    assert seek(run, "--lines", "1", "--ago", "3600") == len("early\n")
    run.stop()
    run.end()
    assert len((run.node / "log.index").read_text().splitlines()) < 9


def test_what_came_within_a_second_after_a_moment_is_not_before_it(tmp_path, supervise):
    """Whole seconds are rounded up: a log that grew right after the moment had not grown at it."""
    index = supervise.LogIndex(supervise.Node(str(tmp_path)))
    for _ in range(3):
        (tmp_path / "log").write_text("early\n")
        index.note(last=True)
        moment = time.time()
        (tmp_path / "log").write_text("early\nlate\n")
        index.note(last=True)
        assert supervise.size_at(str(tmp_path / "log.index"), moment) <= len("early\n")


@pytest.mark.parametrize(
    ("index", "moment", "size"),
    [
        (b"", 100, 0),
        (b"100 5\n110 9\n", 99, 0),
        (b"100 5\n110 9\n", 100, 5),
        (b"100 5\n110 9\n", 109.9, 5),
        (b"100 5\n110 9\n", 1e12, 9),
        (b"100 5\ntorn\n11\n110 9\n12", 200, 9),
        (b"100 5\n900 9\n110 12\n", 120, 5),
    ],
)
def test_an_index_is_never_late(tmp_path, supervise, index, moment, size):
    """Torn lines are none, and a clock that went back makes it begin early."""
    path = tmp_path / "log.index"
    path.write_bytes(index)
    assert supervise.size_at(str(path), moment) == size
