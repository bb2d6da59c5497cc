"""What the tests of the readers share: a manifest read as the engine reads it, and a fault as people see it."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.manifest import Document, parse_manifest, read_manifest, with_overlays
from srpo_manifest.reading.toml import Source
from srpo_manifest.rendering import told
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, TransportOptions
from srpo_manifest.values.wanted import Wanted

BASE = 'schema = 1\nname = "a"\nmodel.type = "generic"\n'
FILE = "srpo.toml"


class SshOptions(TransportOptions, kw_only=True):
    """As a plugin brings them."""

    kind: Literal["ssh"]
    host: str
    port: int | None = None


TRANSPORTS: dict[str, type[TransportOptions]] = {"local": LocalOptions, "ssh": SshOptions}


def source(text: str | bytes, file: str = FILE) -> Source:
    return Source(file=file, data=text.encode() if isinstance(text, str) else text)


def merged(text: str | bytes, **overlays: Any) -> Document:
    return with_overlays(parse_manifest(source(text)), **overlays)


def read(text: str | bytes, *, args: Source | None = None, **overlays: Any) -> Wanted:
    return read_manifest(
        merged(text, **overlays),
        folder="/home/me/project",
        transports=TRANSPORTS,
        launchers={"direct": DirectOptions},
        args=args,
    )


def fault(text: str, **how: Any) -> str:
    """Every finding that reading *text* ends with."""
    with pytest.raises(ManifestError) as caught:
        read(text, **how)
    return "\n\n".join(map(told, caught.value.findings))


@pytest.fixture(scope="session")
def reading():
    """The helpers, by attribute."""

    class Reading:
        base = BASE
        source = staticmethod(source)
        merged = staticmethod(merged)
        read = staticmethod(read)
        fault = staticmethod(fault)

    return Reading
