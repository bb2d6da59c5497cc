"""Records of runs on the controller: `runs/ID/record.json`, written aside and renamed."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from srpo_manifest.engine.home import state_folder
from srpo_manifest.errors import TransportError, UsageError
from srpo_manifest.values.run import FORMAT, Record, Status
from srpo_manifest.wording import did_you_mean, listed, ticked

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(name: str) -> str:
    """`NAME-YYYYMMDDTHHMMSSZ-XXXXXX`."""
    import secrets  # noqa: PLC0415 - loads OpenSSL, and most verbs make no run

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{name}-{stamp}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def save(record: Record, plan: bytes) -> None:
    """Write the record and the plan beside it. Raises: TransportError `home-unwritable`."""
    folder = _runs() / record.id
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "plan.json", plan)
        _write(folder / "record.json", msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    except OSError as error:
        raise TransportError(
            "home-unwritable",
            f"the record of run {ticked(record.id)} cannot be written: {error.strerror}",
            "free the place, or set SRPO_MANIFEST_HOME to a folder of yours",
        ) from error


def saw(run: str, status: Status) -> None:
    """Remember what the target said last; a memory that cannot be written is no loss."""
    with contextlib.suppress(OSError):
        _write(_runs() / run / "seen.json", msgspec.json.encode(status))


def seen(run: str) -> Status | None:
    """What the target said last, if anybody asked."""
    try:
        return msgspec.json.decode((_runs() / run / "seen.json").read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def discard(record: Record) -> None:
    """Take a record away whose run was never started."""
    folder = _runs() / record.id
    for name in ("record.json", "plan.json", "seen.json"):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()


def load_all() -> list[Record]:
    """Every readable record, oldest first; one that a newer version wrote, or that is torn, is left out."""
    found = []
    for file in _runs().glob("*/record.json"):
        try:
            record = msgspec.json.decode(file.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            continue
        if record.format <= FORMAT:
            found.append(record)
    return sorted(found, key=lambda record: (record.started, record.id))


def find(address: str) -> Record:
    """The run that *address* means: its id, a unique beginning of it, a name (its newest run), or `last`.

    Raises: UsageError `run-unknown` or `run-ambiguous`.
    """
    records = load_all()
    if address == "last" and records:
        return records[-1]
    exact = [record for record in records if record.id == address]
    named = [record for record in records if record.name == address]
    begun = [record for record in records if record.id.startswith(address)] if address else []
    if exact or named:
        return (exact or named)[-1]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UsageError(
            "run-ambiguous",
            f"{ticked(address)} begins the ids of {len(begun)} runs: {listed((run.id for run in begun[:5]), 'and')}",
            "give more of the id",
        )
    names = [*dict.fromkeys(record.name for record in records), *(record.id for record in records)]
    raise UsageError(
        "run-unknown",
        f"no run {ticked(address)} is on record here",
        *did_you_mean(address, names),
        "`srpo-manifest runs` lists them",
    )


def damaged() -> list[str]:
    """Names of record folders that could not be read."""
    read = {record.id for record in load_all()}
    try:
        return sorted(folder.name for folder in _runs().iterdir() if folder.is_dir() and folder.name not in read)
    except OSError:
        return []


def _runs() -> Path:
    return state_folder() / "runs"


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
