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
    """One, with keys of its own; `config` is the configuration of who reaches it as *name*."""

    def __init__(self, folder: Path, name: str = "box") -> None:
        self.folder, self.config, self.log, self.name = folder, folder / "ssh_config", folder / "log", name
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".bashrc").touch()
        for key in ("host", "other", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        self.address = "127.0.0.1"
        with socket.socket() as free:
            free.bind((self.address, 0))
            self.port = free.getsockname()[1]
        self.trust("host")
        self.configure()
        self.process: subprocess.Popen[bytes] | None = None

    def trust(self, *keys: str) -> None:
        """Write down whose keys are known."""
        at = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        lines = [f"{at} {' '.join(self.key(key).split()[:2])}\n" for key in keys]
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
            f"HostName {self.address}", f"Port {self.port}", f"User {getpass.getuser()}", f"IdentityFile {self.folder / key}",
            "IdentitiesOnly yes", "IdentityAgent none", f"UserKnownHostsFile {self.folder / 'known_hosts'}",
            "GlobalKnownHostsFile /dev/null",
        )  # fmt: skip
        self.config.write_text("\n  ".join([f"Host {self.name}", *lines, *mine]) + "\n")

    def start(self, key: str = "host") -> None:
        """With *key* as its own; its users have a home of their own."""
        settings = (
            f"Port {self.port}", f"ListenAddress {self.address}", f"HostKey {self.folder / key}", f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "PidFile none", "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password", f"AllowUsers {getpass.getuser()}", "UseDNS no", "LogLevel VERBOSE",
            "MaxStartups 100:30:200", "MaxSessions 64", f"SetEnv HOME={self.home}",
        )  # fmt: skip
        (self.folder / "sshd_config").write_text("\n".join(settings) + "\n")
        self.process = subprocess.Popen(self._command())
        until(self._answers)

    def _command(self) -> list[str]:
        return [str(SSHD), "-f", f"{self.folder}/sshd_config", "-D", "-E", str(self.log)]

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

    def off(self) -> None:
        """It answers nobody any more; what runs there lives on."""
        self.cut()
        self.stop()

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


