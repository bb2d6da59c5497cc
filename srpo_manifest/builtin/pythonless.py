"""What a target without a Python for the supervisor cannot do."""

from __future__ import annotations

from srpo_manifest.plugin import Check

SUPERVISOR = "target.supervisor"
NEWER = "install python3 there; it need not be the training interpreter"


def python_needed(why: str, way_out: str, *, key: str) -> Check:
    """A check that refuses a target without Python of 3.9 or newer, for the reason *why*."""
    return Check(
        code="supervisor-missing",
        level="deny",
        fact=SUPERVISOR,
        op="present",
        value=None,
        message=f"the target has no Python of 3.9 or newer: {why}",
        hints=(NEWER, way_out),
        key=key,
    )
