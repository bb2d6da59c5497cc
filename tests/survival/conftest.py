"""What kills, full disks, jumping clocks and long use do to runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import Bundle, load_supervise


@pytest.fixture(scope="session")
def supervise() -> SimpleNamespace:
    """The shipped file, as a module."""
    return load_supervise()


@pytest.fixture
def bundle(tmp_path: Path, supervise: SimpleNamespace) -> Iterator[Bundle]:
    """An empty bundle; what it started is gone after the test."""
    made = Bundle(tmp_path, supervise)
    yield made
    made.clean()
