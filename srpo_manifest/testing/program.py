"""The real program, as a plugin's tests call it: `Program(tmp_path).say("apply")`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_SECONDS = 120


class Said(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        assert self.out, f"nothing on stdout, exit status {self.status}: {self.err}"
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of `--json`, a line each."""
        return [json.loads(line) for line in self.out.splitlines()]


class Program:
    """Called in *folder*, with memories of its own there; it opens no network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "GIT_", "DEMO_"))}
        own = {"SRPO_MANIFEST_HOME": f"{folder}/.home", "SRPO_MANIFEST_CACHE": f"{folder}/.cache", "NO_COLOR": "1"}
        self.env = kept | own

    def manifest(
        self, keys: str = "", tables: str = "", *, command: Sequence[str] = ("true",), model: str = "generic"
    ) -> Path:
        """Write `srpo.toml`: a run of *command*, done when that ends well, with TOML of *keys* and *tables* beside."""
        text = (
            f'schema = 1\nname = "a-run"\n{keys}\n[repo]\nurl = "demo:"\n[model]\ntype = "{model}"\n'
            f"[entry]\ncommand = {json.dumps(command)}\n[done]\nexit_zero = true\n{tables}\n"
        )
        path = self.folder / "srpo.toml"
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def argv(self) -> list[str]:
        """How it is called."""
        return [sys.executable, "-m", "srpo_manifest"]

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Call it, with variables of *env* beside."""
        return subprocess.Popen(  # noqa: S603 - the program itself
            [*self.argv, *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, *arguments: str, **env: str) -> Said:
        """Call it, and wait."""
        process = self.start(*arguments, **env)
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end in {PATIENCE_SECONDS} seconds: {out}{err}") from None
        assert "Traceback" not in err, err
        return Said(process.returncode, out, err)
