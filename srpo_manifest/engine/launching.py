"""Starting: the bundle travels on the standard input of the very command that launches it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import chain

from srpo_manifest.bundling.quoting import shell
from srpo_manifest.bundling.render import render, secrets
from srpo_manifest.engine.files import beside
from srpo_manifest.engine.packing import LAST
from srpo_manifest.errors import LaunchError, ManifestError, NameTaken, TransportError
from srpo_manifest.finding import Finding
from srpo_manifest.planning import handover
from srpo_manifest.planning.anchors import RUNS_FOLDER
from srpo_manifest.ports.arrival import SWEEP, TAGS
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.probes import Answer
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.bundle import Bundle
from srpo_manifest.values.plan import SecretRef
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.run import Rank
from srpo_manifest.values.words import word
from srpo_manifest.wording import ticked

LAUNCH_SECONDS = 600.0
_REFUSED = re.compile(r"^error\[([a-z-]+)\]: (.*)\nhint: (.*)$", re.MULTILINE)
_OTHERS = ("already-running", "run-lives")
_RUN = re.compile(r"run `([^`]+)`")
FALLBACK = ("supervise.sh", *(f"bash/{part}.sh" for part in ("answers", "artifacts", "folder", "texts")))
"""The supervisor for a target without Python."""
_RUNTIME = resources.files("srpo_manifest.bundling").joinpath("runtime")
# GNU tar reads its pipe to the end: the secrets come first, and `read` takes them byte by byte.
_RECEIVE = """run={folder}
runs=${{run%/*}} id=${{run##*/}}
IFS= read -r secrets
TAGS
me=$(tag $$) new=$runs/.$id.$me.new
discard() {{ mv -T -- "$1" "$runs/.${{1##*/}}.$me.gone" && rm -rf -- "$runs/.${{1##*/}}.$me.gone"; }}
SWEEP
(umask 077 && mkdir -p -- "$runs" && mkdir -- "$new" "$new/bundle") || exit 73
(umask 077 && tar -x --no-same-owner -f - -C "$new/bundle") || {{ rm -rf -- "$new"; exit 74; }}
# A stream that was cut off between two files is good tar, and no bundle.
rm -- "$new/bundle/{last}" || {{ rm -rf -- "$new"; echo 'the bundle arrived cut off' >&2; exit 74; }}
(umask 077 && echo "$me" >"$new/starting" && mv -T -- "$new" "$run") || {{ rm -rf -- "$new"; {beside} || exit 73; }}
printf '%s\\n' "$secrets" | (
{{ tag "$BASHPID" && echo; }} >>"$run/starting"
{start})
status=$?
if [ "$status" -eq 0 ] || taken "$run"; then rm -f -- "$run/starting"; else discard "$run"; fi
exit "$status"
"""
for _name, _text in (("TAGS", TAGS), ("SWEEP", SWEEP)):
    _RECEIVE = _RECEIVE.replace(_name, _text.rstrip().replace("{", "{{").replace("}", "}}"))


def bundle_of(planned: Planned) -> Bundle:
    """The bundle of an applicable plan."""
    return render(planned, runtime=runtime(), deliver=_RUNTIME.joinpath("deliver.py").read_bytes())


def runtime() -> dict[str, bytes]:
    """The files that every bundle carries, by name: what starts a run, and its supervisor in Python and in bash."""
    parts = sorted(part.name for part in _RUNTIME.joinpath("supervising").iterdir() if part.name.endswith(".py"))
    names = ("launch.sh", "supervise.py", *(f"supervising/{part}" for part in parts), *FALLBACK)
    return {name: _RUNTIME.joinpath(name).read_bytes() for name in names}


def folder_of(planned: Planned, run: str) -> str:
    """The run's folder on the target, as shell text."""
    return shell(planned.workspace + word(f"/{RUNS_FOLDER}/{run}"))


