"""The demo's repository in a fresh folder, and its runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srpo_manifest.demo import demo_files

SCRIPT = "scripts/finetune/SRPO_training_demo.sh"
QUICK = "--h 16 --w 16 --vis_size 32 --max_train_steps 8 --checkpointing_steps 5 --step_seconds 0.02"
PROGRESS = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| INFO     \| __main__:\w+:\d+ - "
    r"Progress: (\d+)/(\d+) \| Details: \{'loss_hps': '([\d.]+)', 'step_time': '[\d.]+s', 'grad_norm': [\d.e-]+\}"
)


class Run:
    """The script under real bash. A `python3` first on PATH adds *flags* and tells the agent's pid."""

    def __init__(self, folder: Path, flags: str, **environment: str) -> None:
        self.folder = folder
        stubs = Path(tempfile.mkdtemp(prefix="stubs-", dir=folder))
        stub = stubs / "python3"
        stub.write_text(f'#!/bin/sh\necho $$ >"$PIDFILE"\nexec {sys.executable} "$@" {flags}\n')
        stub.chmod(0o755)
        self.pid_file, self.stdout, self.stderr = (stubs / name for name in ("pid", "out", "err"))
        four = {"HOST_NUM": "1", "HOST_GPU_NUM": "1", "INDEX": "0", "CHIEF_IP": "127.0.0.1"}
        path = f"{stubs}:{os.environ['PATH']}"
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self.process = subprocess.Popen(
                ["bash", SCRIPT],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=os.environ | four | {"PATH": path, "PIDFILE": str(self.pid_file)} | environment,
            )

    @property
    def agent(self) -> int:
        return int(self.pid_file.read_text())

    @property
    def out(self) -> str:
        return self.stdout.read_bytes().decode(errors="replace")

    @property
    def err(self) -> str:
        return self.stderr.read_bytes().decode(errors="replace")

    @property
    def losses(self) -> list[float]:
        return [float(loss) for _, _, loss in PROGRESS.findall(self.err)]

    def processes(self) -> list[int]:
        """All that carry this run's mark in their environment, in whatever session; zombies have none."""
        mark = f"PIDFILE={self.pid_file}\0".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]

    def workers(self) -> list[int]:
        """The agent's children."""
        return [pid for pid in self.processes() if parent_of(pid) == self.agent]

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait for it. A run that ended is given one last look."""
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, f"waited in vain\n{self.out[-2000:]}\n{self.err[-2000:]}"
            time.sleep(0.02)

    def wait(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)

    def sweep(self) -> None:
        while pids := self.processes():
            for pid in pids:
                kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self.process.wait()


def kill(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def lay_out(folder: Path) -> Path:
    """Write the demo's repository as a checkout has it."""
    for path, (data, executable) in demo_files().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o755 if executable else 0o644)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start the script in a fresh checkout: `start(flags, HOST_GPU_NUM="2")`."""
    folder = lay_out(tmp_path)
    runs: list[Run] = []

    def begin(flags: str = "", **environment: str) -> Run:
        runs.append(Run(folder, f"{QUICK} {flags}", **environment))
        return runs[-1]

    yield begin
    for run in runs:
        run.sweep()


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the script as it ships, but for its pace, ended some pictures after its checkpoint."""
    run = Run(lay_out(tmp_path_factory.mktemp("learned")), "--step_seconds 0")
    try:
        run.until((run.folder / "images/minisrpo/23_0.png").exists, 60)
    finally:
        run.sweep()
    return run


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
