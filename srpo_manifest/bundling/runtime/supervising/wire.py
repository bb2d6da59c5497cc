"""JSON lines between two supervisors: neither end is waited for, and once both know one another each line is sealed."""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import time
from typing import Any, Iterator, Optional

from .files import Record

LINE_BYTES = 8192
LINES = 16
"""More than that at once is a flood."""
OPTIONS = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4), (socket.TCP_USER_TIMEOUT, 40000))  # fmt: skip
"""Seconds until a silent connection is asked, and between two tries; how many; milliseconds until what was said must have arrived."""


class Line:
    """A connection: what came, and what has to go. *own* is this end's part, `chief` or `node`."""

    def __init__(self, connection: socket.socket, own: str) -> None:
        self.connection, self._own = connection, own
        connection.settimeout(0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in OPTIONS:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self.since = time.monotonic()
        """When it was made."""
        self.nonce, self.their_nonce = secrets.token_hex(16), ""
        self.node: Optional[int] = None
        """Who is at the other end of a line to the first node; None until that is proved."""
        self.place = ""
        self.is_told = False
        """Whether the node at the other end was told to end."""
        self.broken = False
        self._key = b""
        self._said = self._heard = 0
        self._came, self._goes = b"", b""

    @property
    def is_sealed(self) -> bool:
        """Whether the other end has proved that it knows the token."""
        return bool(self._key)

    def seal(self, key: bytes) -> None:
        """From here on each line carries its own proof, and none can be put in, left out or said again."""
        self._key = key

    def say(self, **told: object) -> None:
        """Let it go as soon as it can."""
        if self._key:
            told = {"told": told, "seal": self._seal(self._own, self._said, told)}
            self._said += 1
        self._goes += json.dumps(told).encode() + b"\n"

    def hear(self) -> Iterator[Record]:
        """What has come since, line by line; nothing more once it is broken."""
        self._receive()
        self._send()
        *lines, self._came = self._came.split(b"\n")
        self.broken |= len(self._came) > LINE_BYTES or len(lines) > LINES
        for line in lines:
            told = None if self.broken else self._read(line)
            if told is None:
                self.broken = True
                return
            yield told

    def close(self) -> None:
        """What has not gone yet goes to nobody."""
        self.broken = True
        self.connection.close()

    def _read(self, line: bytes) -> Optional[Record]:
        """None where it is no such line."""
        try:
            told: Any = json.loads(line)
            if self._key:
                sealed, told = told, told["told"]
                other = "node" if self._own == "chief" else "chief"
                if not hmac.compare_digest(sealed["seal"], self._seal(other, self._heard, told)):
                    return None
                self._heard += 1
        except (ValueError, RecursionError, TypeError, KeyError):
            return None
        return told if isinstance(told, dict) else None

    def _seal(self, who: str, number: int, told: object) -> str:
        return hmac.new(self._key, json.dumps([who, number, told], sort_keys=True).encode(), "sha256").hexdigest()

    def _receive(self) -> None:
        try:
            data = self.connection.recv(LINE_BYTES)
            self.broken |= not data
            self._came += data
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True

    def _send(self) -> None:
        try:
            if self._goes:
                self._goes = self._goes[self.connection.send(self._goes, socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True
