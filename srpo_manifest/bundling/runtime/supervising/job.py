"""What is settled before the first supervisor starts."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import sys
import time
from typing import NamedTuple, Optional

from .artifacts import Artifacts
from .files import Node, Record, Refused, opened, read_json, write_json
from .listings import listing, size_of
from .page import Page
from .processes import boot_id
from .slots import Slots
from .story import Events, Story
from .words import late_words


class Meeting(NamedTuple):
    """Where the run's nodes meet: an address of the first one that the others reach, and a port there."""

    chief: str
    port: int


class Job:
    """What both supervisors know: it is settled before the first of them starts. Its secrets stay in memory.

    *met* is None where the run has one node, or was started before. *left* is slot 0 of a run whose supervisors have died, and empty where that is blank; None for a new run.
    Raises: Refused where the bundle or the folder is not as it must be.
    """

    def __init__(
        self,
        node: Node,
        lock: int,
        umask: int,
        secrets: dict[str, str],
        dry_run: bool,
        left: Optional[Record] = None,
        met: Optional[Meeting] = None,
    ) -> None:
        self.node, self.lock, self.rules, self.left = node, lock, node.rules(), left
        self.adopted = left is not None
        self.restarted = left is not None and left.get("boot", boot_id()) != boot_id()
        self.words = late_words(node, self.rules)
        self.patterns = [(rule, re.compile(rule["pattern"])) for rule in self.rules.get("log", ())]
        try:
            self.slots = Slots(node.path("slots"), self.adopted)
        except FileExistsError:
            raise Refused("run-used", f"run `{node.run}` was started before", "start a new run", 73) from None
        self.events = Events(node, secrets.values())
        self.log = opened(node.path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.copy = opened(node.path("page"), os.O_RDWR | os.O_CREAT)
        os.close(opened(node.path("phases"), os.O_WRONLY | os.O_CREAT))
        self.page = Page.from_buffer(mmap.mmap(-1, ctypes.sizeof(Page)))
        self.pulse = ctypes.c_double.from_buffer(mmap.mmap(-1, ctypes.sizeof(ctypes.c_double)))
        """When the inner supervisor took its last step, on the monotonic clock; infinite once it has nothing to watch."""
        self.disk = disk_of(node)
        self.witness: Optional[int] = None
        """A pidfd of a leader that is nobody's child here."""
        self.unknown: list[str] = []
        """Secrets that went with the leader."""
        self.artifacts = Artifacts(node, self.rules, self.words)
        self.pulse.value = time.monotonic()
        self.page.began, self.page.dry_run, self.page.umask = time.monotonic(), dry_run, umask
        if self.adopted:
            self._recall()
        else:
            self.keep_page()
            self._remember()
        self.dry_run = self.page.dry_run
        self.environment = environment(node, self.dry_run, secrets, met)

    def files(self) -> set[int]:
        """What supervisors hold open."""
        opened = {self.lock, self.slots.file, self.events.file, self.log, self.copy}
        return opened if self.witness is None else {*opened, self.witness}

    def keep_page(self) -> None:
        """Copy the page to its file, which had its space from the start."""
        with contextlib.suppress(OSError):
            os.pwrite(self.copy, bytes(self.page), 0)

    def _remember(self) -> None:
        try:
            write_json(self.node.path("before.json"), self.artifacts.remembered())
        except OSError as error:
            message = f"what there is before the run could not be written: {error.strerror}"
            hint = "make room: if both supervisors die, only artifacts that were told until then count"
            self.events.append("warning.raised", code="before-unwritten", message=message, hints=[hint])

    def _recall(self) -> None:
        kept = os.pread(self.copy, ctypes.sizeof(Page) + 1, 0)
        if len(kept) == ctypes.sizeof(Page):
            ctypes.memmove(ctypes.addressof(self.page), kept, len(kept))
        else:
            self.page.log, self.page.phases = (size_of(listing(self.node.path(name))) for name in ("log", "phases"))
        self.artifacts.recall(read_json(self.node.path("before.json")), Story(self.node.path("events.jsonl")))


def disk_of(node: Node) -> Optional[int]:
    """The device of the folder of all runs, which is another one where its disk is not mounted; None where it is away."""
    try:
        return os.stat(os.path.dirname(node.run_folder)).st_dev
    except OSError:
        return None


def environment(node: Node, dry_run: bool, secrets: dict[str, str], met: Optional[Meeting]) -> dict[str, str]:
    """The leader's: the inherited one, less what would change its bash or comes from another run."""
    prefixes = ("BASH_FUNC_", "SRPO_RUN_", "SRPO_SECRETS", "SRPO_DRY_RUN")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("BASH_ENV", "ENV") and not name.startswith(prefixes)
    }
    own = {
        "SRPO_RUN_ID": node.run,
        "SRPO_RUN_DIR": node.folder,
        "SRPO_RUN_INDEX": str(node.index),
        "SRPO_RUN_CHIEF": met.chief if met else "127.0.0.1",
        **({"SRPO_RUN_PORT": str(met.port)} if met else {}),
        "SRPO_BUNDLE": node.bundle,
        "SRPO_PYTHON": sys.executable,
    }
    return {**inherited, **secrets, **own, **({"SRPO_DRY_RUN": "1"} if dry_run else {})}
