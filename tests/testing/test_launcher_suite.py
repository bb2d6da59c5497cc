"""The suite for backends, on the one that is built in."""

from __future__ import annotations

from pathlib import Path

import pytest

from srpo_manifest.testing import Backend, LauncherSuite


class TestThisMachine(LauncherSuite):
    """Started here by the bundle's own supervisor."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return Backend(tables="", workspace=f"{tmp_path}/there")
