"""Locks between real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from srpo_manifest.engine import lockfiles
from srpo_manifest.engine.holders import Holder, lives_by_tag, own_tag, this_process
from srpo_manifest.engine.locks import held
from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import TransportError
from srpo_manifest.values.lock import Pin

HOLD = """
import sys
from pathlib import Path
from filelock import FileLock
from srpo_manifest.engine.locks import held
path = Path(sys.argv[1])
with held(path, code="x", patience_seconds=1) if sys.argv[2] == "told" else FileLock(f"{path}.lock"):
    print("held", flush=True)
    sys.stdin.read()
"""
ENSURE = """
import sys
from pathlib import Path
from srpo_manifest.engine.mirror import Mirror
print(Mirror(sys.argv[1], Path(sys.argv[2])).ensure(sys.argv[3]))
"""
PIN = """
import sys
from srpo_manifest.engine import lockfiles
from srpo_manifest.values.lock import Pin
lockfiles.write(sys.argv[1], Pin(url=sys.argv[2], ref=None, commit="c" * 40, tree="e" * 40))
"""
SLOW_GIT = """#!/bin/sh
case " $* " in *" fetch "*) echo fetch >>"$COUNT"; until [ -e "$GO" ]; do sleep 0.05; done ;; esac
exec "$REAL_GIT" "$@"
"""


def until(holds, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def holding(path: Path, how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.fault(15, "one works, the others wait and say for whom; all get the same commit")
def test_eight_want_a_repository_and_one_fetches_it(repository, git, tmp_path: Path):
    """Seven say for which process they wait, as soon as they do; the lock of a killed one is no obstacle."""
    commit = git(repository({"a": "1"}), "rev-parse", "HEAD")
    real = subprocess.run(["sh", "-c", "command -v git"], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(SLOW_GIT)
    (tmp_path / "bin/git").chmod(0o755)
    env = os.environ | {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "REAL_GIT": real, "GO": f"{tmp_path}/go", "COUNT": f"{tmp_path}/count",
    }  # fmt: skip
    asking = [sys.executable, "-c", ENSURE, tmp_path / "repo", tmp_path / "cache/x.git", commit]
    said = [tmp_path / f"said-{number}" for number in range(9)]

    def start(number: int) -> subprocess.Popen[str]:
        with said[number].open("w") as errors:
            return subprocess.Popen(asking, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)

    killed = start(8)
    until((tmp_path / "count").exists)
    killed.kill()
    killed.communicate()
    (tmp_path / "count").unlink()
    processes = [start(number) for number in range(8)]
    waits = [f"waiting for process {process.pid} on " for process in processes]
    until(lambda: sum(any(wait in one.read_text() for wait in waits) for one in said[:8]) == 7)
    (tmp_path / "go").touch()
    assert [process.communicate(timeout=60)[0] for process in processes] == [f"{commit}\n"] * 8
    assert (tmp_path / "count").read_text() == "fetch\n"
    assert not list((tmp_path / "cache").glob("*.aside.*"))


def test_a_holder_is_named_while_it_lives(tmp_path: Path, caplog):
    """By number, machine, command and time; whoever waits too long is told so."""
    path = tmp_path / "thing"
    holder = holding(path, "told")
    with pytest.raises(TransportError) as caught, held(path, code="thing-held", patience_seconds=0.3):
        pass
    assert caught.value.code == "thing-held"
    assert caught.value.findings[0].hints == ("wait for it, or end it; no file has to be deleted",)
    told = json.loads(path.with_name("thing.holder").read_text())
    assert (told["pid"], told["host"], sorted(told)) == (
        holder.pid, os.uname().nodename, ["boot", "command", "host", "pid", "since", "start"],
    )  # fmt: skip
    named = f"process {holder.pid} on `{told['host']}` (`{told['command']}`, since {told['since']})"
    assert str(caught.value) == f"{named} has held `{path}` for more than 0.3 seconds"
    assert [record.getMessage() for record in caplog.records] == [f"waiting for {named}, which holds `{path}`"]
    holder.kill()
    holder.communicate()
    with held(path, code="thing-held", patience_seconds=30):
        assert json.loads(path.with_name("thing.holder").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("record", ["dead", "torn", "absent", "reused", "other boot"])
def test_a_record_that_proves_nothing_is_not_believed(tmp_path: Path, record):
    """The lock is held, by whom is not known: a number that is free, or was given to another, is no name."""
    path = tmp_path / "thing"
    gone = subprocess.Popen(["true"])
    gone.wait()
    me = this_process()
    texts = {
        "dead": json.dumps({"pid": gone.pid, "start": 5, "boot": me.boot, "host": me.host}),
        "torn": '{"pid": 1',
        "reused": json.dumps({"pid": me.pid, "start": me.start - 1, "boot": me.boot, "host": me.host}),
        "other boot": json.dumps({"pid": me.pid, "start": me.start, "boot": "b", "host": me.host}),
    }
    if record in texts:
        path.with_name("thing.holder").write_text(texts[record])
    holder = holding(path, "silent")
    with (
        pytest.raises(TransportError, match="another process has held"),
        held(path, code="x", patience_seconds=0.3),
    ):
        pass
    holder.communicate("")


def test_a_process_is_its_number_and_its_start():
    """Of another machine nothing can be seen: its record is believed."""
    me = this_process()
    assert me.lives
    assert Holder(pid=1, start=1, boot="other", host="elsewhere").lives
    assert lives_by_tag(own_tag())
    assert not any(
        map(lives_by_tag, ["", "x", "1-2", f"{me.pid}-{me.start + 1}-{me.boot[:8]}", f"{me.pid}-{me.start}-0"])
    )


def test_writers_of_a_lock_lose_no_entry(tmp_path: Path, monkeypatch):
    """Each puts its entry beside those of the others; what a killed writer left is no obstacle, and no link is followed."""
    monkeypatch.setenv("SRPO_MANIFEST_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "srpo.lock"
    (tmp_path / "precious").write_text("x")
    (tmp_path / "srpo.lock.new").symlink_to("precious")
    urls = [f"https://example.org/{number}.git" for number in range(6)]
    writers = [subprocess.Popen([sys.executable, "-c", PIN, path, url]) for url in urls]
    assert [writer.wait() for writer in writers] == [0] * 6
    assert [lockfiles.read(str(path)).find(url, None) is not None for url in urls] == [True] * 6
    assert (tmp_path / "precious").read_text() == "x"
    assert [one.name for one in tmp_path.glob("srpo.lock*")] == ["srpo.lock"]


def test_a_lock_that_somebody_writes_for_too_long_is_told(tmp_path: Path, monkeypatch):
    """The holder is named; the file is as it was."""
    monkeypatch.setenv("SRPO_MANIFEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(lockfiles, "PATIENCE_SECONDS", 0.3)
    path = str(tmp_path / "srpo.lock")
    pin = Pin(url="https://example.org/x.git", ref=None, commit="c" * 40, tree="e" * 40)
    lockfiles.write(path, pin)
    (guard,) = (tmp_path / "cache/locks").glob("*.lock")
    holder = holding(guard.with_suffix(""), "told")
    with pytest.raises(TransportError, match=f"process {holder.pid} on ") as caught:
        lockfiles.write(path, replace(pin, commit="d" * 40))
    assert caught.value.code == "lock-held"
    assert not lockfiles.write(path, pin)
    holder.communicate("")


def test_a_cache_that_cannot_be_used_is_told(tmp_path: Path):
    """A file in its place."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(TransportError) as caught:
        Mirror(str(tmp_path / "repo"), tmp_path / "cache/x.git").ensure("main")
    assert caught.value.code == "cache-unwritable"
