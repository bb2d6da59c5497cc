"""Stage pre-launch: whether the target's GPUs, memory and disk can hold what the forecast says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from srpo_manifest.builtin.command import finals_of
from srpo_manifest.builtin.resources import NVIDIA_SMI, gpu_probe
from srpo_manifest.plugin import (
    GPUS,
    Check,
    Facts,
    Forecast,
    Gpu,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    Word,
    anchors,
    arriving,
    entry_of,
    forecast,
    gigabytes,
    gpus_per_node,
    hookimpl,
    plural,
    shell,
    ticked,
    word,
)

MEMORY, FREE = "target.memory_bytes", "target.free_bytes"
MEMORY_PROBE = """limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null)
awk -v limit="${limit:-max}" '/^MemTotal:/ { bytes = $2 * 1024; if (limit != "max" && limit < bytes) bytes = limit; printf "%.0f\\n", bytes }' /proc/meminfo
"""
FREE_PROBE = """at={folder}
while [ ! -e "$at" ]; do at=$(dirname -- "$at"); done
df -B1 --output=avail -- "$at" | tail -n 1 | tr -d ' '
"""
_GPU_MIB = f"{NVIDIA_SMI} --query-gpu=memory.total --format=csv,noheader,nounits"
GPU_COUNT = f"{_GPU_MIB} | wc -l\n"
_GPU_BYTES = f"{_GPU_MIB} | sort -n | head -n 1 | awk '{{ printf \"%.0f\\n\", $1 * 1048576 }}'\n"


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler | None:
    """The built-in answer for trainers whose needs are known."""
    return Room() if wanted.trainer.needs_gpu or wanted.trainer.loop or wanted.trainer.memory else None


class Room:
    """Estimates against what the target shows; what it does not show is asked again before the start."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        told = _forecast(wanted, facts)
        if wanted.trainer.needs_gpu:
            yield gpu_probe()
        if told.host_bytes:
            yield TargetProbe(name=MEMORY, script=MEMORY_PROBE)
        if told.disk_bytes:
            yield TargetProbe(name=FREE, script=FREE_PROBE.format(folder=shell(results(wanted, facts))))

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        told, gpus = _forecast(wanted, facts), facts.get(GPUS, list[Gpu])
        count = wanted.manifest.resources.gpus_per_node
        if wanted.trainer.needs_gpu and count is not None:
            yield Check(
                code="gpu-count",
                level="deny",
                fact=GPUS,
                op="at-least",
                value=count,
                message=f"`resources.gpus_per_node` is {count}, and the target shows {_shown(gpus)}: a worker without a GPU ends with an invalid device after everything else is loaded",
                hints=("set it to the number of GPUs that are there, or leave it out",),
                probe=GPU_COUNT,
                key="resources.gpus_per_node",
            )
        if told.gpu_bytes:
            smallest = None if isinstance(gpus, Unknown) or not gpus else min(gpu.memory_mib for gpu in gpus) << 20
            yield Check(
                code="gpu-memory",
                level="deny",
                fact="target.gpu_bytes",
                op="at-least",
                value=told.gpu_bytes,
                message=f"this training cannot fit: it needs about {gigabytes(told.gpu_bytes)} on each GPU (estimate), and the target's have {gigabytes(smallest) if smallest else 'less'}",
                hints=("use more GPUs or larger ones: weights, gradients and optimizer state are spread over all of them", *_offload(wanted)),
                probe=_GPU_BYTES,
                known=smallest,
                key="resources.gpus_per_node",
            )  # fmt: skip
        if told.host_bytes:
            yield Check(
                code="host-memory",
                level="deny",
                fact=MEMORY,
                op="at-least",
                value=told.host_bytes,
                message=f"the target has {_told(facts, MEMORY)} of memory, and this training needs about {gigabytes(told.host_bytes)} (estimate): the kernel would kill it without a traceback",
                hints=("every worker of a node loads the whole model into memory: take a node with more, or fewer workers a node",),
                probe=MEMORY_PROBE,
                key="resources.gpus_per_node",
            )  # fmt: skip
        if told.disk_bytes:
            folder = results(wanted, facts)
            yield Check(
                code="disk-full",
                level="deny",
                fact=FREE,
                op="at-least",
                value=told.disk_bytes,
                message=f"{ticked(folder)} has {_told(facts, FREE)} free, and the wanted checkpoints take about {gigabytes(told.disk_bytes)} (estimate)",
                hints=("free some, or set `paths.working_dir` to a larger disk",),
                probe=FREE_PROBE.format(folder=shell(folder)),
                key="paths.working_dir",
            )


def _forecast(wanted: Wanted, facts: Facts) -> Forecast:
    values = arriving(finals_of(wanted, facts), entry_of(wanted, facts).arguments, wanted.trainer)
    count = gpus_per_node(wanted, facts)
    return forecast(wanted, values, None if isinstance(count, Unknown) else count)


def results(wanted: Wanted, facts: Facts) -> Word:
    """Where checkpoints will be written: the folder before anything that only the run knows."""
    here = anchors.working_dir(wanted)
    flag = re.match(r"\{(\w+)\}", wanted.trainer.artifacts.checkpoints or "")
    values = finals_of(wanted, facts).get(flag[1], ()) if flag else ()
    known = values[0] if values else word("")
    text = known.text if known.text is not None else str(known).partition("${")[0]
    return anchors.beneath(here, text) if text else here


def _offload(wanted: Wanted) -> tuple[str, ...]:
    switch = wanted.trainer.memory.offload if wanted.trainer.memory else None
    return (
        (f"or set {ticked(f'[entry.set] {switch} = true')}, which keeps the state in the host's memory",)
        if switch
        else ()
    )


def _told(facts: Facts, name: str) -> str:
    size = facts.get(name, int)
    return "less" if isinstance(size, Unknown) else gigabytes(size)


def _shown(gpus: list[Gpu] | Unknown) -> str:
    return "fewer" if isinstance(gpus, Unknown) else plural(len(gpus), "GPU")
