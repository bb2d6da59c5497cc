"""Who answers: the built-in stages and the plugins that a manifest names, called one by one so that a fault has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pluggy

from srpo_manifest import __version__
from srpo_manifest.builtin import (
    bash,
    command,
    dead_code,
    earlier_results,
    end,
    environment,
    interpreter,
    launcher_program,
    local,
    packages,
    platform_checks,
    preflight,
    repo,
    room,
    supervisor,
    trainer_checks,
)
from srpo_manifest.engine.guards import GuardedLauncher, GuardedTransport
from srpo_manifest.engine.parts import Part
from srpo_manifest.engine.patience import Hung, bounded, patience_seconds
from srpo_manifest.engine.plugin_faults import (
    broken,
    distribution,
    guarded,
    hung,
    said,
    tell_authors,
    told,
    wrong_answer,
)
from srpo_manifest.errors import PluginError
from srpo_manifest.planning.order import BUILTIN
from srpo_manifest.ports import hookspecs
from srpo_manifest.ports.backend import LauncherKind, TransportKind
from srpo_manifest.ports.direct import DirectKind
from srpo_manifest.ports.hookspecs import GROUP
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.stage import StageHandler
from srpo_manifest.ports.transport import Transport
from srpo_manifest.values.facts import Facts
from srpo_manifest.values.manifest import LauncherOptions, TransportOptions
from srpo_manifest.values.plan import STAGES, Provider
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

A = TypeVar("A")
Options = TypeVar("Options", TransportOptions, LauncherOptions)
_STAGES = (
    repo,
    bash,
    environment,
    interpreter,
    preflight,
    launcher_program,
    packages,
    platform_checks,
    room,
    supervisor,
    trainer_checks,
    earlier_results,
    dead_code,
    command,
    end,
)
_ONE_ANSWER = ("resolve-repo", "resolve-bash", "launch")
_BUILT_IN = {"backend.transport.kind": ("local",), "backend.launcher.kind": ("direct",)}


class Registry:
    """Built-ins through pluggy like everybody else; entry points are looked up only when something is named."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._providers: dict[str, Provider] = {}
        self._silent: set[str] = set()
        for module in _STAGES:
            self._manager.register(module, name=f"{BUILTIN}:{module.__name__.rpartition('.')[2]}")

    def load(self, name: str, *, key: str) -> None:
        """Load the plugin *name* that manifest key *key* asks for.

        Raises: PluginError of `find` and `take`.
        """
        if name not in self._providers:
            self.take(self.find(name, key=key))

    def take(self, entry: EntryPoint) -> object:
        """Import the plugin of *entry* and hear it from now on. Returns: what the entry point names.

        Raises: PluginError `plugin-broken`, `plugin-incompatible`, `plugin-hung`, or `plugin-kind` for our own name.
        """
        name = entry.name
        if name == BUILTIN:
            raise PluginError(
                "plugin-kind", f"a plugin is named {ticked(name)}, as the built-in parts are", tell_authors(name)
            )
        provider = Provider(name=name, version=entry.dist.version if entry.dist else "")
        fits = False
        try:
            with bounded(patience_seconds()):
                module = entry.load()
            self._manager.register(module, name=name)
            self._manager.check_pending()
            fits = True
        except Hung:
            raise hung(provider, "its import") from None
        except (ImportError, pluggy.PluginValidationError) as error:
            if isinstance(error, ImportError) and not (error.name or "").startswith("srpo_manifest"):
                raise broken(provider, error) from error
            raise PluginError(
                "plugin-incompatible",
                f"plugin {said(provider)} does not fit srpo-manifest {__version__}: {type(error).__name__}: {told(error)}",
                f"update {distribution(name)}, or take it out of the manifest",
            ) from error
        except (Exception, SystemExit) as error:
            raise broken(provider, error) from error
        finally:
            # One that fits in part would be heard, and taken for a built-in part.
            if not fits and self._manager.has_plugin(name):
                self._manager.unregister(name=name)
        self._providers[name] = provider
        return module

    def find(self, name: str, *, key: str) -> EntryPoint:
        """Look up the plugin *name* that manifest key *key* asks for; nothing of it is imported.

        Raises: PluginError `plugin-missing` or `plugin-conflict`.
        """
        from importlib.metadata import entry_points  # noqa: PLC0415 - costs as much as a whole validate

        found = list(entry_points(group=GROUP, name=name))
        if not found:
            names = sorted({entry.name for entry in entry_points(group=GROUP)})
            ours = _BUILT_IN.get(key, ())
            near = did_you_mean(name, (*ours, *names))
            there = [f"built in: {listed(ours, 'and')}"] if ours else []
            there += [f"installed: {listed(names, 'and')}"] if names else []
            install = [] if near or names else [f"install one: `pip install srpo-manifest-{name}`"]
            raise PluginError(
                "plugin-missing",
                f"{ticked(key)} names {ticked(name)}, and no plugin of that name is installed",
                *near,
                *there,
                *install,
            )
        if len(found) > 1:
            dists = listed(sorted(entry.dist.name if entry.dist else "?" for entry in found), "and")
            raise PluginError(
                "plugin-conflict", f"several distributions bring a plugin {ticked(name)}: {dists}", "uninstall one"
            )
        return found[0]

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Plugins that were loaded."""
        return tuple(self._providers[name] for name in sorted(self._providers))

    def parts(self, wanted: Wanted) -> tuple[Part, ...]:
        """Every stage's handlers. Raises: PluginError where two answer one question, or one answers wrongly."""
        found: list[Part] = []
        for stage in STAGES:
            hook = f"srpo_{stage.replace('-', '_')}"
            answers = [
                Part(stage, provider, _handler(provider, hook, answer))
                for provider, answer in self._answers(hook, wanted=wanted)
            ]
            if stage in _ONE_ANSWER:
                given = [part for part in answers if part.provider.name != BUILTIN]
                if len(given) > 1:
                    who = listed((part.provider.name for part in given), "and")
                    raise PluginError(
                        "plugin-conflict", f"plugins {who} both answer stage {stage}", "take one out of the manifest"
                    )
                answers = given or answers
            found += sorted(answers, key=lambda part: (part.provider.name != BUILTIN, part.provider.name))
        return tuple(found)

    def transport(self, kind: str) -> TransportKind:
        """The transport of *kind*, loaded before. Raises: PluginError where the plugin brings none."""
        return local.LocalKind() if kind == "local" else self._kind("srpo_transport", kind, TransportOptions)

    def launcher(self, kind: str) -> LauncherKind:
        """The launcher of *kind*, loaded before. Raises: PluginError where the plugin brings none."""
        return DirectKind() if kind == "direct" else self._kind("srpo_launcher", kind, LauncherOptions)

    def open_transport(self, options: TransportOptions, wanted: Wanted | None, facts: Facts) -> Transport:
        """The transport that *options* describe. Raises: PluginError; TransportError where what it needs here is missing."""
        kind = self.transport(options.kind)
        if options.kind == "local":
            return kind.open(options, wanted, facts)
        found = self._opened(options.kind, partial(kind.open, options, wanted, facts), ("place", "exec"))
        return GuardedTransport(found, self._provider(options.kind))

    def open_launcher(self, options: LauncherOptions) -> Launcher:
        """The launcher that *options* describe. Raises: PluginError."""
        kind = self.launcher(options.kind)
        if options.kind == "direct":
            return kind.open(options)
        found = self._opened(options.kind, partial(kind.open, options), ("start", "status", "parse_status", "stop"))
        return GuardedLauncher(found, self._provider(options.kind))

    def trainers(self) -> list[bytes]:
        """Description files that the loaded plugins bring. Raises: PluginError."""
        return self._files("srpo_trainer", "the bytes of a description")

    def explanations(self) -> list[bytes]:
        """Files about codes that the loaded plugins bring. Raises: PluginError."""
        return self._files("srpo_explanations", "the bytes of a file about codes")

    def hooks(self, name: str) -> tuple[str, ...]:
        """The hooks that the loaded plugin *name* implements, sorted."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or ()
        return tuple(sorted(caller.name for caller in callers))

    def names(self) -> tuple[str, ...]:
        """Names of all plugins that are installed, loaded or not."""
        from importlib.metadata import entry_points  # noqa: PLC0415 - costs as much as a whole validate

        return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))

    def observe(self, event: dict[str, Any]) -> Iterator[PluginError]:
        """Hand *event* to every observer; faults come back, and reach nobody else. One that hung is asked no more."""
        for impl in self._manager.hook.srpo_observe.get_hookimpls():
            provider = self._provider(impl.plugin_name)
            if provider.name in self._silent:
                continue
            try:
                guarded(provider, "srpo_observe", partial(impl.function, *([event] if impl.argnames else [])))
            except PluginError as error:
                if error.code == "plugin-hung":
                    self._silent.add(provider.name)
                yield error

    def recorded(self, table: dict[str, Any], options: type[Options]) -> Options:
        """The options that a record froze. Raises: PluginError where the plugin takes others today."""
        provider = self._provider(table["kind"])
        try:
            return self.decoded(provider.name, table, options)
        except msgspec.ValidationError as error:
            raise PluginError(
                "plugin-incompatible",
                f"plugin {said(provider)} no longer takes the options that the run has on record: {error}",
                f"install the version of {distribution(provider.name)} that started the run",
            ) from error

    def decoded(self, kind: str, table: Any, options: type[A]) -> A:
        """*table* as the options of *kind*. Raises: msgspec.ValidationError; PluginError for what they themselves raise besides."""

        def convert() -> A | msgspec.ValidationError:
            try:
                return msgspec.convert(table, options)
            except msgspec.ValidationError as error:
                return error

        found = guarded(self._provider(kind), "its options", convert)
        if isinstance(found, msgspec.ValidationError):
            raise found
        return found

    def _opened(self, kind: str, opened: Callable[[], A], needed: tuple[str, ...]) -> A:
        provider = self._provider(kind)
        found = guarded(provider, "open()", opened)
        if not guarded(provider, "open()", lambda: all(hasattr(found, name) for name in needed)):
            raise wrong_answer(provider, "open()", f"something with {listed(needed, 'and')}", found)
        return found

    def _kind(self, hook: str, kind: str, parent: type) -> Any:
        for provider, answer in self._answers(hook):
            if provider.name == kind:
                guarded(provider, hook, partial(_fits, provider, hook, answer, parent))
                return answer
        raise PluginError(
            "unknown-kind", f"plugin {ticked(kind)} brings no {hook.removeprefix('srpo_')}", "name another kind"
        )

    def _answers(self, hook: str, **arguments: Any) -> Iterator[tuple[Provider, Any]]:
        """Every answer that is not None, implementations in the order of registration."""
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            provider = self._provider(impl.plugin_name)
            given = [arguments[name] for name in impl.argnames]
            answer = guarded(provider, hook, partial(impl.function, *given))
            if answer is not None:
                yield provider, answer

    def _files(self, hook: str, what: str) -> list[bytes]:
        found: list[bytes] = []
        for provider, answer in self._answers(hook):
            files: list[Any] = guarded(provider, hook, partial(list, answer))
            for data in files:
                if not isinstance(data, bytes):
                    raise wrong_answer(provider, hook, what, data)
            found += files
        return found

    def _provider(self, name: str) -> Provider:
        return self._providers.get(name) or Provider(name=BUILTIN, version=__version__)


def _fits(provider: Provider, hook: str, answer: Any, parent: type) -> None:
    """Raises: PluginError for a kind that is none; what msgspec raises for options that it cannot decode."""
    if not hasattr(answer, "options") or not callable(getattr(answer, "open", None)):
        raise wrong_answer(provider, hook, "a kind with `options` and `open`", answer)
    if not isinstance(answer.options, type) or not issubclass(answer.options, parent):
        raise wrong_answer(provider, hook, f"a subclass of {parent.__name__} as its `options`", answer.options)
    with suppress(msgspec.ValidationError):
        msgspec.convert({}, answer.options)


def _handler(provider: Provider, hook: str, answer: Any) -> StageHandler:
    if callable(getattr(answer, "probes", None)) and callable(getattr(answer, "steps", None)):
        return answer  # type: ignore[no-any-return]
    raise wrong_answer(provider, hook, "a StageHandler", answer)
