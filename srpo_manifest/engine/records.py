"""Records of runs on the controller: `runs/ID/record.json`; the run folders themselves are the truth (`docs/store.md`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from srpo_manifest.engine.home import cache_folder, state_folder
from srpo_manifest.engine.store import (
    Unfit,
    check_home,
    check_own,
    clean,
    make_folder,
    read_own,
    remove_folder,
    write_own,
)
from srpo_manifest.errors import TransportError, UsageError
from srpo_manifest.finding import Finding
from srpo_manifest.values.base import Value
from srpo_manifest.values.run import FORMAT, Record, Status
from srpo_manifest.wording import did_you_mean, listed, ticked

_REBUILT = "`srpo-manifest runs -m MANIFEST` makes it anew from the run itself"
_MENDABLE = ("record-torn", "record-missing")
_TEXTS = ("id", "name", "plan", "manifest", "workspace", "folder", "started")
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Brief(Value):
    """How a run was, in any version's words."""

    state: str | None = None
    outcome: str | None = None


class Damaged(Value):
    """A record that cannot be used, and why."""

    id: str
    finding: Finding

    @property
    def mendable(self) -> bool:
        """Whether nothing is lost where it is made anew."""
        return self.finding.code in _MENDABLE


class Survey(Value):
    """The records that can be read, oldest first, and those that cannot."""

    records: list[Record]
    damaged: list[Damaged]


_RECORD = msgspec.json.Decoder(Record)
_BRIEF = msgspec.json.Decoder(Brief)
_STATUS = msgspec.json.Decoder(Status)
"""Made before there are threads: msgspec 0.22 crashes where two are the first to decode a type."""


def new_id(name: str) -> str:
    """`NAME-YYYYMMDDTHHMMSSZ-XXXXXX`."""
    import secrets  # noqa: PLC0415 - loads OpenSSL, and most verbs make no run

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{name}-{stamp}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


def coming(run: str) -> Path:
    """What is locked while a client of this machine starts the run on several machines."""
    return cache_folder() / "locks" / run


def save(record: Record, plan: bytes) -> None:
    """Write the record and the plan beside it, durably; what killed clients left unfinished goes.

    Raises: TransportError `home-unwritable` or `home-unsafe`.
    """
    runs = _runs()
    with _writing(record):
        _open_store(runs)
        make_folder(runs / record.id, {"record.json": _spelled(record), "plan.json": plan})


def restore(records: Iterable[tuple[Record, Brief]]) -> None:
    """Write records anew that their runs have told, in place of torn ones, with how they were.

    Raises: TransportError `home-unwritable` or `home-unsafe`.
    """
    runs = _runs()
    for number, (record, brief) in enumerate(records):
        seen = {"format": FORMAT, "run": record.id, "state": brief.state, "outcome": brief.outcome}
        with _writing(record):
            if number == 0:
                _open_store(runs)
            if (runs / record.id).exists():
                remove_folder(runs / record.id)
            files = {"record.json": _spelled(record), "seen.json": msgspec.json.encode(seen)}
            make_folder(runs / record.id, files, durable=False)


def _open_store(runs: Path) -> None:
    runs.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    runs.mkdir(mode=0o700, exist_ok=True)
    check_home(runs.parent, runs)
    clean(runs)


