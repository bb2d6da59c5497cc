"""Bundles written by hand, run for real: bash, Python, signals. Whatever a test leaves running is ended by its pid."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import srpo_manifest.bundling
import srpo_manifest.demo
from srpo_manifest.bundling.fallback import shell_rules
from srpo_manifest.engine import launching
from srpo_manifest.engine.launching import FALLBACK

RUNTIME = Path(srpo_manifest.bundling.__file__).parent / "runtime"
DEMO = Path(srpo_manifest.demo.__file__).parent / "trainer" / "minisrpo" / "train.py"
DEMO_FLAGS = (
    "--master_addr 127.0.0.1 --pretrained_model_name_or_path builtin --data_json_path builtin --output_dir out/$SRPO_RUN_ID "
    "--image_p pictures --h 8 --w 8 --vis_size 8 --sampling_steps 25 --train_guidence 1 --gradient_accumulation_steps 2 "
    "--train_batch_size 1 --timestep_length 1000 --step_seconds 0.1"
)
PATIENCE_SECONDS = 20.0
TRAINER = """
import json, os, signal, subprocess, sys, time

def awaited(name):
    while not os.path.exists(os.path.join(os.environ["SRPO_RUN_DIR"], name)):
        time.sleep(0.02)

def checkpoint(name, pause=lambda: None, tensor=b"1234"):
    folder = os.path.join("out", os.environ["SRPO_RUN_ID"], f"checkpoint-{name}")
    os.makedirs(folder)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb", 0) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        pause()
        file.write(tensor)
    open(os.path.join(folder, "config.json"), "w").write("{}")

workers = []

def hand_on(number, frame):
    for worker in workers:
        worker.send_signal(number)
        worker.wait()
    sys.exit(1)

def count(number, frame):
    with open("told", "a") as file:
        file.write("x")
    time.sleep(0.7)
    sys.exit(0)

