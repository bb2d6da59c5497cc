"""Outputs of a run come home: resumable, each file under its name once its digest is right."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.engine.contact import Contact
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.link import Link
from srpo_manifest.engine.locks import held
from srpo_manifest.engine.node import Node
from srpo_manifest.errors import LaunchError, TransportError
from srpo_manifest.finding import Finding
from srpo_manifest.ports.fetching import (
    LOGS,
    Remote,
    digests,
    listing,
    node_of,
    parse_digests,
    parse_listing,
    safe,
    together,
)
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.base import Value
from srpo_manifest.values.run import Checkpoint, Status
from srpo_manifest.wording import ticked

_HASH_SECONDS = 3600.0
_NAMES = 100
"""So many at once: a command line is bounded."""
_KEPT = ".fetched.json"
_WHOLE_DISK = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)
Kind = Literal["logs", "images", "checkpoints"]


class Fetched(Value):
    """A file that is here now: beneath the run's folder, and whether it, or more of it, came this time."""

    kind: Kind
    path: str
    bytes: int
    new: bool


class _Kept(Value):
    """What is known of a file that came: nothing is sent again while neither side has changed."""

    bytes: int
    there: str
    here: int
    digest: str


class _Piece(Value):
    """A file to bring: its path there, as shell text, and its digest where the target told it."""

    kind: Kind
    path: str
    home: str
    remote: Remote
    digest: str | None = None


def fetched(contact: Contact, status: Status, home: Path, wanted: Iterable[str]) -> tuple[list[Fetched], list[Finding]]:
    """Bring what is *wanted* (words of `outputs.fetch`) into the folder *home*; what is here already is not sent again.

    Returns: the files that are here, and what kept others from it: `outputs-gone`, `outputs-unreadable`, `unsafe-name`,
    `fetch-damaged`, `fetch-unwritable`, and as a warning `checkpoint-torn`. Raises: TransportError where the target stays out
    of reach, `fetch-unwritable` and `fetch-busy`; what came until then stays, and counts.
    """
    if status.state == "pending":
        return [], []
    guard = cache_folder() / "locks" / digest(os.path.realpath(home))[:16]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with held(guard, code="fetch-busy", patience_seconds=1.0):
            found, faults = _brought(contact.nodes[0], status, home, frozenset(wanted))
            for node in contact.nodes[1:] if "logs" in wanted else ():
                beneath = f"node-{node.index}"
                try:
                    more, others = _brought(node, status, home / beneath, frozenset({"logs"}))
                except TransportError as error:  # one that is out of reach keeps no other from coming
                    faults += error.findings
                    continue
                found += [msgspec.structs.replace(one, path=f"{beneath}/{one.path}") for one in more]
                faults += others
    except OSError as error:
        raise TransportError(
            "fetch-unwritable",
            f"{ticked(str(home))} cannot be written: {error.strerror}",
            "free the place, or name another with `--to`",
        ) from error
    return found, faults


def _brought(node: Node, status: Status, home: Path, wanted: frozenset[str]) -> tuple[list[Fetched], list[Finding]]:
    fetch = _Fetch(node, status, home)
    try:
        fetch.bring(wanted)
    finally:
        fetch.remember()
    return fetch.found, fetch.faults


