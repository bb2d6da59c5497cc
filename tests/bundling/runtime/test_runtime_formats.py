"""Records of other versions, and records that were cut or written by two."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from srpo_manifest.values.run import Status

from .conftest import RUNTIME

OLDER = Path(__file__).parent / "older"
"""What the first version of the supervisor left."""
RUN = "demo-20250101T000000Z-aaaaaa"


@pytest.fixture
def older(tmp_path) -> Path:
    """The node's folder of the older run, in a workspace of its own."""
    shutil.copytree(OLDER, tmp_path / ".srpo" / "runs")
    return tmp_path / ".srpo" / "runs" / RUN / "attempt-1" / "node-0"


def ask(verb, *words):
    return subprocess.run(
        [sys.executable, "-I", RUNTIME / "supervise.py", verb, *words], capture_output=True, timeout=60, check=False
    )


def status(node):
    return json.loads(ask("status", node).stdout)


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.fault(72, "an older record is read")
def test_an_older_run_is_read(older):
    """Keys that came later have an answer; nothing of it is written anew."""
    before = everything(older.parent.parent)
    found = msgspec.convert(status(older), Status)
    assert (found.outcome, found.exit, found.reason, found.unfinished) == ("succeeded", 7, "the done rule holds", False)
    assert found.progress == {"step": 4, "total": 4, "loss": 0.25}
    assert [(one.bytes, one.files) for one in found.checkpoints] == [(75, ())]
    (listed,) = json.loads(ask("runs", older.parent.parent.parent, "demo").stdout)
    assert (listed["outcome"], listed["plan"]) == ("succeeded", "0123abcd")
    assert everything(older.parent.parent) == before


def test_an_older_run_that_was_lost_gets_its_end(older, supervise):
    """It has no page and no record of what was before: what is known suffices to end it."""
    (older / "result.json").unlink()
    slots = supervise.Slots(str(older / "slots"), there=True)
    for index in (supervise.EXIT, supervise.END):
        supervise.os.pwrite(slots.file, b" " * supervise.SLOT_BYTES, index * supervise.SLOT_BYTES)
    assert status(older)["unfinished"]
    adopted = json.loads(ask("adopt", older).stdout)
    assert (adopted["outcome"], adopted["reason"]) == ("lost", "the machine was restarted")
    assert not adopted["unfinished"]


def raise_format(node, part, supervise):
    if part == "slots":
        slots = supervise.Slots(str(node / "slots"), there=True)
        record = supervise.read_slots(node / "slots")[0][supervise.IDENTITY]
        slots.write(supervise.IDENTITY, {"format": 2, "crew": record["outer"], "time": [1]})
    elif part == "events.jsonl":
        with (node / part).open("a") as lines:
            lines.write('{"format": 2, "event": "aura.changed", "run": 5}\n')
    else:
        path = node / part if part == "result.json" else node.parent.parent / "bundle" / part
        path.write_text('{"format": 2, "checkpoints": {"a": "b"}, "outcome": ["blue"]}')


@pytest.mark.fault(72, "run-newer")
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("part", ["slots", "events.jsonl", "result.json", "rules.json"])
def test_a_newer_run_is_only_read(older, supervise, part, ended):
    """Its state is told with a warning that names the file; it is not taken over, and no byte of it changes."""
    if not ended:
        slots = supervise.Slots(str(older / "slots"), there=True)
        supervise.os.pwrite(slots.file, b" " * supervise.SLOT_BYTES, supervise.END * supervise.SLOT_BYTES)
        (older / "result.json").unlink()
    raise_format(older, part, supervise)
    before = everything(older.parent.parent)
    found = status(older)
    (told,) = [one for one in found["warnings"] if one["code"] == "run-newer"]
    assert f"{part} of a format above 1" in told["message"]
    assert not found["unfinished"]
    refused = ask("adopt", older)
    assert ended or part == "result.json" or refused.returncode == 76
    assert json.loads(ask("runs", older.parent.parent.parent, "demo").stdout)[0]["id"] == RUN
    assert ask("stop", older).returncode == 0
    assert everything(older.parent.parent) == before


def test_a_newer_run_that_lives_can_be_asked_to_stop(bundle, supervise):
    """`stop.req` is all that it takes: who wrote newer slots is not signalled, and looks for it by itself."""
    run = bundle.start("say:ready", "forever")
    run.until_said("ready")
    slots = supervise.Slots(str(run.node / "slots"), there=True)
    record = supervise.read_slots(run.node / "slots")[0][supervise.IDENTITY]
    slots.write(supervise.IDENTITY, {**record, "format": 2})
    asked = run.stop("--reason", "enough")
    assert [one["code"] for one in asked["warnings"]] == ["run-newer"]
    assert run.end()["reason"] == "enough"


RECORDS = [{"pid": 1, "start": 22, "time": "t"}, {"code": -9, "time": "u"}, {"outcome": "stopped", "reason": "ö" * 50}]


@pytest.mark.fault(71, "the last valid state is told")
def test_slots_that_were_cut_anywhere_are_whole_absent_or_torn(tmp_path, supervise):
    """At every byte of the file: no record is ever another one, and what is not cut stays readable."""
    path = tmp_path / "slots"
    slots = supervise.Slots(str(path))
    for index, record in enumerate(RECORDS):
        slots.write(index, record)
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        found, torn = supervise.read_slots(path)
        for index, record in enumerate(RECORDS):
            assert found[index] in (None, record)
            begun = min(cut, (index + 1) * supervise.SLOT_BYTES) - index * supervise.SLOT_BYTES
            assert found[index] == record or (f"slot {index}" in torn) == (begun > 0)
        assert found[: cut // supervise.SLOT_BYTES] == RECORDS[: cut // supervise.SLOT_BYTES]


@pytest.mark.fault(71, "the last valid state is told")
def test_a_slot_that_two_write_is_one_of_both_or_torn(tmp_path, supervise):
    """Torn at every byte, from either side: never a mixture, and the other slots do not suffer."""
    path = tmp_path / "slots"
    slots = supervise.Slots(str(path))
    slots.write(supervise.EXIT, RECORDS[1])
    sides = []
    for pid in (7188, 21):
        slots.write(supervise.IDENTITY, {"pid": pid, "start": 22, "time": "t"})
        sides.append(path.read_bytes()[: supervise.SLOT_BYTES])
    rest = path.read_bytes()[supervise.SLOT_BYTES :]
    for first, second in (sides, sides[::-1]):
        for cut in range(supervise.SLOT_BYTES + 1):
            path.write_bytes(first[:cut] + second[cut:] + rest)
            found, torn = supervise.read_slots(path)
            assert (found[0] or {"pid": None})["pid"] in (7188, 21, None)
            assert bool(torn) == (found[0] is None)
            assert found[1] == RECORDS[1]


@pytest.mark.fault(71, "the last valid state is told")
def test_events_that_were_cut_anywhere_tell_what_is_whole(older, tmp_path, supervise):
    """At every byte: each whole line counts, the rest is no event."""
    data = (older / "events.jsonl").read_bytes()
    path = tmp_path / "events"
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        story = supervise.Story(str(path))
        assert story.ended == (cut >= len(data) - 1)
        assert len(story.checkpoints) == (b'"bytes": 75}' in data[:cut])
