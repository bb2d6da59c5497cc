"""Lets the supervisors of a run's nodes tell one another when a node has ended: each keeps a connection to the first one's.

JSON lines. Both sides prove that they know the run's token, which never travels: the first node says `{"nonce"}`, the
other `{"node", "place", "nonce", "proof"}`, the first one `{"proof"}`. A node that has ended says `{"outcome", "reason"}`;
the first one says `{"end": REASON}` to those that would wait for ever. Both are answered by `{"heard": true}`, which goes
a step later: the supervisor has written down by then what was heard. A node that is asked to stop says `{"asked": REASON}`
before anything else: the first one may be saving what all are needed for, and says `end` when its own trainer is told to.
Nothing here waits or raises: a supervisor calls `look` at each of its steps. A connection that breaks means only that, and
is made again. Standard library only, Python 3.9 or newer.
"""

from __future__ import annotations

import hmac
import json
import resource
import secrets
import socket
import time
from typing import Any, Optional

LINE_BYTES = 8192
STRANGER_SECONDS = 20.0
"""So long a connection has to say who it is."""
STRANGERS = 256
"""As many may be about to; fewer where few files may be open."""
AGAIN_SECONDS = 2.0
"""Between two tries to connect, or to listen."""
RETURN_SECONDS = 5.0
"""A connection that was just begun, or broke, may be there again by then."""
SILENT_SECONDS = 60.0
"""So long the first node has to show that it is one: longer than it takes to connect."""
START_SECONDS = 600.0
"""So long a node may take to begin; `peers.json` may say `start_seconds`."""
MISSING_SECONDS = 60.0
"""A node that was there and has not been heard of for so long is told of; it may say `missing_seconds`."""
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
        self.nonce = secrets.token_hex(16)
        self.node: Optional[int] = None
        self.place = ""
        self.is_proved = False
        """Whether the other end knows the token."""
        self.asked = False
        """Whether its node was told to end."""
        self.broken = False
        self._came, self._goes = b"", b""

    @property
    def is_said(self) -> bool:
        """Whether all has gone."""
        return not self._goes

    def say(self, **told: object) -> None:
        """Let it go as soon as it can."""
        self._goes += json.dumps(told).encode() + b"\n"

    def hear(self) -> list[Record]:
        """What has come since; nothing more once it is broken."""
        try:
            data = self.connection.recv(LINE_BYTES)
            self.broken = not data
            self._came += data
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True
        self._send()
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

    def _send(self) -> None:
        try:
            if self._goes:
                self._goes = self._goes[self.connection.send(self._goes, socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True


class Peer:
    """A node's part. *told* is `peers.json`: `nodes`, `chief`, `port`, `token` and the node's own `place`."""

    def __init__(self, told: Record) -> None:
        self.address = (str(told["chief"]), int(told["port"]))
        self.nodes, self.token, self.place = int(told["nodes"]), str(told["token"]).encode(), str(told["place"])
        self.leave_seconds = float(told.get("leave_seconds", LEAVE_SECONDS))
        """How long to try to be heard."""
        self.why = ""
        """Why this node has to end; empty while it may go on."""
        self.wish = ""
        """Why it was asked to stop, by another node that was; empty where none was."""
        self.fault = ""
        """What kept the last `look` from its work."""
        self.is_over = False
        """Whether this node's own work is: what others meet from then on is no reason."""
        self.is_ending = False
        """Whether it is being ended: nobody need ask for it any more."""
        self.done_with: list[int] = []
        """Other nodes that have ended, or know that they have to: what has to be kept for the next supervisor."""
        self.again = 0.0

    def look(self) -> None:
        """Hear the others, and tell them."""
        self.fault = ""
        try:
            self.step()
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    def step(self) -> None:
        """The work of a look."""
        raise NotImplementedError

    def missing(self) -> list[int]:
        """Nodes that are not heard of: the first one tells them."""
        return []

    def waits_for_first(self, reason: str) -> bool:  # noqa: ARG002 - it waits for nobody
        """Whether a stop for *reason* has to wait until the first node tells its trainer, too. It is told of the stop."""
        return False

    def is_time(self) -> bool:
        """Whether to try again."""
        if time.monotonic() < self.again:
            return False
        self.again = time.monotonic() + AGAIN_SECONDS
        return True

    def proof(self, who: str, *parts: object) -> str:
        """That whoever says it knows the token."""
        return hmac.new(self.token, json.dumps([who, *parts]).encode(), "sha256").hexdigest()

    def is_proof(self, given: object, who: str, *parts: object) -> bool:
        """Whether it is that one."""
        return isinstance(given, str) and hmac.compare_digest(
            given.encode("utf-8", "replace"), self.proof(who, *parts).encode()
        )


class Chief(Peer):
    """The first node's part: all others come to it."""

    def __init__(self, told: Record) -> None:
        super().__init__(told)
        self._missing_seconds = float(told.get("missing_seconds", MISSING_SECONDS))
        self.done_with = sorted({*told.get("done_with", ())})
        self._parting_seconds = float(told.get("parting_seconds", PARTING_SECONDS))
        begun = time.monotonic() + float(told.get("start_seconds", START_SECONDS)) - self._missing_seconds
        self._seen = dict.fromkeys({*range(1, self.nodes)} - {*self.done_with}, begun)
        """When each of the others was there last."""
        self._server: Optional[socket.socket] = None
        self._lines: list[Line] = []
        self._strangers = min(STRANGERS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        self._parting: Optional[tuple[float, str]] = None

    @property
    def may_leave(self) -> bool:
        """Whether every other node has ended, or knows that it has to."""
        return not self._seen

    def step(self) -> None:
        """Welcome who comes, hear what they say, tell them what they need."""
        self._welcome()
        for line in self._lines:
            for told in line.hear():
                try:
                    self._take(line, told)
                except Exception:
                    line.broken = True
        if self._parting and not self.why and time.monotonic() >= self._parting[0]:
            self.why = self._parting[1]
        for line in self._lines:
            if line.node in self._seen:
                self._seen[line.node] = time.monotonic()
                if self.why and not line.asked:
                    line.asked = True
                    line.say(end=self.why)
        for line in self._lines:
            line.broken |= line.node is None and time.monotonic() - line.since > STRANGER_SECONDS
            if line.broken:
                line.close()
        self._lines = [line for line in self._lines if not line.broken]

    def missing(self) -> list[int]:
        """Nodes that have not been there for long."""
        return [node for node, moment in self._seen.items() if time.monotonic() - moment > self._missing_seconds]

    def part(self, outcome: str, reason: str, *, others_need_it: bool = True) -> None:
        """This node has ended, or is being ended: what others meet after that is no reason any more.

        They end, too, but for those that do not need it where it has succeeded.
        """
        wait = 0.0 if outcome != "succeeded" else self._parting_seconds if others_need_it else float("inf")
        told = (outcome == "stopped" and self.wish) or because(0, self.place, outcome, reason)
        self._parting = self._parting or (time.monotonic() + wait, told)

    def close(self) -> None:
        """Whoever comes now finds nobody."""
        for one in (*self._lines, self._server):
            if one:
                one.close()

    def _welcome(self) -> None:
        if self._server is None and self.is_time():
            try:
                self._server = socket.create_server(("", self.address[1]), backlog=self.nodes + STRANGERS)
                self._server.settimeout(0)
            except OSError:
                return
        while self._server and sum(line.node is None for line in self._lines) < self._strangers:
            try:
                line = Line(self._server.accept()[0])
            except OSError:
                return
            line.say(nonce=line.nonce)
            self._lines.append(line)

    def _take(self, line: Line, told: Record) -> None:
        if line.node is None:
            node, place, nonce = told.get("node"), told.get("place"), told.get("nonce")
            is_fit = node in range(1, self.nodes) and isinstance(nonce, str) and isinstance(place, str)
            if not is_fit or not self.is_proof(told.get("proof"), "node", line.nonce, nonce, node, place):
                line.broken = True
                return
            line.node, line.place = node, place
            line.say(proof=self.proof("chief", line.nonce, nonce, node))
        elif "outcome" in told:
            if told["outcome"] != "succeeded" and not (self.why or self._parting or self.is_over):
                self.why = because(line.node, line.place, str(told["outcome"]), str(told.get("reason")))
            self._note(line.node)
            line.say(heard=True)
        elif "asked" in told:
            if not (self.wish or self.why or self.is_ending or self.is_over):
                self.wish = because(line.node, line.place, "stopped", str(told["asked"]))
        elif told.get("heard"):
            self._note(line.node)

    def _note(self, node: int) -> None:
        self._seen.pop(node, None)
        self.done_with = sorted({*self.done_with, node})


class Other(Peer):
    """The part of every node but the first."""

    def __init__(self, node: int, told: Record) -> None:
        super().__init__(told)
        self._node = node
        self._line: Optional[Line] = None
        self._nonce = ""
        """That of the first node."""
        self._owes = self._is_heard = False
        self._end: Optional[Record] = None
        self._asked: Optional[Record] = None
        self._alone_since = time.monotonic()

    @property
    def may_leave(self) -> bool:
        """Whether the first node knows of this one's end, or has asked for it."""
        has_answered = bool(self.why) and not self._owes and (self._line is None or self._line.is_said)
        return self._is_heard or has_answered

    def step(self) -> None:
        """Connect where there is no connection; hear and tell."""
        if self._line is None and self.address[0] and self.is_time():
            self._line = Line(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            # it may take its time: a refusal is met where the line is read
            self._line.connection.connect_ex(self.address)
        if self._line is None:
            return
        if self._owes and self._line.is_proved:
            self._line.say(heard=True)
            self._owes = False
        for told in self._line.hear():
            self._take(self._line, told)
        is_silent = not self._line.is_proved and time.monotonic() - self._line.since > SILENT_SECONDS
        if self._line.broken or is_silent:
            if self._line.is_proved:
                self._alone_since = time.monotonic()
            self._line.close()
            self._line = None

    def waits_for_first(self, reason: str) -> bool:
        """Until it says so; not where there has been no connection for a while."""
        if self.why or self._end:
            return False
        is_there = self._line is not None and self._line.is_proved
        if self._line and is_there and self._asked is None:
            self._line.say(asked=reason)
        self._asked = {"asked": reason}
        return is_there or time.monotonic() - self._alone_since < RETURN_SECONDS

    def part(self, outcome: str, reason: str, *, others_need_it: bool = True) -> None:  # noqa: ARG002 - as of the first one
        """This node has ended, or is being ended."""
        if self._end is not None:
            return
        self._end = {"outcome": outcome, "reason": reason}
        if self._line and self._line.is_proved:
            self._line.say(**self._end)

    def close(self) -> None:
        """Nothing more is heard or told."""
        if self._line:
            self._line.close()

    def _take(self, line: Line, told: Record) -> None:
        if line.node is None:
            self._nonce = str(told.get("nonce"))
            line.node = 0
            proof = self.proof("node", self._nonce, line.nonce, self._node, self.place)
            line.say(node=self._node, place=self.place, nonce=line.nonce, proof=proof)
        elif not line.is_proved:
            line.is_proved = self.is_proof(told.get("proof"), "chief", self._nonce, line.nonce, self._node)
            line.broken |= not line.is_proved
            for owed in (self._asked, self._end):
                if line.is_proved and owed:
                    line.say(**owed)
        elif told.get("end"):
            self.why, self._owes = self.why or str(told["end"]), True
        else:
            self._is_heard |= bool(told.get("heard"))


def because(node: int, place: str, outcome: str, reason: str) -> str:
    """Why the others have to end."""
    return f"node {node} ({place}) {outcome}" + ("" if outcome == "succeeded" else f": {reason}")


def numeric(address: str) -> str:
    """*address* as numbers, as asking for a name may take long; empty where it has none."""
    try:
        return str(socket.getaddrinfo(address, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError):
        return ""


def joined(node: int, told: Record) -> Peer:
    """The node's part. Raises: what a damaged *told* brings."""
    return Other(node, told) if node else Chief(told)