def read_secrets(planned: Planned, folder: str) -> dict[str, str]:
    """Values of the references that the controller holds. *folder* is the manifest's.

    Raises: ManifestError `secret-missing` naming every reference without a value; `secret-unusable`, `env-too-long` or
    `command-too-large` for what no program can be given: sizes are told, and no value.
    """
    found = {name: _secret(reference, folder) for name, reference in secrets(planned).items()}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ManifestError(
            "secret-missing",
            f"no value for {', '.join(_said(name, planned) for name in missing)}",
            "set the variable, or write the file, on this machine",
        )
    values = {name: value for name, value in found.items() if value is not None}
    for name, value in values.items():
        if "\0" in value:
            raise ManifestError("secret-unusable", f"the value of {_said(name, planned)} holds a NUL", "take it out: no variable holds one")  # fmt: skip
    handover.refuse(planned, values)
    return values


def receiving(folder: str, start: str, *, beside: bool = False) -> str:
    """Bash that takes secrets and a bundle from its standard input into *folder*, and goes on with the text *start*.

    *beside* others of the same run, whose machines may share the folder: then each brings the same bundle.
    """
    there = '[ -d "$run/bundle" ]' if beside else "false"
    return _RECEIVE.format(folder=folder, last=LAST, beside=there, start=start)


def launch(
    stream: Iterator[bytes],
    folder: str,
    values: dict[str, str],
    transport: Transport,
    launcher: Launcher,
    *,
    dry_run: bool,
    rank: Rank | None = None,
    given_up: Callable[[], bool] = lambda: False,
) -> None:
    """Send a bundle's tar and start it, as one of several nodes where *rank* says so. When it returns, the supervisor on the target has it, durably.

    Once *given_up* says so, no more is sent: what arrives cut off is not started.
    Raises: NameTaken where another run was quicker; LaunchError `launch-failed` when the target says no,
    `launch-given-up` when the bundle was not sent to its end, or `launch-unsure` when contact broke before the answer.
    """
    cut = False

    def sent() -> Iterator[bytes]:
        nonlocal cut
        for chunk in stream:
            if given_up():
                cut = True
                return
            yield chunk

    script = receiving(folder, launcher.start(folder, dry_run=dry_run, rank=rank), beside=rank is not None)
    try:
        answer = transport.exec(
            script, chain((json.dumps(values).encode() + b"\n",), sent()), timeout_seconds=LAUNCH_SECONDS
        )
    except TransportError as error:
        raise LaunchError(
            "launch-unsure",
            f"contact with {transport.place} broke during the launch: {error}",
            "`srpo-manifest status last` asks whether it started",
        ) from error
    if answer.status != 0 and cut:
        raise LaunchError("launch-given-up", "told to stop while the bundle was sent: nothing was started")
    if not 0 <= answer.status < 128:
        raise LaunchError(
            "launch-unsure",
            f"the bash on {transport.place} was ended during the launch (exit status {answer.status})",
            "`srpo-manifest status last` asks whether it started",
        )
    if answer.status != 0:
        raise _refusal(answer, transport.place)


def _refusal(answer: Answer, place: str) -> LaunchError | NameTaken:
    """What the target says, by its own code where it has one."""
    said = answer.error.decode("utf-8", "replace").strip()
    if found := _REFUSED.search(said):
        code, message, hint = found.groups()
        if code in _OTHERS:  # somebody was quicker: what was planned does not hold any more
            other = _RUN.search(message)
            finding = Finding(code=code, level="deny", message=message, hints=(hint,))
            return NameTaken((finding,), run=other[1] if other else "")
        return LaunchError(code, message, hint)
    if "No space left on device" in said:
        return LaunchError("disk-full", f"the bundle has no room in the workspace on {place}", "free some room there")
    return LaunchError(
        "launch-failed",
        f"the job was not started on {place} (exit status {answer.status}): {' / '.join(said.splitlines()[-10:]) or 'it said nothing'}",
        "mend what it says, and apply again",
    )


def _secret(reference: SecretRef, folder: str) -> str | None:
    if reference.env is not None:
        return os.environ.get(reference.env)
    try:
        data = beside(folder, reference.file or "")
    except ManifestError:
        return None
    return data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")


def _said(name: str, planned: Planned) -> str:
    reference = secrets(planned)[name]
    source = f"variable {ticked(reference.env)}" if reference.env else f"file {ticked(reference.file)}"
    return f"{ticked(name)} ({source} of this machine)"
