"""How many nodes and GPUs the job sees, and what the four platform variables are then."""

from __future__ import annotations

from srpo_manifest.plugin import (
    GPUS,
    Answer,
    Facts,
    Known,
    TargetProbe,
    Unknown,
    Wanted,
    Word,
    gpus_per_node,
    late,
    word,
)

# In WSL it lies outside PATH (Nerogar/OneTrainer#527); with a sick driver it hangs.
NVIDIA_SMI = 'PATH="$PATH:/usr/lib/wsl/lib" timeout 20 nvidia-smi'
"""The command as a probe begins."""
OF_EVERY_JOB = frozenset({"PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "CUDA_HOME", "CONDA_PREFIX", "VIRTUAL_ENV"})  # fmt: skip
"""Variables that the job may have from its target and that no plan asks for."""
_QUERY = f"{NVIDIA_SMI} --query-gpu=name,memory.total --format=csv,noheader,nounits"
_ASK = f'(PATH="$PATH:/usr/lib/wsl/lib"; command -v nvidia-smi) >/dev/null || {{ echo "nvidia-smi is not there" >&2; exit 1; }}\n{_QUERY}'


def gpu_probe() -> TargetProbe:
    """Ask nvidia-smi; absent, there is no fact, never a zero."""
    return TargetProbe(name=GPUS, script=_ASK, parse=parse_gpus)


def parse_gpus(answer: Answer) -> Known | Unknown:
    """One `name, MiB` a line. Units: MiB. Source: nvidia-smi(1), --query-gpu."""
    if answer.status != 0:
        return Unknown(
            reason="nvidia-smi did not answer within 20 seconds" if answer.status == 124 else answer.complaint
        )
    gpus = []
    for line in answer.text.splitlines():
        name, comma, memory = line.rpartition(",")
        if not comma or not memory.strip().isdigit():
            return Unknown(reason=f"nvidia-smi said {line!r}")
        gpus.append({"name": name.strip(), "memory_mib": int(memory)})
    return Known(value=gpus)


def platform_variables(wanted: Wanted, facts: Facts) -> dict[str, Word | Unknown]:
    """HOST_NUM, HOST_GPU_NUM, INDEX, CHIEF_IP: names of the platform that upstream's scripts were written for."""
    gpus = gpus_per_node(wanted, facts)
    return {
        "HOST_NUM": word(str(wanted.manifest.resources.nodes)),
        "HOST_GPU_NUM": gpus if isinstance(gpus, Unknown) else word(str(gpus)),
        "INDEX": late("run.index"),
        "CHIEF_IP": late("run.chief"),
    }
