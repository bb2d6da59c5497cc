"""Outputs of a run come home: resumable, each file under its name once its digest is right."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.locks import held
from srpo_manifest.errors import LaunchError, TransportError
from srpo_manifest.finding import Finding
from srpo_manifest.ports.fetching import (
    LOGS,
    digests,
    listing,
    node_of,
    parse_digests,
    parse_listing,
    reading,
    safe,
)
from srpo_manifest.ports.probes import Answer
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.base import Value
from srpo_manifest.values.run import Checkpoint, Status
from srpo_manifest.wording import ticked

CHUNK_BYTES = 16 << 20
_ASK_SECONDS = 120.0
_HASH_SECONDS = 3600.0
_PAUSES = (0.5, 2.0, 5.0, 10.0, 30.0)
"""Between tries while the target cannot be reached."""
_NAMES = 200
"""So many at once: a command line is bounded."""
Kind = Literal["logs", "images", "checkpoints"]


class Fetched(Value):
    """A file that is here now: beneath the run's folder, and whether it, or more of it, came this time."""

    kind: Kind
    path: str
    bytes: int
    new: bool


class _Piece(Value):
    """A file to bring: where it lies there, as shell text, and its digest where the target told it."""

    kind: Kind
    folder: str
    name: str
    bytes: int
    home: str
    digest: str | None = None
    grows: bool = False


def fetched(contact: Contact, status: Status, home: Path, wanted: Iterable[str]) -> tuple[list[Fetched], list[Finding]]:
    """Bring what is *wanted* (words of `outputs.fetch`) into the folder *home*; what is here already is not sent again.

    Returns: the files that are here, and what kept others from it: `outputs-gone`, `outputs-unreadable`, `unsafe-name`,
    `fetch-damaged`, and as a warning `checkpoint-torn`. Raises: TransportError where the target stays out of reach, `fetch-unwritable` and `fetch-busy`; what came
    until then stays, and counts.
    """
    found: list[Fetched] = []
    faults: list[Finding] = []
    guard = cache_folder() / "locks" / digest(os.path.realpath(home))[:16]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with held(guard, code="fetch-busy", patience_seconds=1.0):
            for pieces in _groups(contact, status, frozenset(wanted), home):
                with _noted(faults):
                    for piece in pieces:
                        with _noted(faults):
                            found.append(_brought(contact, piece, home, ended=status.state == "ended"))
            faults += _torn(status) if "checkpoints" in wanted else []
    except OSError as error:
        raise TransportError(
            "fetch-unwritable",
            f"{ticked(str(home))} cannot be written: {error.strerror}",
            "free the place, or name another with `--to`",
        ) from error
    return found, faults


def _torn(status: Status) -> list[Finding]:
    """Checkpoints that never were whole, or are no more: there is nothing to bring."""
    return [
        Finding(
            code="checkpoint-torn",
            level="warn",
            message=f"checkpoint {ticked(found.path)} does not come home: {found.reason or 'it is not whole'}",
        )
        for found in status.checkpoints
        if not found.whole and status.state == "ended"
    ]


@contextlib.contextmanager
def _noted(faults: list[Finding]) -> Iterator[None]:
    """What goes wrong with one file, or one checkpoint, keeps no other from coming."""
    try:
        yield
    except LaunchError as error:
        faults += error.findings


def _groups(contact: Contact, status: Status, wanted: frozenset[str], home: Path) -> Iterator[Iterator[_Piece]]:
    if wanted & {"logs", "images"}:
        yield _of_node(contact, wanted, home)
    whole = [found for found in status.checkpoints if found.whole]
    names: set[str] = set()
    for checkpoint in whole if "checkpoints" in wanted else whole[-1:] if "last-checkpoint" in wanted else []:
        place = PurePosixPath(checkpoint.path)
        name = place.name if place.name not in names else f"{place.parent.name}-{place.name}"
        names.add(name)
        yield _of_checkpoint(contact, checkpoint, f"checkpoints/{name}")


