from __future__ import annotations

from pathlib import Path

import msgspec

from srpo_manifest.engine.demo_repository import demo_mirror
from srpo_manifest.engine.loading import load
from srpo_manifest.engine.pin import read_pin
from srpo_manifest.engine.repositories import demo_pin
from srpo_manifest.values.said import Said


def test_the_package_carries_the_pin_of_its_own_demo(root: Path, golden, tmp_path: Path, monkeypatch):
    """Commit, tree and contracts in `pin.json` are those of the files beside it."""
    monkeypatch.setenv("SRPO_MANIFEST_CACHE", str(tmp_path))
    wanted = load(Said(manifest=str(root / "manifests/demo.toml")))
    mirror = demo_mirror()
    commit = mirror.ensure("main", offline=True)
    pin = read_pin(mirror, "demo:", None, commit, [wanted.trainer.script], wanted.trainer)
    golden(root / "srpo_manifest/demo/pin.json", msgspec.json.format(msgspec.json.encode(pin), indent=1) + b"\n")
    assert demo_pin() == pin
    contract = pin.entries[wanted.trainer.script]
    assert contract.script.direct
    assert set(contract.script.reads) == {"HOST_NUM", "HOST_GPU_NUM", "INDEX", "CHIEF_IP"}
    assert {flag.name for flag in contract.arguments.flags if flag.effect == "never-read"} >= {
        "ema_decay",
        "allow_tf32",
    }
    assert all(contract.evidence.values())
