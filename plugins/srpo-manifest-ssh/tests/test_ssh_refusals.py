"""Logins that do not come about: what is told, and that nobody is trusted by the way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from srpo_manifest_ssh.options import SshOptions
from srpo_manifest_ssh.transport import SshTransport

from srpo_manifest.plugin import TransportError
from srpo_manifest.testing import Program


def refused(transport, seconds: float = 30.0) -> TransportError:
    with pytest.raises(TransportError) as found:
        transport.exec("echo never; sleep 40", timeout_seconds=seconds)
    return found.value


@pytest.mark.fault(59, "host-unknown")
def test_an_unknown_host_is_not_trusted(sshd):
    """Its fingerprint is told, and the command that would accept it; nothing is written down."""
    sshd.trust()
    error = refused(sshd.transport())
    assert error.code == "host-unknown"
    assert sshd.fingerprint("host") in str(error)
    assert f"`ssh -F {sshd.config} -o StrictHostKeyChecking=ask box`" in error.findings[0].hints[-1]
    assert (sshd.folder / "known_hosts").read_text() == ""


@pytest.mark.fault(59, "host-key-changed")
def test_a_changed_host_key_is_not_trusted(sshd):
    """Not even where a login is shared, once that has ended; both keys can be seen."""
    assert sshd.transport().exec("echo one", timeout_seconds=30).output == b"one\n"
    sshd.cut()
    sshd.stop()
    sshd.start("other")
    before = (sshd.folder / "known_hosts").read_text()
    error = refused(sshd.transport())
    assert error.code == "host-key-changed"
    assert sshd.fingerprint("other") in str(error)
    assert f"line 1 of {sshd.folder}/known_hosts" in str(error)
    assert any("ssh-keygen -lf" in hint for hint in error.findings[0].hints)
    assert (sshd.folder / "known_hosts").read_text() == before
    sshd.trust("other")
    assert sshd.transport().exec("echo two", timeout_seconds=30).output == b"two\n"


@pytest.mark.parametrize("setting", ["StrictHostKeyChecking no", "StrictHostKeyChecking accept-new"])
def test_no_configuration_makes_us_trust(sshd, setting):
    """What a person has set for `ssh` by hand is not what a program may do."""
    sshd.trust()
    sshd.configure(setting)
    assert refused(sshd.transport()).code == "host-unknown"
    assert (sshd.folder / "known_hosts").read_text() == ""


@pytest.mark.fault(60, "login-refused")
def test_a_key_that_is_not_taken(sshd):
    """Soon, without a prompt, and with what to try by hand."""
    sshd.configure(key="stranger")
    begun = time.monotonic()
    error = refused(sshd.transport())
    assert time.monotonic() - begun < 10
    assert error.code == "login-refused"
    assert "Permission denied (publickey)" in str(error)
    assert any(f"`ssh -F {sshd.config} box`" in hint for hint in error.findings[0].hints)


def test_a_machine_that_nobody_knows(sshd):
    """A name that has no address."""
    sshd.configure("HostName no-such-machine.invalid")
    error = refused(sshd.transport())
    assert (error.code, "no-such-machine.invalid" in str(error)) == ("host-unreachable", True)


def test_a_machine_that_is_off(sshd):
    """Nobody listens."""
    sshd.stop()
    error = refused(sshd.transport())
    assert (error.code, "Connection refused" in str(error)) == ("host-unreachable", True)


def test_a_machine_that_says_nothing_while_we_log_in(sshd):
    """Its sshd hangs: the login has its own limit."""
    assert sshd.process
    os.kill(sshd.process.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert refused(sshd.transport(), 60).code == "host-unreachable"
        assert time.monotonic() - begun < 20
    finally:
        os.kill(sshd.process.pid, signal.SIGCONT)


def test_a_machine_that_falls_silent(sshd):
    """A command that runs is given up after `silent_seconds`; the next one has a login of its own."""
    transport = sshd.transport()
    with ThreadPoolExecutor(1) as aside:
        running = aside.submit(refused, transport, 60)
        transport.exec("true", timeout_seconds=30)
        sshd.until(lambda: sshd.commands == 2)
        silent = sshd.sessions()
        begun = time.monotonic()
        for pid in silent:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert running.result().code == "contact-lost"
            assert transport.exec("echo again", timeout_seconds=30).output == b"again\n"
            assert time.monotonic() - begun < 20
        finally:
            for pid in silent:
                os.kill(pid, signal.SIGKILL)


def test_there_is_no_bash(sshd):
    """Neither of that name, nor at that path."""
    for bash in ("no-such-bash", "/no/such/bash"):
        error = refused(sshd.transport(bash=bash))
        assert (error.code, "box" in str(error)) == ("no-bash", True)


def test_there_is_no_ssh(sshd, monkeypatch):
    """On this machine."""
    transport = sshd.transport()
    monkeypatch.setenv("PATH", str(sshd.folder / "empty"))
    assert refused(transport).code == "program-missing"


def test_a_configuration_that_ssh_does_not_take(sshd):
    """Ssh's own words tell the line."""
    sshd.configure("NoSuchWord yes")
    error = refused(sshd.transport())
    assert error.code == "ssh-config"
    assert "bad configuration options" in str(error)
    sshd.config.unlink()
    assert refused(sshd.transport()).code == "ssh-config"


