from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srpo_manifest.errors import TransportError
from srpo_manifest.piped import PipedTransport, run, which

BOTH = pytest.mark.parametrize("hot", [True, False], ids=["subprocess", "sh"])


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@BOTH
def test_bytes_go_in_and_come_out_exactly(hot: bool):
    """Two megabytes of every byte, in chunks."""
    blob = bytes(range(256)) * 8192
    answer = run(["cat"], data=(blob[i : i + 65536] for i in range(0, len(blob), 65536)), timeout_seconds=30, hot=hot)
    assert answer.status == 0
    assert answer.output == blob


@BOTH
@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", -9), ("kill $$", -15)])
def test_the_status_is_the_commands_own(hot: bool, script: str, status: int):
    """A signal is negative; nothing is raised for a bad end."""
    assert run(["bash", "-c", script], timeout_seconds=30, hot=hot).status == status


@BOTH
def test_a_command_that_does_not_read_is_no_fault(hot: bool):
    """Data that nobody takes is dropped without a deadlock."""
    answer = run(["true"], data=(b"x" * 1_000_000 for _ in range(20)), timeout_seconds=30, hot=hot)
    assert answer.status == 0


@BOTH
def test_the_time_being_over_ends_the_whole_group(hot: bool, tmp_path: Path):
    """A child of the command does not outlive it."""
    pids = tmp_path / "pids"
    with pytest.raises(TransportError) as caught:
        run(["bash", "-c", f"sleep 60 & echo $! $$ > {pids}; wait"], timeout_seconds=0.5, hot=hot)
    assert caught.value.code == "command-timeout"
    for pid in map(int, pids.read_text().split()):
        for _ in range(100):
            if gone(pid):
                break
            time.sleep(0.02)
        assert gone(pid)


@BOTH
def test_a_missing_program_is_named(hot: bool):
    """The error says which, with something to do."""
    with pytest.raises(TransportError) as caught:
        run(["no-such-program"], timeout_seconds=5, hot=hot)
    assert caught.value.code == "program-missing"
    assert caught.value.findings[0].hints


@BOTH
def test_a_fault_while_data_is_made_reaches_the_caller(hot: bool):
    """It is that very fault, and the command has ended."""

    def data():
        yield b"a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        run(["cat"], data=data(), timeout_seconds=30, hot=hot)


@BOTH
def test_a_program_that_cannot_be_started_is_told(hot: bool, tmp_path: Path):
    """A file of another machine, or a script whose interpreter is not there."""
    codes = {}
    for name, text in (("garbage", b"\1\2\3"), ("script", b"#!/no/such/thing\n")):
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o755)
        with pytest.raises(TransportError) as caught:
            run([str(tmp_path / name)], timeout_seconds=5, hot=hot)
        codes[name] = caught.value.code
    assert codes == {"garbage": "program-unusable", "script": "program-missing"}


@BOTH
def test_what_a_command_leaves_behind_is_not_waited_for(hot: bool, tmp_path: Path):
    """A daemon that holds all its ends open costs a moment, not its lifetime."""
    pid = tmp_path / "pid"
    began = time.monotonic()
    left = f"setsid sleep 60 <&0 & echo $! > {pid}"
    answer = run(["bash", "-c", left], data=(b"x" * 65536 for _ in range(9)), timeout_seconds=30, hot=hot)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert (answer.status, time.monotonic() - began < 20) == (0, True)


@pytest.mark.parametrize("prefix", [(), ("env",)], ids=["subprocess", "sh"])
def test_an_interruption_ends_the_command(prefix: tuple[str, ...], tmp_path: Path):
    """Ctrl-C in the waiting process leaves nothing behind."""
    pids = tmp_path / "pids"
    program = (
        "import sys; from srpo_manifest.piped import PipedTransport;"
        f"PipedTransport({prefix}).exec(f'sleep 60 & echo $! $$ > {{sys.argv[1]}}; wait', timeout_seconds=60)"
    )
    waiting = subprocess.Popen([os.sys.executable, "-c", program, pids], stderr=subprocess.DEVNULL)
    while not pids.exists() or not pids.read_text().strip():
        time.sleep(0.02)
    waiting.send_signal(signal.SIGINT)
    waiting.wait(20)
    for pid in map(int, pids.read_text().split()):
        for _ in range(100):
            if gone(pid):
                break
            time.sleep(0.02)
        assert gone(pid)


scripts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(max_examples=25)
@given(scripts, st.binary(max_size=300))
def test_script_and_data_share_one_standard_input(text: str, blob: bytes):
    """The script takes not one byte of its data, whatever both hold."""
    from srpo_manifest.bundling.quoting import quote

    answer = PipedTransport().exec(f"printf '%s\\n' {quote(text)} >&2\ncat\n\n", [blob], timeout_seconds=30)
    assert (answer.status, answer.output, answer.error) == (0, blob, text.encode() + b"\n")


def test_a_script_that_is_cut_off_does_not_run(tmp_path: Path):
    """Half a script is no script: the end mark is missing."""
    from srpo_manifest.piped import REMOTE_COMMAND

    mark = tmp_path / "mark"
    subprocess.run(["bash", "-c", REMOTE_COMMAND], input=f"touch {mark}".encode(), check=False)
    assert not mark.exists()


def test_nothing_of_the_callers_shell_gets_in(monkeypatch, tmp_path: Path):
    """BASH_ENV and exported functions do not run."""
    trap = tmp_path / "trap.sh"
    trap.write_text("echo trapped\n")
    monkeypatch.setenv("BASH_ENV", str(trap))
    monkeypatch.setenv("BASH_FUNC_cat%%", "() { echo trapped; }")
    assert PipedTransport().exec("cat", [b"data"], timeout_seconds=30).output == b"data"


def test_every_match_on_path_is_found_in_order(monkeypatch, tmp_path: Path):
    """The first is what a shell would take; a folder and a plain file are none."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    for name in ("one", "three"):
        tool = tmp_path / name / "tool"
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    (tmp_path / "two" / "tool").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("one", "two", "three", "one")))
    assert which("tool") == (str(tmp_path / "one" / "tool"), str(tmp_path / "three" / "tool"))
    assert which("nothing") == ()
    assert which(str(tmp_path / "one" / "tool")) == (str(tmp_path / "one" / "tool"),)


def test_a_script_with_a_nul_is_no_script():
    """It would be cut off there."""
    with pytest.raises(ValueError, match="NUL"):
        PipedTransport().exec("echo a\0rm -r .", timeout_seconds=5)
