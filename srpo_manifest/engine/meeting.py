"""Where the nodes of a run meet: tried out before anything is started, as a rendezvous that fails is waited for in silence."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from typing import TypeVar

import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.bundling.render import PYTHONS
from srpo_manifest.engine.several import at_once
from srpo_manifest.errors import LaunchError, SrpoManifestError
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.base import Value
from srpo_manifest.values.run import Rank
from srpo_manifest.wording import listed

_ASK_SECONDS = 60.0
_NO_PYTHON = 69
_TEXT = """for python in {pythons}; do
  "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null </dev/null && exec "$python" -I - {words}
done
exit 69
"""


class _Offer(Value):
    addresses: tuple[str, ...]
    port: int
    peers_port: int
    why: str = ""


class _Listened(Value):
    why: str = ""


class _Reached(Value):
    reached: tuple[str, ...]


A = TypeVar("A", bound=Value)


def meet(
    machines: Sequence[Transport], *, chief: str | None, port: int | None, patience_seconds: float = 20.0
) -> tuple[Rank, ...]:
    """The ranks of *machines*, in order: at an address of the first that every other has reached, and a port of it.

    *chief* and *port* are what the manifest insists on. Raises: TransportError where one cannot be reached; LaunchError
    `port-taken`, `nodes-apart`, or `python-missing`.
    """
    first, *others = machines
    offer = _asked(first, _Offer, "offer", str(port or 0))
    if not offer.port:
        raise _taken(first, port, offer.why)
    addresses = (chief,) if chief else offer.addresses
    patience = f"{patience_seconds:g}"
    token = secrets.token_hex(16)
    asked: list[Callable[[], Value]] = [
        partial(_asked, first, _Listened, "listen", str(offer.port), token, str(len(others)), patience),
        *(
            partial(_asked, other, _Reached, "reach", str(offer.port), token, str(node), patience, *addresses)
            for node, other in enumerate(others, 1)
        ),
    ]
    listened, *reached = at_once(asked)
    for answer in (listened, *reached):
        if isinstance(answer, SrpoManifestError):
            raise answer
    if isinstance(listened, _Listened) and listened.why:
        raise _taken(first, offer.port, listened.why)
    ways = [set(answer.reached) for answer in reached if isinstance(answer, _Reached)]
    good = next((address for address in addresses if all(address in way for way in ways)), None)
    if good is None:
        lost = [other.place for other, way in zip(others, ways, strict=True) if not way]
        raise _apart(
            first, lost or [other.place for other in others], addresses, offer.port, alone=bool(lost), given=chief
        )
    token = secrets.token_hex(16)
    return tuple(
        Rank(
            index=index,
            chief=good,
            port=offer.port,
            place=machine.place,
            nodes=len(machines),
            peers_port=offer.peers_port,
            token=token,
        )
        for index, machine in enumerate(machines)
    )


def _asked(machine: Transport, shape: type[A], *words: str) -> A:
    text = _TEXT.format(pythons=" ".join(map(quote, PYTHONS)), words=" ".join(map(quote, words)))
    program = resources.files("srpo_manifest.bundling").joinpath("runtime", "meet.py").read_bytes()
    answer = machine.exec(text, (program,), timeout_seconds=_ASK_SECONDS)
    if answer.status == _NO_PYTHON:
        raise LaunchError(
            "python-missing",
            f"no Python of 3.9 or newer answers on {machine.place}, and a run of several machines needs one on each",
            "install python3 there",
        )
    try:
        return msgspec.json.decode(answer.output, type=shape)
    except msgspec.DecodeError as error:
        message = f"{machine.place} could not be asked where to meet: {answer.complaint}"
        raise LaunchError("nodes-apart", message, "see whether its disk is full, or its Python broken") from error


def _taken(first: Transport, port: int | None, why: str) -> LaunchError:
    return LaunchError(
        "port-taken",
        f"port {port or 0} cannot be used on {first.place}: {why}",
        "leave `resources.port` out, and each run gets a free one",
    )


def _apart(
    first: Transport, lost: Sequence[str], addresses: Sequence[str], port: int, *, alone: bool, given: str | None
) -> LaunchError:
    tried = listed(addresses, "and") if addresses else "no address"
    message = (
        f"{listed(lost, 'and')} cannot reach {first.place} at port {port}: tried was {tried}"
        if alone
        else f"no address of {first.place} is reached by all of {listed(lost, 'and')}: tried was {tried}"
    )
    return LaunchError(
        "nodes-apart",
        message,
        "open the ports between the machines: the trainer's own traffic needs them, too",
        "see whether `CHIEF_IP` in `[env]` is right, or leave it out"
        if given
        else "give the first machine's address in their network as `CHIEF_IP` in `[env]`",
    )
