"""What a url and ref mean: by the lock, by a mirror, or by the demo that ships with us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from srpo_manifest.engine import lockfiles
from srpo_manifest.engine.files import is_file
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.lockfiles import DEMO
from srpo_manifest.errors import ManifestError, TransportError
from srpo_manifest.planning.entry import PIN, script_of
from srpo_manifest.ports.probes import ReadRepository
from srpo_manifest.reading.canonical import digest
from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.lock import READERS, Pin
from srpo_manifest.values.upgrade import FileChange, Span
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

if TYPE_CHECKING:
    from srpo_manifest.engine.mirror import Mirror


class Sides(Value):
    """The locked pin and the one that would take its place, read by the same readers where that can be."""

    before: Pin | None
    """None: nothing is locked."""
    after: Pin
    dates: tuple[str | None, str | None] = (None, None)
    span: Span | None = None
    """None where the locked commit is not at hand."""
    lost: bool = False
    """Upstream does not hand the locked commit out any more."""
    files: tuple[FileChange, ...] = ()
    current: bool = True
    """The lock's own entry is of these readers and of this trainer description."""
    known: bool = True
    """The lock has an entry for the script."""
    missing: ManifestError | None = None
    """Why the new commit has no such script."""
    tag: bool = False
    """The ref is a tag."""


