"""Programs that start a trainer, and which of their words is the trainer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from srpo_manifest.upstream.commands import EFFECTS
from srpo_manifest.upstream.shell import FORWARDED
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import Plain, Token
from srpo_manifest.wording import ticked


class Split(Value):
    """A launching command taken apart. `doubt`: why the entry is the likely one only."""

    launcher: tuple[Token, ...]
    entry: Token
    module: bool
    arguments: tuple[Token, ...]
    doubt: str = ""


class _Options(Value):
    """A launcher's options as patterns, with `_` for `-` in long ones: without a value, with one, before a module."""

    switches: str
    values: str
    module: str = "-m|__module"


# Source: get_args_parser in torch/distributed/run.py, with the older ones of torch/distributed/launch.py.
_TORCHRUN = _Options(
    switches="__(standalone|no_python|run_path|use_env|virtual_local_rank)",
    values="-[rt]|__(nnodes|nproc_per_node|rdzv_(backend|endpoint|id|conf)|max_restarts|monitor_interval|start_method"
    "|event_log_handler|role|log_dir|redirects|tee|local_ranks_filter|node_rank|master_(addr|port)|local_addr|logs_specs"
    "|numa_binding|signals_to_handle|duplicate_std(out|err)_filters|shutdown_timeout)",
)
# Source: launch_command_parser in accelerate/commands/launch.py.
_ACCELERATE = _Options(
    switches="-q|__(quiet|cpu|multi_gpu|tpu|ipex|same_network|no_python|debug|downcast_bf16|enable_cpu_affinity"
    "|use_(xpu|deepspeed|fsdp|megatron_lm|parallelism_config)|dynamo_use_(fullgraph|dynamic|regional_compilation)"
    "|(no_)?tpu_cluster|tpu_use_sudo|fp8_use_autocast_during_eval)",
    values="-t|__(config_file|mixed_precision|gpu_ids|machine_rank|tee|log_dir|role|max_restarts|monitor_interval|vm|env"
    "|num_(processes|machines|cpu_threads_per_process)|main_(process_ip|process_port|training_function)|dynamo_(backend|mode)"
    "|gradient_(accumulation_steps|clipping)|zero_stage|(rdzv|zero3|offload|deepspeed|fsdp|megatron_lm|fp8|aws|mpirun)_.*)",
)
# Source: parse_args in deepspeed/launcher/runner.py.
_DEEPSPEED = _Options(
    switches="__(no_python|no_local_rank|no_ssh|no_ssh_check|force_multi|save_pid|elastic_training|bind_cores_to_rank)",
    values="-[Hie]|__(hostfile|include|exclude|num_nodes|(min|max)_elastic_nodes|num_gpus|num_accelerators|master_(port|addr)"
    "|node_rank|launcher|launcher_args|enable_each_rank_log|autotuning|comment|account|bind_core_list|ssh_port|venv_script)",
    module="__module",
)
# Source: run in colossalai/cli/launcher/__init__.py.
_COLOSSALAI = _Options(
    switches="__(help)",
    values="-[Hm]|__(host|hostfile|include|exclude|num_nodes|nproc_per_node|master_(port|addr)|extra_launch_args|ssh_port)",
    module="-m(?!)",
)
_MODULES = {
    "torch.distributed.run": _TORCHRUN,
    "torch.distributed.launch": _TORCHRUN,
    "accelerate.commands.launch": _ACCELERATE,
    "deepspeed.launcher.runner": _DEEPSPEED,
}
_PYTHON = re.compile(r"python(\d(\.\d+)?)?")
_PYTHON_OPTION = re.compile(r"-[bBdEiIOPqRsSuvx]*(?P<last>[mcWX]?)(?P<glued>.*)", re.DOTALL)


def program_of(token: Token) -> str | None:
    """The last part of the program's path, where it is known."""
    last = token.pieces[-1]
    if token.text is None and not (isinstance(last, Plain) and "/" in last.text):
        return None
    text = token.text or (last.text if isinstance(last, Plain) else "")
    return text if re.search(r"\s", text) else text.rpartition("/")[2]


