"""Suites that a plugin inherits: it passes by naming its fixture. Needs `srpo-manifest[testing]`."""

from __future__ import annotations

from srpo_manifest.testing.transports import TransportSuite, awkward

__all__ = ["TransportSuite", "awkward"]
