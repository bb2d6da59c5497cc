"""What a target says that does not start a bundle."""

from __future__ import annotations

import pytest

from srpo_manifest.engine.launching import _refusal
from srpo_manifest.errors import LaunchError, NameTaken, SrpoManifestError
from srpo_manifest.ports.probes import Answer

BUSY = b"noise\nerror[already-running]: run `a-1` of this name has not ended\nhint: attach to it, or stop it\n"


@pytest.mark.parametrize(
    ("said", "kind", "code", "message", "hint"),
    [
        (BUSY, NameTaken, "already-running", "run `a-1` of this name has not ended", "attach to it, or stop it"),
        (b"error[python-missing]: no Python\nhint: install one\n", LaunchError, "python-missing", "no Python", "install one"),
        (b"tar: a: Cannot write: No space left on device\n", LaunchError, "disk-full", "the bundle has no room", "free some room"),
        (b"bash: oops\n", LaunchError, "launch-failed", "(exit status 9): bash: oops", "mend what it says"),
        (b"", LaunchError, "launch-failed", "it said nothing", "mend what it says"),
    ],
)  # fmt: skip
def test_a_refusal_keeps_its_own_code(said: bytes, kind: type[SrpoManifestError], code: str, message: str, hint: str):
    """Who was too late is refused as if the plan had known; what the target words is not worded again."""
    error = _refusal(Answer(status=9, output=b"", error=said), "this machine")
    assert type(error) is kind
    assert getattr(error, "run", "a-1") == "a-1"
    (finding,) = error.findings
    assert finding.code == code
    assert message in finding.message
    assert hint in finding.hints[0]