class Machine(Sshd):
    """An sshd with network, processes, name and shared memory of its own; the client sits in the network of *desk*."""

    def __init__(self, folder: Path, number: int, desk: str) -> None:
        super().__init__(folder, f"gpu-{number}")
        self.namespace, self.desk = f"{desk}-{number}", desk
        self.address, self.port = f"10.77.0.1{number}", 22
        for words in (
            f"netns add {self.namespace}", f"-n {self.namespace} link set lo up",
            f"link add eth0 netns {self.namespace} type veth peer name p{number} netns {desk}",
            f"-n {desk} link set p{number} master br0 up", f"-n {self.namespace} addr add {self.address}/24 dev eth0",
            f"-n {self.namespace} link set eth0 up",
        ):  # fmt: skip
            ip(words)
        self.trust("host")
        self.configure()

    def _command(self) -> list[str]:
        apart = ["ip", "netns", "exec", self.namespace, "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]  # fmt: skip
        begin = 'hostname "$0"; mount -t tmpfs tmpfs /dev/shm; "$@" & while :; do wait; sleep 0.1; done'
        return [*apart, "bash", "-c", begin, self.name, *super()._command()]

    def _answers(self) -> bool:
        tried = ["ip", "netns", "exec", self.desk, "bash", "-c", f"exec 3<>/dev/tcp/{self.address}/{self.port}"]
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0

    def die(self) -> None:
        """Every process there is gone at once."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def lose(self, address: str) -> None:
        """Nothing that is sent there arrives."""
        ip(f"-n {self.namespace} route add blackhole {address}/32")

    def link(self, state: str) -> None:
        """`down`, as when a cable is pulled out, or `up`."""
        ip(f"-n {self.namespace} link set eth0 {state}")


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)


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
def logins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An sshd can be started, and shared logins are the test's own."""
    if SSHD is None:
        give_up("there is no sshd here: install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))


@pytest.fixture
def sshd(folder: Path, logins: None) -> Iterator[Sshd]:
    """One that runs."""
    found = Sshd(folder)
    found.start()
    yield found
    found.off()


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


FLEET = """
[resources]
nodes = {count}
gpus_per_node = 1
[backend.transport]
kind = "ssh"
hosts = {hosts}
config = "{config}"
silent_seconds = 3
connect_seconds = 5
"""


class Fleet(Program):
    """A desk before several machines, the first of them the chief: each an sshd with a home of its own."""

    def __init__(self, folder: Path, machines: list[Sshd]) -> None:
        super().__init__(folder)
        self.machines, self.config = machines, folder / "ssh_config"
        self.config.write_text("".join(machine.config.read_text() for machine in machines))

    @property
    def tables(self) -> str:
        """What the manifest says of them."""
        hosts = json.dumps([machine.name for machine in self.machines])
        return FLEET.format(count=len(self.machines), hosts=hosts, config=self.config)

    def demo(self, *, steps: int = 10, seconds: float = 0.05, more: str = "") -> None:
        text = MANIFEST.format(steps=steps, seconds=seconds) + more + self.tables
        (self.folder / "srpo.toml").write_text(text)

    def command(self, *words: str, more: str = "") -> None:
        """Every node runs the same."""
        text = GENERIC.format(command=json.dumps(words), workspace="~/far") + more
        (self.folder / "srpo.toml").write_text(text + self.tables)

    def running(self) -> None:
        """A run that goes on everywhere, and nobody is attached."""
        self.command("sleep", "600")
        assert self.say("apply", "--detach").status == 0
        self.machines[0].until(lambda: self.say("status", "--json").json["state"] == "running")

    def node(self, index: int) -> Path:
        """Its folder of the only run."""
        (found,) = self.machines[index].home.glob(f"far/.srpo/runs/far-*/attempt-1/node-{index}")
        return found


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
def fleet(folder, logins):
    """Three machines; what was started there is ended."""
    machines = []
    for number in range(3):
        (folder / f"m{number}").mkdir()
        machines.append(Sshd(folder / f"m{number}", f"gpu-{number}"))
    (folder / "desk").mkdir()
    found = Fleet(folder / "desk", machines)
    for machine in machines:
        machine.start()
    yield found
    for machine in machines:
        if machine.process is None:
            machine.start()
    for run in found.say("runs", "--refresh", "--json").json["runs"]:
        if run["state"] != "ended":
            found.say("stop", run["id"], "--grace", "0")
    for machine in machines:
        machine.off()


class Apart(Fleet):
    """A desk in the network of the machines."""

    def __init__(self, folder: Path, machines: list[Machine], network: str) -> None:
        super().__init__(folder, machines)
        self.network = network

    @property
    def argv(self) -> list[str]:
        return ["ip", "netns", "exec", self.network, *super().argv]


@pytest.fixture
def apart(folder, logins):
    """Two machines, each in namespaces of its own, and a desk in a third network; nothing of it reaches this machine's."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        give_up("namespaces need root, `ip` and `unshare`: install iproute2")
    network = f"srpo{os.getpid()}"
    if (
        refused := subprocess.run(["ip", "netns", "add", network], capture_output=True, text=True, check=False)
    ).returncode:
        pytest.skip(f"this kernel gives no namespaces: {refused.stderr.strip()}")
    machines: list[Machine] = []
    try:
        for words in (f"-n {network} link set lo up", f"-n {network} link add br0 type bridge",
                      f"-n {network} link set br0 up", f"-n {network} addr add 10.77.0.254/24 dev br0"):  # fmt: skip
            ip(words)
        for number in range(2):
            (folder / f"m{number}").mkdir()
            machines.append(Machine(folder / f"m{number}", number, network))
            machines[-1].start()
        (folder / "desk").mkdir()
        yield Apart(folder / "desk", machines, network)
    finally:
        for machine in machines:
            machine.die()
            ip(f"netns del {machine.namespace}")
        ip(f"netns del {network}")


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
