"""R5: killed at random moments, `lock`, `plan` and `apply` leave a state that the next apply finishes as a clean one would."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from trees import digest_of

MANIFEST = """schema = 1
name = "own"
[repo]
url = "own"
ref = "main"
[model]
type = "generic"
[entry]
command = ["true"]
[done]
exit_zero = true
"""
VERBS = (("lock",), ("plan",), ("apply", "--dry-run"))
LANES = 2


def prepared(place, name: str):
    """A place of its own in a folder of *place*, with a repository of 200 files."""
    folder = place.folder / name
    folder.mkdir()
    found = type(place)(folder, folder / "cache")
    found.write("srpo.toml", MANIFEST)
    for number in range(200):
        found.write(f"own/d{number % 5}/f{number}", f"{name} {number}\n" * 50)
    found.write("own/run.sh", "true\n").chmod(0o755)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "x")):
        subprocess.run(["git", "-C", folder / "own", *who, *words], check=True)
    return found


def settled(place) -> None:
    """What was launched goes on without its client, and ends by itself."""
    deadline = time.monotonic() + 120
    while [
        run for run in place.run("runs", "--refresh", "--json").json["runs"] if run["state"] not in ("ended", "unknown")
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def applied(place) -> Path:
    """The checkout of an apply that nobody disturbs."""
    settled(place)
    said = place.run("apply", "--again")
    assert said.status == 0, said.err
    (checkout,) = (place.folder / ".srpo/checkouts").iterdir()
    return checkout


def remove(path: Path) -> None:
    """Away with it; a git whose client was killed may still write there for a moment."""
    deadline = time.monotonic() + 30
    while path.exists():
        try:
            subprocess.run(["chmod", "-R", "u+w", path], check=False, capture_output=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def forget(place, moments: random.Random) -> None:
    """Let the next one have something to do."""
    checkouts = place.folder / ".srpo/checkouts"
    for path in (place.folder / "cache", place.folder / "srpo.lock", checkouts):
        if moments.random() < 0.4 and path.exists():
            remove(path)


@pytest.mark.slow
def test_killed_anywhere_the_next_apply_ends_as_a_clean_one(place, many):
    """The whole process group of the client, in two lanes at once; the seeds are told."""
    kills = many(40, 200) // LANES
    seeds = [random.randrange(1 << 30) for _ in range(LANES)]

    def lane(number: int) -> None:
        seed, own = seeds[number], prepared(place, f"lane{number}")
        moments = random.Random(seed)
        start = time.monotonic()
        checkout = applied(own)
        took, good = time.monotonic() - start, digest_of(checkout)
        verb = ("apply",)
        for kill in range(1, kills + 1):
            if verb[0] == "apply":
                settled(own)
            forget(own, moments)
            verb = moments.choice(VERBS)
            one = subprocess.Popen(
                [sys.executable, "-m", "srpo_manifest", *verb],
                cwd=own.folder, env=own.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            time.sleep(moments.uniform(0, took * 0.6))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()
            assert not checkout.exists() or digest_of(checkout) == good, (seed, kill, verb)
            if kill % 10 == 0:
                assert digest_of(applied(own)) == good, (seed, kill)
        assert [path.name for path in own.folder.glob("srpo.lock*")] == ["srpo.lock"], seed
        mirrors = [path for path in (own.folder / "cache/repositories").iterdir() if path.is_dir()]
        assert len(mirrors) == 1, seed
        subprocess.run(["git", "-C", mirrors[0], "fsck", "--full"], check=True, capture_output=True)
        assert not list(mirrors[0].rglob("*.lock")), seed

    print(f"seeds {seeds}")
    with ThreadPoolExecutor(LANES) as lanes:
        list(lanes.map(lane, range(LANES)))
