"""The one place that starts short processes. The training passes through none of it."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from srpo_manifest.errors import TransportError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.wording import ticked

if TYPE_CHECKING:
    import subprocess

REMOTE_COMMAND = """LC_ALL=C IFS= read -r -d '' script && eval "$script" """.strip()
"""What bash is told to do: read a script up to a NUL byte, whole or not at all, and run it; the rest is its data."""
_UNWANTED = ("BASH_ENV", "ENV", "CDPATH", "SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT")


class _Late(Exception):
    """The time is over."""


class _Mute(_Late):
    """It said nothing for too long."""


def run(
    argv: Sequence[str],
    *,
    data: Iterable[bytes] = (),
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
    hot: bool = False,
    quiet_seconds: float | None = None,
) -> Answer:
    """Run a short command in a session of its own and wait for it; *data* streams to its standard input.

    Bytes go in and come out exactly; the status of a signal is negative. Whatever ends the waiting (the time, Ctrl-C,
    an error while *data* is made) ends the command with everything in its process group. *hot* commands, and all on
    Windows, do without `sh`: its import costs as much as nine Pythons, and it looks for the end ten times a second.
    One that tells its progress on standard error may be given *quiet_seconds*: it is hot, and ended when it says nothing for so long.
    Raises: TransportError `program-missing`, `program-unusable` or `command-timeout`; what *data* raises.
    """
    import tempfile  # noqa: PLC0415 - a plan from saved facts starts nothing

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        command = _Command(tuple(argv), _Feed(data), (output, error), timeout_seconds, env, quiet_seconds)
        hot = hot or quiet_seconds is not None or sys.platform == "win32"
        try:
            status = command.by_subprocess() if hot else command.by_sh()
        except FileNotFoundError as missing:
            raise TransportError(
                "program-missing", f"{ticked(argv[0])} is not there", "install it, or correct its path"
            ) from missing
        except OSError as failure:
            raise TransportError(
                "program-unusable", f"{ticked(argv[0])} cannot be started: {failure.strerror}", "correct its path, or make it executable"
            ) from failure  # fmt: skip
        except _Late as late:
            why = (
                f"said nothing for {quiet_seconds:g}"
                if isinstance(late, _Mute)
                else f"did not end within {timeout_seconds:g}"
            )
            raise TransportError(
                "command-timeout",
                f"{ticked(argv[0])} {why} seconds and was ended",
                "see whether the machine or the network is overloaded, and try again",
            ) from late
        if command.feed.failure is not None:
            raise command.feed.failure
        return Answer(status=status, output=_whole(output), error=_whole(error))


def which(program: str) -> tuple[str, ...]:
    """Every program of that name on PATH, in order, as absolute paths; a path itself when it is one."""
    named = Path(program).name == program
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep) if named else ["."]
    # shutil.which would look into Windows' current folder first
    endings = [""]
    if sys.platform == "win32" and not Path(program).suffix:
        endings = os.environ.get("PATHEXT", ".EXE").split(os.pathsep)
    places = (Path(folder, program + ending) for folder in folders if folder for ending in endings)
    return tuple(
        dict.fromkeys(str(place.absolute()) for place in places if place.is_file() and os.access(place, os.X_OK))
    )


class PipedTransport:
    """A bash behind a command: nothing for this machine, `ssh HOST` and the like for others.

    The command line is constant: the script goes on standard input, before its data, and is seen in no list of
    processes. Subclasses may give `argv` another shape.
    """

    def __init__(self, prefix: Sequence[str] = (), bash: str = "bash", place: str = "this machine") -> None:
        self.prefix, self.bash, self.place = tuple(prefix), bash, place

    @property
    def bash_argv(self) -> tuple[str, ...]:
        """The bash that reads a script, behind the prefix; `-p` has it take no functions and no options from its environment."""
        return (self.bash, "--noprofile", "--norc", "-p", "-c", REMOTE_COMMAND)

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.prefix, *self.bash_argv)

    def exec(self, script: str, data: Iterable[bytes] = (), *, timeout_seconds: float) -> Answer:
        """Run *script* with *data* as its standard input.

        Raises: TransportError where the command cannot be started or does not end in time; ValueError for a NUL in
        *script*, which would cut it off there.
        """
        if "\0" in script:
            raise ValueError("a script for bash holds no NUL")

        def stream() -> Iterator[bytes]:
            yield script.encode("utf-8", "surrogateescape") + b"\0"
            yield from data

        env, hot = _clean_environment(), not self.prefix
        return run(self.argv, data=stream(), timeout_seconds=timeout_seconds, env=env, hot=hot)


class _Feed:
    """Chunks on their way to a standard input; what making them raises is kept."""

    def __init__(self, data: Iterable[bytes]) -> None:
        self._data = data
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._data
        except Exception as failure:  # noqa: BLE001 - it is raised again where the caller waits
            self.failure = failure


class _Command:
    """One command, its files for output, and two ways to start it."""

    def __init__(
        self,
        argv: tuple[str, ...],
        feed: _Feed,
        files: tuple[IO[bytes], IO[bytes]],
        timeout_seconds: float,
        env: Mapping[str, str] | None,
        quiet_seconds: float | None,
    ) -> None:
        self.argv, self.feed, self._timeout_seconds, self._env = argv, feed, timeout_seconds, env
        self._quiet_seconds = quiet_seconds
        self._output, self._error = files

    def by_subprocess(self) -> int:
        """The exit status. Raises: OSError; _Late."""
        import subprocess  # noqa: PLC0415 - likewise

        with contextlib.ExitStack() as ending:
            with _signals_held():
                process = subprocess.Popen(  # noqa: S603 - no shell reads the argv
                    self.argv,
                    stdin=subprocess.PIPE,
                    stdout=self._output,
                    stderr=self._error,
                    env=self._env,
                    start_new_session=True,
                    bufsize=0,
                )
                feeder = threading.Thread(target=self._write, args=(process.stdin,), daemon=True)
                feeder.start()
                # not for ever: what the command left behind may hold its input open and read nothing
                ending.callback(feeder.join, 1)
                ending.callback(_end_process, process)
            return self._ended(process)

    def by_sh(self) -> int:
        """The exit status, through `sh`. Raises: OSError; _Late."""
        import sh  # noqa: PLC0415 - does not import on Windows, and costs

        try:
            program = sh.Command(self.argv[0])
        except sh.CommandNotFound as missing:
            raise FileNotFoundError(2, "no such program", self.argv[0]) from missing
        with contextlib.ExitStack() as ending:
            with _signals_held():
                try:
                    running = program(
                        *self.argv[1:], _in=self.feed, _out=self._output, _err=self._error, _env=dict(os.environ if self._env is None else self._env),
                        _new_session=True, _tty_out=False, _bg=True, _bg_exc=False, _no_pipe=True, _return_cmd=True,
                    )  # fmt: skip
                except sh.ForkException as failure:
                    # the fault that the child met comes as the text of its traceback
                    found = re.search(r"\[Errno (\d+)\]", str(failure))
                    number = int(found[1]) if found else errno.EINVAL
                    raise OSError(number, os.strerror(number)) from failure
                ending.callback(_end_running, running)
            try:
                running.wait(timeout=self._timeout_seconds)
            except sh.ErrorReturnCode as ended:
                return int(ended.exit_code)
            except sh.TimeoutException as late:
                raise _Late from late
            return int(running.exit_code)

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        """The exit status. Raises: _Late; _Mute where its standard error stands still for too long."""
        import subprocess  # noqa: PLC0415 - likewise

        start = heard = time.monotonic()
        quiet = math.inf if self._quiet_seconds is None else self._quiet_seconds
        size = 0
        while True:
            patience = min(start + self._timeout_seconds, heard + quiet) - time.monotonic()
            try:
                return process.wait(patience if quiet == math.inf else min(patience, 1))
            except subprocess.TimeoutExpired as late:
                now, grown = time.monotonic(), os.fstat(self._error.fileno()).st_size
                if grown != size:
                    size, heard = grown, now
                if now >= start + self._timeout_seconds:
                    raise _Late from late
                if now >= heard + quiet:
                    raise _Mute from late

    def _write(self, stdin: IO[bytes]) -> None:
        with contextlib.suppress(BrokenPipeError), stdin:
            for chunk in self.feed:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(stdin.fileno(), rest) :]


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """What would interrupt a start comes right after it: a command of unknown number could not be ended."""
    came: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        _end_group(process.pid)
        process.wait()


def _end_running(running: Any) -> None:
    if running.process.is_alive()[0]:
        _end_group(running.pid)
        running.process.wait()


def _end_group(pid: int) -> None:
    """KILL the command and all that stayed in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL)


def _clean_environment() -> dict[str, str]:
    """Ours, without what would make a bash run other things first."""
    return {
        name: value for name, value in os.environ.items() if name not in _UNWANTED and not name.startswith("BASH_FUNC_")
    }
