from __future__ import annotations

import os
import subprocess
from pathlib import Path

from srpo_manifest.engine import lockfiles
from srpo_manifest.values.lock import Pin


def test_what_a_killed_writer_left_is_removed(tmp_path: Path):
    """Not what a living one is at, nor what is somebody else's."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    names = (f"srpo.lock.{gone.pid}.new", f"srpo.lock.{os.getppid()}.new", "srpo.lock.mine.new")
    for name in names:
        (tmp_path / name).write_text("half")
    path = str(tmp_path / "srpo.lock")
    assert lockfiles.write(path, Pin(url="x", ref=None, commit="c" * 40, tree="e" * 40))
    assert sorted(one.name for one in tmp_path.glob("srpo.lock*")) == sorted(["srpo.lock", *names[1:]])
