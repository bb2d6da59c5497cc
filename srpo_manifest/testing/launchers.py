"""What every backend promises of runs: a plugin inherits the suite, and names what a manifest says to use it."""

from __future__ import annotations

import hashlib
import json
import random
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from srpo_manifest.plugin import PipedTransport, Transport, quote
from srpo_manifest.testing.program import Program, Said
from srpo_manifest.testing.transports import awkward, sendable
from srpo_manifest.testing.waiting import until

_ASK_SECONDS = 60.0
_WORDS = 300
_LINES = 100_000
_FAULTS = {
    "exit-zero": "unverified",
    "crash=2": "failed",
    "sessions,ignore-term,spawn-orphan": "succeeded",
    "chatty=2": "succeeded",
}
"""Of the demo trainer (its README tells each), and how the run ends all the same."""
_OURS = """for entry in /proc/[0-9]*; do
  tr '\\0' '\\n' 2>/dev/null <"$entry/environ" | grep -qxF "SRPO_RUN_ID=$run" && echo "${entry#/proc/}"
done
"""
_SUPERVISORS = """for entry in /proc/[0-9]*; do
  tr '\\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -F "supervise" | grep -qF "$run" && echo "${entry#/proc/}"
done
"""
_SAID = "{ cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; find . -type f -exec cat -- {} +; }"


class Backend(NamedTuple):
    """What a manifest says to use it.

    `tables` is the TOML of `[backend.transport]` and `[backend.launcher]`; `workspace` is a folder there that need not exist, absolute or
    beginning with `~/`; `there` reaches the same machine, for a look at what runs leave; `env` is set for the program.
    """

    tables: str
    workspace: str
    there: Transport = PipedTransport()
    env: dict[str, str] = {}


class Seat(Program):
    """Where a person sits who uses *backend*."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        super().__init__(folder)
        self.backend = backend
        self.env |= backend.env
        self._paths = f'[paths]\nworkspace = "{backend.workspace}"\n'

    def job(self, *command: str, keys: str = "", tables: str = "") -> None:
        """A manifest whose job is *command*."""
        self.manifest(keys, self._paths + tables + self.backend.tables, command=command)

    def demo(self, *, steps: int = 4, fault: str = "", tables: str = "") -> None:
        """A manifest that trains the miniature trainer: done with its first checkpoint."""
        env = f'[env]\nDEMO_FAULT = "{fault}"\n' if fault else ""
        text = (
            'schema = 1\nname = "a-run"\n[repo]\nurl = "demo:"\n[model]\ntype = "demo"\nbase = "builtin"\n'
            f"[entry.set]\nmax_train_steps = {steps}\ncheckpointing_steps = {steps}\npreview_steps = 2\nstep_seconds = 0.02\n"
            f"{env}{self._paths}{tables}{self.backend.tables}"
        )
        (self.folder / "srpo.toml").write_text(text, encoding="utf-8")

    def detached(self) -> str:
        """Apply, and leave. Returns: the run's id."""
        said = self.say("apply", "--detach")
        assert said.status == 0, said.err
        return said.out.strip()

    def status(self, *run: str) -> dict[str, Any]:
        """What `status` tells."""
        said = self.say("status", *run, "--json")
        assert said.status == 0, said.err
        found: dict[str, Any] = said.json
        return found

    def running(self) -> None:
        """Wait until the job prints."""
        until(lambda: self.status()["state"] == "running" and "begun" in self.say("logs", "--raw").out)

    def ended(self) -> dict[str, Any]:
        """Wait for the end, and tell it."""
        self.say("wait")
        return self.status()

    def there(self, script: str, *data: bytes) -> bytes:
        """What a script says there, in the workspace."""
        home, path = ('"$HOME"/', self.backend.workspace[2:]) if self.backend.workspace.startswith("~/") else ("", "")
        folder = home + quote(path or self.backend.workspace)
        answer = self.backend.there.exec(f"cd {folder} || exit\n{script}", data, timeout_seconds=_ASK_SECONDS)
        assert answer.status == 0, answer.complaint
        return answer.output

    def left(self, run: str) -> list[int]:
        """Processes there that carry the run's id."""
        return [int(pid) for pid in self.there(f"run={quote(run)}\n{_OURS}:").split()]


