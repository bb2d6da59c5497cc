"""`kind = "ssh"`: a machine behind the OpenSSH command line."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from srpo_manifest.plugin import Facts, Transport, TransportKind, TransportOptions, Wanted, hookimpl
from srpo_manifest_ssh.options import SshOptions
from srpo_manifest_ssh.transport import SshTransport


class SshKind:
    """Reached by the record alone: nothing of the manifest is needed."""

    options = SshOptions

    def open(self, options: TransportOptions, wanted: Wanted | None, facts: Facts) -> Transport:  # noqa: ARG002
        """A transport. Raises: TransportError `program-missing` where there is no ssh."""
        assert isinstance(options, SshOptions)  # noqa: S101 - the registry decodes them by `options`
        return SshTransport(options)


@hookimpl
def srpo_transport() -> TransportKind:
    """The kind."""
    return SshKind()


@hookimpl
def srpo_explanations() -> Iterable[bytes]:
    """What `srpo-manifest explain` tells of the codes in `complaints`."""
    return [files(__name__).joinpath("explanations.toml").read_bytes()]
