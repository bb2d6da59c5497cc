"""What readers make of the files, whole or torn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srpo_manifest.reading.words import parse_word
from srpo_manifest.values.facts import PastRun
from srpo_manifest.values.run import Status
from srpo_manifest.values.words import Late, Text, joined

from .conftest import RUNTIME


def told(run, events, log, wait="0"):
    answer = run.ask("follow", "--events", str(events), "--log", str(log), "--wait", wait).stdout
    head, _, data = answer.partition(b"\n")
    counts = json.loads(head)
    assert len(data) == counts["events"] + counts["log"]
    return counts["state"], data[: counts["events"]], data[counts["events"] :]


def test_following_shows_every_byte_once(bundle):
    """Events in whole lines and the log, from any offset, until the end and no further."""
    run = bundle.start("progress:300", "sleep:0.5", "say:last", "exit:1")
    events, log, state = b"", b"", ""
    for _ in range(60):
        state, more_events, more_log = told(run, len(events), len(log), "5")
        assert more_events.endswith(b"\n") or not more_events
        events, log = events + more_events, log + more_log
        if state == "ended" and not more_events and not more_log:
            break
    assert events == (run.node / "events.jsonl").read_bytes()
    assert log == (run.node / "log").read_bytes()
    assert json.loads(events.splitlines()[-1])["event"] == "run.ended"
    assert told(run, 10**9, 10**9) == ("ended", b"", b"")


def test_the_state_is_what_the_client_decodes(bundle):
    """`status` answers in the shape of the client's own value, at every stage."""
    bundle.before = "enter unpack; until [ -e go ]; do sleep 0.02; done"
    run = bundle.start("progress:3", "forever")
    run.until_event("phase.started")
    seen = [msgspec.json.decode(run.ask("status").stdout, type=Status, strict=True)]
    (bundle.cwd / "go").touch()
    run.until(lambda: (run.status()["progress"] or {}).get("step") == 3)
    seen.append(msgspec.json.decode(run.ask("status").stdout, type=Status))
    run.stop("--reason", "seen enough")
    run.end()
    seen.append(msgspec.json.decode(run.ask("status").stdout, type=Status))
    assert [(one.state, one.phase, one.alive) for one in seen] == [
        ("preparing", "unpack", True),
        ("running", "job", True),
        ("ended", "job", False),
    ]
    assert seen[1].progress == {"step": 3, "total": 3, "loss": 0.333}
    assert seen[2].started
    assert seen[2].ended
    assert set(json.loads(run.ask("status").stdout)) == set(Status.__struct_fields__) - {"nodes"}


def test_a_folder_without_a_run_is_pending(tmp_path: Path):
    """Nothing was launched there yet."""
    answer = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "status", tmp_path / "x" / "attempt-1" / "node-0"],
        capture_output=True,
        check=True,
    )
    status = json.loads(answer.stdout)
    assert (status["state"], status["run"], status["outcome"]) == ("pending", "x", None)


def test_torn_records_are_named_and_not_believed(bundle, supervise):
    """A damaged end is read from the result; with that gone too, the run is lost."""
    run = bundle.start("exit:7")
    run.end()
    slots = run.node / "slots"
    data = bytearray(slots.read_bytes())
    data[2 * supervise.SLOT_BYTES + 5] ^= 1
    slots.write_bytes(data)
    status = run.status()
    assert (status["outcome"], status["exit"], status["damaged"]) == ("failed", 7, ["slot 2"])
    (run.node / "result.json").write_text('{"format": 1, "outc')
    status = run.status()
    assert (status["outcome"], status["exit"], status["damaged"]) == ("lost", 7, ["slot 2", "result.json"])


def test_a_torn_event_is_no_event(bundle):
    """A line that a full disk cut short is passed over."""
    run = bundle.start("exit:7")
    run.end()
    with (run.node / "events.jsonl").open("a") as events:
        events.write('{"format": 1, "event": "phase.started", "pha')
    assert run.status()["phase"] == "job"


def test_runs_are_listed_newest_first(bundle):
    """A run is whole while its checkpoint lies where it was; other names are left out."""
    ids = ["demo-20250101T000000Z-aaaaaa", "demo-20250102T000000Z-bbbbbb", "demo-x-20250102T000000Z-cccccc"]
    bundle.write("checkpoint:1-1", "forever")
    for run_id in ids:
        assert bundle.launch("--detach", "--run-id", run_id).returncode == 0
        for run in bundle.runs():
            run.end()

    def listed():
        answer = subprocess.run(
            [sys.executable, RUNTIME / "supervise.py", "runs", bundle.workspace / ".srpo" / "runs", "demo"],
            capture_output=True,
            check=True,
        )
        return json.loads(answer.stdout)

    newest, oldest = listed()
    assert newest == {"id": ids[1], "plan": "0123abcd", "state": "ended", "outcome": "succeeded"} | {
        "whole": True,
        "unfinished": False,
    }
    assert oldest["id"] == ids[0]
    weights = bundle.cwd / "out" / ids[1] / "checkpoint-1-1" / "model.safetensors"
    weights.write_bytes(b"cut")
    assert [run["whole"] for run in listed()] == [False, True]


