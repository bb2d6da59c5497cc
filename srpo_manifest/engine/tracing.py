"""`plan --trace`: upstream's script runs in a scratch folder, and what it hands over is compared with the plan."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from srpo_manifest import piped
from srpo_manifest.bundling.quoting import VARIABLES, quote
from srpo_manifest.engine.launching import bundle_of
from srpo_manifest.errors import TransportError
from srpo_manifest.upstream.strangers import strangers
from srpo_manifest.values.base import Value
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.words import Arrived, LateName, Text, Word, word
from srpo_manifest.wording import listed

TRACE_SECONDS = 20.0
_LARGEST_FILE = 256 << 10
_DELIVERS = ("shim", "deliver", "supervising/")
"""What hands a launch over: the names of its files in a bundle begin so."""
_TOOLS = (
    "bash", "sh", "basename", "cat", "cut", "date", "dirname", "env", "expr", "grep", "head", "hostname", "id", "ls",
    "nohup", "nice", "nproc", "printenv", "readlink", "realpath", "seq", "sort", "tail", "timeout", "tr", "uname",
    "uniq", "wc", "whoami",
)  # fmt: skip
"""Programs that change nothing, and start nothing but what PATH has. Every other is none: it is noted, and does nothing."""
_LAUNCHERS = ("torchrun", "accelerate", "deepspeed", "python", "python3", "python2")
_RECORDER = """#!/bin/sh
# Helpers come before the phase `job`, which is that of the launch.
while IFS= read -r phase; do [ "$phase" != job ] || begun=1; done <{phases} 2>/dev/null
[ -z "${{begun:-}}" ] || [ -e {received} ] || printf '%s\\0' "${{0##*/}}" "$@" >{received}
"""
_UNKNOWN = """
command_not_found_handle() {{ printf '%s\\n' "$1" >>{unknown}; }}
"""
# What the script leaves in the background ends with it.
_WRAPPED = '"$@"; status=$?; trap "" TERM; kill -TERM 0; exit "$status"'
_APART = ("--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


class Trace(Value):
    """What running the script told.

    `identical`: its launch was handed over as expected. `differs`: it was not, `reason` names the first word.
    `not-reached`: the script came to no launch. `not-traced`: it was not run at all. `argv` is what its launch became, with stand-ins for late values.
    """

    result: Literal["identical", "differs", "not-reached", "not-traced"]
    reason: str
    argv: tuple[str, ...] | None = None


def trace(planned: Planned, script: str, tree: Iterator[bytes]) -> Trace:
    """Run *script* of the pinned *tree* with launchers that only write down. *planned* is in shim mode.

    Upstream's shell text is executed: in a scratch folder, with that for a home and few programs on PATH, for a
    limited time, and without a network where the machine allows that.
    """
    if not sys.platform.startswith("linux"):
        return Trace(result="not-traced", reason="this machine is no Linux")
    with tempfile.TemporaryDirectory(prefix="srpo-trace-") as folder:
        scratch = _Scratch(Path(folder), planned)
        scratch.unpack(tree)
        for found in strangers(script, scratch.scripts()):
            return Trace(result="not-traced", reason=found)
        scratch.fill()
        return scratch.run(script)


class _Scratch:
    """A folder with a checkout, a bundle, a home, and programs of its own."""

    def __init__(self, folder: Path, planned: Planned) -> None:
        self.checkout, self.home, self.cwd, self.bin = (folder / name for name in ("repo", "home", "cwd", "bin"))
        self.run_folder = folder / "work/.srpo/runs/trace"
        self.bundle, self.node = self.run_folder / "bundle", self.run_folder / "attempt-1/node-0"
        self.received, self.unknown = folder / "received", folder / "unknown"
        for made in (self.checkout, self.home, self.cwd, self.bin, self.bundle / "shim", self.node):
            made.mkdir(parents=True)
        self.late: dict[LateName, str] = {
            "run.id": "trace",
            "run.dir": str(self.node),
            "run.port": "29500",
            "run.index": "0",
            "run.chief": "127.0.0.1",
            "repo.dir": str(self.checkout),
            "target.home": str(self.home),
        }
        self.planned = msgspec.structs.replace(
            planned, cwd=word(str(self.cwd)), checkout=word(str(self.checkout)), workspace=word(str(folder / "work"))
        )

    def unpack(self, tree: Iterator[bytes]) -> None:
        """Small files of the pinned tree; none of them may be executed but shell scripts."""
        with tempfile.TemporaryFile() as file:
            for chunk in tree:
                file.write(chunk)
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                for member in tar:
                    source = tar.extractfile(member) if member.isfile() and member.size <= _LARGEST_FILE else None
                    if source is None:
                        continue
                    path = self.checkout / member.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(source.read())
                    path.chmod(0o755 if path.suffix in (".sh", ".bash") else 0o644)

    def scripts(self) -> Mapping[str, bytes]:
        """Shell scripts by their path."""
        found = (
            path for path in sorted(self.checkout.rglob("*")) if path.suffix in (".sh", ".bash") and path.is_file()
        )
        return {str(path.relative_to(self.checkout)): path.read_bytes() for path in found}

    def fill(self) -> None:
        """The bundle's files, and the programs."""
        for file in bundle_of(self.planned).files:
            if file.data and (file.name.startswith(_DELIVERS) or file.name == "rules.json"):
                (self.bundle / file.name).parent.mkdir(exist_ok=True)
                (self.bundle / file.name).write_bytes(file.data)
                (self.bundle / file.name).chmod(0o755 if file.executable else 0o644)
        with (self.bundle / "shim.sh").open("a") as functions:
            functions.write(_UNKNOWN.format(unknown=quote(str(self.unknown))))
        (self.run_folder / "python").write_text(f"{sys.executable}\n")
        for tool in _TOOLS:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        for launcher in _LAUNCHERS:
            (self.bin / launcher).write_text(
                _RECORDER.format(received=quote(str(self.received)), phases=quote(str(self.node / "phases")))
            )
            (self.bin / launcher).chmod(0o755)

    def environment(self) -> dict[str, str]:
        """The job's, with a word of our own for every secret."""
        planned = {
            name: self.bound(value) if isinstance(value, Word) else f"secret-{name}"
            for name, value in self.planned.env.items()
        }
        late = {VARIABLES[name]: value for name, value in self.late.items()}
        own = {
            "PATH": f"{self.bundle}/shim:{self.bin}",
            "BASH_ENV": f"{self.bundle}/shim.sh",
            "SRPO_BUNDLE": str(self.bundle),
            "LC_ALL": "C.UTF-8",
        }
        return {**planned, **late, **own}

    def run(self, script: str) -> Trace:
        """Until its end, or the time is over."""
        bash = shutil.which("bash") or "/bin/bash"
        argv = [
            bash,
            "--noprofile",
            "--norc",
            "-c",
            _WRAPPED,
            "trace",
            "env",
            "-C",
            str(self.cwd),
            "bash",
            str(self.checkout / script),
        ]
        late = ""
        try:
            piped.run([*self._apart(), *argv], timeout_seconds=TRACE_SECONDS, env=self.environment(), hot=True)
        except TransportError as error:
            if error.code != "command-timeout":
                raise
            late = f"; it was ended after {TRACE_SECONDS:g} seconds"
        return self.told(late)

    def told(self, late: str) -> Trace:
        """What the files tell."""
        refused, phases = self.node / "refused.json", self.node / "phases"
        if refused.exists():
            return Trace(result="differs", reason=str(msgspec.json.decode(refused.read_bytes())["reason"]))
        if phases.exists() and self.received.exists():
            words = self.received.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
            return Trace(
                result="identical",
                reason="the script hands over what the plan expects",
                argv=tuple(map(self.homely, words)),
            )
        skipped = sorted(set(self.unknown.read_text().split())) if self.unknown.exists() else []
        without = f"; {listed(skipped[:8], 'and')} {'was' if len(skipped) == 1 else 'were'} not run" if skipped else ""
        return Trace(result="not-reached", reason=f"the script came to no launch{without}{late}")

    def bound(self, value: Word) -> str:
        """A word with the scratch folder's values."""
        made = ""
        for piece in value.pieces:
            match piece:
                case Text(text=text):
                    made += text
                case Arrived():  # pragma: no cover - no variable rests on what the script tells
                    raise AssertionError(piece)
                case _:
                    made += self.late[piece.name]
        return made

    def homely(self, text: str) -> str:
        """A word that arrived, with the plan's names for places of the scratch folder."""
        for name, value in self.late.items():
            if value.startswith("/"):
                text = text.replace(value, f"${{{name}}}")
        return text

    def _apart(self) -> tuple[str, ...]:
        """What cuts the script off from the network, where this machine lets a user do that."""
        if (unshare := shutil.which("unshare")) is None:
            return ()
        apart = (unshare, *_APART)
        return apart if piped.run([*apart, "true"], timeout_seconds=TRACE_SECONDS, hot=True).status == 0 else ()


def shown(trace: Trace) -> str:
    """One line for people."""
    return f"{trace.result}: {trace.reason}"