class Repositories:
    """Pins and trees for one manifest. The network is asked only where the lock does not answer."""

    def __init__(self, wanted: Wanted, *, lock: str | None = None, locked: bool = False, offline: bool = False) -> None:
        """*locked* wants a fitting entry and refuses to change it; *offline* forbids the network."""
        self._wanted = wanted
        self._locked, self._offline = locked, offline
        self.lock_path = lockfiles.find(wanted.folder, lock)

    def known(self) -> Facts:
        """The pin as a fact, where the lock or the package knows it: nothing is fetched."""
        question = self._question()
        found = self._found(question)
        if found is None or not self._fits(found, question):
            return Facts()
        return Facts(facts={PIN: Known(value=msgspec.to_builtins(self._narrowed(found, question)))})

    def unknown(self) -> tuple[str, tuple[str, ...], str] | None:
        """Why the lock knows no flags: the reason, hints, and the key that it is about. None where it does, or there is none."""
        question, lock = self._question(), f"`{lockfiles.NAME}`"
        if question.script is None or (question.url != DEMO and not is_file(self.lock_path)):
            return None
        if question.url == DEMO:
            entries = demo_pin().entries
            hints = (*did_you_mean(question.script, entries), f"there is {listed(entries, 'and')}")
            why = f"{ticked(DEMO)} has no {ticked(question.script)}"
            return None if question.script in entries else (why, hints, "entry.script")
        found, again = self._found(question), "run `srpo-manifest lock`"
        if found is None:
            refs = [pin.ref for pin in lockfiles.read(self.lock_path).pins if pin.url == question.url]
            has = (f"it has {listed(ref or 'the default branch' for ref in refs)}: set `repo.ref`",) if refs else ()
            which = ticked(question.ref) if question.ref else "its default branch"
            return f"{lock} has no entry for {ticked(question.url)} at {which}", (*has, again), "repo.ref"
        if question.script not in found.entries:
            near = did_you_mean(question.script, found.entries)
            return f"{lock} does not know {ticked(question.script)}", (*near, again), "entry.script"
        if not self._fits(found, question):
            return f"{lock} was written by another version of srpo-manifest", (again,), "entry.script"
        return None

    def renewed(self, *, upgrade: bool) -> Pin:
        """The manifest's pin as the mirror gives it now: of the locked commit, or with *upgrade* of the ref."""
        question = self._question()
        if self._locked:
            return self.pin(question)
        found = self._found(question)
        if question.url == DEMO and found is not None:
            return found
        return self.read(question, commit=found.commit if found and not upgrade else None)

    def pin(self, question: ReadRepository) -> Pin:
        """The pin with the contract of the script. Raises: ManifestError; TransportError."""
        found = self._found(question)
        if found is not None and self._fits(found, question):
            return self._narrowed(found, question)
        if self._locked:
            wrong = "has no entry for it" if found is None else f"does not know {ticked(question.script)}"
            raise ManifestError(
                "lock-misfit",
                f"{ticked(question.url)} at {ticked(question.ref or 'its default branch')} is wanted as locked, and {ticked(self.lock_path)} {wrong}",
                "run `srpo-manifest lock`",
            )
        return self.read(question, commit=found.commit if found else None)

    def read(self, question: ReadRepository, *, commit: str | None = None) -> Pin:
        """The pin as the mirror gives it: of *commit*, or of what the ref means now."""
        from srpo_manifest.engine.pin import read_pin  # noqa: PLC0415 - the readers cost what a locked plan need not pay

        mirror = self._mirror(question.url)
        at = mirror.ensure(commit or question.ref, offline=self._offline or question.url == DEMO)
        scripts = [] if question.script is None else [question.script]
        try:
            return read_pin(mirror, question.url, question.ref, at, scripts, question.description)
        except TransportError as error:
            mirror = self._mended(error, question.url, at)
            return read_pin(mirror, question.url, question.ref, at, scripts, question.description)

    def sides(self, *, upgrade: bool) -> Sides:
        """What the lock holds, beside what `renewed` would put there; nothing is written but git's cache.

        With *upgrade* an entry of other readers or another description is read again at its commit, so that
        upstream's change alone is told; without it that very difference is what is told.
        Raises: ManifestError, `script-missing` among them where neither commit has the script; TransportError.
        """
        question = self._question()
        found = self._found(question)
        if question.url == DEMO and found is not None:
            return Sides(before=self._narrowed(found, question), after=self._narrowed(found, question))
        mirror = self._mirror(question.url)
        wish = found.commit if found and not upgrade else question.ref
        at = mirror.ensure(wish, offline=self._offline)
        after, missing = self._read_at(mirror, question, at)
        tag = upgrade and question.ref is not None and mirror.is_tag(question.ref)
        sides = Sides(before=None, after=after, missing=missing, dates=(None, mirror.date_of(at)), tag=tag)
        if found is None:
            if missing is not None:
                raise missing
            return sides
        current = self._is_current(found, question)
        before = self._narrowed(found, question)
        known = question.script is None or question.script in found.entries
        sides = msgspec.structs.replace(sides, before=before, current=current, known=known)
        try:
            mirror.ensure(found.commit, offline=self._offline)
        except ManifestError as error:  # the lock's own entry is all there is
            return msgspec.structs.replace(sides, lost=error.code != "offline")
        if upgrade and not current:
            before, _ = self._read_at(mirror, question, found.commit)
        if missing is not None and not before.entries:
            raise missing
        return msgspec.structs.replace(
            sides,
            before=before,
            dates=(mirror.date_of(found.commit), sides.dates[1]),
            span=mirror.between(found.commit, at),
            files=mirror.changed(found.commit, at),
        )

    def write(self, pin: Pin) -> bool:
        """Put the pin into the lock, unless it is the demo's. Returns: whether the file changed."""
        return pin.url != DEMO and not self._locked and lockfiles.write(self.lock_path, pin)

    def archive(self, commit: str, tree: str) -> Iterator[bytes]:
        """The commit's tree as a tar. Raises: ManifestError `lock-damaged` where that is not *tree*; TransportError."""
        repo = self._wanted.manifest.repo
        mirror = self._mirror(repo.url)
        mirror.ensure(commit, offline=self._offline or repo.url == DEMO, refresh=repo.refresh == "always")
        try:
            found = mirror.tree_of(commit)
        except TransportError as error:
            mirror = self._mended(error, repo.url, commit)
            found = mirror.tree_of(commit)
        if found != tree:
            raise ManifestError(
                "lock-damaged",
                f"commit {ticked(commit[:12])} has another tree than {ticked(self.lock_path)} says",
                "run `srpo-manifest lock`",
            )
        return self._whole(mirror, repo.url, commit)

    def _whole(self, mirror: Mirror, url: str, commit: str) -> Iterator[bytes]:
        """The tar, which is made before its first byte is handed on."""
        try:
            yield from mirror.archive(commit)
        except TransportError as error:
            yield from self._mended(error, url, commit).archive(commit)

    def _mended(self, error: TransportError, url: str, commit: str) -> Mirror:
        """The mirror made anew, once, where *error* tells that it is damaged and that can be done; else raises it."""
        if error.code == "objects-missing" and url == DEMO:
            return self._mirror(url, anew=True)
        if error.code != "objects-missing" or self._offline:
            raise error
        mirror = self._mirror(url)
        mirror.ensure(commit, refresh=True)
        return mirror

    def _read_at(self, mirror: Mirror, question: ReadRepository, at: str) -> tuple[Pin, ManifestError | None]:
        """The pin of the commit; one without entries where it has no such script, and why."""
        from srpo_manifest.engine.pin import read_pin  # noqa: PLC0415 - see `read`

        scripts = [] if question.script is None else [question.script]
        try:
            return read_pin(mirror, question.url, question.ref, at, scripts, question.description), None
        except ManifestError as error:
            if error.code != "script-missing":
                raise
            return Pin(url=question.url, ref=question.ref, commit=at, tree=mirror.tree_of(at)), error

    def _is_current(self, pin: Pin, question: ReadRepository) -> bool:
        if question.script is None:
            return True
        entry = pin.entries.get(question.script)
        return entry is not None and (entry.readers, entry.description) == (READERS, digest(question.description))

    def _question(self) -> ReadRepository:
        repo = self._wanted.manifest.repo
        return ReadRepository(
            url=repo.url, ref=repo.ref, script=script_of(self._wanted), description=self._wanted.trainer
        )

    def _found(self, question: ReadRepository) -> Pin | None:
        if question.url == DEMO:
            return demo_pin()
        return lockfiles.read(self.lock_path).find(question.url, question.ref)

    def _mirror(self, url: str, *, anew: bool = False) -> Mirror:
        if url == DEMO:
            from srpo_manifest.engine.demo_repository import demo_mirror  # noqa: PLC0415 - the demo alone needs it

            return demo_mirror(anew=anew)
        from srpo_manifest.engine.mirror import Mirror  # noqa: PLC0415 - likewise

        return Mirror.of(url, Path(self._wanted.folder), cache_folder() / "repositories")

    def _fits(self, pin: Pin, question: ReadRepository) -> bool:
        """Whether the lock knows the script, read by readers like ours. Another description only leaves verdicts open."""
        if question.script is None:
            return True
        entry = pin.entries.get(question.script)
        return entry is not None and entry.readers == READERS

    def _narrowed(self, pin: Pin, question: ReadRepository) -> Pin:
        entries = {question.script: pin.entries[question.script]} if question.script in pin.entries else {}
        return msgspec.structs.replace(pin, entries=entries)


def demo_pin() -> Pin:
    """The pin that the package carries."""
    from importlib import resources  # noqa: PLC0415 - the demo alone needs it

    data = resources.files("srpo_manifest.demo").joinpath("pin.json").read_bytes()
    return msgspec.json.decode(data, type=Pin)
