"""What `validate` checks: the decoder always, then what the stages can say without asking a machine."""

from __future__ import annotations

from srpo_manifest.engine.loading import load, load_plugins
from srpo_manifest.finding import Finding
from srpo_manifest.values.said import Said


def check(said: Said) -> tuple[Finding, ...]:
    """Findings on one manifest; on its flags too, where the lock knows the script.

    Raises: ManifestError where it does not decode; PluginError.
    """
    wanted = load(said)
    from srpo_manifest.engine.deciding import manifest_faults  # noqa: PLC0415 - a manifest that is wrong needs no stages
    from srpo_manifest.engine.repositories import Repositories  # noqa: PLC0415 - likewise

    return manifest_faults(wanted, Repositories(wanted, lock=said.lock).known(), load_plugins(wanted))