def _spelled(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


@contextlib.contextmanager
def _writing(record: Record) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransportError(
            "home-unwritable",
            f"the record of run {ticked(record.id)} cannot be written: {error.strerror}",
            "free the place, or set SRPO_MANIFEST_HOME to a folder of yours",
        ) from error


def saw(record: Record, status: Status) -> None:
    """Remember what the target said last; a memory that cannot be written is no loss. What is newer is not written to.

    An end stays one, whatever a slower client saw before it; but who was lost may be found again.
    """
    before = seen_briefly(record.id) if status.state != "ended" else Brief()
    is_final = before.state == "ended" and before.outcome != "lost"
    if record.format <= FORMAT and not is_final:
        with contextlib.suppress(OSError):
            write_own(_runs() / record.id / "seen.json", msgspec.json.encode(status))


def seen(run: str) -> Status | None:
    """What the target said last, if anybody asked."""
    try:
        return _STATUS.decode(read_own(_runs() / run / "seen.json"))
    except (OSError, Unfit, msgspec.DecodeError):
        return None


def seen_briefly(run: str) -> Brief:
    """Only how it was, as quickly as a list of a thousand needs it."""
    try:
        return _BRIEF.decode(read_own(_runs() / run / "seen.json"))
    except (OSError, Unfit, msgspec.DecodeError):
        return Brief()


def discard(record: Record) -> None:
    """Take a record away whose run is not there. Raises: TransportError `home-unwritable`."""
    with _writing(record), contextlib.suppress(FileNotFoundError):
        remove_folder(_runs() / record.id)


def load_all() -> list[Record]:
    """Every readable record, oldest first."""
    return survey().records


def survey() -> Survey:
    """Every record, and why some cannot be used; none makes another unreadable.

    Raises: TransportError `home-unsafe` where the whole store is not ours alone.
    """
    runs = _runs()
    check_home(runs.parent, runs)
    found, damaged = [], []
    try:
        entries = sorted(os.scandir(runs), key=lambda entry: entry.name)
    except FileNotFoundError:
        entries = []
    except OSError as error:
        raise TransportError("home-unsafe", f"{ticked(runs)} cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.is_file(follow_symlinks=False):
            continue
        try:
            found.append(_read(Path(entry.path)))
        except Unfit as unfit:
            damaged.append(Damaged(id=entry.name, finding=_told(entry.name, unfit)))
    return Survey(records=sorted(found, key=lambda record: (record.started, record.id)), damaged=damaged)


def find(address: str) -> Record:
    """The run that *address* means: its id, a unique beginning of it, a name (its newest run), or `last`.

    Raises: UsageError `run-unknown` or `run-ambiguous`; TransportError `record-…` where its record cannot be used.
    """
    known = survey()
    records = known.records
    if address == "last" and records:
        return usable(records[-1])
    for one in known.damaged:
        if one.id == address:
            raise TransportError(one.finding.code, one.finding.message, *one.finding.hints)
    exact = [record for record in records if record.id == address]
    named = [record for record in records if record.name == address]
    begun = [record for record in records if record.id.startswith(address)] if address else []
    if exact or named:
        return usable((exact or named)[-1])
    if len(begun) == 1:
        return usable(begun[0])
    if begun:
        raise UsageError(
            "run-ambiguous",
            f"{ticked(address)} begins the ids of {len(begun)} runs, {listed((run.id for run in begun[-3:]), 'and')} among them",
            "give more of the id",
        )
    names = [*dict.fromkeys(record.name for record in records), *(record.id for record in records)]
    raise UsageError(
        "run-unknown",
        f"no run {ticked(address)} is on record here",
        *did_you_mean(address, names),
        "`srpo-manifest runs` lists them",
    )


def usable(record: Record) -> Record:
    """The record itself. Raises: TransportError `record-newer` where it does not say how to reach the run."""
    if record.folder and record.transport.get("kind") and record.launcher.get("kind"):
        return record
    raise TransportError(
        "record-newer",
        f"the record of {ticked(record.id)} has format {record.format}, and this version knows up to {FORMAT}",
        "update srpo-manifest, or ask with the version that started the run",
    )


def _read(folder: Path) -> Record:
    """Raises: Unfit."""
    try:
        check_own(folder.lstat(), folder)
        data = read_own(folder / "record.json")
    except FileNotFoundError as error:
        raise Unfit("missing", "it holds no `record.json`", _REBUILT) from error
    except OSError as error:
        raise Unfit("unreadable", f"it cannot be read: {error.strerror}", "give yourself access") from error
    try:
        record = _RECORD.decode(data)
    except msgspec.DecodeError as error:
        record = _outline(data, folder.name, error)
    if record.id != folder.name:
        raise Unfit("misplaced", f"it is the record of {ticked(record.id)}", "remove the copy")
    return record


def _outline(data: bytes, run: str, error: msgspec.DecodeError) -> Record:
    """What can be read of a record that a newer version wrote. Raises: Unfit for any other."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("format"), int) or found["format"] <= FORMAT:
        raise Unfit("torn", f"it is torn: {error}", _REBUILT) from error
    texts = {field: value if isinstance(value := found.get(field), str) else "" for field in _TEXTS}
    tables = {
        field: value if isinstance(value := found.get(field), dict) else {} for field in ("transport", "launcher")
    }
    return msgspec.convert({"format": found["format"], **texts, **tables, "id": texts["id"] or run}, Record)


def _told(run: str, unfit: Unfit) -> Finding:
    message = f"the record of {run} is left alone: {unfit}"
    return Finding(code=f"record-{unfit.code}", level="warn", message=message, hints=(unfit.hint,))


def _runs() -> Path:
    return state_folder() / "runs"
