"""The door: what a plugin imports. Everything here is kept stable; nothing else of the package is promised."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from srpo_manifest.bundling.quoting import command, quote, shell
from srpo_manifest.bundling.render import PYTHONS
from srpo_manifest.errors import FactError, LaunchError, ManifestError, PluginError, TransportError
from srpo_manifest.finding import Finding, Level, Where
from srpo_manifest.piped import PipedTransport
from srpo_manifest.planning import anchors
from srpo_manifest.planning.entry import PIN, entry_of, launches_meant, script_of
from srpo_manifest.planning.forecast import forecast, wasted_steps
from srpo_manifest.planning.names import secret_name
from srpo_manifest.planning.rules import pattern as artifact_pattern
from srpo_manifest.planning.workers import GPUS, gpus_per_node
from srpo_manifest.ports.backend import LauncherKind, TransportKind
from srpo_manifest.ports.direct import DirectLauncher
from srpo_manifest.ports.hookspecs import hookimpl
from srpo_manifest.ports.launcher import Launcher
from srpo_manifest.ports.probes import (
    Answer,
    Ask,
    ControllerProbe,
    Environment,
    Find,
    Probe,
    ReadFile,
    ReadRepository,
    TargetProbe,
    parse_value,
)
from srpo_manifest.ports.stage import StageHandler
from srpo_manifest.ports.transport import Transport
from srpo_manifest.reading.words import bound_word, parse_word
from srpo_manifest.upstream import arriving as arrivals
from srpo_manifest.upstream.arriving import Arriving, arriving
from srpo_manifest.upstream.editor import Delivery, Wish, deliver, of_command, read_tokens, wish_of
from srpo_manifest.upstream.misfits import Misfit
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import (
    ArgumentContract,
    Choice,
    Computed,
    Import,
    Launch,
    Opaque,
    Piece,
    Place,
    Plain,
    Scalar,
    ScriptContract,
    Token,
    Variable,
)
from srpo_manifest.values.facts import Bash, Facts, Gpu, Interpreter, Known, PastRun, Unknown, Vendor
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.manifest import LauncherOptions, LocalOptions, Reference, TransportOptions
from srpo_manifest.values.plan import Forecast, Op, Option, SecretRef
from srpo_manifest.values.run import Rank, Status
from srpo_manifest.values.step import (
    Assume,
    AtEnd,
    Check,
    Content,
    Get,
    JobStep,
    Proposal,
    Put,
    Sh,
    Shim,
)
from srpo_manifest.values.step import Variable as EnvVariable
from srpo_manifest.values.trainer import Trainer, TrainerCheck
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Arrived, Text, Word, late, word
from srpo_manifest.wording import did_you_mean, gigabytes, listed, plural, ticked

__all__ = [
    "GPUS",
    "PIN",
    "PYTHONS",
    "Answer",
    "ArgumentContract",
    "Arrived",
    "Arriving",
    "Ask",
    "Assume",
    "AtEnd",
    "Bash",
    "Check",
    "Choice",
    "Computed",
    "Content",
    "ControllerProbe",
    "Delivery",
    "DirectLauncher",
    "EntryContract",
    "EnvVariable",
    "Environment",
    "FactError",
    "Facts",
    "Fault",
    "Find",
    "Finding",
    "Forecast",
    "Get",
    "Gpu",
    "Import",
    "Interpreter",
    "JobStep",
    "Known",
    "Launch",
    "LaunchError",
    "Launcher",
    "LauncherKind",
    "LauncherOptions",
    "Level",
    "LocalOptions",
    "ManifestError",
    "Misfit",
    "Op",
    "Opaque",
    "Option",
    "PastRun",
    "Piece",
    "Pin",
    "PipedTransport",
    "Place",
    "Plain",
    "PluginError",
    "Probe",
    "Proposal",
    "Put",
    "Rank",
    "ReadFile",
    "ReadRepository",
    "Reference",
    "Scalar",
    "ScriptContract",
    "SecretRef",
    "Sh",
    "Shim",
    "StageHandler",
    "Status",
    "TargetProbe",
    "Text",
    "Token",
    "Trainer",
    "TrainerCheck",
    "Transport",
    "TransportError",
    "TransportKind",
    "TransportOptions",
    "Unknown",
    "Value",
    "Variable",
    "Vendor",
    "Wanted",
    "Where",
    "Wish",
    "Word",
    "anchors",
    "arrivals",
    "arriving",
    "artifact_pattern",
    "bound_word",
    "command",
    "deliver",
    "did_you_mean",
    "entry_of",
    "forecast",
    "gigabytes",
    "gpus_per_node",
    "hookimpl",
    "late",
    "launches_meant",
    "listed",
    "of_command",
    "parse_value",
    "parse_word",
    "plural",
    "quote",
    "read_tokens",
    "replace",
    "script_of",
    "secret_name",
    "shell",
    "ticked",
    "wasted_steps",
    "wish_of",
    "word",
    "work_out",
]


def work_out(source: str, values: Mapping[str, str]) -> str | None:
    """What bash makes of a `Computed` piece with the texts of its names; None where that is not certain."""
    from srpo_manifest.upstream import computed  # noqa: PLC0415 - few scripts compute, and it needs a parser of bash

    return computed.work_out(source, values)
