"""Launches that are killed on the way, with a real bash and a real tar: nothing half is taken for a run."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.engine import launching
from srpo_manifest.errors import LaunchError
from srpo_manifest.piped import PipedTransport
from srpo_manifest.ports import following
from srpo_manifest.ports.arrival import TAGS, node_name
from srpo_manifest.ports.direct import DirectLauncher
from srpo_manifest.values.run import Rank

RUN = "demo-20260102T030405Z-abcdef"


class Stub(DirectLauncher):
    """Starts a text of the test's."""

    def __init__(self, start: str) -> None:
        self._start = start

    def start(self, folder: str, *, dry_run: bool, rank: Rank | None = None) -> str:  # noqa: ARG002 - the port's signature
        return f"run={folder}\n{self._start}\n"


def a_tar(last: str = ".whole") -> Iterator[bytes]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("launch.sh", last):
            tar.addfile(tarfile.TarInfo(name))
    yield data.getvalue()


def launch(folder: Path, start: str, stream: Iterator[bytes] | None = None) -> None:
    transport = PipedTransport()
    launching.launch(stream or a_tar(), quote(str(folder)), {}, transport, Stub(start), dry_run=False)


def asked(folder: Path) -> dict[str, Any]:
    text = DirectLauncher().status(quote(str(folder)))
    answer = PipedTransport().exec(text, timeout_seconds=30)
    assert answer.status == 0, answer.complaint
    found: dict[str, Any] = json.loads(answer.output)
    return found


def followed(folder: Path) -> str:
    at = following.Offsets(log=0)
    text = following.follow(quote(str(folder)), at, wait_seconds=0)
    return following.parse_follow(PipedTransport().exec(text, timeout_seconds=30), at).state


def until(holds, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where the run's folder will be."""
    return tmp_path / "it's here/.srpo/runs" / RUN


def killed_launch(run: Path, tmp_path: Path, start: str, *, after_start: bool) -> None:
    """A launch whose bash is killed: while it unpacks, or when the bundle is there and its supervisor is not."""
    start = f"echo $PPID >{quote(str(tmp_path / 'begun'))}\n{start}\n"
    script = launching.receiving(quote(str(run)), start)
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-c", script], stdin=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin
    data = b"{}\n" + next(a_tar())
    process.stdin.write(data if after_start else data[:700])
    process.stdin.flush()
    if after_start:
        process.stdin.close()
        until((tmp_path / "begun").exists)
    else:
        until(lambda: list(run.parent.glob(f".{RUN}.*.new/bundle")))
        assert asked(run)["state"] == "pending"
        assert followed(run) == "pending"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()


@pytest.mark.parametrize("after_start", [False, True])
def test_what_a_killed_launch_left_is_never_started_and_goes_with_the_next(run, tmp_path: Path, after_start):
    """Told as lost, followed to its end at once, and removed by the next launch of any name."""
    killed_launch(run, tmp_path, "sleep 60", after_start=after_start)
    status = asked(run)
    assert (status["state"], status["outcome"], status["reason"]) == ("ended", "lost", "it was never started")
    assert followed(run) == "ended"
    assert len(list(run.parent.iterdir())) == 1
    other = run.with_name("other-20260102T030405Z-abcdef")
    launch(other, f'mkdir -p "${{run}}/{node_name(0)}/slots"')
    assert [path.name for path in run.parent.iterdir()] == [other.name]
    assert sorted(path.name for path in other.iterdir()) == ["attempt-1", "bundle"]


def test_a_launch_that_goes_on_without_its_bash_is_left_alone(run, tmp_path: Path):
    """The supervisor may come yet: the process that becomes it lives. The client says that it is not sure."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    waits = f"echo $$ >{quote(str(begun))}; exec <&- >&- 2>&-; for _ in {{1..600}}; do [ ! -e {quote(str(go))} ] || exit; sleep 0.05; done"

    def end_the_bash() -> None:
        until(lambda: begun.exists() and begun.read_text().strip())
        starter = Path(f"/proc/{begun.read_text().strip()}/stat").read_text()
        os.kill(int(starter.rpartition(")")[2].split()[1]), signal.SIGKILL)

    ending = threading.Thread(target=end_the_bash)
    ending.start()
    with pytest.raises(LaunchError) as caught:
        launch(run, f"exec bash -c {quote(waits)}")
    ending.join()
    assert caught.value.code == "launch-unsure"
    launch(run.with_name("other"), f'mkdir -p "${{run}}/{node_name(0)}/slots"')
    assert asked(run)["state"] == "pending"
    go.touch()
    until(lambda: asked(run).get("outcome") == "lost")


@pytest.mark.parametrize("start", ["exit 70", "mkdir -p $run/attempt-1; exit 2"])
def test_a_launch_that_was_refused_leaves_nothing(run, start):
    """The folder goes, aside first."""
    with pytest.raises(LaunchError) as caught:
        launch(run, start)
    assert caught.value.code == "launch-failed"
    assert list(run.parent.iterdir()) == []


def test_a_bundle_that_was_cut_off_is_none(run):
    """Nor is one that comes to a folder that is taken."""
    with pytest.raises(LaunchError, match="cut off"):
        launch(run, "exit 0", a_tar("last"))
    assert list(run.parent.iterdir()) == []
    launch(run, f'mkdir -p "${{run}}/{node_name(0)}/slots"')
    with pytest.raises(LaunchError, match="exit status 73"):
        launch(run, "exit 0")
    assert [path.name for path in run.parent.iterdir()] == [RUN]


def test_a_tag_is_that_of_python():
    """Both sides of a wire spell it alike."""
    from srpo_manifest.engine.holders import lives_by_tag

    with subprocess.Popen(
        ["bash", "-c", f'{TAGS}tag $$; echo; lives "$(tag $$)" && ! lives 1-1-x && ! lives "" && echo good; read -r _'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        tag = process.stdout.readline().strip()
        assert process.stdout.readline() == "good\n"
        assert tag.startswith(f"{process.pid}-")
        assert lives_by_tag(tag)
        process.kill()
        process.communicate()
    assert not lives_by_tag(tag)
