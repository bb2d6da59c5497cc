"""Lets the supervisors of a run's nodes tell one another when a node has ended: each keeps a connection to the first one's.

Both sides prove that they know the run's token, which never travels: the first node says `{"nonce"}`, the other
`{"node", "place", "nonce", "proof"}`, the first one `{"proof"}`; what follows is sealed. A node that has ended says
`{"outcome", "reason"}`; the first one says `{"end": REASON}` to those that would wait for ever. Both are answered by
`{"heard": true}`, which goes a step later: the supervisor has written down by then what was heard. A node that is asked to
stop says `{"asked": REASON}` before anything else: the first one may be saving what all are needed for, and says `end` when
its own trainer is told to, or at once `{"go": true}` where that has ended. Nothing here waits or raises: a supervisor calls
`look` at each of its steps. A connection that breaks means only that, and is made again.
"""

from __future__ import annotations

import abc
import hmac
import json
import math
import resource
import socket
import time
from typing import Optional

from .files import Record
from .wire import Line

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


class Peer(abc.ABC):
    """A node's part. *told* is `peers.json`: `nodes`, `chief`, `port`, `token` and the node's own `place`."""

    def __init__(self, told: Record) -> None:
        self.address = (str(told["chief"]), int(told["port"]))
        self.others = range(1, int(told["nodes"]))
        """All but the first."""
        self.token, self.place = str(told["token"]).encode(), str(told["place"])
        self.leave_seconds = float(told.get("leave_seconds", LEAVE_SECONDS))
        """How long to try to be heard."""
        self.start_seconds = float(told.get("start_seconds", START_SECONDS))
        self.missing_seconds = float(told.get("missing_seconds", MISSING_SECONDS))
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
        self.is_needed = True
        """Whether the others cannot come to their own end without this node."""
        self.done_with: list[int] = sorted({*told.get("done_with", ())})
        """Nodes that need not be told any more: what has to be kept for the next supervisor."""
        self._again = 0.0

    @property
    @abc.abstractmethod
    def may_leave(self) -> bool:
        """Whether all know of this node's end who have to."""

    def look(self) -> None:
        """Hear the others, and tell them."""
        self.fault = ""
        try:
            self.step()
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    @abc.abstractmethod
    def step(self) -> None:
        """The work of a look."""

    @abc.abstractmethod
    def part(self, outcome: str, reason: str) -> None:
        """This node has ended, or is being ended: it is told once."""

    @abc.abstractmethod
    def hurry(self) -> None:
        """Whoever has to be told is told at the next look."""

    @abc.abstractmethod
    def missing(self) -> list[str]:
        """Nodes that have not been heard of for long."""

    @abc.abstractmethod
    def waits_for_first(self, reason: str) -> bool:
        """Whether a stop for *reason* has to wait until the first node tells its trainer, too. It is told of the stop."""

    @abc.abstractmethod
    def close(self) -> None:
        """Nothing more is heard or told."""

    def is_time(self) -> bool:
        """Whether to try again."""
        if time.monotonic() < self._again:
            return False
        self._again = time.monotonic() + AGAIN_SECONDS
        return True

    def settle(self, node: int) -> None:
        """It need not be told any more."""
        self.done_with = sorted({*self.done_with, node})

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
        self._parting_seconds = float(told.get("parting_seconds", PARTING_SECONDS))
        self._due = dict.fromkeys({*self.others} - {*self.done_with}, time.monotonic() + self.start_seconds)
        """Until when each of those that have to be told must have been there to count as heard of."""
        self._places: dict[int, str] = {}
        self._server: Optional[socket.socket] = None
        self._lines: list[Line] = []
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most, self._strangers = files // 2, min(STRANGERS, files // 4)
        self._parting: Optional[tuple[float, str]] = None
        """From when on others that go on are told to end, and why."""

    @property
    def may_leave(self) -> bool:
        """Whether every other node has ended, or knows that it has to."""
        return not self._due

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
        # not before its own trainer is: that may be saving, and need the others
        is_told_here = self._parting is not None or self.is_over
        for line in self._lines:
            if line.node in self._due:
                self._due[line.node] = time.monotonic() + self.missing_seconds
            if line.node is not None and self.why and is_told_here and not line.is_told:
                line.is_told = True
                line.say(end=self.why)
        for line in self._lines:
            line.broken |= line.node is None and time.monotonic() - line.since > STRANGER_SECONDS
            if line.broken:
                line.close()
        self._lines = [line for line in self._lines if not line.broken]

    def missing(self) -> list[str]:
        """By number, and by place where one was there before."""
        late = (node for node, due in self._due.items() if time.monotonic() > due)
        return [f"node {node} ({self._places[node]})" if node in self._places else f"node {node}" for node in late]

    def part(self, outcome: str, reason: str) -> None:
        """What others meet after that is no reason any more.

        They end, too, but for those that do not need it where it has succeeded.
        """
        wait = 0.0 if outcome != "succeeded" else self._parting_seconds if self.is_needed else math.inf
        told = (outcome == "stopped" and self.wish) or because(0, self.place, outcome, reason)
        self._parting = self._parting or (time.monotonic() + wait, told)

    def hurry(self) -> None:
        """Those that were to have a while for their own end have none any more."""
        if self._parting and self.is_needed:
            self._parting = (0.0, self._parting[1])

    def waits_for_first(self, reason: str) -> bool:  # noqa: ARG002 - whatever it is for
        """It is that one."""
        return False

    def close(self) -> None:
        """Whoever comes now finds nobody."""
        for one in (*self._lines, self._server):
            if one:
                one.close()

    def _welcome(self) -> None:
        if self._server is None and self.is_time():
            try:
                self._server = socket.create_server(("", self.address[1]), backlog=len(self.others) + STRANGERS)
                self._server.settimeout(0)
            except OSError:
                return
        strangers = sum(line.node is None for line in self._lines)
        for _ in range(min(self._strangers - strangers, self._most - len(self._lines)) if self._server else 0):
            try:
                line = Line(self._server.accept()[0], "chief")
            except OSError:
                return
            line.say(nonce=line.nonce)
            self._lines.append(line)

    def _take(self, line: Line, told: Record) -> None:
        if line.node is None:
            self._admit(line, told)
        elif "outcome" in told:
            if told["outcome"] != "succeeded" and not (self.why or self._parting or self.is_over):
                self.why = because(line.node, line.place, str(told["outcome"]), str(told.get("reason")))
            self._note(line.node)
            line.say(heard=True)
        elif "asked" in told:
            if self.is_over:
                line.say(go=True)
            elif not (self.wish or self.why or self.is_ending):
                self.wish = because(line.node, line.place, "stopped", str(told["asked"]))
        elif told.get("heard"):
            self._note(line.node)

    def _admit(self, line: Line, told: Record) -> None:
        """One of the others, if it knows the token; an older connection of the same one is given up."""
        node, place, nonce = told.get("node"), told.get("place"), told.get("nonce")
        is_fit = type(node) is int and node in self.others and isinstance(nonce, str) and isinstance(place, str)
        if not is_fit or not self.is_proof(told.get("proof"), "node", line.nonce, nonce, node, place):
            line.broken = True
            return
        for older in self._lines:
            older.broken |= older.node == node
        line.node, line.place = node, place
        self._places[node] = place
        line.say(proof=self.proof("chief", line.nonce, nonce, node))
        line.seal(self.proof("line", line.nonce, nonce, node).encode())

    def _note(self, node: int) -> None:
        self._due.pop(node, None)
        self.settle(node)