def _of_node(contact: Contact, wanted: frozenset[str], home: Path) -> Iterator[_Piece]:
    node = node_of(contact.folder)
    names = (*(LOGS if "logs" in wanted else ()), *(("images",) if "images" in wanted else ()))
    files = parse_listing(_asked(contact, listing(node, *names)))
    images = [file for file in files if file.name.startswith("images/")]
    for file in files:
        if file not in images:
            yield _Piece(kind="logs", folder=node, name=file.name, bytes=file.bytes, home=file.name, grows=True)
    missing = [file.name for file in images if not _is_home(home / file.name, file.bytes)]
    known: dict[str, str] = {}
    for first in range(0, len(missing), _NAMES):
        known |= parse_digests(_asked(contact, digests(node, missing[first : first + _NAMES])))
    for file in images:
        yield _Piece(
            kind="images", folder=node, name=file.name, bytes=file.bytes, home=file.name, digest=known.get(file.name)
        )  # fmt: skip


def _of_checkpoint(contact: Contact, checkpoint: Checkpoint, home: str) -> Iterator[_Piece]:
    told = {file.path: file for file in checkpoint.files}
    if "" in told:
        place = PurePosixPath(checkpoint.path)
        yield _Piece(
            kind="checkpoints", folder=quote(str(place.parent)), name=place.name, bytes=told[""].bytes, home=home, digest=told[""].digest
        )  # fmt: skip
        return
    folder = quote(checkpoint.path)
    for file in parse_listing(_asked(contact, listing(folder))):
        digest = told[file.name].digest if file.name in told else None
        yield _Piece(
            kind="checkpoints", folder=folder, name=file.name, bytes=file.bytes, home=f"{home}/{file.name}", digest=digest
        )  # fmt: skip


def _brought(contact: Contact, piece: _Piece, folder: Path, *, ended: bool) -> Fetched:
    """The file at home. What has its last name here is right; what grows has it from the beginning."""
    home = folder / safe(piece.home)
    home.parent.mkdir(parents=True, exist_ok=True)
    part = home if piece.grows else home.with_name(f".{home.name}.part")
    if not piece.grows and _is_home(home, piece.bytes):
        return Fetched(kind=piece.kind, path=piece.home, bytes=piece.bytes, new=False)
    before = _size(part)
    for again in (False, True):
        if again or _size(part) > piece.bytes:
            part.unlink(missing_ok=True)
        _copy(contact, piece, part)
        if piece.grows and not ended:
            break
        if _digest_here(part) == (piece.digest or _digest_there(contact, piece)):
            break
    else:
        part.unlink()
        raise LaunchError(
            "fetch-damaged",
            f"{ticked(piece.name)} came home twice with another digest than it has there",
            "see whether something still writes it, or whether the disk there, or here, is sound",
        )
    if part != home:
        part.replace(home)
    return Fetched(kind=piece.kind, path=piece.home, bytes=piece.bytes, new=before != piece.bytes or part != home)


def _copy(contact: Contact, piece: _Piece, part: Path) -> None:
    """Append what is missing."""
    with part.open("ab") as file:
        while (at := file.tell()) < piece.bytes:
            size = min(CHUNK_BYTES, piece.bytes - at)
            answer = _asked(contact, reading(f"{piece.folder}/{quote(piece.name)}", at, size))
            if answer.status != 0 or not answer.output:
                raise LaunchError(
                    "outputs-unreadable", f"{ticked(piece.name)} cannot be read there: {answer.complaint or answer.text or 'it was cut'}"
                )  # fmt: skip
            file.write(answer.output)
            file.flush()
        os.fsync(file.fileno())


def _digest_there(contact: Contact, piece: _Piece) -> str | None:
    answer = _asked(contact, digests(piece.folder, [piece.name]), timeout_seconds=_HASH_SECONDS)
    return parse_digests(answer).get(piece.name)


def _digest_here(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_home(path: Path, size: int) -> bool:
    """Only what is whole has its last name."""
    return path.is_file() and path.stat().st_size == size


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _asked(contact: Contact, script: str, timeout_seconds: float = _ASK_SECONDS) -> Answer:
    """The answer, patiently. Raises: TransportError where the target stays out of reach."""
    for pause in _PAUSES:
        try:
            return contact.transport.exec(script, timeout_seconds=timeout_seconds)
        except TransportError:
            time.sleep(pause)
    return contact.transport.exec(script, timeout_seconds=timeout_seconds)
