"""The suites that every transport and every backend pass, on a real sshd."""

from __future__ import annotations

import pytest

from srpo_manifest.plugin import Transport
from srpo_manifest.testing import Backend, LauncherSuite, TransportSuite


class TestSsh(TransportSuite):
    """As the README has it."""

    @pytest.fixture
    def transport(self, sshd) -> Transport:
        return sshd.transport()


class TestSshWithNoise(TransportSuite):
    """A `.bashrc` that talks on both channels, changes directories, sets options and takes names."""

    @pytest.fixture
    def transport(self, sshd) -> Transport:
        noise = "echo welcome; echo oh no >&2; printf 'no end'; set -u; shopt -s extglob; alias printf=false; printf() { :; }; export -f printf; cd /tmp"
        (sshd.home / ".bashrc").write_text(noise + "\n")
        return sshd.transport()


class TestRuns(LauncherSuite):
    """What is started there by the launcher that is built in."""

    @pytest.fixture
    def backend(self, sshd) -> Backend:
        table = f'[backend.transport]\nkind = "ssh"\nhost = "box"\nconfig = "{sshd.config}"\n'
        return Backend(tables=table, workspace="~/far", there=sshd.transport())
