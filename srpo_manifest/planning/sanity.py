"""What the manifest alone shows to be wrong, whoever runs it and wherever: no fact is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from srpo_manifest.discretion import TOKEN
from srpo_manifest.finding import Finding, Level
from srpo_manifest.planning.anchors import of_windows
from srpo_manifest.planning.names import secret_name
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.manifest import AnyManifest, Reference, UnreadTransportOptions
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import LATE_NAMES
from srpo_manifest.wording import listed, nearest, plural, ticked

LIMIT_BYTES = 131_071
"""The longest word, or `NAME=value`, that Linux hands to a program: MAX_ARG_STRLEN, less the final NUL. Source: execve(2)."""
_REFERENCE = re.compile(r"\$(?:\{(?:env[:.])?([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_DOTTED = re.compile(r"\$\{([a-z_]+\.[a-z_]+)\}")
_OURS = ("SRPO_BUNDLE", "SRPO_PYTHON", "SRPO_REPO_DIR", "SRPO_DRY_RUN")
_DENIED = ("LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "ENV", "PROMPT_COMMAND")
_OF_BASH = ("SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "UID", "EUID", "PPID", "IFS")
"""Names that bash keeps for itself: setting them does nothing, or breaks every script of the job."""


def faults(wanted: Wanted) -> Iterable[Fault]:
    """Faults of `[model]`, `[entry]`, `[resources]` and `[env]`."""
    yield from _of_model(wanted)
    yield from _of_entry(wanted)
    yield from _of_resources(wanted)
    yield from _of_results(wanted)
    yield from _of_paths(wanted.manifest)
    for name, value in wanted.manifest.env.items():
        yield from _of_variable(name, value)


def _of_paths(manifest: AnyManifest) -> Iterable[Fault]:
    """Of those on the target that are only named; its two folders are looked at where they are used."""
    model = manifest.model
    for key, path in (
        ("model.base", model.base),
        ("model.vae", model.vae),
        ("model.lora", model.lora),
        ("paths.cache_dir", manifest.paths.cache_dir),
        ("python.path", manifest.python.path),
    ):
        if path and _DRIVE.match(path):
            yield _fault("windows-path", *of_windows(key, path), key, final=True)


def _of_model(wanted: Wanted) -> Iterable[Fault]:
    model = wanted.manifest.model
    methods = wanted.trainer.methods
    if model.method not in methods and "method" in wanted.data.get("model", {}):
        message = f"trainer {ticked(wanted.trainer.name)} has no method {ticked(model.method)}"
        hint = f"set `model.method` to {listed(methods)}"
        yield _fault("method-unavailable", message, hint, "model.method", final=True)
    if wanted.trainer.needs_base and model.base is None:
        message = f"trainer {ticked(wanted.trainer.name)} needs a base model"
        yield _fault("base-missing", message, "set `model.base` to the model's folder", "model", final=True)
    for key, value in (("model.base", model.base), ("model.vae", model.vae)):
        if value and value.startswith("hf:"):
            message = f"{ticked(value)} would have to be downloaded, which this version does not do"
            yield _fault("hub-unsupported", message, "download it on the target and give its folder", key, final=True)


def _of_entry(wanted: Wanted) -> Iterable[Fault]:
    entry = wanted.manifest.entry
    for key, given in (("entry.set", entry.set), ("entry.unset", entry.unset)):
        if given and entry.command is not None:
            message = f"{ticked(key)} needs a script whose flags can be read; `entry.command` is taken as it stands"
            yield _fault("command-has-no-flags", message, "write the flags into `entry.command`", key, final=True)

    for at, spelled in enumerate(entry.command or ()):
        for name in set(_DOTTED.findall(spelled)) - LATE_NAMES:
            if near := nearest(name, LATE_NAMES):
                message = f"{ticked('${' + name + '}')} is passed on as it stands: no such word is bound on the target"
                hint = f"did you mean {ticked('${' + near + '}')}?"
                yield _fault("not-interpolated", message, hint, f"entry.command.{at}", level="warn")


def _of_resources(wanted: Wanted) -> Iterable[Fault]:
    nodes, backend = wanted.manifest.resources.nodes, wanted.manifest.backend
    if backend.launcher.kind != "direct" or isinstance(backend.transport, UnreadTransportOptions):
        return
    machines = backend.transport.machines
    if nodes == machines:
        return
    reached = f"the transport reaches {plural(machines, 'machine')}"
    if nodes > machines:
        message = f"`resources.nodes` is {nodes}, and {reached}: the others would be waited for without end"
        hint = f"set it to {machines}, or name more machines (`hosts` of transport `ssh`), or a launcher that starts several"
    else:
        message = f"`resources.nodes` is {nodes}, and {reached}"
        hint = f"write `nodes = {machines}` in `[resources]`, or name fewer machines"
    key = "resources.nodes" if wanted.where("resources.nodes") else "backend.transport"
    yield _fault("nodes-unsupported", message, hint, key, final=True)


def _of_results(wanted: Wanted) -> Iterable[Fault]:
    done, artifacts = wanted.manifest.done, wanted.trainer.artifacts
    for key, wish, pattern in (
        ("done.checkpoints", done and done.checkpoints, artifacts.checkpoints),
        ("done.images", done and done.images, artifacts.images),
    ):
        if wish and pattern is None:
            message = f"{ticked(key)} can never hold: trainer {ticked(wanted.trainer.name)} does not say where they are written"
            yield _fault("done-impossible", message, "name files with `done.files`", key, final=True)
    paths = [("done.files", path) for path in (done.files if done else None) or ()]
    for key, path in [*paths, ("repo.path", wanted.manifest.repo.path)]:
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            yield _fault(
                "path-outside",
                f"{ticked(key)} leads outside with {ticked(path)}",
                "give a path beneath",
                key,
                final=True,
            )


def _of_variable(name: str, value: str | Reference) -> Iterable[Fault]:
    key = f"env.{name}"
    if name in _OURS or name.startswith("SRPO_RUN_"):
        yield _fault("env-denied", f"{ticked(name)} is set by the supervisor", "leave it out", key, final=True)
    if name in _DENIED or name.startswith("BASH_FUNC_"):
        yield _fault("env-denied", f"{ticked(name)} would run code in every shell of the job", "leave it out", key)
    elif name in _OF_BASH:
        yield _fault("env-denied", f"{ticked(name)} belongs to bash itself", "leave it out", key)
    elif name.startswith("LD_"):
        message = f"{ticked(name)} changes which libraries every program loads"
        yield _fault("env-loader", message, "check that this is meant", key, level="warn")
    if isinstance(value, Reference):
        return
    size = len(value.encode("utf-8", "surrogateescape"))
    if len(name) + 1 + size > LIMIT_BYTES:
        message = f"the value of {ticked(name)} is {size:,} bytes long; Linux takes {LIMIT_BYTES:,} with the name"
        yield _fault("env-too-long", message, "put it in a file", key)
    if reference := _REFERENCE.fullmatch(value):
        message = f"the value of {ticked(name)} is taken as it stands: nothing in it is expanded"
        hint = f'a reference is a table: `{name} = {{ env = "{reference[1] or reference[2]}" }}`'
        yield _fault("not-interpolated", message, hint, key, level="deny" if secret_name(name) else "warn")
        return
    if TOKEN.match(value) or (value and secret_name(name)):
        message = f"the value of {ticked(name)} looks like a secret, and would be written into plan and record"
        yield _fault("secret-literal", message, f'refer to it: `{name} = {{ env = "{name}" }}`', key)
    if "${" in value or "{{" in value:
        message = f"the value of {ticked(name)} is taken as it stands: nothing in it is expanded"
        yield _fault("not-interpolated", message, 'a reference is a table: `{ env = "NAME" }`', key, level="warn")


def _fault(code: str, message: str, hint: str, key: str, *, level: Level = "deny", final: bool = False) -> Fault:
    finding = Finding(code=code, level=level, message=message, hints=(hint,))
    return Fault(finding=finding, key=key, final=final)
