"""The supervisor in bash, where no Python answers."""

from __future__ import annotations

import pytest


@pytest.fixture
def plain(bundle):
    """A bundle whose target has no Python to supervise with."""
    bundle.pythons = ("python-that-is-not-there",)
    bundle.fallback = True
    return bundle


def test_simple(plain):
    run = plain.start("say:ready", "checkpoint:1-1", "forever")
    ended = run.end()
    assert (ended["outcome"], ended["reason"]) == ("succeeded", "the done rule holds"), ended