def test_a_configuration_cannot_add_forwards_or_commands(sshd):
    """Nothing listens, nobody's agent travels, no command of the configuration runs here or there."""
    marker = sshd.folder / "ran"
    sshd.configure(
        "ForwardAgent yes", "ForwardX11 yes", f"LocalForward {sshd.folder}/forward 127.0.0.1:1",
        f"RemoteForward {sshd.folder}/back 127.0.0.1:1", "PermitLocalCommand yes", f"LocalCommand touch {marker}",
        f"RemoteCommand touch {marker}", "RequestTTY force", "SessionType none", "StdinNull yes", "ForkAfterAuthentication yes",
        "LogLevel QUIET", "BatchMode no", "ControlMaster no", "ControlPath none", "ClearAllForwardings no",
    )  # fmt: skip
    answer = sshd.transport().exec(
        'cat; tty; echo "${SSH_AUTH_SOCK-none} ${DISPLAY-none}"', (b"data\n",), timeout_seconds=30
    )
    assert answer.output == b"data\nnot a tty\nnone none\n"
    assert not marker.exists()
    assert not (sshd.folder / "forward").exists()
    assert not (sshd.folder / "back").exists()


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "a b", "a;b", "a$(id)", "a%h", "", "a\nb", "user@host", "`id`"])
def test_what_is_no_host(host):
    """Ssh puts it into commands that a shell reads."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "ssh", "host": host}, SshOptions)


@pytest.mark.parametrize("host", ["box", "10.0.0.1", "fe80::1", "gpu-1.example.org", "_x"])
def test_what_is_a_host(host):
    """Names, addresses, and what a configuration calls it."""
    assert msgspec.convert({"kind": "ssh", "host": host}, SshOptions).host == host


def test_sockets_lie_where_nobody_else_reaches(sshd, monkeypatch):
    """A folder that others can write to is refused; one whose path is too long is not taken."""
    folder = sshd.folder / "run" / f"srpo-ssh-{os.getuid()}"
    sshd.transport().exec("true", timeout_seconds=30)
    assert folder.stat().st_mode & 0o777 == 0o700
    (socket,) = folder.iterdir()
    assert socket.is_socket()
    folder.chmod(0o777)
    assert refused(sshd.transport()).code == "control-folder"
    folder.chmod(0o700)
    deep = sshd.folder / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{sshd.folder}/a ${{HOME}} %h")
    Path(os.environ["XDG_RUNTIME_DIR"]).mkdir()
    sshd.transport().exec("true", timeout_seconds=30)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    sshd.transport().exec("true", timeout_seconds=30)
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["exit 0", "cat >/dev/null", "exec bash", "exec sh", "read -r x; exit 3", "kill -9 $$"]
)
def test_a_login_file_that_takes_our_place(sshd, line):
    """It is told where to look, and nothing that we send is run as commands of another shell."""
    (sshd.home / ".bashrc").write_text(f"{line}\n")
    marker = sshd.folder / "ran"
    with pytest.raises(TransportError) as found:
        sshd.transport().exec("true", (f"\ntouch {marker}\n".encode() * 20,), timeout_seconds=30)
    assert found.value.code in ("login-shell", "contact-lost" if "kill" in line else "login-shell", "ssh-failed")
    assert not marker.exists()


def test_two_machines_of_one_address_share_no_login(sshd, folder):
    """Behind two gates, or trusted under two names: the way there is part of what is shared."""
    transport = sshd.transport()
    transport.exec("true", timeout_seconds=30)
    sshd.config.write_text(
        sshd.config.read_text().replace("Host box", "Host box other") + "Host other\n  HostKeyAlias else\n"
    )
    other = SshTransport(SshOptions(kind="ssh", host="other", config=str(sshd.config)))
    assert refused(other).code == "host-unknown"
    sshd.configure(f"ProxyCommand {sshd.folder}/nobody %h")
    assert refused(sshd.transport()).code in ("host-unreachable", "contact-lost", "ssh-failed")
    assert transport.exec("echo still", timeout_seconds=30).output == b"still\n"


def test_one_that_is_late_takes_no_login_from_others(sshd):
    """They share it, and go on."""
    transport = sshd.transport()
    with ThreadPoolExecutor(1) as aside:
        long = aside.submit(transport.exec, "sleep 5; echo long", timeout_seconds=30)
        sshd.until(lambda: sshd.commands == 1)
        with pytest.raises(TransportError) as late:
            transport.exec("sleep 50", timeout_seconds=1)
        assert late.value.code == "command-timeout"
        assert long.result().output == b"long\n"
    assert sshd.logins == 1


@pytest.mark.fault(64, "replaced")
def test_a_socket_that_nobody_listens_on(sshd):
    """Who shared the login was killed: the next command logs in anew, and the one after that shares it."""
    transport = sshd.transport()
    transport.exec("true", timeout_seconds=30)
    (socket,) = (sshd.folder / "run" / f"srpo-ssh-{os.getuid()}").iterdir()
    (master,) = masters(str(socket))
    os.kill(master, signal.SIGKILL)
    sshd.until(lambda: not masters(str(socket)))
    assert socket.exists()
    for _ in range(2):
        answer = transport.exec("echo again", timeout_seconds=30)
        assert (answer.output, answer.error) == (b"again\n", b"")
    assert sshd.logins == 2


def masters(socket: str) -> list[int]:
    """Processes of ssh that share their login there; they give themselves that name."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text()
            if words.startswith("ssh: ") and socket in words and "[mux]" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("keys", "nodes", "codes"),
    [
        ('hosts = ["gpu-1", "gpu-2"]', 2, []),
        ('hosts = ["gpu-1", "gpu-2"]', 3, ["nodes-unsupported"]),
        ('hosts = ["gpu-1", "gpu-2"]', 1, ["nodes-unsupported"]),
        ('hosts = "gpu-1"', 2, ["wrong-type"]),
        ('hosts = ["gpu-1"]', 2, ["invalid-value"]),
        ('hosts = ["gpu-1", "gpu-1"]', 2, ["impossible-combination"]),
        ('hosts = ["gpu-1", "gpu-2"]\nhost = "gpu-1"', 2, ["impossible-combination"]),
        ("", 2, ["impossible-combination"]),
        ('hots = ["gpu-1", "gpu-2"]', 2, ["unknown-key"]),
    ],
)
def test_what_is_wrong_with_machines_is_told_once(tmp_path, keys, nodes, codes):
    """A list that cannot be read says nothing of how many nodes there are."""
    program = Program(tmp_path)
    program.manifest(tables=f'[resources]\nnodes = {nodes}\n[backend.transport]\nkind = "ssh"\n{keys}\n')
    said = program.say("validate", "--format", "json")
    assert [one["code"] for one in said.json["files"][0]["findings"] if one["level"] == "deny"] == codes
