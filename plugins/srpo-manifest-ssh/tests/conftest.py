"""A real sshd on loopback, and what a person has who logs in there."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from srpo_manifest_ssh.options import SshOptions
from srpo_manifest_ssh.transport import SshTransport

from srpo_manifest.testing import Program, until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def seen(pid: int | str, name: str) -> str:
    """A file of `/proc`; nothing of a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text()
    return ""


class Sshd:
    """One, with keys of its own; `config` is the configuration of who reaches it as `box`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.log = folder, folder / "ssh_config", folder / "log"
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".bashrc").touch()
        for key in ("host", "other", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.trust("host")
        self.configure()
        self.process: subprocess.Popen[bytes] | None = None

    def trust(self, *keys: str) -> None:
        """Write down whose keys are known."""
        lines = [f"[127.0.0.1]:{self.port} {' '.join(self.key(key).split()[:2])}\n" for key in keys]
        (self.folder / "known_hosts").write_text("".join(lines))

    def key(self, name: str) -> str:
        return (self.folder / f"{name}.pub").read_text()

    def fingerprint(self, name: str) -> str:
        said = subprocess.run(
            ["ssh-keygen", "-lf", self.folder / f"{name}.pub"], capture_output=True, text=True, check=True
        )
        return said.stdout.split()[1]

    def configure(self, *lines: str, key: str = "user") -> None:
        """Write the configuration; what comes first in it counts."""
        mine = (
            "HostName 127.0.0.1", f"Port {self.port}", f"User {getpass.getuser()}", f"IdentityFile {self.folder / key}",
            "IdentitiesOnly yes", "IdentityAgent none", f"UserKnownHostsFile {self.folder / 'known_hosts'}",
            "GlobalKnownHostsFile /dev/null",
        )  # fmt: skip
        self.config.write_text("\n  ".join(["Host box", *lines, *mine]) + "\n")

    def start(self, key: str = "host") -> None:
        """With *key* as its own; its users have a home of their own."""
        settings = (
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.folder / key}", f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "PidFile none", "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password", f"AllowUsers {getpass.getuser()}", "UseDNS no", "LogLevel VERBOSE",
            "MaxStartups 100:30:200", "MaxSessions 64", f"SetEnv HOME={self.home}",
        )  # fmt: skip
        (self.folder / "sshd_config").write_text("\n".join(settings) + "\n")
        self.process = subprocess.Popen([str(SSHD), "-f", self.folder / "sshd_config", "-D", "-E", self.log])
        until(self._answers)

    until = staticmethod(until)

    def _answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def sessions(self) -> list[int]:
        """Its children: one for each login, and theirs."""
        found, more = [], [self.process.pid] if self.process else []
        while more:
            named = [
                int(pid) for pid in seen(more[0], f"task/{more.pop(0)}/children").split() if "sshd" in seen(pid, "comm")
            ]
            found, more = [*found, *named], [*more, *named]
        return found

    def cut(self) -> None:
        """Every login ends, as a cable does."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Nobody listens any more; logins live on."""
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.log.read_text(), re.MULTILINE))

    @property
    def logins(self) -> int:
        return self.count("Accepted publickey")

    @property
    def commands(self) -> int:
        return self.count("Starting session: command")

    def options(self, **more: object) -> SshOptions:
        return SshOptions(kind="ssh", host="box", config=str(self.config), silent_seconds=3, connect_seconds=5, **more)

    def transport(self, **more: object) -> SshTransport:
        return SshTransport(self.options(**more))


def give_up(why: str) -> None:
    """Skip where somebody tries it by hand; what runs in CI must not be left out."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.fixture
def mounts() -> None:
    """File systems of a test's own."""
    if os.geteuid() != 0:
        give_up("mounting needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets lie there."""
    with tempfile.TemporaryDirectory(prefix="srpo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def sshd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """One that runs; shared logins are its own."""
    if SSHD is None:
        give_up("there is no sshd here: install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    found = Sshd(folder)
    found.start()
    yield found
    found.cut()
    found.stop()


MANIFEST = """
schema = 1
name = "far"
[model]
type = "demo"
base = "builtin"
[repo]
url = "demo:"
[paths]
workspace = "~/far"
[entry.set]
max_train_steps = {steps}
checkpointing_steps = {steps}
preview_steps = 5
step_seconds = {seconds}
[stop]
grace_seconds = 5
"""
FAR = """
[backend.transport]
kind = "ssh"
host = "box"
config = "{config}"
silent_seconds = 3
connect_seconds = 5
"""
GENERIC = """
schema = 1
name = "far"
[model]
type = "generic"
[repo]
url = "demo:"
[paths]
workspace = "{workspace}"
[entry]
command = {command}
[done]
exit_zero = true
[stop]
grace_seconds = 5
[lints]
not-interpolated = "allow"
"""


class Desk(Program):
    """Where a person sits: a folder with a manifest, and memories of its own."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        super().__init__(folder)
        self.sshd = sshd

    def demo(self, *, steps: int = 10, seconds: float = 0.05, more: str = "") -> None:
        text = MANIFEST.format(steps=steps, seconds=seconds) + more + FAR.format(config=self.sshd.config)
        (self.folder / "srpo.toml").write_text(text)

    def command(
        self, *words: str, workspace: str = "~/far", args_file: str | None = None, far: bool = True, more: str = ""
    ) -> None:
        said = json.dumps(words) + (f'\nargs_file = "{args_file}"' if args_file else "")
        text = GENERIC.format(command=said, workspace=workspace) + more
        (self.folder / "srpo.toml").write_text(text + (FAR.format(config=self.sshd.config) if far else ""))

    def node(self) -> Path:
        (found,) = self.sshd.home.glob("far/.srpo/runs/far-*/attempt-1/node-0")
        return found


@pytest.fixture
def desk(sshd):
    """A desk; what was started from it is ended."""
    (sshd.folder / "desk").mkdir()
    found = Desk(sshd.folder / "desk", sshd)
    yield found
    if sshd.process is None:
        sshd.start()
    for run in found.say("runs", "--refresh", "--json").json["runs"]:
        if run["state"] != "ended":
            found.say("stop", run["id"], "--grace", "0")
