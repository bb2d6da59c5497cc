"""`--diff`: a patch that git and GNU patch apply, whatever the file's lines end with."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

TYPO = b'schema = 1\nname = "a"\n# a\n# b\n# c\n# d\n[modle]\ntype = "generic" # \t.\n[modle.x]\n'
WAYS = {
    "validate": (TYPO, ("validate", "--fix", "a.toml")),
    "fmt": (TYPO.replace(b" = ", b"="), ("fmt", "a.toml")),
    "migrate": (
        b'# mine\nschema = 0\n\nbase_model_name = "data/flux" # by hand\nsrpo_working_dir = "~/srpo"\n',
        ("migrate", "a.toml"),
    ),
}
ENDS = {
    "lf": lambda data: data,
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "mixed": lambda data: data.replace(b"\n", b"\r\n", 3),
    "no final newline": lambda data: data.removesuffix(b"\n"),
    "crlf, no final newline": lambda data: data.replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
    "mark": lambda data: b"\xef\xbb\xbf" + data,
    "mark and crlf": lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("verb", WAYS)
def test_a_patch_makes_what_the_verb_would(place, verb, ends):
    """Byte for byte, by both programs."""
    data, words = WAYS[verb]
    before = ENDS[ends](data)
    file = place.folder / "a.toml"

    def run(*command: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            command, check=False, cwd=place.folder, env=place.env, input=given, stdout=subprocess.PIPE
        ).stdout

    file.write_bytes(before)
    diff = run(sys.executable, "-m", "srpo_manifest", *[word for word in words if word != "--fix"], "--diff")
    assert file.read_bytes() == before
    assert diff
    run("git", "apply", "-p0", "-", given=diff)
    by_git = file.read_bytes()
    results = [by_git]
    if shutil.which("patch"):
        file.write_bytes(before)
        run("patch", "--binary", "-p0", given=diff)
        results.append(file.read_bytes())
    file.write_bytes(before)
    run(sys.executable, "-m", "srpo_manifest", *words)
    after = file.read_bytes()
    assert after != before
    assert results == [after] * len(results)
