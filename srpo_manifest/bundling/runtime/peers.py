"""Lets the supervisors of a run's nodes tell one another when a node has ended: each keeps a connection to the first one's.

JSON lines. A node says who it is, `{"token", "node", "place"}`, and once it has ended `{"outcome", "reason"}`. The first one
says `{"end": REASON}` to those that would wait for ever. Both are answered by `{"heard": true}`, the latter once the
request is durable. Nothing here waits: a supervisor calls `look` at each of its steps. A connection that breaks means
only that, and is made again. Standard library only, Python 3.9 or newer.
"""

from __future__ import annotations

import hmac
import json
import socket
import time
from typing import Any, Optional, Union

LINE_BYTES = 8192
STRANGER_SECONDS = 5.0
"""So long a connection has to say who it is."""
STRANGERS = 16
"""As many may be about to say who they are."""
AGAIN_SECONDS = 2.0
"""Between two tries to connect, or to listen."""
MISSING_SECONDS = 60.0
"""A node that has not been heard of for so long is told of; `peers.json` may say `missing_seconds`."""
PARTING_SECONDS = 10.0
"""So long the others may come to their own end where the first node has succeeded; it may say `parting_seconds`."""
LEAVE_SECONDS = 300.0
"""So long an ended node tries to be heard; it may say `leave_seconds`."""

Record = dict[str, Any]


class Line:
    """A connection: what came, and what has to go. Neither is waited for."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", 20),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 4),
            ("TCP_USER_TIMEOUT", 40000),
        ):
            if hasattr(socket, name):
                self.connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.since = time.monotonic()
        self.node: Optional[int] = None
        self.place = ""
        self.asked = False
        """Whether its node was told to end."""
        self.broken = False
        self._came, self._goes = b"", b""

    def say(self, **told: object) -> None:
        """Let it go as soon as it can."""
        self._goes += json.dumps(told).encode() + b"\n"

    def hear(self) -> list[Record]:
        """What has come since; nothing more once it is broken."""
        try:
            if self._goes:
                self._goes = self._goes[self.connection.send(self._goes, socket.MSG_NOSIGNAL) :]
            data = self.connection.recv(LINE_BYTES)
            self.broken = not data
            self._came += data
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True
        *lines, self._came = self._came.split(b"\n")
        try:
            found = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            found = [None]
        if len(self._came) > LINE_BYTES or not all(isinstance(told, dict) for told in found):
            self.broken = True
            return []
        return found

    def close(self) -> None:
        """What has not gone yet goes to nobody."""
        self.broken = True
        self.connection.close()


class Chief:
    """The first node's part: all others come to it."""

    def __init__(self, told: Record) -> None:
        self._port, self._token, self._place = int(told["port"]), str(told["token"]), str(told["place"])
        self._seen = dict.fromkeys(range(1, int(told["nodes"])), time.monotonic())
        """When a node was there last, for those that have neither ended nor been asked to."""
        self._patience = float(told.get("missing_seconds", MISSING_SECONDS))
        self._parting_seconds = float(told.get("parting_seconds", PARTING_SECONDS))
        self.leave_seconds = float(told.get("leave_seconds", LEAVE_SECONDS))
        """How long to try to be heard."""
        self._server: Optional[socket.socket] = None
        self._again = 0.0
        self._lines: list[Line] = []
        self._why = ""
        self._parting: Optional[tuple[float, str]] = None

    @property
    def is_heard(self) -> bool:
        """Whether every other node has ended, or knows that it has to."""
        return not self._seen

    def look(self) -> str:
        """Hear the others, and tell them. Returns: why this node has to end; empty while it may go on."""
        self._welcome()
        for line in self._lines:
            for told in line.hear():
                self._take(line, told)
        if self._parting and not self._why and time.monotonic() >= self._parting[0]:
            self._why = self._parting[1]
        for line in self._lines:
            if line.node in self._seen:
                self._seen[line.node] = time.monotonic()
                if self._why and not line.asked:
                    line.asked = True
                    line.say(end=self._why)
        self._forget()
        return self._why

    def missing(self) -> list[int]:
        """Nodes that have not been there for long."""
        return [node for node, moment in self._seen.items() if time.monotonic() - moment > self._patience]

    def part(self, outcome: str, reason: str) -> None:
        """This node has ended, or will as one that has succeeded: what others meet after that is no reason any more."""
        due = time.monotonic() + (self._parting_seconds if outcome == "succeeded" else 0.0)
        self._parting = self._parting or (due, because(0, self._place, outcome, reason))

    def close(self) -> None:
        """Whoever comes now finds nobody."""
        for one in (*self._lines, self._server):
            if one:
                one.close()

    def _welcome(self) -> None:
        if self._server is None and time.monotonic() >= self._again:
            self._again = time.monotonic() + AGAIN_SECONDS
            try:
                self._server = socket.create_server(("", self._port), backlog=len(self._seen) + STRANGERS)
                self._server.settimeout(0)
            except OSError:
                return
        while self._server:
            try:
                self._lines.append(Line(self._server.accept()[0]))
            except OSError:
                return

    def _take(self, line: Line, told: Record) -> None:
        if line.node is None:
            token = str(told.get("token")).encode("utf-8", "backslashreplace")
            known = hmac.compare_digest(token, self._token.encode())
            if not known or not isinstance(told.get("node"), int):
                line.broken = True
                return
            line.node, line.place = told["node"], str(told.get("place"))
        elif "outcome" in told:
            self._seen.pop(line.node, None)
            line.say(heard=True)
            if told["outcome"] != "succeeded" and not self._why and not self._parting:
                self._why = because(line.node, line.place, str(told["outcome"]), str(told.get("reason")))
        elif told.get("heard"):
            self._seen.pop(line.node, None)

    def _forget(self) -> None:
        """Those that are broken, or never said who they are."""
        moment = time.monotonic()
        strangers = [line for line in self._lines if line.node is None]
        for line in strangers:
            line.broken |= moment - line.since > STRANGER_SECONDS
        for line in strangers[: -STRANGERS or None]:
            line.broken = True
        for line in self._lines:
            if line.broken:
                line.close()
        self._lines = [line for line in self._lines if not line.broken]


