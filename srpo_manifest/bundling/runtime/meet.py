"""Finds where the nodes of a run can meet: run by Python of 3.9 or newer on each of them, before anything is started.

Usage: offer PORT
       listen PORT TOKEN OTHERS SECONDS
       reach PORT TOKEN NODE SECONDS ADDRESS...
Each prints one JSON object.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
import struct
import sys
import time
from typing import Callable, Optional

SIOCGIFADDR = 0x8915
"""Source: netdevice(7)."""
LINE_BYTES = 256


def own_addresses() -> list[str]:
    """Those of the interfaces, IPv4, loopback last."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return sorted(dict.fromkeys(found), key=lambda address: address.startswith("127."))


def offer(port: str) -> dict[str, object]:
    """This machine's addresses, the port, or one that is free now where it is 0, and a free one for the supervisors."""
    try:
        with socket.create_server(("", int(port))) as server, socket.create_server(("", 0)) as second:
            ports = [one.getsockname()[1] for one in (server, second)]
            return {"addresses": own_addresses(), "port": ports[0], "peers_port": ports[1]}
    except OSError as error:
        return {"addresses": [], "port": 0, "peers_port": 0, "why": error.strerror}


def listen(port: str, token: str, others: str, seconds: str) -> dict[str, object]:
    """Answer those that know the token until all of them have said that they are done."""
    until, done = time.monotonic() + float(seconds), set[str]()
    try:
        server = socket.create_server(("", int(port)))
    except OSError as error:
        return {"done": [], "why": error.strerror}
    with server:
        while len(done) < int(others) and (left := until - time.monotonic()) > 0:
            server.settimeout(left)
            with contextlib.suppress(OSError, ValueError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(2)
                    given, node, word = connection.makefile("r").readline(LINE_BYTES).split()
                    if given == token:
                        connection.sendall(f"{token}\n".encode())
                        if word == "done":
                            done.add(node)
    return {"done": sorted(done)}


def answers(address: str, port: str, token: str, node: str, word: str) -> bool:
    """Whether the first node is there, and no other machine that has the same address."""
    with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout=2) as connection:
        connection.sendall(f"{token} {node} {word}\n".encode())
        return connection.makefile("r").readline(LINE_BYTES) == f"{token}\n"
    return False


def reach(port: str, token: str, node: str, seconds: str, *addresses: str) -> dict[str, object]:
    """Which of the addresses lead to the first node; it may begin to listen a little later."""
    until, found = time.monotonic() + float(seconds), list[str]()
    good: Optional[str] = None
    while good is None and time.monotonic() < until:
        good = next((one for one in addresses if answers(one, port, token, node, "here")), None)
        if good is None:
            time.sleep(0.2)
    if good is not None:
        found = [one for one in addresses if one == good or answers(one, port, token, node, "here")]
        answers(good, port, token, node, "done")
    return {"reached": found}


if __name__ == "__main__":
    verbs: dict[str, Callable[..., object]] = {"offer": offer, "listen": listen, "reach": reach}
    print(json.dumps(verbs[sys.argv[1]](*sys.argv[2:])))
