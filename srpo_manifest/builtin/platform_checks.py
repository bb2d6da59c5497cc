"""Stage pre-launch: what the manifest and the script say of nodes, ranks, addresses and ports, against the plan and the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from srpo_manifest.builtin.preflight import parse_presence
from srpo_manifest.builtin.resources import gpu_probe
from srpo_manifest.builtin.room import GPU_COUNT
from srpo_manifest.plugin import (
    GPUS,
    Check,
    Facts,
    Fault,
    Finding,
    Gpu,
    Launch,
    Level,
    Probe,
    Proposal,
    ScriptContract,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    entry_of,
    gpus_per_node,
    hookimpl,
    plural,
    quote,
    script_of,
    ticked,
)

CHIEF, PORT = "target.chief", "target.port"
_WORKERS = ("--nproc_per_node", "--nproc-per-node", "--num_processes", "--num_gpus")
"""Launcher options that say how many workers a node has, or with one node all."""
# Binding succeeds for an address of this host alone; `AI_ADDRCONFIG` would hide IPv6 where there is only a loopback.
_BIND_CHIEF = """import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], 0, type=socket.SOCK_STREAM)
except OSError as error:
    sys.exit(print("no address: %s" % error.strerror))
for family, kind, protocol, _, address in found:
    try:
        with socket.socket(family, kind, protocol) as one:
            one.bind(address)
        sys.exit(print("own"))
    except OSError:
        pass
print("an address of another host: %s" % ", ".join(sorted({one[4][0] for one in found})))"""
_BIND_PORT = """import socket, sys
both = socket.has_dualstack_ipv6()
try:
    socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both).close()
    print("free")
except OSError as error:
    print(error.strerror)"""


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - every job has a place among ranks
    """The built-in answer for the platform's variables and the launcher's fixed numbers."""
    return PlatformChecks()


class PlatformChecks:
    """Contradictions that torchrun answers with a silent hang."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        if chief := _chief(wanted, facts):
            yield TargetProbe(name=CHIEF, script=_python(_BIND_CHIEF, chief), parse=parse_presence)
        if (port := _port(wanted)) is not None:
            yield TargetProbe(name=PORT, script=_python(_BIND_PORT, str(port)), parse=parse_presence)
        if wanted.trainer.needs_gpu and _fixed(entry_of(wanted, facts).script) is not None:
            yield gpu_probe()

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        entry = entry_of(wanted, facts)
        yield from _contradictions(wanted, facts)
        if chief := _chief(wanted, facts):
            yield Check(
                code="chief-foreign",
                level="deny",
                fact=CHIEF,
                op="equals",
                value="own",
                message=f"`CHIEF_IP` is {ticked(chief)}, which is {{found}}; the first node would wait for a meeting point that nobody opens",
                hints=("leave it out: each run finds its own meeting point",),
                probe=_python(_BIND_CHIEF, chief),
                key="env.CHIEF_IP",
            )
        if (port := _port(wanted)) is not None:
            yield Check(
                code="port-taken",
                level="deny",
                fact=PORT,
                op="equals",
                value="free",
                message=f"port {ticked(port)} cannot be used on the target: {{found}}",
                hints=("leave `resources.port` out, and each run gets a free one",),
                key="resources.port",
            )
        if entry.absent:
            yield _fault(
                "entry-missing",
                f"{ticked(script_of(wanted))} starts {ticked(entry.absent)}, and the checkout has no such file",
                "name another script in `entry.script`, or another commit in `repo.ref`",
                "entry.script",
            )
        if entry.script is not None:
            yield from _ignored(wanted, entry.script)
            yield from _workers(wanted, facts, entry.script)


def _contradictions(wanted: Wanted, facts: Facts) -> Iterable[Fault]:
    """What `[env]` gives for the platform's variables must be what the plan does."""
    nodes, gpus = wanted.manifest.resources.nodes, gpus_per_node(wanted, facts)
    if wanted.manifest.resources.gpus_per_node is None and not wanted.trainer.needs_gpu:
        gpus = Unknown(reason="one worker is only our habit here")
    given = {name: value for name in _reads(wanted, facts) if isinstance(value := wanted.manifest.env.get(name), str)}
    if (index := given.get("INDEX")) is not None and (nodes > 1 or index.strip() != "0"):
        message = (
            f"`INDEX` is {ticked(index)}, and the {plural(nodes, 'node')} of this plan have their own numbers from 0 to {nodes - 1}"
            if nodes > 1
            else f"`INDEX` is {ticked(index)}, and the only node of this plan is number 0"
        )
        yield _fault(
            "index-range", f"{message}: torchrun would wait for ever, without a word", "leave it out: each node gets its own", "env.INDEX"
        )  # fmt: skip
    for name, planned, key in (
        ("HOST_NUM", nodes, "resources.nodes"),
        ("HOST_GPU_NUM", gpus, "resources.gpus_per_node"),
    ):
        value = given.get(name)
        if value is None or isinstance(planned, Unknown) or value.strip() == str(planned):
            continue
        yield _fault(
            "platform-contradicts",
            f"{ticked(name)} is {ticked(value)}, and this plan has {planned}: ranks would be missing, or be too many",
            f"leave it out, and say it with {ticked(key)}",
            f"env.{name}",
            observed=wanted.manifest.resources.gpus_per_node is None and name == "HOST_GPU_NUM",
        )