RECORDS = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=4)


@settings(max_examples=50)
@given(record=RECORDS, cut=st.integers(0, 511))
def test_a_slot_is_read_whole_or_not_at_all(tmp_path_factory, supervise, record, cut):
    """Cut anywhere, a record is itself, absent, or said to be torn; never another one."""
    path = tmp_path_factory.mktemp("slots") / "slots"
    supervise.Slots(str(path)).write(supervise.EXIT, record)
    assert supervise.read_slots(path) == ([None, record, None], [])
    data = path.read_bytes()
    start = supervise.SLOT_BYTES
    path.write_bytes(data[: start + cut].ljust(len(data)))
    found, torn = supervise.read_slots(path)
    assert (found[1], torn) in ((record, []), (None, []), (None, ["slot 1"]))


@given(pieces=st.lists(st.text("a$}{ .") | st.sampled_from(["run.id", "run.dir", "repo.dir", "target.home"])))
def test_late_words_are_bound_as_the_plan_spells_them(supervise, pieces):
    """The supervisor reads a word as the planner does."""
    values = {"run.id": "ID", "run.dir": "/d", "repo.dir": "/r", "target.home": "/h"}
    word = joined(*(Late(name=piece) if piece in values else Text(text=piece) for piece in pieces))
    assert parse_word(str(word)) == word
    bound = "".join(piece.text if isinstance(piece, Text) else values[piece.name] for piece in word.pieces)
    assert supervise.expand(str(word), values) == bound


