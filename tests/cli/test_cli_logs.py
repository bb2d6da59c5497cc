"""What `logs` makes of a log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from terminal import Terminal, until

from manifests import running

OWN = running("bash", "job.sh")
LOG = (
    b"\x1b[32mgood\x1b[0m start\n"
    + b"".join(b"bar %d%%\r" % n for n in range(101))
    + b"\nodd \xff\xfe\0 bytes\nloss 0.5\r\nlast"
)
SHOWN = b"\x1b[32mgood\x1b[0m start\nbar 100%\nodd \xff\xfe\0 bytes\nloss 0.5\nlast"


@pytest.fixture
def own(place):
    """A job that writes `LOG` and, where there is a file `wait`, waits until it is gone."""
    place.write("srpo.toml", OWN)
    (place.folder / "log.bin").write_bytes(LOG)
    place.write("job.sh", "cat log.bin\nwhile [ -e wait ]; do sleep 0.05; done\n")
    return place


def logs(place, *arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "srpo_manifest", "logs", "last", *arguments],
        cwd=place.folder, env=place.env, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_log_is_shown_as_it_ends_up(own, say):
    """Bars in their last state, any bytes, `--raw` exactly; lines by number, by pattern, by time, and as JSON."""
    assert say("apply").status == 0
    assert logs(own) == SHOWN
    assert logs(own, "--raw") == LOG
    assert logs(own, "-n", "2") == b"loss 0.5\nlast"
    assert logs(own, "-n", "2", "--raw") == b"loss 0.5\r\nlast"
    assert logs(own, "-n", "0") == b""
    assert logs(own, "--grep", "^good|^bar 1") == b"\x1b[32mgood\x1b[0m start\nbar 100%\n"
    assert logs(own, "--grep", "^bar", "--raw") == LOG.split(b"\n")[1] + b"\n"
    assert logs(own, "--grep", "nothing of the kind") == b""
    assert logs(own, "--since", "1h") == SHOWN
    assert logs(own, "--since", "2001-01-01T00:00:00Z", "-n", "1") == b"last"
    assert logs(own, "--since", "2999-01-01") == b""
    lines = [json.loads(line)["line"] for line in logs(own, "--json", "-f").splitlines()]
    assert lines == ["\x1b[32mgood\x1b[0m start", "bar 100%", "odd \ufffd\ufffd\0 bytes", "loss 0.5", "last"]
    (index,) = own.folder.glob(".srpo/runs/*/attempt-1/node-0/log.index")
    index.unlink()
    assert "noted no times" in say("logs", "--since", "1h", "--grep", "last").err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--grep", "("), "pattern-invalid"),
        (("--grep", "*"), "pattern-invalid"),
        (("--since", "yesterday"), "since-unreadable"),
        (("--since", ""), "since-unreadable"),
        (("--since", "5"), "since-unreadable"),
        (("--since", "10x"), "since-unreadable"),
        (("-n", "-1"), "usage"),
    ],
)
def test_what_cannot_be_meant_is_told(say, arguments, code):
    """Before any run is looked for, with what would be right."""
    said = say("logs", *arguments)
    assert (said.status, f"error[{code}]" in said.err, "hint: " in said.err) == (2, True, True), said.err


def test_a_person_sees_the_bar_move(own):
    """On a terminal: the newest state in place, no colours, nothing that the terminal would obey."""
    own.write("wait", "")
    assert own.run("apply", "--detach").status == 0
    screen = Terminal(own, "logs", "-f")
    screen.until("last")
    (own.folder / "wait").unlink()
    assert screen.status() == 0
    assert "good start\r\n" in screen.text
    assert "bar 100%" in screen.text
    assert "bar 50%" not in screen.text
    assert "odd \ufffd\ufffd\\x00 bytes" in screen.text
    assert "[32m" not in screen.text


def test_a_log_that_is_cut_is_followed_from_its_new_beginning(own, say):
    """And this is told; the same of the events is told as damage by `attach`."""
    own.write("wait", "")
    run = say("apply", "--detach").out.strip()
    node = own.folder / ".srpo/runs" / run / "attempt-1/node-0"
    until(lambda: (node / "log").read_bytes() == LOG)
    reader, watcher = own.start("logs", "-f", "--raw"), own.start("attach", "--json")
    assert reader.stdout
    assert reader.stdout.buffer.read(len(LOG)) == LOG
    assert watcher.stdout
    seen = ""
    while "job.started" not in seen:
        seen = watcher.stdout.readline()
    with (node / "log").open("r+b") as log:
        log.truncate()
        os.write(log.fileno(), b"new beginning\n")
    events = (node / "events.jsonl").read_bytes()
    time.sleep(0.5)
    (node / "events.jsonl").write_bytes(events[: events.index(b"\n") + 1].replace(b'"format"', b'"format" '))
    time.sleep(0.5)
    (own.folder / "wait").unlink()
    with reader, watcher:
        assert reader.stdout.read() == "new beginning\n"
        assert reader.stderr
        assert "the log was cut or replaced" in reader.stderr.read()
        told = [json.loads(line) for line in watcher.stdout]
    assert (reader.returncode, watcher.returncode) == (0, 0)
    assert [event["code"] for event in told if event["event"] == "warning.raised"] == ["events-damaged"]
    assert told[-1]["event"] == "run.ended"


def test_a_log_that_grows_is_shown_as_far_as_it_got(own, say):
    """Without `-f` that is the end, however fast the job writes."""
    own.write("job.sh", "while :; do echo line; sleep 0.01; done\n")
    assert say("apply", "--detach").status == 0
    until(lambda: logs(own, "-n", "1"))
    assert set(logs(own).split(b"\n")) <= {b"line", b""}
    assert logs(own, "-n", "2").count(b"line") >= 1
    until(lambda: say("status", "--json").json["state"] == "running")


def test_a_reader_that_goes_away_is_no_failure(own, say):
    """`| head` got what it wanted, of a log that ended, of one that goes on, of events, of any verb's data."""
    own.write("wait", "")
    own.write("job.sh", "cat log.bin\nwhile [ -e wait ]; do echo more; sleep 0.05; done\n")
    run = say("apply", "--detach").out.strip()
    until(lambda: b"more" in logs(own))
    program = f"exec 2>&1; {sys.executable} -m srpo_manifest %s | head %s >/dev/null; echo ${{PIPESTATUS[0]}}"
    for verb, taken in (
        ("logs -f", "-1"),
        ("logs", "-0"),
        ("logs --json -f", "-1"),
        ("attach --json", "-1"),
        ("status", "-0"),
    ):
        done = subprocess.run(
            ["bash", "-c", program % (verb, taken)], cwd=own.folder, env=own.env, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "0", (verb, done.stdout)
    assert say("status").out.startswith(f"{run}  running")
    (own.folder / "wait").unlink()


@pytest.mark.parametrize("verb", [("logs", "-f"), ("logs", "-f", "--raw"), ("wait",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_reader_that_is_told_to_stop_says_so(own, say, verb, number):
    """It has not seen the end: 130, and the run goes on."""
    own.write("wait", "")
    own.write("job.sh", "echo more; while [ -e wait ]; do sleep 0.05; done\n")
    run = say("apply", "--detach").out.strip()
    reader = own.start(*verb)
    time.sleep(1.5)
    reader.send_signal(number)
    _, err = reader.communicate(timeout=60)
    assert (reader.returncode, err.strip()) == (130, "")
    assert say("status").out.startswith(f"{run}  running")
    (own.folder / "wait").unlink()
