"""What a plugin's tests use: the real program, and suites to inherit. Needs `srpo-manifest[testing]`."""

from __future__ import annotations

from srpo_manifest.testing.launchers import Backend, LauncherSuite
from srpo_manifest.testing.program import Program, Said
from srpo_manifest.testing.stages import StageSuite
from srpo_manifest.testing.trainers import TrainerSuite
from srpo_manifest.testing.transports import TransportSuite, awkward, sendable
from srpo_manifest.testing.waiting import until

__all__ = [
    "Backend",
    "LauncherSuite",
    "Program",
    "Said",
    "StageSuite",
    "TrainerSuite",
    "TransportSuite",
    "awkward",
    "sendable",
    "until",
]