class _Fetch:
    """What comes from one node, what does not, and what is known of earlier calls."""

    def __init__(self, node: Node, status: Status, home: Path) -> None:
        self._link, self._node = Link(node.transport), node_of(node.folder, node.index)
        self._status, self._home = status, home
        self.found: list[Fetched] = []
        self.faults: list[Finding] = []
        self._kept: dict[str, _Kept] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            self._kept = msgspec.json.decode((home / _KEPT).read_bytes(), type=dict[str, _Kept])

    def bring(self, wanted: frozenset[str]) -> None:
        """Logs, images, checkpoints; one that cannot come keeps no other from it."""
        if wanted & {"logs", "images"}:
            with self._noted():
                self._of_node(wanted)
        whole = [found for found in self._status.checkpoints if found.whole]
        names: set[str] = set()
        for checkpoint in whole if "checkpoints" in wanted else whole[-1:] if "last-checkpoint" in wanted else []:
            place = PurePosixPath(checkpoint.path)
            name = place.name if place.name not in names else f"{place.parent.name}-{place.name}"
            names.add(name)
            with self._noted():
                self._checkpoint(checkpoint, f"checkpoints/{name}")
        if "checkpoints" in wanted:
            self._torn()

    def remember(self) -> None:
        """What is known now, for the next one."""
        data = msgspec.json.encode(self._kept)
        aside = self._home / f"{_KEPT}.new"
        with contextlib.suppress(OSError):
            aside.write_bytes(data)
            aside.replace(self._home / _KEPT)

    def _of_node(self, wanted: frozenset[str]) -> None:
        node = self._node
        names = (*(LOGS if "logs" in wanted else ()), *(("images",) if "images" in wanted else ()))
        files = parse_listing(self._link.ask(listing(node, names)))
        pieces = [
            _Piece(kind=_kind(file), path=f"{node}/{quote(file.name)}", home=file.name, remote=file) for file in files
        ]
        for piece in pieces:
            if piece.kind == "logs":
                with self._noted():
                    self._log(piece)
        self._files([piece for piece in pieces if piece.kind == "images"])

    def _checkpoint(self, checkpoint: Checkpoint, home: str) -> None:
        told = {file.path: file.digest for file in checkpoint.files}
        place = quote(checkpoint.path)
        files = parse_listing(self._link.ask(listing(place)))
        for name in told.keys() - {file.name for file in files}:
            message = f"{ticked(f'{checkpoint.path}/{name}')}, which the run told of, is not there any more"
            self.faults.append(Finding(code="outputs-gone", level="deny", message=message))
        self._files(
            [
                _Piece(
                    kind="checkpoints",
                    path=f"{place}/{quote(file.name)}" if file.name else place,
                    home=f"{home}/{file.name}" if file.name else home,
                    remote=file,
                    digest=told.get(file.name),
                )
                for file in files
            ]
        )

    def _torn(self) -> None:
        """Checkpoints that never were whole, or are no more: there is nothing to bring."""
        for found in self._status.checkpoints:
            if not found.whole and self._status.state == "ended":
                why = found.reason or "it is not whole"
                message = f"checkpoint {ticked(found.path)} does not come home: {why}"
                self.faults.append(Finding(code="checkpoint-torn", level="warn", message=message))

    def _log(self, piece: _Piece) -> None:
        """It grows here as it does there, and is held against the other once the run has ended."""
        home = self._home / piece.home
        home.parent.mkdir(parents=True, exist_ok=True)
        before = _size(home)
        if self._is_home(piece):
            self._here(piece, new=False)
            return
        right = False
        for again in (False, True):
            if again or _size(home) > piece.remote.bytes:
                home.unlink(missing_ok=True)
            self._copy(piece, home)
            right = self._status.state != "ended" or self._keeps(piece, home, home)
            if right:
                break
        if not right:
            raise _damaged(piece)
        self._here(piece, new=before != piece.remote.bytes)

    def _files(self, pieces: list[_Piece]) -> None:
        """Those that change no more: small ones together, large ones in parts."""
        lacking = []
        for piece in pieces:
            with self._noted():
                safe(piece.home)
                if self._is_home(piece):
                    self._here(piece, new=False)
                else:
                    lacking.append(piece)
        for first in range(0, len(lacking), _NAMES):
            some = self._with_digests(lacking[first : first + _NAMES])
            few = [piece for piece in some if piece.remote.bytes <= self._link.bytes // _NAMES]
            came = self._together(few) if len(few) > 1 else {}
            for piece in some:
                with self._noted():
                    self._file(piece, came.get(piece.home))

    def _with_digests(self, pieces: list[_Piece]) -> list[_Piece]:
        unknown = [piece for piece in pieces if piece.digest is None]
        if not unknown:
            return pieces
        with contextlib.suppress(LaunchError):
            found = parse_digests(self._link.ask(digests(piece.path for piece in unknown), _HASH_SECONDS))
            known = dict(zip((piece.home for piece in unknown), found, strict=True))
            return [msgspec.structs.replace(piece, digest=piece.digest or known[piece.home]) for piece in pieces]
        return pieces

    def _together(self, pieces: list[_Piece]) -> dict[str, bytes]:
        """By home, in one answer; nothing where one of them has changed meanwhile."""
        answer = self._link.ask(together(piece.path for piece in pieces))
        if answer.status != 0 or len(answer.output) != sum(piece.remote.bytes for piece in pieces):
            return {}
        found, at = {}, 0
        for piece in pieces:
            found[piece.home] = answer.output[at : at + piece.remote.bytes]
            at += piece.remote.bytes
        return found

    def _file(self, piece: _Piece, data: bytes | None) -> None:
        home = self._home / piece.home
        home.parent.mkdir(parents=True, exist_ok=True)
        if _size(home) == piece.remote.bytes and home.is_file() and self._keeps(piece, home, home):
            self._here(piece, new=False)
            return
        part = home.with_name(f".{digest(piece.home)[:16]}.part")
        if data is not None:
            part.write_bytes(data)
        for again in (False, True):
            if again or _size(part) > piece.remote.bytes:
                part.unlink(missing_ok=True)
            self._copy(piece, part)
            if self._keeps(piece, part, home):
                self._here(piece, new=True)
                return
        part.unlink()
        raise _damaged(piece)

    def _copy(self, piece: _Piece, part: Path) -> None:
        """Append what is missing."""
        with part.open("ab") as file:
            while (at := file.tell()) < piece.remote.bytes:
                answer = self._link.read(piece.path, at, piece.remote.bytes - at)
                if answer.status != 0 or not answer.output:
                    why = answer.complaint if answer.error else "it was cut, or is gone"
                    raise LaunchError("outputs-unreadable", f"{ticked(piece.remote.name)} cannot be read there: {why}")
                file.write(answer.output)
                file.flush()
            os.fsync(file.fileno())

    def _keeps(self, piece: _Piece, part: Path, home: Path) -> bool:
        """Whether the bytes are the target's: then they have their last name, and are known.

        Raises: LaunchError `outputs-unreadable` where the target tells no digest.
        """
        there = piece.digest or parse_digests(self._link.ask(digests([piece.path]), _HASH_SECONDS))[0]
        with part.open("rb") as file:
            here = hashlib.file_digest(file, "sha256").hexdigest()
        if here != there:
            return False
        if part != home:
            part.replace(home)
        known = _Kept(bytes=piece.remote.bytes, there=piece.remote.changed, here=home.stat().st_mtime_ns, digest=here)
        self._kept[piece.home] = known
        return True

    def _is_home(self, piece: _Piece) -> bool:
        """Whether neither side has changed since it came."""
        kept, home = self._kept.get(piece.home), self._home / piece.home
        if kept is None or (kept.bytes, kept.there) != (piece.remote.bytes, piece.remote.changed) or not home.is_file():
            return False
        here = home.stat()
        return (here.st_size, here.st_mtime_ns) == (kept.bytes, kept.here) and piece.digest in (None, kept.digest)

    def _here(self, piece: _Piece, *, new: bool) -> None:
        self.found.append(Fetched(kind=piece.kind, path=piece.home, bytes=piece.remote.bytes, new=new))

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """What goes wrong with one file, or one checkpoint, keeps no other from coming."""
        try:
            yield
        except LaunchError as error:
            self.faults += error.findings
        except OSError as error:
            if error.errno in _WHOLE_DISK or error.filename is None:
                raise
            message = f"{ticked(str(error.filename))} cannot be written: {error.strerror}"
            self.faults.append(Finding(code="fetch-unwritable", level="deny", message=message))


def _kind(file: Remote) -> Kind:
    return "images" if file.name.startswith("images/") else "logs"


def _damaged(piece: _Piece) -> LaunchError:
    return LaunchError(
        "fetch-damaged",
        f"{ticked(piece.remote.name or piece.home)} came home twice with another digest than it has there",
        "see whether something still writes it, or whether the disk there, or here, is sound",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
