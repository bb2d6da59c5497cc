"""What ssh says when there is no answer, in words of ours; its exit status says nothing, 255 is anything."""

from __future__ import annotations

import re
from collections.abc import Callable

from srpo_manifest.plugin import TransportError
from srpo_manifest_ssh.command import by_hand
from srpo_manifest_ssh.options import SshOptions

Fingerprint = Callable[[], str | None]
"""Asks the machine for the fingerprint of its key: `SHA256:…`."""
_CHANGED = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|[Hh]ost key for .* has changed")
_UNKNOWN = re.compile(r"No .* host key is known for|Host key verification failed")
_REVOKED = re.compile(r"REVOKED HOST KEY|is marked as revoked")
_OFFENDING = re.compile(r"^Offending .* key in (\S+?):(\d+)", re.MULTILINE)
_DENIED = re.compile(
    r"Permission denied|Too many authentication failures|no more authentication methods", re.IGNORECASE
)
_NAMELESS = re.compile(r"Could not resolve hostname|Name or service not known|nodename nor servname")
_UNREACHED = re.compile(
    r"Connection refused|Connection timed out|Operation timed out|No route to host|Network is unreachable"
    r"|Connection timed out during banner exchange|kex_exchange_identification"
)
_BROKEN = re.compile(r"Timeout, server .* not responding|Connection (?:to .* )?(?:closed|reset)|Broken pipe|mux_client")
_UNCONFIGURED = re.compile(r"Bad configuration option|Can't open user config file|terminating, \d+ bad configuration")
_NO_PROGRAM = (126, 127)
_OF_SSH = 255
"""Every other status comes from the shell there."""


def why(options: SshOptions, said: str, status: int, *, began: bool, fingerprint: Fingerprint) -> TransportError:
    """The error for a command that was not heard to its end."""
    host, last = options.machine, _last_line(said)
    try_by_hand = f"try it by hand: `{by_hand(options)}`"
    if began:
        return _broken(host, last)
    if status in _NO_PROGRAM:
        return TransportError(
            "no-bash",
            f"no bash answers on `{host}`: {last}",
            "install bash there, or name one: `backend.transport.bash`",
        )
    if status != _OF_SSH:
        return TransportError(
            "login-shell",
            f"the login shell of `{host}` ended with status {status} before our bash read anything: {last or 'it said nothing'}",
            "look at its `.bashrc` and `.profile`, which must not read, `exec` or `exit`, and at ForceCommand of its sshd",
        )
    if _REVOKED.search(said):
        return TransportError("host-key-changed", f"the key of `{host}` is revoked: {last}", "do not log in there")
    if _CHANGED.search(said):
        return _changed(options, said, fingerprint())
    if _UNKNOWN.search(said):
        offered = fingerprint()
        return TransportError(
            "host-unknown",
            f"nobody has said yet that the key of `{host}` is to be trusted{f': it is {offered}' if offered else ''}",
            "compare that with what its owner says",
            f"then log in once and accept it: `{by_hand(options, '-o StrictHostKeyChecking=ask')}`",
        )
    if _DENIED.search(said):
        return TransportError(
            "login-refused",
            f"`{host}` did not let us in: {last}",
            try_by_hand,
            "a key with a passphrase needs an agent: `ssh-add`; a password needs a terminal",
        )
    if _NAMELESS.search(said):
        return TransportError(
            "host-unreachable",
            f"nobody knows a machine `{host}`: {last}",
            f"correct `host`, or give it a `Host` entry; {try_by_hand}",
        )
    if _UNREACHED.search(said):
        return TransportError(
            "host-unreachable", f"`{host}` does not answer: {last}", f"see whether it is on; {try_by_hand}"
        )
    if _BROKEN.search(said):
        return _broken(host, last)
    if _UNCONFIGURED.search(said):
        return TransportError("ssh-config", f"ssh does not take its configuration: {last}", try_by_hand)
    return TransportError(
        "ssh-failed", f"ssh reached no bash on `{host}`: {last or f'exit status {status}'}", try_by_hand
    )


def _broken(host: str, last: str) -> TransportError:
    message = f"the connection to `{host}` broke: {last or 'ssh ended'}"
    return TransportError("contact-lost", message, "what runs there goes on; ask again")


def _changed(options: SshOptions, said: str, offered: str | None) -> TransportError:
    kept = _OFFENDING.search(said)
    place = f" (line {kept[2]} of {kept[1]})" if kept else ""
    return TransportError(
        "host-key-changed",
        f"`{options.machine}` has another key than the one that is trusted{place}{f': it shows {offered}' if offered else ''}",
        "somebody may sit in between: ask its owner which key it has now",
        *(
            [
                f"see the old one: `ssh-keygen -lf {kept[1]}`",
                f"if the new one is right, remove line {kept[2]} of {kept[1]}, then accept the new one: `{by_hand(options, '-o StrictHostKeyChecking=ask')}`",
            ]
            if kept
            else []
        ),
    )


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""
