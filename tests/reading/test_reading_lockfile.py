from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.lockfile import parse_lock, render_lock
from srpo_manifest.rendering import told
from srpo_manifest.values.contract import (
    ArgumentContract,
    Choice,
    Flag,
    Gap,
    Launch,
    Opaque,
    Plain,
    ScriptContract,
    Token,
    Variable,
)
from srpo_manifest.values.lock import READERS, EntryContract, Lock, Pin

texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(st.booleans(), numbers, st.floats(allow_nan=False), texts)
settings = scalars | st.tuples(scalars, scalars)
tokens = st.builds(
    Token,
    pieces=st.lists(
        st.builds(Plain, text=texts)
        | st.builds(Variable, name=texts, quoted=st.booleans(), default=st.none() | texts)
        | st.builds(Choice, name=texts, default=st.tuples(st.builds(Plain, text=texts)), only_unset=st.booleans())
        | st.builds(Opaque, source=texts, reason=texts, place=st.none() | texts, quoted=st.booleans()),
        max_size=3,
    ).map(tuple),
    line=st.integers(0, 99),
    quoted=st.booleans(),
)
flags = st.builds(
    Flag,
    name=texts,
    aliases=st.lists(texts, max_size=2).map(tuple),
    type=st.sampled_from([None, "int", "other"]),
    nargs=st.sampled_from([None, 0, 2, "?"]),
    choices=st.none() | st.lists(scalars, max_size=3).map(tuple),
    default=st.none() | settings,
    unread=st.lists(texts, max_size=2).map(tuple),
    needed_at=st.none() | st.integers(0, 9),
    const=st.none() | settings,
    required=st.booleans(),
    effect=st.sampled_from(["used", "unknown"]),
    read_at=st.none() | st.integers(0, 9),
)
gaps = st.lists(st.builds(Gap, line=st.integers(0, 9), reason=texts), max_size=2).map(tuple)
launches = st.builds(
    Launch,
    launcher=st.lists(tokens, max_size=2).map(tuple),
    entry=tokens,
    module=st.booleans(),
    environment=st.lists(st.tuples(texts, tokens), max_size=2).map(tuple),
)
scripts = st.builds(
    ScriptContract,
    path=texts,
    digest=texts,
    reads=st.dictionaries(texts, st.integers(0, 9), max_size=2),
    sets=st.dictionaries(texts, tokens, max_size=2),
    makes=st.lists(tokens, max_size=2).map(tuple),
    files=st.dictionaries(texts, st.integers(0, 9), max_size=2),
    launches=st.lists(launches, max_size=2).map(tuple),
    errexit=st.booleans(),
    gaps=gaps,
)
arguments = st.builds(
    ArgumentContract, path=texts, digest=texts, flags=st.lists(flags, max_size=3).map(tuple), gaps=gaps
)
entries = st.builds(
    EntryContract,
    script=st.none() | scripts,
    arguments=st.none() | arguments,
    description=texts,
    evidence=st.dictionaries(texts, st.booleans(), max_size=2),
    programs=st.dictionaries(texts, arguments, max_size=2),
    readers=st.integers(0, 3),
)
pins = st.builds(
    Pin, url=texts, ref=st.none() | texts, commit=texts, tree=texts, entries=st.dictionaries(texts, entries, max_size=2)
)
locks = st.builds(Lock, pins=st.lists(pins, max_size=2).map(tuple))


@given(locks)
def test_a_lock_comes_back_from_its_text(lock: Lock) -> None:
    """Whatever text, number or emptiness a contract holds, parse of render is identity, types included."""
    back = parse_lock(render_lock(lock), "srpo.lock")
    assert back == lock
    assert repr(back) == repr(lock)


@given(locks)
def test_equal_locks_have_equal_bytes(lock: Lock) -> None:
    """Rendering again what was read gives the same file."""
    once = render_lock(lock)
    assert render_lock(parse_lock(once, "srpo.lock")) == once


def test_a_lock_reads_as_a_table_with_one_line_for_each_flag(make) -> None:
    """A flag that upstream adds is one line of a diff."""
    pin = make.pin(Flag(name="steps", type="int", default=10), Flag(name="tf32", action="store_true"))
    text = render_lock(Lock(pins=(pin,))).decode()
    assert text == (
        "# Written by `srpo-manifest lock`: what each repository was pinned to, and what its scripts accept.\n"
        "format = 1\n"
        "\n"
        "[[pins]]\n"
        'url = "https://example.org/x.git"\n'
        f'commit = "{"c" * 40}"\n'
        f'tree = "{"e" * 40}"\n'
        "\n"
        '[pins.entries."train.sh"]\n'
        f"readers = {READERS}\n"
        "\n"
        '[pins.entries."train.sh".script]\n'
        'path = "train.sh"\n'
        'digest = ""\n'
        "launches = [\n"
        '  { launcher = [{ pieces = [{ type = "text", text = "python3" }], line = 3 }],'
        ' entry = { pieces = [{ type = "text", text = "train.py" }], line = 3 }, line = 3 },\n'
        "]\n"
        "\n"
        '[pins.entries."train.sh".arguments]\n'
        'path = "train.py"\n'
        'digest = ""\n'
        "flags = [\n"
        '  { name = "steps", type = "int", default = 10 },\n'
        '  { name = "tf32", action = "store_true" },\n'
        "]\n"
    )
    assert tomllib.loads(text)["format"] == 1


def finding(data: bytes) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_lock(data, "srpo.lock")
    return told(caught.value.findings[0])


def test_a_lock_of_a_newer_version_is_one_clear_error() -> None:
    """Nothing else in it is looked at."""
    assert finding(b"format = 9\nsurprise = 1\n") == (
        "error[format-newer]: `srpo.lock` has format 9; this srpo-manifest knows 1\n"
        "  --> srpo.lock (format)\n"
        "hint: update srpo-manifest: `pip install -U srpo-manifest`"
    )


def test_a_broken_lock_says_where() -> None:
    """A hand that edited it finds the line."""
    broken = b"format = 1\n[[pins]]\nurl = 1\ncommit = 'c'\ntree = 't'\n"
    assert finding(broken).splitlines()[:2] == [
        "error[wrong-type]: `pins.0.url` is an integer, expected a string",
        "  --> srpo.lock:3:7",
    ]
    assert finding(b"").splitlines()[0] == "error[missing-key]: the lock needs `format`"


def test_text_that_no_utf8_can_hold_is_refused() -> None:
    """A lone surrogate has no place in TOML."""
    with pytest.raises(ManifestError) as caught:
        render_lock(Lock(pins=(Pin(url="\udc80", ref=None, commit="", tree=""),)))
    assert caught.value.code == "lock-shape"