def _ignored(wanted: Wanted, script: ScriptContract) -> Iterable[Fault]:
    """What the script sets itself before anybody reads it cannot be given from outside."""
    for name in wanted.manifest.env:
        line = script.dead.get(name)
        if line is None and name in script.sets and name not in script.exported and name not in script.reads:
            line = script.sets[name].line
        if line is not None:
            effect = "and never reads it" if name in script.dead else "whatever it is given"
            yield _fault(
                "variable-ignored",
                f"{ticked(name)} has no effect: {ticked(script_of(wanted))} sets it itself in line {line}, {effect}",
                "leave it out, and set the trainer's flag in `[entry.set]` where there is one",
                f"env.{name}",
                level="warn",
            )


def _workers(wanted: Wanted, facts: Facts, script: ScriptContract) -> Iterable[Proposal]:
    """A number of workers that is written into the script."""
    fixed = _fixed(script)
    if fixed is None:
        return
    number, line = fixed
    resources, where = wanted.manifest.resources, f"{ticked(script_of(wanted))} line {line}"
    if resources.nodes > 1:
        yield _fault(
            "workers-fixed",
            f"{where} starts {plural(number, 'worker')} on one node, whatever `resources.nodes` says",
            "set `resources.nodes` to 1, or give the whole command as `entry.command`",
            "resources.nodes",
        )
    if resources.gpus_per_node not in (None, number):
        yield _fault(
            "workers-fixed",
            f"{where} starts {plural(number, 'worker')}, and `resources.gpus_per_node` is {resources.gpus_per_node}",
            f"set it to {number}, or give the whole command as `entry.command`",
            "resources.gpus_per_node",
        )
    if wanted.trainer.needs_gpu:
        gpus = facts.get(GPUS, list[Gpu])
        shown = "fewer" if isinstance(gpus, Unknown) else plural(len(gpus), "GPU")
        yield Check(
            code="workers-fixed",
            level="deny",
            fact=GPUS,
            op="at-least",
            value=number,
            message=f"{where} starts {plural(number, 'worker')}, one for each GPU, and the target shows {shown}",
            hints=(f"use a target with {number}, or give the whole command as `entry.command`",),
            probe=GPU_COUNT,
            key="entry.script",
        )


def _fixed(script: ScriptContract | None) -> tuple[int, int] | None:
    """The number of workers that stands in the only launch, and its line; None where it is a variable, or is not said."""
    if script is None or len(script.launches) != 1:
        return None
    said = _options(script.launches[0])
    return next(
        ((int(said[name][0]), said[name][1]) for name in _WORKERS if name in said and said[name][0].isdigit()), None
    )


def _options(launch: Launch) -> Mapping[str, tuple[str, int]]:
    words = [(token.text or "", token.line) for token in launch.launcher]
    found = {}
    for (word, line), (after, _) in zip(words, [*words[1:], ("", 0)], strict=True):
        name, glued, value = word.partition("=")
        found[name] = (value if glued else after, line)
    return found


def _reads(wanted: Wanted, facts: Facts) -> Mapping[str, int]:
    script = entry_of(wanted, facts).script
    return script.reads if script else {}


def _chief(wanted: Wanted, facts: Facts) -> str | None:
    """An address that the manifest gives, where the machine that is asked is the only one."""
    given = wanted.manifest.env.get("CHIEF_IP")
    return (
        given
        if _is_alone(wanted) and isinstance(given, str) and given and "CHIEF_IP" in _reads(wanted, facts)
        else None
    )


def _port(wanted: Wanted) -> int | None:
    return wanted.manifest.resources.port if _is_alone(wanted) else None


def _is_alone(wanted: Wanted) -> bool:
    """Several machines try out their meeting point before they start."""
    backend = wanted.manifest.backend
    return backend.launcher.kind == "direct" and backend.transport.machines == 1


def _python(program: str, *arguments: str) -> str:
    return f"timeout 20 python3 -I -S -c {quote(program)} {' '.join(map(quote, arguments))}"


def _fault(code: str, message: str, hint: str, key: str, *, level: Level = "deny", observed: bool = False) -> Fault:
    return Fault(finding=Finding(code=code, level=level, message=message, hints=(hint,)), key=key, observed=observed)
