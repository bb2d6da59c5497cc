"""Whether installed plugins are in order: each is looked at in a process of its own, so that none hides another."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import msgspec

from srpo_manifest import __version__
from srpo_manifest.engine.explaining import codes
from srpo_manifest.engine.loading import built_in_trainers
from srpo_manifest.engine.patience import patience_seconds
from srpo_manifest.engine.registry import Registry
from srpo_manifest.errors import PluginError, SrpoManifestError, TransportError
from srpo_manifest.finding import Finding, Level
from srpo_manifest.piped import run
from srpo_manifest.ports import hookspecs
from srpo_manifest.ports.hookspecs import GROUP
from srpo_manifest.reading.explanations import parse_explanations, told_codes
from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.manifest import DirectOptions, LauncherOptions, LocalOptions, Manifest, TransportOptions
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("srpo_"))
_STAGES = tuple(name for name in _HOOKS if inspect.signature(getattr(hookspecs, name)).parameters.keys() == {"wanted"})
_ROUNDS = 5
"""Calls that one plugin may make us wait for."""
_NEED = re.compile(r"srpo[-_.]manifest\s*(?:\[[^]]*\])?\s*\(?\s*((?:[~=!<>][^;)]*)?)\)?\s*(?:;(.*))?", re.IGNORECASE)
_CONDITION = re.compile(r"\s*(~=|===?|!=|>=|<=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?[^\s,]*\s*")


class Vetted(Value):
    """A plugin, who brings it, what it provides, and what is wrong with it."""

    name: str
    distribution: str = ""
    version: str = ""
    provides: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.level == "note" for finding in self.findings)


def vetted(names: Iterable[str] = ()) -> list[Vetted]:
    """Every installed plugin, or those of *names*; what is not installed is a finding."""
    found = []
    for name in sorted(set(names) or {entry.name for entry in entry_points(group=GROUP)}):
        entries = sorted(entry_points(group=GROUP, name=name), key=lambda entry: _whose(entry).distribution)
        doubt: tuple[Finding, ...] = ()
        try:
            Registry().find(name, key="plugins check")
        except PluginError as error:
            doubt = error.findings
        looks = [_apart(entry) for entry in entries] or [Vetted(name=name)]
        found += [msgspec.structs.replace(one, findings=(*doubt, *one.findings)) for one in looks]
    return found


def look(entry: EntryPoint) -> Vetted:
    """Load the plugin of *entry* into this process and hold it against what hooks promise."""
    registry = Registry()
    whose = _whose(entry)
    findings = list(_unfit(entry))
    try:
        plugin = registry.take(entry)
    except PluginError as error:
        return msgspec.structs.replace(whose, findings=(*findings, *error.findings))
    hooks = registry.hooks(entry.name)
    findings += _strays(plugin)
    if not hooks and not findings:
        findings.append(_finding("plugin-hook", f"plugin {ticked(entry.name)} implements no hook", f"there are {listed(_HOOKS, 'and')}"))  # fmt: skip
    asks: dict[str, Callable[[Registry, str], Iterator[Finding]]] = {
        "srpo_transport": _transport, "srpo_launcher": _launcher, "srpo_trainer": _trainers, "srpo_explanations": _taken_codes,
        **dict.fromkeys(_STAGES, _stages),
    }  # fmt: skip
    for ask in dict.fromkeys(asks[hook] for hook in hooks if hook in asks):
        try:
            findings += ask(registry, entry.name)
        except SrpoManifestError as error:
            findings += error.findings
    findings += _unexplained(registry, plugin)
    return msgspec.structs.replace(whose, provides=hooks, findings=tuple(findings))


def _whose(entry: EntryPoint) -> Vetted:
    distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    return Vetted(name=entry.name, distribution=distribution, version=version)


def _apart(entry: EntryPoint) -> Vetted:
    whose = _whose(entry)
    argv = (sys.executable, "-P", "-m", __name__, entry.name, whose.distribution)
    try:
        answer = run(argv, timeout_seconds=5 + _ROUNDS * patience_seconds(), hot=True)
    except TransportError as error:
        told = _finding("plugin-hung", f"plugin {ticked(entry.name)} does not end: {error}", _tell(whose))
    else:
        try:
            return msgspec.json.decode(answer.output, type=Vetted)
        except msgspec.DecodeError:
            why = f"status {answer.status}: {answer.complaint}" if answer.error else f"status {answer.status}"
            told = _finding("plugin-broken", f"plugin {ticked(entry.name)} ends the program, with {why}", _tell(whose))
    return msgspec.structs.replace(whose, findings=(told,))


def _unfit(entry: EntryPoint) -> Iterator[Finding]:
    """What the distribution requires of us, and does not get."""
    for need in (entry.dist.requires if entry.dist else None) or ():
        found = _NEED.fullmatch(need)
        if found and "extra" not in (found[2] or "") and not _holds(__version__, found[1]):
            message = f"plugin {ticked(entry.name)} needs srpo-manifest {found[1].strip()}, and this is {__version__}"
            yield _finding("plugin-incompatible", message, "update the one or the other")


def _holds(version: str, conditions: str) -> bool:
    """Whether a release meets all *conditions*; what is none of the usual ones is left to pip.

    >>> _holds("0.1.0", ">=0.1,<0.2"), _holds("0.2.0", "~=0.1.0"), _holds("1.4", "==1.*")
    (True, False, True)
    """
    for operator, limit, star in _CONDITION.findall(conditions):
        have, want = ([int(part) for part in re.findall(r"\d+", text)] for text in (version, limit))
        have, size = have[:3], max(3, len(want))
        cut = len(want) - 1 if operator == "~=" else len(want) if star else size
        padded = [[*one, *[0] * size][:size] for one in (have, want)]
        same = padded[0][:cut] == padded[1][:cut]
        if not {
            "==": same, "===": same, "!=": not same, "~=": same and padded[0] >= padded[1],
            ">=": padded[0] >= padded[1], "<=": padded[0] <= padded[1], ">": padded[0] > padded[1], "<": padded[0] < padded[1],
        }[operator]:  # fmt: skip
            return False
    return True


def _strays(plugin: Any) -> Iterator[Finding]:
    """Functions that look like hooks, and are never called."""
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        if not name.startswith("srpo_") or not inspect.isroutine(value) or hasattr(value, f"{GROUP}_impl"):
            continue
        if name in _HOOKS:
            yield _finding(
                "plugin-hook", f"{ticked(name)} is never called: it is not marked", "put `@hookimpl` above it"
            )
        elif value.__module__ == getattr(plugin, "__name__", None):
            hints = (*did_you_mean(name, _HOOKS), f"there are {listed(_HOOKS, 'and')}")
            yield _finding("plugin-hook", f"{ticked(name)} is never called: there is no such hook", *hints)


def _stages(registry: Registry, name: str) -> Iterator[Finding]:
    """Handlers for a manifest of which nothing is known yet, as the first round asks them."""
    tables = {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}}
    data = {"schema": 1, "name": "a-run", "model": {"type": "generic"}, "backend": tables}
    wanted = Wanted(manifest=msgspec.convert(data, Manifest[LocalOptions, DirectOptions]), folder="/", data=data)
    for part in registry.parts(wanted):
        if part.provider.name == name:
            part.probes(wanted, Facts())
    yield from ()


def _transport(registry: Registry, name: str) -> Iterator[Finding]:
    yield from _taken("transport", name, "local")
    if name != "local":
        kind = registry.transport(name)
        yield from _open(kind.open, TransportOptions, None, Facts())
        yield from _options(kind.options, name, TransportOptions)


def _launcher(registry: Registry, name: str) -> Iterator[Finding]:
    yield from _taken("launcher", name, "direct")
    if name != "direct":
        kind = registry.launcher(name)
        yield from _open(kind.open, LauncherOptions)
        yield from _options(kind.options, name, LauncherOptions)


def _trainers(registry: Registry, name: str) -> Iterator[Finding]:
    names = [parse_trainer(data, f"{name}.toml").name for data in registry.trainers()]
    for one in names:
        yield from _taken("trainer", one, *built_in_trainers())
    if name not in names:
        message = f'a manifest whose `model.type` is {listed(names)} needs `plugins = ["{name}"]`, too'
        yield _finding("plugin-kind", message, "a trainer named as its plugin is found without", level="note")


def _taken_codes(registry: Registry, name: str) -> Iterator[Finding]:
    for code in sorted({*_explained(registry)} & {*codes()}):
        message = f"plugin {ticked(name)} explains {ticked(code)}, which is a code of ours: its text is never shown"
        yield _finding("plugin-codes", message, "leave it out, or take another word for another thing", level="note")


def _unexplained(registry: Registry, plugin: object) -> Iterator[Finding]:
    """Codes that the plugin's source and descriptions tell, and nobody explains; of one that is no module less is known."""
    sources = [Path(file)] if (file := getattr(plugin, "__file__", None)) else []
    sources += [path for folder in getattr(plugin, "__path__", ()) for path in Path(folder).rglob("*.py")]
    told = {code for path in sources for code in told_codes(path.read_bytes())}
    with suppress(SrpoManifestError):  # those are told already
        trainers = [parse_trainer(data, "trainer.toml") for data in registry.trainers()]
        told |= {check.code for trainer in trainers for check in trainer.checks}
        told |= {rule.code for trainer in trainers for rule in trainer.log if rule.code}
        told -= {*_explained(registry), *codes()}
        if told:
            message = f"`explain` has nothing to say of {listed(sorted(told), 'and')}"
            yield _finding("plugin-codes", message, "bring a file about them: hook `srpo_explanations`", level="note")


