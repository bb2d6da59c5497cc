"""What `doctor` asks beside the plan's own questions: of the target, and of this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.builtin.resources import NVIDIA_SMI, gpu_probe
from srpo_manifest.builtin.room import FREE, FREE_PROBE, MEMORY, MEMORY_PROBE, results
from srpo_manifest.plugin import (
    GPUS,
    Answer,
    Ask,
    Check,
    ControllerProbe,
    Facts,
    Fault,
    Find,
    Finding,
    Known,
    Level,
    Op,
    Probe,
    Proposal,
    Scalar,
    TargetProbe,
    Unknown,
    Wanted,
    gigabytes,
    shell,
    ticked,
)

WRITE_BYTES = 128 << 20
"""So much is written to see how fast the disk is."""
SAVE_SECONDS = 600
"""What NCCL waits for a rank that writes, before it ends the training."""
SKEW_SECONDS = 60
_AT = """at={folder}
while [ ! -e "$at" ]; do at=$(dirname -- "$at"); done
"""
_OUTPUT = """file=$(mktemp -- "$at/.srpo-doctor.XXXXXX" 2>&1) && rm -f -- "$file" && echo writable || printf '%s\\n' "${{file##*: }}"
"""
_SPEED = f"""file=$(mktemp -- "$at/.srpo-doctor.XXXXXX") || exit
trap 'rm -f -- "$file"' EXIT
before=$(date +%s%N)
timeout 15 dd if=/dev/zero of="$file" bs=1M count={WRITE_BYTES >> 20} conv=fdatasync 2>/dev/null
after=$(date +%s%N)
echo $(( $(stat -c %s -- "$file") * 1000 / ((after - before) / 1000000 + 1) ))
"""
_FREE_PORT = """timeout 20 python3 -I -S -c 'import socket
with socket.create_server(("", 0)) as one: print(one.getsockname()[1])'"""
_PROCESSES = """read -r most 2>/dev/null </sys/fs/cgroup/pids.max; mine=$(ulimit -u)
for one in "${most:-max}" "$mine"; do case $one in max | unlimited) echo 4194304 ;; *) echo "$one" ;; esac; done | sort -n | head -n 1
"""