class LauncherSuite:
    """Inherit it in a `Test…` class that overrides the fixture `backend`. Its runs are real: they need no GPU and no network."""

    statuses: ClassVar[Iterable[int]] = (0, 1, 2, 42, 126, 255)
    """Exit statuses that jobs end with, each in a run of its own: `range(256)` tries all of them."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each of them."""
        if "number" in metafunc.fixturenames:
            metafunc.parametrize("number", self.statuses)

    @pytest.fixture
    def backend(self) -> Backend:
        """The one under test."""
        raise NotImplementedError("a suite that inherits this one names its backend")

    @pytest.fixture
    def seat(self, backend: Backend, tmp_path: Path) -> Iterator[Seat]:
        """Where a person sits; what was started from there is ended."""
        folder = tmp_path / "seat"
        folder.mkdir()
        found = Seat(folder, backend)
        yield found
        for run in found.say("runs", "--refresh", "--json").json["runs"]:
            if run["state"] != "ended":
                found.say("stop", run["id"], "--grace", "0")

    def test_the_demo_trains_to_its_end(self, seat: Seat) -> None:
        """Attached: every event is told, what it wrote is whole there, nothing of it is left, and there is nothing more to do."""
        seat.demo()
        said = seat.say("apply", "--json")
        assert said.status == 0, said.err
        names = [event["event"] for event in said.events]
        assert {"job.started", "progress.made", "checkpoint.written", "image.written"} <= {*names}
        assert (names[0], names[-1], said.events[-1]["outcome"]) == ("stream.opened", "run.ended", "succeeded")
        run = said.events[-1]["run"]
        status = seat.status(run)
        whole = [found for found in status["checkpoints"] if found["whole"]]
        files = [(f"{found['path']}/{file['path']}", file["digest"]) for found in whole for file in found["files"]]
        assert files
        for path, digest in files:
            assert seat.there(f"sha256sum <{quote(path)}").split()[0].decode() == digest
        assert seat.left(run) == []
        assert "***** Running training *****" in seat.say("logs", "--raw").out
        again = seat.say("apply")
        assert (again.status, "there is nothing to do" in again.err) == (0, True)

    def test_a_dry_run_starts_no_job(self, seat: Seat) -> None:
        """It prepares and checks there."""
        seat.demo()
        said = seat.say("apply", "--dry-run", "--json")
        assert said.status == 0, said.err
        assert "job.started" not in {event["event"] for event in said.events}
        assert seat.say("plan", "--detailed-exitcode").status == 6

    def test_a_run_goes_on_without_us_and_is_found_again(self, seat: Seat) -> None:
        """Detached, seen, attached from its first event: the record alone is needed, and each line of the log comes once."""
        seat.job("bash", "-c", "echo begun; for i in $(seq 1 40); do echo line $i; sleep 0.05; done")
        run = seat.detached()
        (seat.folder / "srpo.toml").unlink()
        assert seat.status(run)["state"] in {"pending", "preparing", "running", "stopping", "ended"}
        attached = seat.say("attach", run, "--json")
        assert attached.status == 0, attached.err
        assert "job.started" in {event["event"] for event in attached.events}
        assert attached.events[-1]["outcome"] == "succeeded"
        assert seat.say("wait", run).out == f"{run} succeeded\n"
        lines = [line for line in seat.say("logs", "--raw").out.splitlines() if line.startswith("line")]
        assert lines == [f"line {number}" for number in range(1, 41)]

    def test_much_output_is_whole(self, seat: Seat) -> None:
        """Every line of it, in order."""
        seat.job("seq", str(_LINES))
        seat.detached()
        assert seat.ended()["outcome"] == "succeeded"
        lines = [line for line in seat.say("logs", "--raw").out.splitlines() if line.isdigit()]
        assert lines == [str(number) for number in range(1, _LINES + 1)]

    def test_a_client_that_is_killed_is_not_missed(self, seat: Seat) -> None:
        """The run goes on, and another client attaches."""
        seat.job("bash", "-c", "echo begun; sleep 4; echo over")
        client = seat.start("apply")
        until(lambda: seat.say("runs", "--json").json["runs"])
        seat.running()
        client.send_signal(signal.SIGKILL)
        client.communicate()
        assert seat.say("attach").status == 0
        assert "over" in seat.say("logs", "--raw").out

    def test_a_stop_is_graceful(self, seat: Seat) -> None:
        """The job is asked by TERM and has its grace; nothing of it is left."""
        seat.job("bash", "-c", "trap 'sleep 0.5; echo farewell; exit 0' TERM; echo begun; while :; do sleep 0.1; done")
        run = seat.detached()
        seat.running()
        stopped = seat.say("stop", "--json")
        assert (stopped.status, stopped.json["outcome"]) == (0, "stopped"), stopped.err
        assert "farewell" in seat.say("logs", "--raw").out
        assert seat.left(run) == []
        assert seat.say("wait", run).status == 1

    def test_who_ignores_a_stop_is_ended_after_its_grace(self, seat: Seat) -> None:
        """With all that it started, in sessions of their own as well."""
        script = "trap '' TERM; setsid sleep 600 & (trap '' TERM; sleep 600) & echo begun; while :; do sleep 0.1; done"
        seat.job("bash", "-c", script, tables="[stop]\ngrace_seconds = 1\n")
        run = seat.detached()
        seat.running()
        stopped = seat.say("stop", "--json")
        assert (stopped.status, stopped.json["outcome"]) == (0, "stopped"), stopped.err
        assert "killed after the grace" in stopped.json["reason"]
        assert seat.left(run) == []

    def test_a_jobs_exit_status_is_told_as_it_is(self, seat: Seat, number: int) -> None:
        """Those among them with which shells, ssh and schedulers report troubles of their own."""
        seat.job("bash", "-c", f"exit {number}")
        said = seat.say("apply")
        assert said.status == (number != 0), said.err
        status = seat.status()
        assert (status["outcome"], status["exit"]) == ("failed" if number else "succeeded", number)

    def test_a_job_that_is_killed_has_failed(self, seat: Seat) -> None:
        """And is told to have been."""
        seat.job("bash", "-c", "kill -9 $$")
        assert seat.say("apply").status == 1
        status = seat.status()
        assert (status["outcome"], "killed by signal 9" in status["reason"]) == ("failed", True)

    @pytest.mark.parametrize("fault", _FAULTS)
    def test_a_trainer_that_misbehaves_is_told_truly(self, seat: Seat, fault: str) -> None:
        """Whatever it leaves behind is gone."""
        seat.demo(fault=fault, tables="[stop]\ngrace_seconds = 1\n")
        said = seat.say("apply", "--json")
        assert said.events[-1]["outcome"] == _FAULTS[fault], said.err
        assert said.status == (_FAULTS[fault] != "succeeded")
        assert seat.left(said.events[-1]["run"]) == []

    def test_a_far_side_that_is_killed_is_told_truly(self, seat: Seat) -> None:
        """All of it at once, supervisors too: that is no success, and no run that goes on for ever."""
        seat.job("bash", "-c", "echo begun; sleep 600")
        run = seat.detached()
        seat.running()
        seat.there(f"run={quote(run)}\nkill -9 $({_SUPERVISORS}{_OURS}) 2>/dev/null || :")
        until(lambda: seat.status()["state"] == "ended")
        assert seat.status()["outcome"] in {"failed", "lost"}
        assert seat.left(run) == []
        assert seat.say("wait", run).status == 1

    def test_awkward_words_and_variables_arrive_as_they_are(self, seat: Seat) -> None:
        """Byte for byte, whatever is between here and there."""
        words = [word for word in map(sendable, awkward(2, _WORDS)) if not word.startswith("-")]
        env = {f"VALUE_{number:04}": sendable(word) for number, word in enumerate(awkward(3, _WORDS))}
        (seat.folder / "args.json").write_text(json.dumps({"env": env}), encoding="utf-8")
        program = 'printf "%s\\0" "$@" >"$SRPO_RUN_DIR/argv"; env -0 | grep -z ^VALUE_ | sort -z >"$SRPO_RUN_DIR/env"'
        seat.job(
            "bash",
            "-c",
            program,
            "x",
            tables='[lints]\nnot-interpolated = "allow"\n',
        )
        text = (seat.folder / "srpo.toml").read_text(encoding="utf-8")
        (seat.folder / "srpo.toml").write_text(
            text.replace("[entry]\n", '[entry]\nargs_file = "args.json"\n'), encoding="utf-8"
        )
        said = seat.say("apply", "--json", "--", *words)
        assert said.status == 0, said.err[-2000:]
        node = f".srpo/runs/{said.events[-1]['run']}/attempt-1/node-0"
        assert seat.there(f"cat {node}/argv") == b"".join(word.encode() + b"\0" for word in words)
        expected = sorted(f"{name}={value}".encode() + b"\0" for name, value in env.items())
        assert seat.there(f"cat {node}/env") == b"".join(expected)

    def test_a_secret_is_nowhere_but_in_the_job(self, seat: Seat) -> None:
        """In no list of processes, no file there but what the job itself writes, and no file here."""
        secret = f"canary-{random.randrange(10**12):012}"  # noqa: S311 - no secret of anybody
        seat.job(
            "bash",
            "-c",
            'echo begun; printf %s "$TOKEN" | sha256sum; until [ -e "$SRPO_RUN_DIR/go" ]; do sleep 0.1; done',
            tables='[env]\nTOKEN = { env = "MY_TOKEN" }\n',
        )
        said = seat.say("apply", "--detach", MY_TOKEN=secret)
        assert said.status == 0, said.err
        run = said.out.strip()
        seat.running()
        told = [said.out, said.err, *(self.words(seat.say(*verb, run)) for verb in (["status", "--json"], ["logs"]))]
        assert hashlib.sha256(secret.encode()).hexdigest() in told[-1]
        search = f'read -r secret\n{_SAID} | grep -cFf <(printf %s "$secret") || :'
        assert seat.there(search, f"{secret}\n".encode()) == b"0\n"
        seat.there(f"touch .srpo/runs/{quote(run)}/attempt-1/node-0/go")
        assert seat.ended()["outcome"] == "succeeded"
        assert seat.there(search, f"{secret}\n".encode()) == b"0\n"
        assert [text for text in told if secret in text] == []
        assert [
            path for path in seat.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
        ] == []

    @staticmethod
    def words(said: Said) -> str:
        """All that a command said."""
        return said.out + said.err

    def test_two_runs_at_once_keep_apart(self, seat: Seat, backend: Backend) -> None:
        """Each has its own log and its own end."""
        other = Seat(seat.folder / "other", backend)
        other.folder.mkdir()
        for one, name in ((seat, "first"), (other, "second")):
            one.job("bash", "-c", f"echo {name}; sleep 1; [ {name} = first ]")
            path = one.folder / "srpo.toml"
            path.write_text(path.read_text().replace('"a-run"', f'"{name}"'))
        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(lambda one: one.say("apply"), (seat, other)))
        assert [one.status for one in said] == [0, 1], [one.err for one in said]
        logs = [one.say("logs", "--raw").out for one in (seat, other)]
        assert [("first" in log, "second" in log) for log in logs] == [(True, False), (False, True)]

    def test_a_second_apply_finds_the_run_that_goes_on(self, seat: Seat) -> None:
        """It starts no other one."""
        seat.job("bash", "-c", "echo begun; sleep 600")
        seat.detached()
        seat.running()
        again = seat.say("apply")
        assert (again.status, "already-running" in again.err) == (4, True), again.err

    def test_a_run_whose_folder_is_gone_is_told_so(self, seat: Seat) -> None:
        """What was last seen of it is told beside."""
        seat.job("bash", "-c", "echo begun; sleep 600")
        run = seat.detached()
        seat.running()
        assert seat.say("stop").status == 0
        seat.there(f"rm -rf -- .srpo/runs/{quote(run)}")
        assert "run-absent" in self.words(seat.say("status"))
        assert seat.status()["outcome"] == "stopped"