class Other:
    """The part of every node but the first."""

    def __init__(self, node: int, told: Record) -> None:
        self._address = (str(told["chief"]), int(told["port"]))
        self._who = {"token": told["token"], "node": node, "place": told["place"]}
        self._line: Optional[Line] = None
        self.leave_seconds = float(told.get("leave_seconds", LEAVE_SECONDS))
        """How long to try to be heard."""
        self._again = 0.0
        self._why = ""
        self._owes = self._is_heard = False
        self._end: Optional[Record] = None

    @property
    def is_heard(self) -> bool:
        """Whether the first node knows of this one's end, or has asked for it."""
        return self._is_heard or (bool(self._why) and not self._owes)

    def look(self) -> str:
        """Hear the first node, and tell it. Returns: why this node has to end; empty while it may go on."""
        if self._line is None and time.monotonic() >= self._again:
            self._again = time.monotonic() + AGAIN_SECONDS
            self._connect()
        if self._line is None:
            return self._why
        if self._owes:
            self._line.say(heard=True)
            self._owes = False
        for told in self._line.hear():
            self._is_heard |= bool(told.get("heard"))
            if told.get("end"):
                self._why, self._owes = self._why or str(told["end"]), True
        if self._line.broken:
            self._line.close()
            self._line = None
        return self._why

    def missing(self) -> list[int]:
        """None: the first node tells who is."""
        return []

    def part(self, outcome: str, reason: str) -> None:
        """This node has ended. Where it has succeeded nobody waits for it."""
        self._end = {"outcome": outcome, "reason": reason}
        if outcome == "succeeded":
            self.leave_seconds = min(self.leave_seconds, PARTING_SECONDS)
        if self._line:
            self._line.say(**self._end)

    def close(self) -> None:
        """Nothing more is heard or told."""
        if self._line:
            self._line.close()

    def _connect(self) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._line = Line(connection)
        connection.connect_ex(self._address)  # it may take its time: a refusal is met where the line is read
        self._line.say(**self._who)
        if self._end:
            self._line.say(**self._end)


Peers = Union[Chief, Other]


def because(node: int, place: str, outcome: str, reason: str) -> str:
    """Why the others have to end."""
    return f"node {node} ({place}) {outcome}" + ("" if outcome in ("succeeded", "stopped") else f": {reason}")


def numeric(address: str) -> str:
    """*address* as numbers: asking for a name may take long. Raises: OSError where it has none."""
    return str(socket.getaddrinfo(address, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


def joined(node: int, told: Record) -> Peers:
    """The node's part, from what `peers.json` tells: `nodes`, `chief`, `port`, `token`, and its own `place`."""
    return Other(node, told) if node else Chief(told)
