"""Bundles written by hand, run for real; what a test leaves running is ended by its pid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import RUNTIME, Bundle, load_supervise

__all__ = ["RUNTIME", "bundle", "plain", "supervise"]


@pytest.fixture(scope="session")
def supervise() -> SimpleNamespace:
    """The shipped file, as a module."""
    return load_supervise()


@pytest.fixture
def plain(bundle: Bundle) -> Bundle:
    """A bundle on a target where no Python answers."""
    bundle.pythons, bundle.fallback = ("python-that-is-not-there",), True
    return bundle


@pytest.fixture(params=["python", "bash"])
def either(request: pytest.FixtureRequest, bundle: Bundle) -> Bundle:
    """A bundle on a target where Python supervises, and on one where bash does: what both promise alike."""
    if request.param == "bash":
        bundle.pythons, bundle.fallback = ("python-that-is-not-there",), True
    return bundle


@pytest.fixture
def bundle(tmp_path: Path, supervise: SimpleNamespace) -> Iterator[Bundle]:
    """An empty bundle; what it started is gone after the test."""
    made = Bundle(tmp_path, supervise)
    yield made
    made.clean()