class Other(Peer):
    """The part of every node but the first."""

    def __init__(self, node: int, told: Record) -> None:
        super().__init__(told)
        self._node = node
        self._line: Optional[Line] = None
        self._owes = self._has_answered = False
        self._asked: Optional[Record] = None
        self._may_go = False
        self._end: Optional[Record] = None
        self._alone_since = time.monotonic()
        self._due = self._alone_since + self.start_seconds

    @property
    def may_leave(self) -> bool:
        """Whether the first node knows of this one's end; where it asked for that, it need not be there any more."""
        return bool(self.done_with)

    def step(self) -> None:
        """Connect where there is no connection; hear and tell."""
        if self._line is None and self.address[0] and self.is_time():
            self._line = Line(socket.socket(socket.AF_INET, socket.SOCK_STREAM), "node")
            # it may take its time: a refusal is met where the line is read
            self._line.connection.connect_ex(self.address)
        if self._has_answered and not self._may_be_there:
            self.settle(0)
        line = self._line
        if line is None:
            return
        if self._owes and line.is_sealed:
            line.say(heard=True)
            self._owes, self._has_answered = False, True
        for told in line.hear():
            self._take(line, told)
        is_silent = not line.is_sealed and time.monotonic() - line.since > SILENT_SECONDS
        if line.broken or is_silent:
            if line.is_sealed:
                self._alone_since = time.monotonic()
                self._due = self._alone_since + self.missing_seconds
            line.close()
            self._line = None

    def missing(self) -> list[str]:
        """The first one, as long as it is needed."""
        return [] if self._is_there or self.why or self.done_with or time.monotonic() <= self._due else ["node 0"]

    def waits_for_first(self, reason: str) -> bool:
        """Until it says so; not where there has been no connection for a while."""
        if self.why or self._end or self._may_go:
            return False
        if self._asked is None:
            self._asked = {"asked": reason}
            self._tell(self._asked)
        return self._may_be_there

    def part(self, outcome: str, reason: str) -> None:
        """The first node hears of it as soon as it can."""
        if self._end is None:
            self._end = {"outcome": outcome, "reason": reason}
            self._tell(self._end)

    def hurry(self) -> None:
        """It has been told."""

    def close(self) -> None:
        """The first node learns nothing from that."""
        if self._line:
            self._line.close()

    @property
    def _is_there(self) -> bool:
        """Whether the first node is at the other end."""
        return self._line is not None and self._line.is_sealed

    @property
    def _may_be_there(self) -> bool:
        """Whether it is, or may be in a moment."""
        return self._is_there or time.monotonic() - self._alone_since < RETURN_SECONDS

    def _tell(self, told: Optional[Record]) -> None:
        """Now, if there is a connection; a new one tells it by itself."""
        if told and self._line and self._line.is_sealed:
            self._line.say(**told)

    def _take(self, line: Line, told: Record) -> None:
        if not line.their_nonce:
            line.their_nonce = str(told.get("nonce"))
            proof = self.proof("node", line.their_nonce, line.nonce, self._node, self.place)
            line.say(node=self._node, place=self.place, nonce=line.nonce, proof=proof)
        elif not line.is_sealed:
            if not self.is_proof(told.get("proof"), "chief", line.their_nonce, line.nonce, self._node):
                line.broken = True
                return
            line.seal(self.proof("line", line.their_nonce, line.nonce, self._node).encode())
            self._tell(self._asked)
            self._tell(self._end)
        elif told.get("end"):
            self.why, self._owes = self.why or str(told["end"]), True
        elif told.get("heard"):
            self.settle(0)
        else:
            self._may_go |= bool(told.get("go"))


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
