"""The store on disk: whatever happened to a record, the others are there, and why is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from srpo_manifest.engine import records
from srpo_manifest.engine.holders import own_tag
from srpo_manifest.errors import TransportError
from srpo_manifest.values.run import Record, Status

SAVE = """
import sys
from srpo_manifest.engine import records
from srpo_manifest.values.run import Status
records.saw(records.find(sys.argv[1]), Status(format=1, run=sys.argv[1], state="running", exit=int(sys.argv[2])))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of records, where two are whole."""
    for name in ("one", "two"):
        records.save(a_record(name), b"{}")
    return tmp_path / "home/runs"


def a_record(name: str) -> Record:
    return Record(
        format=1, id=f"{name}-20260102T030405Z-abcdef", name=name, plan="p" * 64, manifest="/m.toml", workspace="/w",
        folder=f"/w/.srpo/runs/{name}-20260102T030405Z-abcdef", transport={"kind": "local"}, launcher={"kind": "direct"},
        started="2026-01-02T03:04:05.000Z",
    )  # fmt: skip


ONE, TWO = a_record("one"), a_record("two")


def codes() -> dict[str, str]:
    return {one.id.split("-")[0]: one.finding.code for one in records.survey().damaged}


def test_a_record_is_private_and_whole(home: Path):
    """0700 and 0600, whatever the umask; nothing unfinished is left."""
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [home.parent, home, *home.rglob("*")]}
    assert set(modes.values()) == {"0o700", "0o600"}
    assert sorted(path.name for path in home.iterdir()) == [ONE.id, TWO.id]
    assert records.load_all() == [ONE, TWO]
    assert records.find("last") == TWO


@pytest.mark.fault(71, "the torn record is told, and made anew from the run; all others are read")
def test_a_record_cut_off_at_any_byte_hides_no_other(home: Path):
    """It is told, with what to do; the last byte alone is a line's end and proves nothing."""
    file = home / ONE.id / "record.json"
    whole = file.read_bytes()
    for size in range(len(whole) - 1):
        file.write_bytes(whole[:size])
        assert records.load_all() == [TWO]
    (damaged,) = records.survey().damaged
    assert (damaged.id, damaged.finding.code, damaged.mendable) == (ONE.id, "record-torn", True)
    assert damaged.finding.hints == ("`srpo-manifest runs -m MANIFEST` makes it anew from the run itself",)
    with pytest.raises(TransportError, match="is torn") as caught:
        records.find(ONE.id)
    assert caught.value.code == "record-torn"


def test_two_writers_leave_a_whole_memory(home: Path):
    """Of what was seen last the state of one or the other is kept, and nothing beside it."""
    writers = [subprocess.Popen([sys.executable, "-c", SAVE, ONE.id, str(number)]) for number in range(6)]
    while any(writer.poll() is None for writer in writers):
        seen = records.seen(ONE.id)
        assert seen is None or seen.state == "running"
    assert {writer.returncode for writer in writers} == {0}
    assert sorted(path.name for path in (home / ONE.id).iterdir()) == ["plan.json", "record.json", "seen.json"]
    (home / ONE.id / "seen.json").write_bytes(b'{"state": "run')
    assert (records.seen(ONE.id), records.seen_briefly(ONE.id).state) == (None, None)


@pytest.mark.fault(72, "older ones are read; newer ones are listed and left as they are")
def test_records_of_other_versions(home: Path):
    """What an older one lacks has a default; a newer one is used where it says enough, and never written to."""
    older = json.loads((home / ONE.id / "record.json").read_bytes())
    del older["plugins"]
    (home / ONE.id / "record.json").write_text(json.dumps(older))
    newer = older | {"format": 9, "id": TWO.id, "name": "two", "color": "blue"}
    file = home / TWO.id / "record.json"
    file.write_text(json.dumps(newer))
    assert records.find("one") == ONE
    record = records.find("two")
    assert (record.format, record.folder) == (9, ONE.folder)
    records.saw(record, Status(format=1, run=TWO.id, state="running"))
    strange = {"format": 9, "id": TWO.id, "name": "two", "started": 5, "transport": ["ssh"], "where": "gpu-1"}
    file.write_text(json.dumps(strange))
    assert [one.id for one in records.load_all()] == [TWO.id, ONE.id]
    with pytest.raises(TransportError) as caught:
        records.find("two")
    assert caught.value.code == "record-newer"
    assert json.loads(file.read_text()) == strange
    assert sorted(path.name for path in (home / TWO.id).iterdir()) == ["plan.json", "record.json"]


