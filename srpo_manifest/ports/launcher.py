"""How a job starts, is seen and is stopped: text out, text in; a launcher runs nothing itself."""

from __future__ import annotations

from typing import Protocol

from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.run import Mark, Rank, Status


class Launcher(Protocol):
    """Bash texts for the target and parsers of their answers. *folder* is `WORKSPACE/.srpo/runs/ID`.

    Where a transport reaches several machines, each of them gets the texts for its own *node*.
    """

    def start(self, folder: str, *, dry_run: bool, rank: Rank | None = None) -> str:
        """Start the unpacked bundle in *folder*; secrets come on standard input as one JSON object.

        Returns: text that ends 0 only after the durable ack.
        """

    def status(self, folder: str, node: int = 0) -> str:
        """Ask for the state, changing nothing."""

    def parse_status(self, answer: Answer) -> Status:
        """Read the answer of `status`. Raises: LaunchError where it cannot be told."""

    def adopt(self, folder: str, node: int = 0) -> str:
        """Go on with a run that lost its supervisors, or write down its end; ends 0 once that is durable."""

    def tidy(self, folder: str, node: int = 0) -> str:
        """End what a lost run left that cannot be taken over, as its supervisor is of an older version."""

    def mark(self, folder: str, what: Mark, node: int = 0) -> str:
        """Say that the outputs came home, or that the machine is kept: `[end]` waits for that."""

    def stop(
        self,
        folder: str,
        *,
        grace_seconds: float | None,
        checkpoint_seconds: float | None,
        reason: str,
        node: int = 0,
    ) -> str:
        """Ask for a stop and return at once; None leaves a wait as the run's rules have it."""
