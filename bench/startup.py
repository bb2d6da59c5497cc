"""What a command costs, as CPU ratios to `python -c pass`, beside peers that are installed.

    python bench/startup.py [ROUNDS]

Every command runs in turn with its floor, ROUNDS times (15); the table shows the median of the paired ratios of CPU
time (user and system, children included). Differences under a tenth mean nothing. Peers are looked up on PATH.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
OURS = [str(Path(PYTHON).with_name("srpo-manifest"))]
PLAIN = 'schema = 1\nname = "plain"\n[model]\ntype = "generic"\n[entry.set]\nseed = 7\nlearning_rate = 5e-6\n'
TRIVIAL = (
    PLAIN.split("[entry.set]", maxsplit=1)[0]
    + '[repo]\nurl = "demo:"\n[entry]\ncommand = ["true"]\n[done]\nexit_zero = true\n'
)


def cpu_seconds(argv: Sequence[str], folder: Path, env: dict[str, str]) -> float:
    """CPU time of one run, with what it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio(argv: Sequence[str], rounds: int, folder: Path, env: dict[str, str], again: Callable[[], None]) -> float:
    """The median of paired ratios to the floor."""
    found = []
    for _ in range(rounds):
        again()
        mine = cpu_seconds(argv, folder, env)
        found.append(mine / cpu_seconds([PYTHON, "-c", "pass"], folder, env))
    return statistics.median(found)


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = os.environ | {"SRPO_MANIFEST_HOME": f"{name}/home", "SRPO_MANIFEST_CACHE": f"{name}/cache"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        (folder / "srpo.toml").write_text(PLAIN)
        (folder / "demo.toml").write_text((ROOT / "manifests/demo.toml").read_text().replace('".."', '"."'))
        (folder / "flux").mkdir()
        for file in ("flux.toml", "srpo.lock"):
            shutil.copy(ROOT / "manifests" / file, folder / "flux" / file)
        (folder / "trivial.toml").write_text(TRIVIAL)
        subprocess.run(
            [*OURS, "plan", "demo.toml", "--save-facts", "facts.json"],
            cwd=folder,
            env=env,
            check=True,
            capture_output=True,
        )

        def nothing() -> None:
            """No preparation."""

        def ended() -> None:
            """The run before has ended: one of a name at a time."""
            subprocess.run([*OURS, "wait", "last"], cwd=folder, env=env, check=False, capture_output=True)

        rows: list[tuple[str, list[str], Callable[[], None]]] = [
            ("python -c pass", [PYTHON, "-c", "pass"], nothing),
            ("import msgspec, tomllib", [PYTHON, "-c", "import msgspec, tomllib"], nothing),
            ("srpo-manifest --version", [*OURS, "--version"], nothing),
            ("srpo-manifest --help", [*OURS, "--help"], nothing),
            ("srpo-manifest validate", [*OURS, "validate", "srpo.toml"], nothing),
            ("srpo-manifest validate, with a lock", [*OURS, "validate", "flux/flux.toml"], nothing),
            ("srpo-manifest explain CODE", [*OURS, "explain", "unknown-key"], nothing),
            ("srpo-manifest explain KEY", [*OURS, "explain", "repo.ref"], nothing),
            ("srpo-manifest plan --facts", [*OURS, "plan", "--facts", "facts.json", "demo.toml"], nothing),
            ("srpo-manifest plan, asking", [*OURS, "plan", "demo.toml"], nothing),
            ("srpo-manifest apply --detach, `true`", [*OURS, "apply", "--again", "--detach", "trivial.toml"], ended),
        ]
        schema = str(ROOT / "schemas/srpo.v1.schema.json")
        peers = {
            "taplo": [["--version"], ["check", "srpo.toml"]],
            "tombi": [["--version"]],
            "check-jsonschema": [["--version"], ["--schemafile", schema, "srpo.toml"]],
            "pre-commit": [["--version"]],
            "torchx": [["--version"]],
            "snakemake": [["--version"]],
        }
        for tool, calls in peers.items():
            at = shutil.which(tool)
            rows += [(f"{tool} {' '.join(call[:1])}", [at, *call], nothing) for call in calls if at]
        for title, argv, again in rows:
            print(f"{ratio(argv, rounds, folder, env, again):8.2f}  {title}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