def linked(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def linked_file(folder: Path) -> None:
    (folder / "record.json").rename(folder / "other.json")
    (folder / "record.json").symlink_to("other.json")


def pipe(folder: Path) -> None:
    (folder / "record.json").unlink()
    os.mkfifo(folder / "record.json")


def folder_in_its_place(folder: Path) -> None:
    (folder / "record.json").unlink()
    (folder / "record.json").mkdir()


PLANTED: dict[str, Any] = {
    "record-link": linked,
    "record-link ": linked_file,
    "record-unreadable": pipe,
    "record-unreadable ": folder_in_its_place,
    "record-open": lambda folder: folder.chmod(0o770),
    "record-open ": lambda folder: (folder / "record.json").chmod(0o606),
    "record-missing": lambda folder: (folder / "record.json").unlink(),
    "record-misplaced": lambda folder: folder.rename(folder.with_name("one-copy")),
    "record-torn": lambda folder: (folder / "record.json").write_text('{"format": 1, "id": 5}'),
    "record-torn ": lambda folder: (folder / "record.json").write_bytes(b"[" * (5 << 20)),
}


@pytest.mark.parametrize("code", PLANTED)
def test_a_record_that_is_not_ours_alone_is_left_alone(home: Path, code):
    """Links, pipes, what others may write, copies: each is told; the other record is read."""
    PLANTED[code](home / ONE.id)
    assert codes() == {"one": code.strip()}
    assert records.load_all() == [TWO]
    hints = [one.finding.hints for one in records.survey().damaged]
    assert all(hints)
    assert code.strip() != "record-unreadable" or hints == [("remove it",)]


def test_a_record_of_somebody_else_is_told(home: Path, need):
    """And not believed."""
    need("root")
    os.chown(home / ONE.id / "record.json", 12345, 12345)
    assert codes() == {"one": "record-foreign"}
    assert records.load_all() == [TWO]


def test_a_record_that_cannot_be_written_is_read(home: Path):
    """A memory that cannot be kept is no loss."""
    (home / ONE.id / "record.json").chmod(0o400)
    (home / ONE.id).chmod(0o500)
    records.saw(ONE, Status(format=1, run=ONE.id, state="running"))
    assert records.find("one") == ONE
    (home / ONE.id).chmod(0o700)


def test_a_store_that_others_may_write_is_not_read(home: Path):
    """Records say what is started: a bash, a host."""
    home.chmod(0o777)
    with pytest.raises(TransportError) as caught:
        records.load_all()
    assert (caught.value.code, caught.value.findings[0].hints) == (
        "home-unsafe", (f"see what is in it, and `chmod go-w {home}`",),
    )  # fmt: skip
    home.chmod(0o700)
    home.rename(home.with_name("elsewhere"))
    home.symlink_to("elsewhere")
    with pytest.raises(TransportError, match="is a link"):
        records.save(ONE, b"")


def test_a_home_may_be_a_link_of_ours(home: Path, need):
    """As to a larger disk; a link of somebody else leads where that user likes, and what it leads to is looked at as ever."""
    state = home.parent
    state.rename(state.with_name("elsewhere"))
    state.symlink_to("elsewhere")
    assert records.load_all() == [ONE, TWO]
    records.save(a_record("three"), b"{}")
    assert records.find("three") == a_record("three")
    state.with_name("elsewhere").chmod(0o777)
    with pytest.raises(TransportError, match="others may write"):
        records.load_all()
    state.with_name("elsewhere").chmod(0o700)
    need("root")
    os.lchown(state, 12345, 12345)
    with pytest.raises(TransportError, match="is a link of user 12345") as caught:
        records.load_all()
    assert caught.value.code == "home-unsafe"


def test_what_killed_clients_left_goes_with_the_next_record(home: Path):
    """Folders that were being made or removed; those of a process that lives stay."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    boot = own_tag().rpartition("-")[2]
    for name in (f".x.{gone.pid}-1-{boot}.new", f".y.{gone.pid}-1-{boot}.gone", ".z.1-1-abroad.new"):
        (home / name).mkdir()
        (home / name / "record.json").write_text("")
    os.utime(home / ".z.1-1-abroad.new", (1, 1))
    (home / ".v.1-1-abroad.new").mkdir()
    living = home / f".w.{own_tag()}.new"
    living.mkdir()
    assert (len(records.load_all()), records.survey().damaged) == (2, [])
    three = a_record("three")
    records.save(three, b"")
    assert {path.name for path in home.iterdir()} == {ONE.id, TWO.id, three.id, living.name, ".v.1-1-abroad.new"}
    records.discard(three)
    records.discard(three)
    assert {path.name for path in home.iterdir()} == {ONE.id, TWO.id, living.name, ".v.1-1-abroad.new"}


def test_an_end_is_not_taken_back(home: Path):
    """A slower client saw the run before it; but who was lost may be found again."""
    at_work = Status(format=1, run=ONE.id, state="running")
    for outcome, kept in (("lost", "running"), ("succeeded", "ended")):
        records.saw(ONE, Status(format=1, run=ONE.id, state="ended", outcome=outcome))
        records.saw(ONE, at_work)
        assert records.seen(ONE.id).state == kept