@settings(max_examples=50)
@given(
    data=st.binary(max_size=200).map(lambda text: text.replace(b"\x1b", b"")),
    steps=st.lists(st.integers(0, 200), max_size=5),
)
def test_lines_are_read_once_however_they_arrive(tmp_path_factory, supervise, data, steps):
    """A file that grows in any steps gives the same lines as at once."""
    path = tmp_path_factory.mktemp("log") / "log"
    lines, offset = [], 0
    for end in [*sorted(steps), len(data)]:
        path.write_bytes(data[:end])
        more, offset = supervise.lines_after(str(path), offset, last=False)
        lines += more
    more, offset = supervise.lines_after(str(path), offset, last=True)
    whole, _ = supervise.lines_after(str(path), 0, last=True)
    assert lines + more == whole
    assert offset == len(data)


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (b"", False),
        (b"\x02\0\0\0\0\0\0\0{}", True),
        (b"\x02\0\0\0\0\0\0\0{}rest", False),
        (b"\xff" * 8 + b"{}", False),
        (b"\x02\0\0\0\0\0\0\0[]", False),
        (b"\0" * 8, False),
    ],
)
def test_a_weight_file_is_as_long_as_its_header_says(tmp_path: Path, supervise, content, sound):
    """Cut, garbled or preallocated files are not whole."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert supervise.intact(str(path), len(content)) is sound


def test_a_list_reads_no_story_of_what_is_over(bundle):
    """A thousand runs are listed at once; one that cannot be read hides no other, and says why."""
    run = bundle.start("checkpoint:1-1", "forever")
    run.end()
    (run.node / "events.jsonl").unlink()
    (run.node / "events.jsonl").mkdir()
    folder = run.node.parents[2]
    shapes = {"demo-20200102T030405Z-abcdef": '{"outcome": "succeeded"}', "demo-20200102T030406Z-abcdef": "[]"}
    for name, result in shapes.items():
        node = folder / name / "attempt-1/node-0"
        node.mkdir(parents=True)
        (node / "result.json").write_text(result)
    (folder / "demo-20200102T030407Z-abcdef").symlink_to("nowhere")
    listed = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "runs", folder, "demo"], capture_output=True, check=True
    )
    found = {one["id"]: one for one in json.loads(listed.stdout)}
    assert (found[run.id]["outcome"], found[run.id]["whole"]) == ("succeeded", True)
    assert {name: one["state"] for name, one in found.items() if name != run.id} == {
        "demo-20200102T030405Z-abcdef": "unreadable",
        "demo-20200102T030406Z-abcdef": "ended",
        "demo-20200102T030407Z-abcdef": "unreadable",
    }
    assert found["demo-20200102T030407Z-abcdef"]["reason"] == "it is a link"


def test_what_was_never_started_is_in_nobodys_way(tmp_path: Path, supervise):
    """A folder without a supervisor is pending while somebody starts it, and lost when nobody does any more."""
    folder = tmp_path / "demo-20200102T030405Z-abcdef"
    folder.mkdir()
    assert (supervise.told_run(str(folder))["state"], supervise.told_run(str(folder))["outcome"]) == ("ended", "lost")
    pid, start = supervise.identity(os.getpid())
    boot = supervise.boot_id()[:8]
    (folder / "starting").write_text(f"1-1-{boot}\n{pid}-{start}-{boot}\n")
    assert supervise.told_run(str(folder))["state"] == "pending"
    for dead in (f"{pid}-{start - 1}-{boot}", f"{pid}-{start}-00000000", "torn", ""):
        (folder / "starting").write_text(dead)
        assert supervise.told_run(str(folder))["state"] == "ended"


def listed(bundle) -> dict[str, dict[str, object]]:
    folder = bundle.workspace / ".srpo/runs"
    done = subprocess.run(
        [sys.executable, RUNTIME / "supervise.py", "runs", folder, "demo"], capture_output=True, timeout=30, check=True
    )
    return {row["id"]: row for row in json.loads(done.stdout)}


def test_a_run_that_is_a_link_is_told_under_its_own_name(bundle):
    """And not gone into: what it leads to may be anything."""
    run = bundle.start("checkpoint:1-1")
    run.end()
    link = run.node.parents[1].with_name("demo-20300101T000000Z-aaaaaa")
    link.symlink_to(run.node.parents[1])
    rows = listed(bundle)
    assert rows[run.id]["outcome"] == "succeeded"
    assert (rows[link.name]["state"], rows[link.name]["reason"]) == ("unreadable", "it is a link")


@pytest.mark.parametrize(
    ("name", "text", "state"),
    [
        ("result.json", '{"outcome": 5}', "unreadable"),
        ("result.json", '{"outcome": "failed", "checkpoints": 5}', "ended"),
        ("result.json", "[" * 100_000, "ended"),
        ("../../bundle/rules.json", '{"plan": 5}', "unreadable"),
        ("events.jsonl", '{"event": "checkpoint.written", "path": 7, "bytes": 1}\n', "ended"),
        ("events.jsonl", '{"event": "warning.raised", "code": 7, "message": "x", "time": "y"}\n[]\n7\n', "ended"),
    ],
)
def test_files_of_another_shape_hide_no_other_run(bundle, name, text, state):
    """Each run answers for itself, in a shape that the client decodes."""
    run = bundle.start("checkpoint:1-1")
    run.end()
    odd = run.node.parents[1].with_name("demo-20300101T000000Z-aaaaaa")
    node = odd / "attempt-1/node-0"
    node.mkdir(parents=True)
    shutil.copytree(run.node.parents[1] / "bundle", odd / "bundle")
    (node / "slots").write_bytes(b" " * 1536)
    (node / name).write_text(text)
    rows = listed(bundle)
    assert (rows[run.id]["outcome"], rows[odd.name]["state"]) == ("succeeded", state)
    msgspec.convert(list(rows.values()), tuple[PastRun, ...])
    msgspec.json.decode(type(run)(node, run.supervise).ask("status").stdout, type=Status)


@pytest.mark.parametrize(
    "name", ["lock", "slots", "events.jsonl", "result.json", "end.json", "log", "log.index", "fetched", "stop.req"]
)
def test_a_pipe_in_place_of_a_file_keeps_no_reader_waiting(bundle, name):
    """Whoever needs it says which it is; the others answer."""
    run = bundle.start("checkpoint:1-1")
    run.end()
    (run.node / name).unlink(missing_ok=True)
    os.mkfifo(run.node / name)
    asked = (
        ("status",), ("follow", "--events", "0", "--log", "0"), ("seek", "--lines", "1", "--ago", "9"),
        ("adopt",), ("stop",), ("mark", "fetched"),
    )  # fmt: skip
    for verb, *words in asked:
        began = time.monotonic()
        done = run.ask(verb, *words)
        assert time.monotonic() - began < 10
        if done.returncode:
            assert done.stderr.decode() == f"error[files]: `{run.node / name}`: it is no regular file\n"
    assert listed(bundle)[run.id]["state"] in ("ended", "unreadable")
    (run.node / name).unlink()


def test_a_pipe_among_the_weights_holds_no_supervisor(bundle):
    """A trainer may leave anything."""
    bundle.before = "mkdir -p out/$SRPO_RUN_ID/checkpoint-0-0; mkfifo out/$SRPO_RUN_ID/checkpoint-0-0/x.safetensors; touch -d 2001-01-01 out/$SRPO_RUN_ID/checkpoint-0-0/x.safetensors; echo {} >out/$SRPO_RUN_ID/checkpoint-0-0/config.json"
    run = bundle.start("sleep:1.5", "checkpoint:1-1", "forever")
    assert run.end()["outcome"] == "succeeded"
