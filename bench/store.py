"""What a list of many runs costs, in seconds of CPU, where a thousand of them lie in one workspace.

    python bench/store.py [RUNS]

One run is made, and copied RUNS times (1000). Then `runs` reads the records of the controller, `runs -m` makes every one
of them anew from the run folders (fault R14: a controller whose memory was wiped), and once more where none is missing.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

OURS = str(Path(sys.executable).with_name("srpo-manifest"))
MANIFEST = """
schema = 1
name = "many"
[model]
type = "generic"
[repo]
url = "demo:"
[entry]
command = ["true"]
[done]
exit_zero = true
[paths]
workspace = "work"
"""
SLOT_BYTES = 512


def cpu_seconds(folder: Path, runs: int, *arguments: str) -> float:
    """CPU time of one command that lists *runs*, with the supervisor's that it asked."""
    env = os.environ | {"SRPO_MANIFEST_HOME": f"{folder}/home", "SRPO_MANIFEST_CACHE": f"{folder}/cache"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([OURS, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    if (count := done.stdout.count("succeeded")) != runs:
        sys.exit(f"{' '.join(arguments)} lists {count} runs as succeeded, not {runs}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def copy(run: Path, number: int) -> None:
    """Another run that ended in the same way."""
    other = run.with_name(f"{run.name[:-6]}{number:06d}")
    shutil.copytree(run, other, symlinks=True)
    for file in other.rglob("*"):
        if file.is_file() and run.name.encode() in (data := file.read_bytes()):
            data = data.replace(run.name.encode(), other.name.encode())
            file.write_bytes(summed(data) if file.name == "slots" else data)


def summed(slots: bytes) -> bytes:
    """The same records with checksums that fit."""
    records = [
        slot.rsplit(b"#", 1)[0] for slot in (slots[at : at + SLOT_BYTES] for at in range(0, len(slots), SLOT_BYTES))
    ]
    return b"".join((record + b"#%08x" % zlib.crc32(record)).ljust(SLOT_BYTES) for record in records)


def main(runs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "srpo.toml").write_text(MANIFEST)
        cpu_seconds(folder, 0, "apply")
        (run,) = (folder / "work/.srpo/runs").glob("many-*")
        for number in range(runs - 1):
            copy(run, number)
        shutil.rmtree(folder / "home")
        for what, *arguments in (
            ("every record restored", "runs", "-m", "srpo.toml"),
            ("no record missing", "runs", "-m", "srpo.toml"),
            ("the controller's records", "runs"),
        ):
            print(f"{runs} runs, {what}: {cpu_seconds(folder, runs, *arguments):.2f} s of CPU")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
