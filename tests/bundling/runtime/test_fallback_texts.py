"""Texts in bash: JSON out and in, checksums, all against what Python says."""

from __future__ import annotations

import json
import subprocess
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import RUNTIME

PARTS = f"export LC_ALL=C; shopt -u patsub_replacement 2>/dev/null; declare -A given; hidden=(); . {RUNTIME}/bash/texts.sh; . {RUNTIME}/bash/folder.sh; "
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
FEW = settings(max_examples=12)


def bash(script: str, given: bytes = b"") -> bytes:
    return subprocess.run(["bash", "-c", PARTS + script], input=given, capture_output=True, check=True).stdout


def objects(text: str) -> dict[str, str] | None:
    """What bash reads of a JSON object; None for a refusal."""
    script = 'take_object "$(cat)" || { printf refused; exit; }; for name in "${!given[@]}"; do printf "%s\\0%s\\0" "${name#x}" "${given[$name]}"; done'
    out = bash(script, text.encode())
    if out == b"refused":
        return None
    pieces = out.decode().split("\0")[:-1]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


@FEW
@given(st.dictionaries(names, st.text(characters), max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_secrets_are_read_as_they_were_written(values, ascii_only, indent):
    """Every escape, plain UTF-8, and pairs of surrogates."""
    assert objects(json.dumps(values, ensure_ascii=ascii_only, indent=indent)) == values


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "{}x", '{"A"}', '{"A": 1}', '{"A": null}', '{"A": "x",}', '{"A": "x" "B": "y"}', '{A: "x"}', '{"A": "x',
        r'{"A": "\x41"}', r'{"A": "\u00"}', r'{"A": "\ud800"}', r'{"A": "\udc00x"}', r'{"A": "\u0000"}', '{"A": "a\nb"}', '{"A": {}}', "{'A': 'x'}", '{"A": "$(id)"',
    ],
)  # fmt: skip
def test_what_is_no_flat_object_of_texts_is_refused(text):
    """Nothing is guessed."""
    assert objects(text) is None


@FEW
@given(
    st.lists(
        st.text(characters.filter(lambda one: one >= " ") | st.sampled_from('"\\\n\t&'), min_size=1),
        min_size=1,
        max_size=8,
    )
)
def test_a_text_becomes_json(texts):
    """What Python reads is what bash was given."""
    script = 'while IFS= read -r -d "" text; do json "$text"; printf "%s\\n" "$REPLY"; done'
    out = bash(script, b"".join(text.encode() + b"\0" for text in texts))
    assert [json.loads(line) for line in out.decode().split("\n")[:-1]] == texts


@FEW
@given(
    st.lists(st.binary(min_size=1, max_size=30).map(lambda data: data.replace(b"\0", b"\xff")), min_size=1, max_size=20)
)
def test_any_bytes_become_json(texts):
    """Names of files may be no UTF-8 at all."""
    script = 'while IFS= read -r -d "" text; do json "$text"; printf "%s\\n" "$REPLY"; done'
    lines = bash(script, b"".join(text + b"\0" for text in texts)).split(b"\n")[:-1]
    assert len(lines) == len(texts)
    for text, line in zip(texts, lines, strict=True):
        assert len(json.loads(line.decode("utf-8", "strict"))) <= len(text)


@FEW
@given(st.lists(st.text(characters, max_size=60), min_size=1, max_size=6))
def test_a_checksum_is_that_of_zlib(texts):
    """The slots of both supervisors are one format."""
    out = bash(
        'while IFS= read -r -d "" text; do crc "$text"; echo "$REPLY"; done',
        b"".join(text.encode() + b"\0" for text in texts),
    )
    assert out.decode().split() == [f"{zlib.crc32(text.encode()):08x}" for text in texts]


@FEW
@given(st.text(characters, max_size=80), st.integers(1, 60))
def test_a_reason_fits(text, limit):
    """It is cut between characters, never within one."""
    out = bash(f'short "$(cat)" {limit}; printf %s "$REPLY"', text.encode())
    assert len(out) <= limit
    out.decode("utf-8", "strict")
