"""The direct launcher: the bundle's own supervisor, started on the target itself."""

from __future__ import annotations

import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.errors import LaunchError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.manifest import DirectOptions, LauncherOptions
from srpo_manifest.values.run import Mark, Status

_NEVER = """if [ ! -e "$run/python" ]; then
  printf '{"format": 1, "run": "%s", "state": "ended", "outcome": "lost", "reason": "it was never started"}' "${run##*/}"
  exit
fi
"""
NODE = "attempt-1/node-0"
PYTHON = 'python=$(cat "$run/python" 2>/dev/null) || { echo "no run in $run" >&2; exit 3; }\n'


class DirectLauncher:
    """Pure: texts for the target, and the reading of their answers."""

    def start(self, folder: str, *, dry_run: bool) -> str:
        """Start the bundle that was unpacked in *folder*."""
        flags = "--detach --secrets-on-stdin" + (" --dry-run" if dry_run else "")
        return (
            f'run={folder}\nexec "$BASH" --noprofile --norc "$run/bundle/launch.sh" --run-id "${{run##*/}}" {flags}\n'
        )

    def status(self, folder: str) -> str:
        """Ask the supervisor's file; it changes nothing. A run that never came to its target is lost."""
        return f'run={folder}\n{_NEVER}{PYTHON}exec "$python" "$run/bundle/supervise.py" status "$run/{NODE}"\n'

    def parse_status(self, answer: Answer) -> Status:
        """One JSON object. Raises: LaunchError for anything else."""
        if answer.status != 0:
            raise LaunchError("run-unreadable", f"the run's folder does not tell its state: {answer.complaint}")
        try:
            return msgspec.json.decode(answer.output, type=Status)
        except msgspec.DecodeError as error:
            raise LaunchError("run-unreadable", f"the run's state has an unknown shape: {error}") from error

    def stop(self, folder: str, *, grace_seconds: float | None, reason: str) -> str:
        """Write the request durably and wake the supervisor."""
        grace = "" if grace_seconds is None else f"--grace {grace_seconds:g} "
        return f'run={folder}\n{PYTHON}exec "$python" "$run/bundle/supervise.py" stop "$run/{NODE}" {grace}--reason {quote(reason)}\n'

    def mark(self, folder: str, what: Mark) -> str:
        """Leave the mark durably."""
        return f'run={folder}\n{PYTHON}exec "$python" "$run/bundle/supervise.py" mark "$run/{NODE}" {what}\n'

    def tidy(self, folder: str) -> str:
        """End what a lost run left behind."""
        return f'run={folder}\n[ -e "$run/python" ] || exit 0\n{PYTHON}exec "$python" "$run/bundle/supervise.py" tidy "$run/{NODE}"\n'


class DirectKind:
    """`kind = "direct"`."""

    options = DirectOptions

    def open(self, options: LauncherOptions) -> DirectLauncher:  # noqa: ARG002 - it has no options
        """A launcher; there is nothing to choose."""
        return DirectLauncher()