for word in sys.argv[1:]:
    act, _, value = word.partition(":")
    if act == "progress":
        for step in range(1, int(value) + 1):
            print(f"Progress: {step}/{value} loss={1 / step:.3f}", end="\\r" if step % 2 else "\\n", flush=True)
    elif act == "say":
        print(value, flush=True)
    elif act == "checkpoint":
        checkpoint(value)
    elif act == "slow-checkpoint":
        checkpoint("9-9", lambda: time.sleep(float(value)))
    elif act == "held-checkpoint":
        checkpoint("9-9", lambda: awaited(value))
    elif act == "torn-checkpoint":
        checkpoint(value, tensor=b"12")
    elif act == "image":
        os.makedirs("pictures", exist_ok=True)
        name, _, text = value.partition("=")
        open(os.path.join("pictures", name), "w").write(text)
    elif act == "sparse-checkpoint":
        checkpoint(value)
        weights = os.path.join("out", os.environ["SRPO_RUN_ID"], f"checkpoint-{value}", "model.safetensors")
        header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 40]}}).encode()
        with open(weights, "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + (1 << 40))
        open(os.path.join(os.path.dirname(weights), "config.json"), "w").write("{ }")
    elif act == "spin":
        while True:
            pass
    elif act == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif act == "worker":
        workers.append(subprocess.Popen([sys.executable, "-I", __file__, *value.split(","), "forever"], start_new_session=True))
    elif act == "flee":
        subprocess.run([sys.executable, "-I", __file__, "fled", "forever"], env={}, start_new_session=True)
    elif act == "fled":
        if os.fork():
            os._exit(0)
        os.setsid()
        open("fled.new", "w").write(str(os.getpid()))
        os.rename("fled.new", "fled")
    elif act in ("hand-on", "count"):
        signal.signal(signal.SIGTERM, hand_on if act == "hand-on" else count)
    elif act == "touch":
        open(value, "w").close()
    elif act == "await":
        awaited(value)
    elif act == "sleep":
        time.sleep(float(value))
    elif act == "exit":
        sys.exit(int(value))
    elif act == "die":
        os.kill(os.getpid(), int(value))
    elif act == "forever":
        while True:
            time.sleep(60)
"""
LEADER = """
enter() {{ printf '%s\\n' "$1" >>"$SRPO_RUN_DIR/phases"; }}
supervise() {{
  if [ -e "$SRPO_BUNDLE/../supervisor" ]; then "$BASH" --noprofile --norc "$SRPO_BUNDLE/../supervisor" "$@"
  else "$SRPO_PYTHON" -I "$SRPO_BUNDLE/supervise.py" "$@"; fi
}}
cd -- {cwd} || exit 70
{before}
if [ -n "${{SRPO_DRY_RUN:-}}" ]; then exit 0; fi
enter job
exec {python} -I "$SRPO_BUNDLE/trainer.py" {acts}
"""
RULES = {
    "format": 1,
    "name": "demo",
    "plan": "0123abcd",
    "done": {"checkpoints": 1, "images": None, "files": [], "exit_zero": False},
    "stop": {"grace_seconds": 5, "checkpoint_seconds": 10, "max_hours": None, "stall_minutes": 30},
    "artifacts": {
        "checkpoints": "out/${run.id}/checkpoint-*-*",
        "marker": "config.json",
        "weights": "*.safetensors",
        "images": "pictures/*.png",
        "collect_images": True,
    },
    "log": [
        {"event": "progress.made", "pattern": r"Progress: (?P<step>\d+)/(?P<total>\d+)(?: loss=(?P<loss>\S+))?"},
        {"event": "phase.started", "pattern": "model loaded", "phase": "model-loaded"},
        {"event": "phase.started", "pattern": "Running training", "phase": "training"},
        {"event": "phase.started", "pattern": "--> saving checkpoint", "phase": "saving-checkpoint"},
        {"event": "warning.raised", "pattern": "out of memory.*", "message": ""},
    ],
    "checks": [],
    "target_files": {},
    "port": None,
    "repo": "${target.home}/repo",
}


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


class Run:
    """A launched run: its folder and its readers."""

    def __init__(self, node: Path, supervise: SimpleNamespace) -> None:
        self.node, self.id, self.supervise = node, node.parent.parent.name, supervise

    def ask(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        run_folder = self.node.parent.parent
        asked = ["bash", run_folder / "supervisor"]
        if (run_folder / "python").exists() or not (run_folder / "supervisor").exists():
            asked = [sys.executable, "-I", run_folder / "bundle" / "supervise.py"]
        return subprocess.run([*asked, verb, self.node, *arguments], capture_output=True, timeout=60, check=False)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ask("status").stdout)
        return answer

    def stop(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ask("stop", *arguments).stdout)
        return answer

    def events(self, name: str = "") -> list[dict[str, Any]]:
        path = self.node / "events.jsonl"
        told = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
        return [event for event in told if name in ("", event["event"])]

    def log(self) -> str:
        return (self.node / "log").read_text()

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads((self.node / "result.json").read_text())
        return result

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for what must come."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < limit, f"{self.status()}\n{self.log()}"
            time.sleep(0.02)

    def until_event(self, name: str) -> None:
        self.until(lambda: self.events(name))

    def until_said(self, text: str) -> None:
        self.until(lambda: text in self.log())

    def end(self) -> dict[str, Any]:
        """Wait for the end. Returns: the last status."""
        self.until_event("run.ended")
        self.until(lambda: not self.supervise.is_held(self.node / "lock"))
        return self.status()


class Bundle:
    """A bundle by hand in *folder*, with a workspace and a working directory beside it."""

    def __init__(self, folder: Path, supervise: SimpleNamespace) -> None:
        self.folder, self.supervise = folder / "bundle", supervise
        self.workspace, self.cwd = folder / "work", folder / "cwd"
        self.rules: dict[str, Any] = json.loads(json.dumps(RULES)) | {"cwd": str(self.cwd)}
        self.secrets: tuple[str, ...] = ()
        self.pythons: tuple[str, ...] = (sys.executable,)
        self.fallback = False
        """Whether it carries the supervisor in bash, too."""
        self.before = ""
        self.on_stop = ""
        self.edits: Sequence[tuple[str, str]] = ()
        """Old text and new, each of one place in the supervisor."""

    def write(self, *acts: str) -> None:
        """Make the bundle whose trainer does *acts*, one after the other."""
        self.cwd.mkdir(exist_ok=True)
        self.folder.mkdir()
        for name, text in runtime(self.edits).items():
            if self.fallback or name not in FALLBACK:
                (self.folder / name).parent.mkdir(exist_ok=True)
                (self.folder / name).write_text(text)
        settings = (
            f"name={self.rules['name']}\nworkspace={quote(str(self.workspace))}\nsecrets=({' '.join(self.secrets)})\n"
            f"python_candidates=({' '.join(map(quote, self.pythons))})\n"
        )
        leader = LEADER.format(
            cwd=quote(str(self.cwd)),
            before=self.before,
            python=quote(sys.executable),
            acts=" ".join(map(quote, acts)),
        )
        (self.folder / "settings.sh").write_text(settings)
        (self.folder / "leader.sh").write_text(leader)
        (self.folder / "trainer.py").write_text(TRAINER)
        (self.folder / "rules.json").write_text(json.dumps(self.rules))
        if self.fallback:
            (self.folder / "rules.sh").write_text(shell_rules(self.rules, self.secrets))
        if self.on_stop:
            (self.folder / "on_stop.sh").write_text(self.on_stop)

    def launch(self, *flags: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", self.folder / "launch.sh", *flags],
            input=stdin,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *acts: str, flags: tuple[str, ...] = (), stdin: str = "", **variables: str) -> Run:
        """Write and launch it, detached."""
        self.write(*acts)
        launched = self.launch("--detach", *flags, stdin=stdin, **variables)
        assert launched.returncode == 0, launched.stderr
        return Run(Path(json.loads(launched.stdout)["folder"]), self.supervise)

    def start_demo(self, flags: str = "", nodes: int = 1, **variables: str) -> Run:
        """The miniature trainer of `demo:` itself; it saves at step 4 of 4 where *flags* say nothing else."""
        self.rules["artifacts"]["images"] = "images/pictures/*.png"
        self.before = (
            f"enter job; exec {quote(sys.executable)} -B {quote(str(DEMO))} {DEMO_FLAGS} --nnodes {nodes} "
            f"--nproc_per_node 1 --node_rank 0 --max_train_steps 4 --checkpointing_steps 4 {flags}"
        )
        return self.start(**variables)

    def runs(self) -> list[Run]:
        return [Run(node, self.supervise) for node in self.workspace.glob(".srpo/runs/*/attempt-1/node-*")]

    def processes(self, run: Run) -> list[int]:
        """What lives of the run, its supervisors left out."""
        return [found.pid for found in self.supervise.tree(run.id)]

    def supervisor(self, run: Run, name: str) -> int:
        slots, _ = self.supervise.read_slots(run.node / "slots")
        pid: int = slots[0][name][0]
        return pid

    def lose(self, run: Run) -> None:
        """Kill both supervisors of it."""
        for name in ("outer", "inner"):
            if found := self.supervise.process(self.supervisor(run, name)):
                self.supervise.send(found, signal.SIGKILL)
        run.until(lambda: not self.supervise.is_held(run.node / "lock"))

    def clean(self) -> None:
        for run in self.runs():
            identity = self.supervise.read_slots(run.node / "slots")[0][0]
            for name in ("outer", "inner") if identity else ():
                if found := self.supervise.same(*identity[name]):
                    self.supervise.send(found, signal.SIGKILL)
            cgroup = (identity or {}).get("cgroup", "")
            while left := self.supervise.tree(run.id, (), (), cgroup, self.supervise.Node(str(run.node)).index):
                for found in left:
                    self.supervise.send(found, signal.SIGKILL)
                time.sleep(0.02)
            self.supervise.remove_cgroup(cgroup)


def runtime(edits: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The shipped files, by name, with each of *edits* made in its one place."""
    files = {name: data.decode() for name, data in launching.runtime().items()}
    for old, new in edits:
        (name,) = [name for name, text in files.items() for _ in range(text.count(old))]
        files[name] = files[name].replace(old, new)
    return files


def load_supervise() -> SimpleNamespace:
    """All that the supervisor's modules define, by name."""
    names = (Path(name).stem for name in launching.runtime() if name.startswith("supervising/"))
    modules = [importlib.import_module(f"supervising.{name}") for name in names]
    return SimpleNamespace(**{name: value for module in modules for name, value in vars(module).items()})
