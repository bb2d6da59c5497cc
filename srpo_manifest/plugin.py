"""The door: what a plugin imports. Everything here is kept stable; nothing else of the package is promised."""

from __future__ import annotations

from msgspec.structs import replace

from srpo_manifest.bundling.quoting import command, quote, shell
from srpo_manifest.errors import FactError, LaunchError, ManifestError, PluginError, TransportError
from srpo_manifest.finding import Finding, Level, Where
from srpo_manifest.piped import PipedTransport
from srpo_manifest.planning import anchors
from srpo_manifest.planning.names import secret_name
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
from srpo_manifest.upstream.computed import work_out
from srpo_manifest.upstream.editor import Delivery, Misfit, Wish, deliver, read_tokens, wish_of
from srpo_manifest.values.base import Value
from srpo_manifest.values.contract import (
    ArgumentContract,
    Choice,
    Computed,
    Launch,
    Opaque,
    Piece,
    Place,
    Plain,
    ScriptContract,
    Token,
    Variable,
)
from srpo_manifest.values.facts import Bash, Facts, Gpu, Interpreter, Known, PastRun, Unknown, Vendor
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.manifest import LauncherOptions, LocalOptions, Reference, TransportOptions
from srpo_manifest.values.plan import Option, SecretRef
from srpo_manifest.values.run import Status
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
)
from srpo_manifest.values.step import Variable as EnvVariable
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Word, late, word
from srpo_manifest.wording import did_you_mean, listed, plural, ticked

__all__ = [
    "Answer",
    "ArgumentContract",
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
    "Get",
    "Gpu",
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
    "ReadFile",
    "ReadRepository",
    "Reference",
    "ScriptContract",
    "SecretRef",
    "Sh",
    "StageHandler",
    "Status",
    "TargetProbe",
    "Token",
    "Trainer",
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
    "bound_word",
    "command",
    "deliver",
    "did_you_mean",
    "hookimpl",
    "late",
    "listed",
    "parse_value",
    "parse_word",
    "plural",
    "quote",
    "read_tokens",
    "replace",
    "secret_name",
    "shell",
    "ticked",
    "wish_of",
    "word",
    "work_out",
]
