"""Runs on record, asked by several threads at once."""

from __future__ import annotations

import subprocess
import sys

CLIENT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from srpo_manifest.engine.contact import Contact
from srpo_manifest.values.run import Record

sys.setswitchinterval(1e-6)
barrier = Barrier(16)
record = Record(
    format=1, id="a-20260101T000000Z-aaaaaa", name="a", plan="", manifest="", workspace="/nowhere", folder="/nowhere/a",
    transport={"kind": "local"}, launcher={"kind": "direct"},
)

def ask(_):
    barrier.wait()
    return Contact(record).status().outcome

with ThreadPoolExecutor(16) as pool:
    print({*pool.map(ask, range(16))})
"""


def test_runs_are_asked_side_by_side_from_the_first_moment_on():
    """No thread meets a type that another one is still learning: the decoder would crash, once in fifteen."""
    for _ in range(12):
        done = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "{'lost'}\n"), done.stderr