class Examination:
    """A stage's handler that no stage has: programs, limits, disks and clocks, each held against what a run needs."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        yield ControllerProbe(name="controller.git", question=Find(program="git"), parse=parse_presence)
        if facts.get("controller.git", str):
            yield ControllerProbe(
                name="controller.git-version", question=Ask(argv=("git", "--version")), parse=parse_git_version
            )
        if _is_ssh(wanted):
            yield ControllerProbe(name="controller.ssh-agent", question=Ask(argv=("ssh-add", "-l")), parse=parse_agent)
        yield gpu_probe()
        at = _AT.format(folder=shell(results(wanted, facts)))
        for name, script in {
            "target.bash": 'printf "%s" "$BASH_VERSION"',
            "target.system": "uname -srm",
            "target.tar": "tar --version 2>/dev/null | head -n 1",
            "target.driver": f"{NVIDIA_SMI} --query-gpu=driver_version --format=csv,noheader | head -n 1",
            "target.gpu-used-mib": f"{NVIDIA_SMI} --query-gpu=memory.used --format=csv,noheader,nounits | sort -n | tail -n 1",
            MEMORY: MEMORY_PROBE,
            FREE: FREE_PROBE.format(folder=shell(results(wanted, facts))),
            "target.output": at + _OUTPUT.format(),
            "target.write-speed": at + _SPEED,
            "target.shm-bytes": "df -B1 --output=size -- /dev/shm | tail -n 1 | tr -d ' '",
            "target.free-port": _FREE_PORT,
            "target.clock": "date +%s",
            "target.open-files": 'files=$(ulimit -n); [ "$files" = unlimited ] && echo 1048576 || echo "$files"',
            "target.processes": _PROCESSES,
        }.items():
            presence = name in ("target.tar", "target.output")
            yield TargetProbe(name=name, script=script, **({"parse": parse_presence} if presence else {}))

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        yield from _of_controller(wanted, facts)
        yield from _of_programs()
        yield from _of_gpus(wanted, facts)
        yield from _of_disks(wanted, facts)
        yield _check(
            "clock-skew", "target.skew-seconds", "at-most", SKEW_SECONDS,
            "the clocks of the target and of this machine are {found} seconds apart: what is newer than what could not be told, and tokens would be refused",
            "let an NTP service set the target's clock", level="warn",
        )  # fmt: skip
        yield _check(
            "limit-files", "target.open-files", "at-least", 4096,
            "a process of the target may open {found} files, and workers with data loaders open thousands",
            'raise it in `[python] setup`: `setup = ["ulimit -n 65536"]`, or in /etc/security/limits.conf', level="warn",
        )  # fmt: skip
        yield _check(
            "limit-processes", "target.processes", "at-least", 4096,
            "the target allows {found} processes and threads, and each worker has hundreds",
            "raise `ulimit -u`, or the container's limit of processes (`--pids-limit`)", level="warn",
        )  # fmt: skip


def parse_git_version(answer: Answer) -> Known | Unknown:
    """`git version 2.39.5`, with more behind it on some platforms. Source: git-version(1)."""
    match = re.match(r"git version (\d+\.\d+[.\d]*)", answer.text)
    return Known(value=match[1].rstrip(".")) if match else Unknown(reason=answer.complaint)


_PATCHED = {43: 7, 44: 4, 45: 4, 46: 4, 47: 3, 48: 2, 49: 1, 50: 1}
"""The first release of each line of git 2 with the mends of July 2025 (CVE-2025-48384 and its like)."""
_UNPATCHED = (
    "git {version} is older than upstream's security releases of July 2025, unless your distribution has mended it: "
    "their holes are in submodules, hooks and checkouts, none of which are used here"
)


def _is_patched(version: str) -> bool:
    """Whether upstream's own releases of this version are mended. A distribution's may be all the same (Debian's 2.39.5)."""
    major, minor, patch = (*map(int, version.split(".")[:3]), 0, 0)[:3]
    return (major, minor) > (2, max(_PATCHED)) or (major == 2 and patch >= _PATCHED.get(minor, math.inf))


def parse_agent(answer: Answer) -> Known | Unknown:
    """How many keys the agent has: exit 1 is none, 2 is no agent. Source: ssh-add(1), DIAGNOSTICS."""
    if answer.status == 2:
        return Unknown(reason="no ssh agent answers")
    return Known(value=len(answer.text.splitlines()) if answer.status == 0 else 0)


def _of_controller(wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
    yield _check(
        "git-missing", "controller.git", "present", None, "git is not on this machine's PATH: no repository can be read or carried", "install git"
    )  # fmt: skip
    version = facts.get("controller.git-version", str)
    if isinstance(version, str):
        major, minor = map(int, version.split(".")[:2])
        yield _check(
            "git-old", "controller.git-version", "at-least", 2030,
            f"this machine's git is {version}, and 2.30 is needed", "install a newer git", known=major * 1000 + minor,
        )  # fmt: skip
        if not _is_patched(version):
            yield Fault(finding=Finding(code="git-unpatched", level="note", message=_UNPATCHED.format(version=version)))
    yield _check(
        "cache-unwritable", "controller.cache", "equals", "writable", "the cache of repositories cannot be written: {found}",
        "set SRPO_MANIFEST_CACHE to a folder of yours",
    )  # fmt: skip
    yield _check(
        "state-unwritable", "controller.state", "equals", "writable", "the folder of run records cannot be written: {found}",
        "set SRPO_MANIFEST_HOME to a folder of yours",
    )  # fmt: skip
    if _is_ssh(wanted):
        keys = facts.get("controller.ssh-agent", int)
        files = facts.get("controller.ssh-keys", int)
        if not isinstance(files, Unknown):
            yield _check(
                "ssh-key-missing", "controller.ssh-keys", "at-least", 1,
                f"{ticked(wanted.manifest.repo.url)} is reached by ssh, and this machine has neither a key in an agent nor one in ~/.ssh",
                "`ssh-add` a key, or use an https url", level="warn", known=files + (0 if isinstance(keys, Unknown) else keys),
            )  # fmt: skip


def _of_programs() -> Iterable[Proposal]:
    yield _check(
        "tar-missing", "target.tar", "present", None, "the target has no tar: no bundle and no checkout can be unpacked", "install tar there"
    )  # fmt: skip


def _of_gpus(wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
    gpus = facts.get(GPUS, list)
    if wanted.trainer.needs_gpu and isinstance(gpus, Unknown) and not gpus.code:
        direct = wanted.manifest.backend.launcher.kind == "direct"
        yield Fault(
            finding=Finding(
                code="gpu-missing",
                level="deny" if direct else "note",
                message=f"the target shows no GPU: {gpus.reason}",
                hints=(
                    "install NVIDIA's driver there (in WSL: on Windows alone), or name another machine in `[backend.transport]`",
                ),
            ),
            key="backend.transport",
            observed=True,
        )
    if isinstance(gpus, Unknown):
        return
    yield _check(
        "gpu-busy", "target.gpu-used-mib", "at-most", 2048,
        "somebody else holds {found} MiB on a GPU of the target", "see `nvidia-smi` there: a run that was lost leaves workers behind", level="warn",
    )  # fmt: skip


def _of_disks(wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
    folder = ticked(results(wanted, facts))
    yield _check(
        "output-unwritable", "target.output", "equals", "writable",
        f"nothing can be written where {folder} is, or will be made: {{found}}",
        "set `paths.working_dir` to a folder of the job's user; on NFS, root may be nobody",
    )  # fmt: skip
    size = wanted.trainer.loop.checkpoint_bytes if wanted.trainer.loop else None
    if size:
        speed = facts.get("target.write-speed", int)
        yield _check(
            "disk-slow", "target.write-speed", "at-least", size // SAVE_SECONDS,
            f"{folder} takes {'less' if isinstance(speed, Unknown) else gigabytes(speed)} a second, and a checkpoint of {gigabytes(size)} must be written within {SAVE_SECONDS // 60} minutes: the other ranks wait no longer",
            "set `paths.working_dir` to a faster disk", level="warn",
        )  # fmt: skip
    if wanted.trainer.needs_gpu:
        shm = facts.get("target.shm-bytes", int)
        yield _check(
            "shm-small", "target.shm-bytes", "at-least", 1_000_000_000,
            f"shared memory (/dev/shm) has {'little' if isinstance(shm, Unknown) else gigabytes(shm)}, and NCCL and data loaders pass their data through it",
            "give the container more: `--shm-size=16g`, or `--ipc=host`", level="warn",
        )  # fmt: skip


def _is_ssh(wanted: Wanted) -> bool:
    url = wanted.manifest.repo.url
    return url.startswith("ssh://") or re.match(r"[\w.-]+@[\w.-]+:", url) is not None


def _check(
    code: str,
    fact: str,
    op: Op,
    value: Scalar | None,
    message: str,
    hint: str,
    *,
    level: Level = "deny",
    known: Scalar | None = None,
) -> Check:
    return Check(code=code, level=level, fact=fact, op=op, value=value, message=message, hints=(hint,), known=known)
