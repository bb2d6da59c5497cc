"""A bash on another machine: one constant command, the script and its data on standard input."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterable
from functools import cached_property

from srpo_manifest.plugin import Answer, PipedTransport, TransportError, replace
from srpo_manifest_ssh.command import SHARES_LOGINS, remote, ssh
from srpo_manifest_ssh.complaints import why
from srpo_manifest_ssh.control import control_path
from srpo_manifest_ssh.frame import began, complaints, framed, unframed
from srpo_manifest_ssh.options import SshOptions

_OFFERED = re.compile(r"Server host key: \S+ (SHA256:\S+)")
_ASK_SECONDS = 15
_FAILED = 255
"""What ssh itself ends with; other statuses come from there."""


class SshTransport(PipedTransport):
    """Every command is one of ssh; on POSIX they share one login."""

    def __init__(self, options: SshOptions) -> None:
        super().__init__(prefix=("ssh",), bash=options.bash or "bash", place=options.machine)
        self._options = options
        alone = (replace(options, host=name, hosts=None) for name in options.names[1:])
        self.others: tuple[SshTransport, ...] = tuple(map(SshTransport, alone))
        """The machines of the further nodes."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line, the same for every script; the login shell there reads its end."""
        return (*ssh(self._options, control=self._control), "--", self._options.machine, remote(self.bash_argv))

    @cached_property
    def _control(self) -> str | None:
        """The socket of this very way: hosts of one address behind two gates share no login."""
        if not SHARES_LOGINS:
            return None
        options = self._options
        found = _said(*ssh(options, control=None), "-G", "--", options.machine)
        return control_path(repr((options.machine, options.user, options.port, options.config, found.output)))

    def exec(self, script: str, data: Iterable[bytes] = (), *, timeout_seconds: float) -> Answer:
        """As the port says. Raises: TransportError also where the machine cannot be logged in to."""
        if _somebody_can_answer():
            for machine in (self, *self.others):  # the others are reached by threads, which ask nobody
                machine.log_in()
        mark = secrets.token_hex(16)
        try:
            answer = super().exec(framed(script, mark), data, timeout_seconds=timeout_seconds)
        except TransportError as error:
            if error.code == "command-timeout":
                self._leave()
            raise
        if (found := unframed(answer, mark)) is not None:
            return found
        self._leave()
        raise self._why(complaints(answer, mark), answer.status, began=began(answer, mark))

    def log_in(self) -> None:
        """Make the login that is shared, unless it is there: ssh asks at the terminal for what it needs."""
        if (control := self._control) is None:
            return
        if _said(*ssh(self._options, control=control), "-O", "check", self._options.machine).status != 0:
            login = ssh(self._options, control=control, login=True)
            made = _said(*login, "--", self._options.machine, timeout_seconds=None)
            if made.status != 0:
                raise self._why(made.error, made.status, began=False)

    def _leave(self) -> None:
        """A shared login that is dead is left: the next command makes its own. Others may still use one that lives."""
        if self._control is None:
            return
        shared, host = ssh(self._options, control=self._control), self._options.machine
        if _said(*shared, "-O", "check", host).status == 0 and _said(*shared, "--", host, "exit").status == _FAILED:
            _said(*shared, "-O", "exit", host)

    def _why(self, said: bytes, status: int, *, began: bool) -> TransportError:
        text = said.decode("utf-8", "replace")
        if not began and "UNKNOWN port" in text:  # a shared login hides what the machine in between said
            alone = _said(*ssh(self._options, control=None), "--", self._options.machine, "exit")
            text = alone.error.decode("utf-8", "replace") + text
        return why(self._options, text, status, began=began, fingerprint=self._fingerprint)

    def _fingerprint(self) -> str | None:
        said = _said(*ssh(self._options, control=None), "-v", "--", self._options.machine, "exit").error
        found = _OFFERED.search(said.decode("utf-8", "replace"))
        return found[1] if found else None


def _said(*argv: str, timeout_seconds: float | None = _ASK_SECONDS) -> Answer:
    """What ssh says of itself; it stays in the session of the terminal, at which it may ask."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the argv
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(status=255, output=b"", error=str(error).encode())
    return Answer(status=done.returncode, output=done.stdout, error=done.stderr)


def _somebody_can_answer() -> bool:
    """Whether a person sits at a terminal, and one command at a time may ask."""
    main = threading.current_thread() is threading.main_thread()
    return main and all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