def split_launch(tokens: Sequence[Token]) -> Split | str | None:
    """Take a command apart; a text says why that cannot be done; None when it starts no trainer that is known."""
    program = program_of(tokens[0])
    if program is None:
        return None
    if _PYTHON.fullmatch(program):
        return _python(tokens)
    if program == "torchrun":
        return _split(tokens, 1, _TORCHRUN)
    if program == "deepspeed":
        return _split(tokens, 1, _DEEPSPEED)
    if program == "colossalai" and len(tokens) > 1 and tokens[1].text == "run":
        return _split(tokens, 2, _COLOSSALAI)
    if program == "accelerate" and len(tokens) > 1 and tokens[1].text == "launch":
        return _split(tokens, 2, _ACCELERATE)
    return None


def _python(tokens: Sequence[Token]) -> Split | str:
    position = 1
    while position < len(tokens):
        token = tokens[position]
        text = token.text
        if text is None or not text.startswith("-"):
            return _from(tokens, position) if _stands_alone(token) else _obscure(tokens, position)
        match = _PYTHON_OPTION.fullmatch(text)
        if match is None or text == "-" or match["last"] == "c" or (match["glued"] and match["last"] in ("", "m")):
            return f"{ticked(f'python {text}')} runs no program of the repository that can be read"
        position += 1
        if match["last"] == "m" and position < len(tokens):
            module = tokens[position].text
            if module is None:
                return _obscure(tokens, position)
            if module in EFFECTS:
                return EFFECTS[module]
            if module in _MODULES:
                return _split(tokens, position + 1, _MODULES[module])
            return _from(tokens, position, module=True)
        if match["last"] and not match["glued"]:
            position += 1
    return "`python` is started without a program"


def _split(tokens: Sequence[Token], position: int, options: _Options) -> Split | str:
    module, doubt = False, ""
    while position < len(tokens):
        token = tokens[position]
        head = token.pieces[0]
        start = head.text if isinstance(head, Plain) else ""
        if not start.startswith("-"):
            return (
                _from(tokens, position, module=module, doubt=doubt)
                if _stands_alone(token)
                else _obscure(tokens, position)
            )
        name, glued, _ = start.partition("=")
        key = name.replace("-", "_") if name.startswith("--") else name
        if not glued and token.text is None:
            return _obscure(tokens, position)
        position += 1
        if re.fullmatch(options.module, key):
            module = True
        elif re.fullmatch(options.values, key) and not re.fullmatch(options.switches, key):
            position += not glued
        elif not glued and not re.fullmatch(options.switches, key):
            doubt = f"{ticked(name)} is no option of {ticked(program_of(tokens[0]))} that is known"
            follows = tokens[position].text if position < len(tokens) else None
            position += not (follows or "").endswith(".py")
    return f"{ticked(program_of(tokens[0]))} is started without a program"


def _stands_alone(token: Token) -> bool:
    """Whether it is one word, and no option, for certain enough to be a program."""
    first, last = token.pieces[0], token.pieces[-1]
    if isinstance(first, Plain):
        return True
    return isinstance(last, Plain) and last.text.endswith(".py")


def _from(tokens: Sequence[Token], position: int, *, module: bool = False, doubt: str = "") -> Split:
    return Split(
        launcher=tuple(tokens[:position]),
        entry=tokens[position],
        module=module,
        arguments=tuple(tokens[position + 1 :]),
        doubt=doubt,
    )


def _obscure(tokens: Sequence[Token], position: int) -> Split | str:
    """Options that are not known may hold the program, but the only Python file behind them is likely to be it."""
    token, program = tokens[position], ticked(program_of(tokens[0]))
    files = [at for at in range(position, len(tokens)) if (tokens[at].text or "").endswith(".py")]
    if len(files) == 1 and FORWARDED not in token.pieces:
        return _from(tokens, files[0], doubt=f"which program {program} starts is certain only when the script runs")
    if FORWARDED in token.pieces:
        return f"the arguments of the script come before the program that {program} starts"
    return f"which program {program} starts is known only when the script runs"
