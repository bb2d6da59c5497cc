"""What kills, full disks, jumping clocks and long use do to runs."""

from __future__ import annotations

from types import ModuleType

import pytest
from bundles import load_supervise


@pytest.fixture(scope="session")
def supervise() -> ModuleType:
    """The shipped file, as a module."""
    return load_supervise()
