"""What a url and ref mean: by the lock, by a mirror, or by the demo that ships with us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from srpo_manifest.engine import lockfiles
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.lockfiles import DEMO
from srpo_manifest.errors import ManifestError
from srpo_manifest.planning.entry import PIN, script_of
from srpo_manifest.ports.probes import ReadRepository
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.lock import READERS, Pin
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import ticked

if TYPE_CHECKING:
    from srpo_manifest.engine.mirror import Mirror


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
        return read_pin(mirror, question.url, question.ref, at, scripts, question.description)

    def write(self, pin: Pin) -> bool:
        """Put the pin into the lock, unless it is the demo's. Returns: whether the file changed."""
        return pin.url != DEMO and not self._locked and lockfiles.write(self.lock_path, pin)

    def archive(self, commit: str, tree: str) -> Iterator[bytes]:
        """The commit's tree as a tar. Raises: ManifestError `lock-damaged` where that is not *tree*; TransportError."""
        repo = self._wanted.manifest.repo
        mirror = self._mirror(repo.url)
        mirror.ensure(commit, offline=self._offline or repo.url == DEMO, refresh=repo.refresh == "always")
        if mirror.tree_of(commit) != tree:
            raise ManifestError(
                "lock-damaged",
                f"commit {ticked(commit[:12])} has another tree than {ticked(self.lock_path)} says",
                "run `srpo-manifest lock`",
            )
        return mirror.archive(commit)

    def _question(self) -> ReadRepository:
        repo = self._wanted.manifest.repo
        return ReadRepository(
            url=repo.url, ref=repo.ref, script=script_of(self._wanted), description=self._wanted.trainer
        )

    def _found(self, question: ReadRepository) -> Pin | None:
        if question.url == DEMO:
            return demo_pin()
        return lockfiles.read(self.lock_path).find(question.url, question.ref)

    def _mirror(self, url: str) -> Mirror:
        if url == DEMO:
            from srpo_manifest.engine.demo_repository import demo_mirror  # noqa: PLC0415 - the demo alone needs it

            return demo_mirror()
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
