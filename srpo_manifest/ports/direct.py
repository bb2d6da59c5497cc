"""The direct launcher: the bundle's own supervisor, started on the target itself."""

from __future__ import annotations

import contextlib

import msgspec

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.errors import LaunchError
from srpo_manifest.ports.arrival import node_name, unstarted
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.base import Value
from srpo_manifest.values.manifest import DirectOptions, LauncherOptions
from srpo_manifest.values.run import FORMAT, Mark, Raised, Rank, Status

_PENDING = """printf '{"format": 1, "run": "%s", "state": "pending", "unfinished": false}' "${run##*/}\""""
_LOST = """printf '{"format": 1, "run": "%s", "state": "ended", "outcome": "lost", "reason": "it was never started", "unfinished": false}' "${run##*/}\""""
ABSENT = 66
_ABSENT_RUN = f"""[ -f "$run/supervisor" ] || [ -f "$run/python" ] || {{ echo "there is no run in $run" >&2; exit {ABSENT}; }}
"""
SUPERVISE = """supervise() {
  [ ! -f "$run/supervisor" ] || exec "$BASH" --noprofile --norc "$run/supervisor" "$@"
  [ -f "$run/python" ] && python=$(cat "$run/python") || { echo "no run in $run" >&2; exit 3; }
  exec "$python" "$run/bundle/supervise.py" "$@"
}
"""
"""Asks the supervisor of `$run`, whichever it has; older runs tell their Python alone."""


class _Format(Value):
    format: int


class DirectLauncher:
    """Pure: texts for the target, and the reading of their answers."""

    def start(self, folder: str, *, dry_run: bool, rank: Rank | None = None) -> str:
        """Start the bundle that was unpacked in *folder*."""
        flags = "--detach --secrets-on-stdin" + (" --dry-run" if dry_run else "")
        peers = ""
        if rank is not None:
            flags += f" --node {rank.index} --chief {quote(rank.chief)} --port {rank.port}"
            peers = _peers(rank) if rank.nodes else ""
        return f'run={folder}\n{peers}exec "$BASH" --noprofile --norc "$run/bundle/launch.sh" --run-id "${{run##*/}}" {flags}\n'

    def status(self, folder: str, node: int = 0) -> str:
        """Ask the supervisor's file; it changes nothing. What is left of a launch that came to nothing is a lost run."""
        never = unstarted(_PENDING, _LOST, node)
        return f'run={folder}\n{never}{_ABSENT_RUN}{SUPERVISE}supervise status "$run/{node_name(node)}"\n'

    def parse_status(self, answer: Answer) -> Status:
        """One JSON object. Raises: LaunchError `run-absent` where there is no run; LaunchError for anything else."""
        if answer.status == ABSENT:
            raise LaunchError("run-absent", f"the run's folder is not on the target: {answer.complaint}")
        if answer.status != 0:
            raise LaunchError("run-unreadable", f"the run's folder does not tell its state: {answer.complaint}")
        try:
            return _weaker(msgspec.json.decode(answer.output, type=Status))
        except msgspec.DecodeError as error:
            raise self._unreadable(answer, error) from error

    def _unreadable(self, answer: Answer, error: Exception) -> LaunchError:
        with contextlib.suppress(msgspec.DecodeError):
            found = msgspec.json.decode(answer.output, type=_Format).format
            if found > FORMAT:
                return LaunchError(
                    "run-newer",
                    f"the run's supervisor speaks format {found}, and this srpo-manifest knows {FORMAT}",
                    "ask with the version that started it; `stop` and `logs` may work with this one",
                )
        return LaunchError("run-unreadable", f"the run's state has an unknown shape: {error}")

    def stop(
        self,
        folder: str,
        *,
        grace_seconds: float | None,
        checkpoint_seconds: float | None,
        reason: str,
        node: int = 0,
    ) -> str:
        """Write the request durably and wake the supervisor."""
        waits = {"--grace": grace_seconds, "--checkpoint": checkpoint_seconds}
        given = "".join(f"{name} {seconds:g} " for name, seconds in waits.items() if seconds is not None)
        return f'run={folder}\n{SUPERVISE}supervise stop "$run/{node_name(node)}" {given}--reason {quote(reason)}\n'

    def adopt(self, folder: str, node: int = 0) -> str:
        """The bundle's own supervisor does it, with the bash that asks for the steps of the end."""
        return f'run={folder}\nexport SRPO_BASH=$BASH\n{SUPERVISE}supervise adopt "$run/{node_name(node)}"\n'

    def mark(self, folder: str, what: Mark, node: int = 0) -> str:
        """Leave the mark durably."""
        return f'run={folder}\n{SUPERVISE}supervise mark "$run/{node_name(node)}" {what}\n'

    def tidy(self, folder: str, node: int = 0) -> str:
        """A verb that supervisors have no more since they adopt."""
        return f'run={folder}\n[ -f "$run/supervisor" ] || [ -f "$run/python" ] || exit 0\n{SUPERVISE}supervise tidy "$run/{node_name(node)}"\n'


def _peers(rank: Rank) -> str:
    """Write down how the supervisor is heard by those of the other nodes: no argument and no variable holds the token."""
    told = {
        "format": FORMAT,
        "nodes": rank.nodes,
        "chief": rank.chief,
        "port": rank.peers_port,
        "token": rank.token,
        "place": rank.place,
    }
    node = f'"$run/{node_name(rank.index)}"'
    text = quote(msgspec.json.encode(told).decode())
    return f"(umask 077 && mkdir -p -- {node} && printf %s {text} >{node}/peers.json) || exit\n"


def _weaker(status: Status) -> Status:
    """*status* with what its supervisor, of another version than this client, cannot promise."""
    if status.format > FORMAT:
        told = Raised(
            time=status.ended or status.started or "",
            code="run-newer",
            message=f"the run's supervisor speaks format {status.format}, and this srpo-manifest knows {FORMAT}: what is new in it is not shown",
            hints=("ask with the version that started it",),
        )
    elif status.outcome == "lost" and status.unfinished is None:
        told = Raised(
            time=status.started or "",
            code="supervisor-older",
            message="the run's supervisor is of an older version: what it lost is not taken over, and may still be there",
            hints=(f"`srpo-manifest stop {status.run}` ends it",),
        )
    else:
        return status
    return msgspec.structs.replace(status, warnings=(*status.warnings, told))


class DirectKind:
    """`kind = "direct"`."""

    options = DirectOptions

    def open(self, options: LauncherOptions) -> DirectLauncher:  # noqa: ARG002 - it has no options
        """A launcher; there is nothing to choose."""
        return DirectLauncher()
