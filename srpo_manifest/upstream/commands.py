"""What commands of a launch script do besides starting the trainer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

HARMLESS = frozenset(
    {"echo", "printf", ":", "true", "date", "pwd", "hostname", "whoami", "uname", "nproc", "nvidia-smi"}
)
"""Commands that only print."""

QUERIES = HARMLESS | {
    "basename",
    "dirname",
    "realpath",
    "readlink",
    "id",
    "wc",
    "seq",
    "tr",
    "cut",
    "head",
    "tail",
    "which",
}
"""Commands that may stand in `$(...)` and change nothing."""

STARTERS = {
    "exec": "`exec` replaces the shell",
    "nohup": "`nohup` starts it apart from the terminal",
    "setsid": "`setsid` starts it in a session of its own",
    "time": "`time` measures it",
    "command": "`command` passes functions over",
    "builtin": "`builtin` passes functions over",
    "env": "`env` changes its environment",
    "sudo": "`sudo` starts it as another user",
    "nice": "`nice` changes its priority",
    "timeout": "`timeout` ends it",
    "numactl": "`numactl` binds it",
    "srun": "`srun` starts it by the scheduler",
    "mpirun": "`mpirun` starts it many times",
}
"""Commands that start another one, with what they do to it."""

_KINDS = (
    ("changes files", "cp mv ln rm rmdir touch tee sed chmod chown tar unzip rsync dd truncate"),
    ("fetches or installs", "pip pip3 uv conda mamba apt apt-get yum npm git wget curl huggingface-cli hf modelscope"),
    ("changes the folder", "cd pushd popd"),
    ("runs text that is not in the script", "source . eval bash sh"),
    ("changes the environment", "module ml shopt enable alias unalias hash ulimit umask"),
    ("runs commands on another machine", "ssh pdsh kubectl docker singularity apptainer sbatch"),
    ("waits", "sleep wait"),
    ("ends the script", "exit return"),
    ("acts on other processes", "kill pkill killall trap ray"),
    ("takes its own value at run time", "read mapfile readarray getopts let shift"),
    ("decides at run time", "test [ [[ false"),
)
EFFECTS = {name: f"`{name}` {what}" for what, names in _KINDS for name in names.split()}

QUIET = re.compile(r"[012]?>{1,2}\s*/dev/null|&>{1,2}\s*/dev/null|0?<\s*/dev/null|[12]?>&\s*[12]")
"""Redirections that matter to no file."""

JOINED = re.compile(r"2>&\s*1|1?>&\s*2|0?<\s*/dev/null")
"""Redirections that a launch may have: both outputs go to one log anyway."""


OPEN = frozenset({"source", ".", "eval", "builtin", "command", "trap", "enable"})
"""Commands after which any variable may have another value."""

ACTIVATORS = frozenset({"conda", "mamba", "micromamba", "module", "ml", "spack"})
"""Commands that switch to another set of programs and libraries, by a closed list of variables."""

_ACTIVATED = re.compile(
    "(MAN|INFO|C|CPLUS_INCLUDE|C_INCLUDE|LIBRARY|LD_LIBRARY|PKG_CONFIG|CMAKE_PREFIX|PYTHON|MODULE|ACLOCAL)?PATH"
    "|(CONDA|MAMBA|CUDA|CUDNN|NCCL|GCC|MPI|OPENMPI|LMOD|MODULES?|VIRTUAL_ENV|SPACK|INTEL|MKL)(_.*)?|CC|CXX|FC|PS1|LOADEDMODULES"
    "|PYTHONHOME|XDG_DATA_DIRS"
)
_ACTIVATION = re.compile(r"(.*/)?(activate|etc/profile\.d/(conda|mamba|modules|lmod)\.sh|Modules/init/bash|init/bash)")
_HOOKS = re.compile(
    r"\$\((\S*/)?(conda|mamba|micromamba) (shell\.bash hook|shell hook --shell[= ]bash|shell\.posix hook).*\)"
)


def activated(names: Iterable[str]) -> list[str]:
    """The names that switching to another environment may set, PATH always among them."""
    return [
        "PATH",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "CUDA_HOME",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "VIRTUAL_ENV",
    ] + [name for name in names if _ACTIVATED.fullmatch(name)]


def is_activation(words: Sequence[str | None]) -> bool:
    """Whether a file to be read, or a text to be evaluated, is one that only switches to another environment."""
    return (
        len(words) == 1 and words[0] is not None and bool(_ACTIVATION.fullmatch(words[0]) or _HOOKS.fullmatch(words[0]))
    )


MOVES = ("cd", "pushd", "popd")
"""Commands after which relative paths mean something else."""


def file_of(words: Sequence[str | None]) -> str | None:
    """The relative path that a command sources or runs, where its words tell one."""
    first, second = (*words, None, None)[:2]
    path = second if first in ("source", ".", "bash", "sh") else first if first and "/" in first else None
    return None if path is None or path.startswith(("/", "-", "~")) else path


def set_options(arguments: Sequence[str | None]) -> dict[str, bool] | None:
    """What `set` switches among the options that change nothing else (`e`, `u`, `x`, `pipefail`); None for others."""
    switched: dict[str, bool] = {}
    words = iter(arguments)
    for word in words:
        if word is None or not re.fullmatch(r"[-+][euxEv]*o?", word) or len(word) < 2:
            return None
        names = list(word[1:].removesuffix("o"))
        if word.endswith("o"):
            name = {"errexit": "e", "nounset": "u", "xtrace": "x", "pipefail": "pipefail", "verbose": "v"}.get(
                next(words, None) or ""
            )
            if name is None:
                return None
            names.append(name)
        switched |= dict.fromkeys(names, word[0] == "-")
    return switched
