"""A run that starts on several machines: on all of them, or on none. Each machine is a bash of this one."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from srpo_manifest.engine.rollout import roll_out
from srpo_manifest.errors import LaunchError, PlanRefused, PluginError, SrpoManifestError, TransportError
from srpo_manifest.piped import PipedTransport
from srpo_manifest.ports.direct import DirectLauncher
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.run import Rank

STATUS = """[ -e {folder}/began-{node} ] || exit 66
state=running; [ ! -e {folder}/stopped-{node} ] || state=ended
printf '{{"format": 1, "run": "r", "state": "%s", "unfinished": false}}' "$state"
"""


class Files(DirectLauncher):
    """What it would start are files."""

    def start(self, folder: str, *, dry_run: bool, rank: Rank | None = None) -> str:  # noqa: ARG002 - the port's signature
        assert rank
        return f"touch {folder}/began-{rank.index}\n"

    def stop(self, folder: str, *, grace_seconds, checkpoint_seconds, reason: str, node: int = 0) -> str:  # noqa: ARG002
        return f"[ ! -e {folder}/began-{node} ] || touch {folder}/stopped-{node}\n"

    def status(self, folder: str, node: int = 0) -> str:
        return STATUS.format(folder=folder, node=node)


class Broken(PipedTransport):
    """Its first command is heard, and its answer is not."""

    def __init__(self, error: SrpoManifestError) -> None:
        super().__init__(place="gpu-1")
        self.error: SrpoManifestError | None = error

    def exec(self, script, data=(), *, timeout_seconds):
        answer = super().exec(script, data, timeout_seconds=timeout_seconds)
        error, self.error = self.error, None
        if error:
            raise error
        return answer


class Slow(PipedTransport):
    """It reads what is sent once *go* is set."""

    def __init__(self, go: threading.Event) -> None:
        super().__init__(place="gpu-1")
        self.go = go

    def exec(self, script, data=(), *, timeout_seconds):
        def late():
            for number, chunk in enumerate(data):
                assert number == 0 or self.go.wait(30)
                yield chunk

        return super().exec(script, late(), timeout_seconds=timeout_seconds)


class Refusing(PipedTransport):
    """It takes no run, and says so."""

    def __init__(self, go: threading.Event) -> None:
        super().__init__(place="gpu-0")
        self.go = go

    def exec(self, script, data=(), *, timeout_seconds):  # noqa: ARG002 - the port's signature
        threading.Timer(0.5, self.go.set).start()
        raise TransportError("host-unreachable", "it is away")


class Contested(PipedTransport):
    """A run of this name is there; *left* is set once it has gone."""

    def __init__(self, place: str, other: str) -> None:
        super().__init__(place=place)
        self.other, self.left, self.asked, self.refused = other, threading.Event(), threading.Event(), 0

    def exec(self, script, data=(), *, timeout_seconds):
        if self.left.is_set() or "touch" not in script:
            return super().exec(script, data, timeout_seconds=timeout_seconds)
        self.asked.set()
        self.refused += 1
        said = f"error[already-running]: run `{self.other}` of this name has not ended\nhint: attach to it\n"
        return Answer(status=75, output=b"", error=said.encode())


def a_tar() -> Iterator[bytes]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("launch.sh", ".whole"):
            tar.addfile(tarfile.TarInfo(name))
    yield data.getvalue()


@pytest.mark.parametrize(
    "error", [TransportError("contact-lost", "it broke"), PluginError("plugin-failed", "it broke")]
)
def test_what_may_have_begun_is_ended(tmp_path: Path, error: SrpoManifestError):
    """Whoever broke the answer off: contact, or the plugin."""
    run = tmp_path / ".srpo/runs/r"
    machines = [PipedTransport(place="gpu-0"), Broken(error)]
    ranks = [Rank(index=index, chief="127.0.0.1", port=1) for index in range(2)]
    with pytest.raises(LaunchError, match=r"gpu-1\b.*it broke.*; what was started on .*`gpu-1` was ended"):
        roll_out(a_tar(), "r", str(run), {}, machines, ranks, Files(), dry_run=False, given_up=lambda: False)
    assert {path.name for path in run.glob("*-1")} == {"began-1", "stopped-1"}
    assert (run / "began-0").exists() == (run / "stopped-0").exists()


def test_what_is_not_needed_any_more_is_not_sent(tmp_path: Path):
    """One machine takes no part: the others, which still receive, start nothing."""
    go, run = threading.Event(), tmp_path / ".srpo/runs/r"
    ranks = [Rank(index=index, chief="127.0.0.1", port=1) for index in range(2)]
    with pytest.raises(LaunchError, match="gpu-0"):
        roll_out(
            a_tar(), "r", str(run), {}, [Refusing(go), Slow(go)], ranks, Files(), dry_run=False, given_up=lambda: False
        )
    assert not (run / "began-1").exists()


def meet(tmp_path: Path, *machines: PipedTransport) -> Path:
    """Start run `r-2` on the machines. Returns: its folder."""
    folder = tmp_path / ".srpo/runs/r-2"
    ranks = [Rank(index=index, chief="127.0.0.1", port=1) for index in range(len(machines))]
    roll_out(a_tar(), "r-2", str(folder), {}, machines, ranks, Files(), dry_run=False, given_up=lambda: False)
    return folder


def test_whoever_began_first_waits_until_the_other_one_has_left(tmp_path: Path):
    """Both hold a machine that the other one wants: one of them has to go on."""
    machine = Contested("gpu-1", other="r-3")

    def leave() -> None:
        assert machine.asked.wait(30)
        machine.left.set()

    threading.Thread(target=leave).start()
    run = meet(tmp_path, PipedTransport(place="gpu-0"), machine)
    assert {path.name for path in run.glob("began-*")} == {"began-0", "began-1"}
    assert not list(run.glob("stopped-*"))


def test_whoever_began_later_leaves_at_once(tmp_path: Path):
    """Also where it waits on another machine for one that began later still."""
    first = Contested("gpu-2", other="r-1")
    with pytest.raises(PlanRefused, match=r"gpu-2: run `r-1` of this name has not ended"):
        meet(tmp_path, PipedTransport(place="gpu-0"), Contested("gpu-1", other="r-3"), first)
    run = tmp_path / ".srpo/runs/r-2"
    assert first.refused == 1
    assert (run / "began-0").exists() == (run / "stopped-0").exists()
    assert not list(run.glob("began-[12]"))


def test_whoever_has_no_machine_waits_for_none(tmp_path: Path):
    """The other one has them all, and stays."""
    machines = [Contested(f"gpu-{number}", other="r-3") for number in range(2)]
    with pytest.raises(PlanRefused, match=r"run `r-3` of this name has not ended$"):
        meet(tmp_path, *machines)
    assert sum(machine.refused for machine in machines) < 10, "it was tried on and on"
