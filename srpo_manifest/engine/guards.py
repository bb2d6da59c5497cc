"""A plugin's transport or launcher, whose every surprise has the plugin's name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, get_type_hints

from srpo_manifest.engine.plugin_faults import guarded, wrong_answer
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.probes import Answer
from srpo_manifest.ports.transport import Transport, machines
from srpo_manifest.values.plan import Provider


class GuardedTransport:
    """*transport*, of which nothing comes but answers, TransportErrors, PluginErrors, and what its callers' data raises."""

    def __init__(self, transport: Transport, provider: Provider) -> None:
        """Raises: PluginError for a place without a name."""
        self._transport, self._provider = transport, provider
        self.place: str = guarded(provider, "place", lambda: transport.place)
        if not isinstance(self.place, str):
            raise wrong_answer(provider, "place", "text", self.place)
        self.bash: object = guarded(provider, "bash", lambda: getattr(transport, "bash", None))
        _, *others = guarded(provider, "others", lambda: machines(transport))
        self.others = tuple(GuardedTransport(one, provider) for one in others)

    def exec(self, script: str, data: Iterable[bytes] = (), *, timeout_seconds: float) -> Answer:
        """As the port says. Raises: PluginError also where it does not come back long after its time.

        At a terminal it may take as long as it likes: it may ask there for a passphrase, and Ctrl-C ends it.
        """
        failures: list[Exception] = []

        def sent() -> Iterator[bytes]:
            try:
                yield from data
            except Exception as failure:
                failures.append(failure)
                raise

        call = partial(self._transport.exec, script, sent(), timeout_seconds=timeout_seconds)
        try:
            answer = guarded(self._provider, "exec()", call, beside_seconds=_beside(timeout_seconds))
        except SrpoManifestError:
            if failures:
                raise failures[0] from None
            raise
        types = {"status": int, "output": bytes, "error": bytes}
        if not isinstance(answer, Answer):
            raise wrong_answer(self._provider, "exec()", "an Answer", answer)
        for name, wanted in types.items():
            if not isinstance(found := getattr(answer, name), wanted):
                raise wrong_answer(self._provider, "exec()", f"`{name}` of {wanted.__name__}", found)
        return answer


class GuardedLauncher:
    """*launcher*, of which nothing comes but what the port says, LaunchErrors, and PluginErrors."""

    def __init__(self, launcher: Launcher, provider: Provider) -> None:
        self._launcher, self._provider = launcher, provider

    def __getattr__(self, name: str) -> Callable[..., Any]:
        wanted = get_type_hints(getattr(Launcher, name))["return"]

        def call(*given: object, **named: object) -> object:
            found = guarded(self._provider, f"{name}()", lambda: getattr(self._launcher, name)(*given, **named))
            if not isinstance(found, wanted):
                raise wrong_answer(self._provider, f"{name}()", wanted.__name__, found)
            return found

        return call


def _beside(timeout_seconds: float) -> float | None:
    return None if sys.stdin is not None and sys.stdin.isatty() else timeout_seconds
