"""The suite for transports, on the one that is built in."""

from __future__ import annotations

import pytest

from srpo_manifest.piped import PipedTransport
from srpo_manifest.plugin import Transport
from srpo_manifest.testing import TransportSuite


class TestThisMachine(TransportSuite):
    """A bash of ours."""

    @pytest.fixture
    def transport(self) -> Transport:
        return PipedTransport()


class TestBehindACommand(TransportSuite):
    """As a plugin reaches another machine."""

    @pytest.fixture
    def transport(self) -> Transport:
        return PipedTransport(prefix=("env", "THROUGH=yes"), place="behind env")
