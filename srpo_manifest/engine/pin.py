"""Reading a pinned commit: the contracts of its scripts, and what of a trainer description it bears out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import ManifestError
from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.script import read_script
from srpo_manifest.values.contract import ArgumentContract, ScriptContract
from srpo_manifest.values.lock import EntryContract, Pin
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.wording import did_you_mean, ticked


def read_pin(
    mirror: Mirror,
    url: str,
    ref: str | None,
    commit: str,
    scripts: Iterable[str],
    trainer: Trainer,
    trainer_digest: str,
) -> Pin:
    """The pin of *commit* with an entry for each of *scripts*; nothing of the repository is run.

    Raises: ManifestError `script-missing` or `script-outside`; TransportError.
    """
    evidence = _verdicts(mirror, commit, trainer)
    return Pin(
        url=url,
        ref=ref,
        commit=commit,
        tree=mirror.tree_of(commit),
        entries={script: _entry(mirror, commit, script, trainer_digest, evidence) for script in sorted(set(scripts))},
    )


def _entry(mirror: Mirror, commit: str, script: str, digest: str, evidence: dict[str, bool]) -> EntryContract:
    source = mirror.read(commit, _inside(script))
    if source is None:
        paths = [path for path in mirror.files(commit) if path.endswith((".sh", ".bash", ".py"))]
        raise ManifestError(
            "script-missing",
            f"the repository has no script {ticked(script)} at commit {ticked(commit[:12])}",
            *did_you_mean(script, paths),
        )
    if script.endswith(".py"):
        return EntryContract(arguments=read_arguments(source, script), description=digest, evidence=evidence)
    contract = read_script(source, script)
    arguments = _arguments(mirror, commit, contract)
    return EntryContract(script=contract, arguments=arguments, description=digest, evidence=evidence)


def _arguments(mirror: Mirror, commit: str, contract: ScriptContract) -> ArgumentContract | None:
    """The interface of the one program that the script starts, where it lies in the checkout."""
    if len(contract.launches) != 1:
        return None
    launch = contract.launches[0]
    name = launch.entry.text
    if name is None:
        return None
    stem = name.replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__main__.py") if launch.module else (posixpath.normpath(name),):
        if not path.startswith(("/", "../")) and (source := mirror.read(commit, path)) is not None:
            return read_arguments(source, path)
    return None


def _verdicts(mirror: Mirror, commit: str, trainer: Trainer) -> dict[str, bool]:
    texts: dict[str, str] = {}
    for evidence in trainer.evidence.values():
        if evidence.file not in texts:
            texts[evidence.file] = (mirror.read(commit, evidence.file) or b"").decode("utf-8", "replace")
    return {
        rule: re.search(evidence.pattern, texts[evidence.file], re.MULTILINE) is not None
        for rule, evidence in sorted(trainer.evidence.items())
    }


def _inside(script: str) -> str:
    path = posixpath.normpath(script)
    if path.startswith(("/", "../")) or path == "..":
        raise ManifestError(
            "script-outside",
            f"{ticked(script)} does not lie in the checkout",
            "give its path from the repository's root",
        )
    return path
