"""The real torchrun under the real program: manifest, `apply`, supervisor, bash, torchrun, and workers in sessions of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
UPSTREAM = os.environ.get("SRPO_MANIFEST_TEST_UPSTREAM", "")
PATIENCE_SECONDS = 120.0
SCRIPTS = {
    "run.sh": """NNODES=$HOST_NUM
NPROC_PER_NODE=$HOST_GPU_NUM
NODE_RANK=$INDEX
torchrun --nnodes $NNODES --nproc_per_node $NPROC_PER_NODE --node_rank $NODE_RANK \\
    --rdzv_endpoint $CHIEF_IP:29601 --rdzv_id 456 \\
    worker.py --pretrained_model_name_or_path builtin --output_dir output
""",
    "two_nodes.sh": """torchrun --nnodes 2 --nproc_per_node $HOST_GPU_NUM --node_rank $INDEX \\
    --rdzv_endpoint $CHIEF_IP:29601 --rdzv_id 456 \\
    worker.py --pretrained_model_name_or_path builtin --output_dir output
""",
}
MANIFEST = """schema = 1
name = "scene"
[repo]
url = "{repository}"
ref = "main"
[model]
type = "demo"
base = "builtin"
[entry]
script = "{scene.script}"
mode = "{scene.mode}"
[python]
path = "{python}"
[resources]
gpus_per_node = 2
[done]
checkpoints = {scene.checkpoints}
[stop]
grace_seconds = {scene.grace_seconds}
stall_minutes = {scene.stall_minutes}
[env]
ACTS = "{scene.acts}"
SECOND = "{second}"
"""


@dataclass(frozen=True)
class Scene:
    """What the ranks do (`worker.py`), the second one something else if that is said; what the manifest says beside that."""

    acts: str
    second: str = ""
    script: str = "run.sh"
    mode: str = "auto"
    grace_seconds: int = 120
    stall_minutes: float = 30.0
    checkpoints: int = 1
    workers: int = field(default=2, kw_only=True)
    """How many come up."""
    is_stopped: bool = field(default=False, kw_only=True)
    """Whether it is stopped at once: its test waits for the end alone."""


def scene(*arguments: Any, **more: Any) -> pytest.MarkDecorator:
    """The run that a test gets as `run`."""
    return pytest.mark.parametrize("run", [Scene(*arguments, **more)], indirect=True)


class Stage:
    """Where all scenes play: one repository, one cache, one client."""

    def __init__(self, folder: Path, torch: Path) -> None:
        self.folder, self.python = folder, torch / "bin/python"
        self.repository = folder / "own"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "GIT_", "DEMO_"))}
        own = {
            "SRPO_MANIFEST_HOME": str(folder / "home"),
            "SRPO_MANIFEST_CACHE": str(folder / "cache"),
            "NO_COLOR": "1",
        }
        self.env = kept | own
        self.repository.mkdir()
        (self.repository / "worker.py").write_bytes((HERE / "worker.py").read_bytes())
        for name, text in SCRIPTS.items():
            (self.repository / name).write_text(text)
        if UPSTREAM:
            self.take_from(Path(UPSTREAM))
        self.git("init", "-q", "-b", "main", ".")
        self.git("add", "-A")
        self.git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "a trainer")

    def take_from(self, upstream: Path) -> None:
        """Its script, and its parser in front of what our worker does."""
        script = upstream / "scripts/finetune/SRPO_training_hpsv2.sh"
        shutil.copy(script, self.repository / "upstream.sh")
        begin = 'if __name__ == "__main__":'
        ours = (HERE / "worker.py").read_text().partition(begin)[0]
        theirs = (upstream / "fastvideo/SRPO.py").read_text().partition(begin)[2]
        (self.repository / "fastvideo").mkdir()
        (self.repository / "fastvideo/SRPO.py").write_text(ours + begin + theirs)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repository, env=self.env, check=True, capture_output=True)

    def say(self, *arguments: str, folder: Path | None = None) -> str:
        """Call the program, in a network of its own. Returns: what it answers."""
        command = [sys.executable, HERE / "loopback.py", sys.executable, "-m", "srpo_manifest", *arguments]
        done = subprocess.run(
            command, cwd=folder or self.folder, env=self.env, capture_output=True, text=True, timeout=180, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def play(self, scene: Scene, number: int) -> Run:
        """Start it; its workers are up then."""
        folder = self.folder / f"scene-{number}"
        folder.mkdir()
        manifest = MANIFEST.format(
            scene=scene, repository=self.repository, python=self.python, second=scene.second or scene.acts
        )
        (folder / "srpo.toml").write_text(manifest)
        if scene.script == "upstream.sh":
            index = folder / "data/rl_embeddings/videos2caption2.json"
            index.parent.mkdir(parents=True)
            index.write_text("[]")
        run = Run(self, folder, self.say("apply", "--detach", folder=folder).strip())
        run.until(lambda: len(run.workers()) == scene.workers)
        if scene.is_stopped:
            run.ask_stop()
        return run


class Run:
    """A run of a scene, seen from outside: files, processes, and the program's own verbs."""

    def __init__(self, stage: Stage, folder: Path, name: str) -> None:
        self.stage, self.folder, self.id = stage, folder, name
        self.node = folder / ".srpo/runs" / name / "attempt-1/node-0"

    def workers(self) -> list[int]:
        """Process ids by rank."""
        lines = (line.split() for line in self.log().splitlines() if line.startswith("rank "))
        return [int(pid) for _, pid in sorted((line[1], line[4]) for line in lines)]

    def parent(self, pid: int) -> int:
        """Of a process, by its number. Source: proc_pid_stat(5)."""
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def identity(self) -> dict[str, Any]:
        """Slot 0: the leader and its supervisors."""
        found: dict[str, Any] = json.loads((self.node / "slots").read_bytes()[:512].rpartition(b"#")[0])
        return found

    def supervisor(self, name: str) -> int:
        pid: int = self.identity()[name][0]
        return pid

    def log(self) -> str:
        return (self.node / "log").read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        told = map(json.loads, (self.node / "events.jsonl").read_text().splitlines())
        return [event for event in told if event["event"] == name]

    def told(self) -> list[str]:
        """What each rank wrote down of signals, by rank; a rank that wrote nothing has no text."""
        return [path.read_text() for path in sorted(self.folder.glob("told-*"))]

    def processes(self) -> set[int]:
        """What lives and carries the run's id."""
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"SRPO_RUN_ID={self.id}".encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
        return found

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.stage.say("status", "--json", self.id))
        return answer

    def ask_stop(self) -> dict[str, Any]:
        """What the target's own verb answers, which waits for nothing."""
        program = self.node.parent.parent / "bundle/supervise.py"
        asked = subprocess.run(
            [sys.executable, "-I", program, "stop", self.node], capture_output=True, timeout=60, check=True
        )
        answer: dict[str, Any] = json.loads(asked.stdout)
        return answer

    def let_go(self) -> None:
        """Who awaits `go` goes on."""
        (self.folder / "go").touch()

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for what must come."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < limit, (self.node / "events.jsonl").read_text() + self.log()
            time.sleep(0.05)

    def until_saving(self) -> None:
        """Until the first checkpoint has begun."""
        self.until(lambda: list(self.folder.glob("output/*/checkpoint-1-1/model.safetensors")))

    def end(self) -> dict[str, Any]:
        """Wait for the end, which must leave nothing. Returns: the last status."""
        self.until(lambda: self.events("run.ended") and not self.is_supervised())
        assert self.processes() == set(), self.log()
        return self.status()

    def is_supervised(self) -> bool:
        """Whether the lock is held."""
        with (self.node / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def clean(self) -> None:
        """Leave nothing, whatever the test did."""
        self.let_go()
        if not self.events("run.ended"):
            self.stage.say("stop", self.id, "--grace", "0")
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


@pytest.fixture(scope="session")
def stage(root: Path, need: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A repository with a trainer, and the torch of `make parts`."""
    torch = root / ".venv/torch-env"
    need("git", str(torch / "bin/torchrun"))
    alone = subprocess.run([sys.executable, HERE / "loopback.py", "true"], capture_output=True, text=True, check=False)
    if alone.returncode != 0:
        need("root")
        pytest.fail(alone.stderr)
    return Stage(tmp_path_factory.mktemp("torchrun"), torch)


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, stage: Stage) -> Iterator[dict[str, Future[Run]]]:
    """The runs of all tests that were selected: importing torch takes its time, so they start side by side."""
    scenes = {
        item.nodeid: item.callspec.params["run"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "run" in item.callspec.params
    }
    scenes = {test: scene for test, scene in scenes.items() if UPSTREAM or scene.script != "upstream.sh"}
    pool = ThreadPoolExecutor(max_workers=3)
    yield {test: pool.submit(stage.play, scene, number) for number, (test, scene) in enumerate(scenes.items())}
    pool.shutdown(cancel_futures=True)
    for slots in stage.folder.glob("scene-*/.srpo/runs/*/attempt-1/node-0/slots"):
        Run(stage, slots.parents[5], slots.parents[2].name).clean()


@pytest.fixture
def run(request: pytest.FixtureRequest, played: dict[str, Future[Run]]) -> Run:
    """The run of the test's scene, its workers up."""
    if request.node.nodeid not in played:
        pytest.skip("SRPO_MANIFEST_TEST_UPSTREAM names no checkout of upstream")
    return played[request.node.nodeid].result()
