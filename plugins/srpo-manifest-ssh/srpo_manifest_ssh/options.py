"""The keys of `[backend.transport]` with `kind = "ssh"`; everything else is the business of `~/.ssh/config`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from srpo_manifest.plugin import TransportOptions

# What ssh puts into a ProxyCommand is read by a shell (CVE-2023-51385).
_HOST = Meta(
    pattern=r"\A[A-Za-z0-9_](?:[A-Za-z0-9_.:-]*[A-Za-z0-9_])?\Z",
    max_length=255,
    description="The machine: a name or an address, or a `Host` of `~/.ssh/config`.",
)
_HOSTS = Meta(
    min_length=2,
    max_length=1000,
    description="The machines of a run of several nodes, in place of `host`: the first is the chief.",
)
_USER = Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", max_length=64, description="Who logs in there.")
_CONFIG = Meta(
    pattern=r"\A(?:~/|/|[A-Za-z]:[/\\]).+\Z",
    description="The configuration of ssh in place of `~/.ssh/config`: an absolute path, or one that begins with `~/`.",
)


class SshOptions(TransportOptions, kw_only=True):
    """A machine behind the OpenSSH command line."""

    kind: Literal["ssh"]
    host: Annotated[str, _HOST] | None = None
    hosts: Annotated[tuple[Annotated[str, _HOST], ...], _HOSTS] | None = None
    user: Annotated[str, _USER] | None = None
    port: Annotated[int, Meta(ge=1, le=65535, description="Where its sshd listens.")] | None = None
    config: Annotated[str, _CONFIG] | None = None
    connect_seconds: Annotated[int, Meta(ge=1, le=600, description="How long a login may take.")] = 15
    silent_seconds: Annotated[
        int, Meta(ge=3, le=3600, description="After how long a machine that says nothing counts as out of reach.")
    ] = 30

    def __post_init__(self) -> None:
        if (self.host is None) == (self.hosts is None):
            raise ValueError("either `host` or `hosts` is needed, and not both")
        for index, name in enumerate(self.names):
            if name in self.names[:index]:
                raise ValueError(f"`hosts` names `{name}` twice")

    @property
    def names(self) -> tuple[str, ...]:
        """The machines in order."""
        return self.hosts or (self.host or "",)

    @property
    def machine(self) -> str:
        """The first of them."""
        return self.names[0]

    @property
    def machines(self) -> int:
        """One a node."""
        return len(self.names)
