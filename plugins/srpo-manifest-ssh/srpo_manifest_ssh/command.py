"""The command line of ssh: constant for a machine, with nothing of a script or its data in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from srpo_manifest.plugin import quote
from srpo_manifest_ssh.options import SshOptions

_ALIVE_TRIES = 3
_ALWAYS = (
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=INFO",
    # older than OpenSSH 8.7 does not know them
    "IgnoreUnknown=SessionType,StdinNull,ForkAfterAuthentication",
)
"""What a configuration may not change: who is trusted, and what travels beside our bytes."""
_COMMAND = ("SessionType=default", "StdinNull=no", "ForkAfterAuthentication=no", "BatchMode=yes")
_LOGIN = ("SessionType=none", "StdinNull=yes", "ForkAfterAuthentication=yes", "BatchMode=no")
"""No command: it goes to the background once it is in, and ssh may ask."""
_KEPT_SECONDS = 60


def ssh(options: SshOptions, *, control: str | None, login: bool = False) -> list[str]:
    """`ssh` with its options, without the host. *control* is the path of the socket that logins share, as ssh spells it.

    *login* only makes the login that is shared.
    """
    given = [
        *_ALWAYS,
        *(_LOGIN if login else _COMMAND),
        f"ConnectTimeout={options.connect_seconds}",
        f"ServerAliveInterval={max(1, options.silent_seconds // _ALIVE_TRIES)}",
        f"ServerAliveCountMax={_ALIVE_TRIES}",
    ]
    if control is None:
        given += ["ControlMaster=no", "ControlPath=none"]
    else:
        given += ["ControlMaster=auto", f"ControlPersist={_KEPT_SECONDS}", f"ControlPath={control}"]
    argv = ["ssh", "-T", *(["-N", "-f"] if login else [])]
    if options.config is not None:
        argv += ["-F", os.path.expanduser(options.config)]  # noqa: PTH111 - `~/` alone is meant
    if options.user is not None:
        argv += ["-l", options.user]
    if options.port is not None:
        argv += ["-p", str(options.port)]
    return argv + [word for one in given for word in ("-o", one)]


def remote(argv: Sequence[str]) -> str:
    """*argv* as the one text that the login shell there reads."""
    return f"exec {' '.join(map(quote, argv))}"


def by_hand(options: SshOptions, *more: str) -> str:
    """What a person would type to try the same login."""
    argv = ["ssh"]
    for flag, value in (("-F", options.config), ("-l", options.user), ("-p", options.port)):
        argv += [] if value is None else [flag, str(value) if str(value).startswith("~/") else quote(str(value))]
    return " ".join([*argv, *more, options.machine])


SHARES_LOGINS = sys.platform != "win32"
"""OpenSSH for Windows cannot share a login: every command has its own there."""
