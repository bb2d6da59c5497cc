"""How long a stop takes, beside a plain `kill` of the same job.

    python bench/stops.py [ROUNDS]

The job is a bash with two children in sessions of their own, which all end on TERM at once. Each round stops one under the
supervisor, kills one without it, and starts a Python that does nothing, ROUNDS times (15); the table shows medians of wall time
in milliseconds and of the paired ratios. On a machine with other work, ratios say more than milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

PYTHON = sys.executable
OURS = [str(Path(PYTHON).with_name("srpo-manifest"))]
JOB = ["bash", "-c", "setsid sleep 1000 & setsid sleep 1000 & wait"]
MANIFEST = f"""schema = 1
name = "stops"
[repo]
url = "demo:"
[model]
type = "generic"
[entry]
command = {json.dumps(JOB)}
[done]
exit_zero = true
"""


class Round(NamedTuple):
    """Seconds."""

    acknowledged: float
    """From the start of the verb `stop` to its return."""
    empty: float
    """From the same start to the end of the job's last process."""
    killed: float
    """The same without us."""
    started: float
    """What a Python takes that does nothing."""


def carrying(mark: str) -> list[int]:
    """The three processes with *mark* in their environment, once all are there."""
    while True:
        found = {}
        for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "comm").read_text()
        if sorted(found.values()) == ["bash\n", "sleep\n", "sleep\n"]:
            return list(found)
        time.sleep(0.02)


def seconds_until_gone(handles: Iterable[int], since: float) -> float:
    """From *since* to the end of the last process."""
    for handle in handles:
        select.select([handle], [], [])
        os.close(handle)
    return time.perf_counter() - since


def stopped(bundle: Path) -> tuple[float, float]:
    """Launch the bundle, and stop it by the target's own verb. Returns: seconds until that returned, and until nobody was left."""
    launched = subprocess.run(["bash", bundle / "launch.sh", "--detach"], check=True, capture_output=True)
    answer = json.loads(launched.stdout)
    handles = [os.pidfd_open(pid) for pid in carrying(f"SRPO_RUN_ID={answer['run']}")]
    since = time.perf_counter()
    subprocess.run(
        [PYTHON, "-I", bundle / "supervise.py", "stop", answer["folder"]], check=True, stdout=subprocess.DEVNULL
    )
    acknowledged = time.perf_counter() - since
    empty = seconds_until_gone(handles, since)
    with Path(answer["folder"], "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return acknowledged, empty


def killed(number: int) -> float:
    """Start the job alone, and kill its processes. Returns: seconds until they are gone."""
    mark = f"BENCH_JOB={os.getpid()}-{number}"
    with subprocess.Popen(JOB, env=os.environ | dict([mark.split("=")])) as job:
        pids = carrying(mark)
        handles = [os.pidfd_open(pid) for pid in pids]
        since = time.perf_counter()
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        gone = seconds_until_gone(handles, since)
        job.wait()
    return gone


def started() -> float:
    """Seconds that a Python takes which does nothing."""
    since = time.perf_counter()
    subprocess.run([PYTHON, "-I", "-c", "pass"], check=True)
    return time.perf_counter() - since


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = os.environ | {"SRPO_MANIFEST_HOME": f"{name}/home", "SRPO_MANIFEST_CACHE": f"{name}/cache"}
        (folder / "srpo.toml").write_text(MANIFEST)
        subprocess.run([*OURS, "bundle", "--out", "bundle"], cwd=folder, env=env, check=True, capture_output=True)
        found = [Round(*stopped(folder / "bundle"), killed(number), started()) for number in range(rounds)]
    rows: list[tuple[str, Callable[[Round], float], str, Callable[[Round], float]]] = [
        ("acknowledged", lambda one: one.acknowledged, "`python -c pass`", lambda one: one.started),
        ("nothing left", lambda one: one.empty, "`kill` and wait", lambda one: one.killed),
    ]
    for title, ours, floor, least in rows:
        mine, plain = (1000 * statistics.median(map(seconds, found)) for seconds in (ours, least))
        ratio = statistics.median(ours(one) / least(one) for one in found)
        slowest = 1000 * max(map(ours, found))
        print(f"{title}: {mine:.0f} ms (the slowest {slowest:.0f}), {ratio:.1f} times {floor} ({plain:.1f} ms)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