def _explained(registry: Registry) -> Iterator[str]:
    for data in registry.explanations():
        yield from parse_explanations(data, "explanations").codes


def _taken(what: str, name: str, *ours: str) -> Iterator[Finding]:
    if name in ours:
        message = f"the {what} {ticked(name)} is built in: nobody is asked for another one"
        yield _finding("plugin-kind", message, "take another name")


def _open(opened: Callable[..., object], *given: object) -> Iterator[Finding]:
    try:
        inspect.signature(opened).bind(*given)
    except TypeError as error:
        message = f"`open` cannot be called with what it is given: {error}"
        yield _finding("plugin-answer", message, "take the parameters of the Protocol in `srpo_manifest.plugin`")


def _options(options: type[msgspec.Struct], name: str, parent: type[msgspec.Struct]) -> Iterator[Finding]:
    """What a struct of manifest keys owes to people: its kind, no unknown keys, and a sentence for each."""
    title = ticked(options.__name__)
    if not options.__struct_config__.forbid_unknown_fields:
        message = f"{title} takes keys that it does not know: a misspelt one would be overlooked"
        yield _finding("plugin-options", message, "leave out `forbid_unknown_fields=False`")
    kinds = next(field.type for field in msgspec.structs.fields(options) if field.name == "kind")
    if getattr(kinds, "__args__", None) != (name,):
        message = f"`kind` of {title} does not say {ticked(name)}, which is what a manifest writes for this plugin"
        yield _finding("plugin-kind", message, f'write `kind: Literal["{name}"]`, and name the entry point so')
    (own,), definitions = msgspec.json.schema_components((options,))
    keys = definitions[own["$ref"].rpartition("/")[2]]["properties"]
    known = {field.encode_name for field in msgspec.structs.fields(parent)}
    bare = [key for key, said in keys.items() if key not in known and not _described(said)]
    if bare:
        message = f"{title} does not describe {listed(bare, 'and')}: editors and `explain` have nothing to show"
        yield _finding("plugin-options", message, 'write `Annotated[str, Meta(description="...")]`')


def _described(schema: dict[str, Any]) -> bool:
    return any("description" in one for one in (schema, *schema.get("anyOf", ())))


def _finding(code: str, message: str, *hints: str, level: Level = "deny") -> Finding:
    return Finding(code=code, level=level, message=message, hints=hints)


def _tell(whose: Vetted) -> str:
    return f"this is a fault of the plugin: tell the authors of {ticked(whose.distribution)}"


def _main(name: str, distribution: str) -> None:
    """Answer for one plugin; whatever it prints is talk."""
    answer = os.dup(1)
    os.dup2(2, 1)
    (entry,) = (one for one in entry_points(group=GROUP, name=name) if _whose(one).distribution == distribution)
    data = msgspec.json.encode(look(entry))
    with os.fdopen(answer, "wb") as output:
        output.write(data)
    # A thread that the plugin started is nothing to wait for.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
