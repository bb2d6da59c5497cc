from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.argsfile import parse_args_file
from srpo_manifest.rendering import told
from srpo_manifest.values.manifest import ArgsFile

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=9)
names = st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,5}\Z")


def finding(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_args_file(text.encode(), "args.json")
    return told(caught.value.findings[0])


@given(st.lists(words, max_size=4), st.dictionaries(names, words, max_size=3), st.none() | words)
def test_what_is_written_is_what_is_read(args: list[str], env: dict[str, str], folder: str | None) -> None:
    """All three keys arrive, byte order mark or not."""
    data = json.dumps({"args": args, "env": env, "working_dir": folder}).encode("utf-8-sig")
    assert parse_args_file(data, "a") == ArgsFile(args=tuple(args), env=env, working_dir=folder)


@pytest.mark.parametrize(
    ("text", "told_"),
    [
        (
            '{"args": [],\n "arg": 1}',
            (
                "error[unknown-key]: unknown key `arg` in the args file\n"
                '  --> args.json:2:2\n  |\n2 |  "arg": 1}\n  |  ^^^^^\n'
                "hint: did you mean `args`?\n"
                "hint: the args file takes `args`, `env`, or `working_dir`"
            ),
        ),
        (
            '{"args": ["--seed", 7]}',
            (
                "error[wrong-type]: `args.1` is an integer, expected a string\n"
                '  --> args.json:1:21\n  |\n1 | {"args": ["--seed", 7]}\n  |                     ^\n'
                "hint: put it in quotes"
            ),
        ),
        (
            '{"env": {"A": {"env": "B"}}}',
            "error[wrong-type]: `env.A` is a table, expected a string\n  --> args.json:1:10",
        ),
        (
            '["--seed"]',
            (
                "error[wrong-type]: an args file holds one object\n"
                "  --> args.json\n"
                'hint: write the arguments as `{"args": [...]}`'
            ),
        ),
        (
            '{"args": [],\n "args": []}',
            "error[json-syntax]: `args` is set twice\n  --> args.json (args)\nhint: keep one of them",
        ),
        ('{"args": [NaN]}', "error[json-syntax]: `NaN` is no JSON\n  --> args.json"),
        (
            '// a\n{"args": []}',
            "error[json-syntax]: this is no JSON: expecting value\n  --> args.json:1:1\nhint: JSON has no comments",
        ),
        (
            '{"args": ["a\\u0000"]}',
            (
                "error[invalid-value]: `args.0` holds the control character U+0000\n"
                '  --> args.json:1:11\n  |\n1 | {"args": ["a\\u0000"]}\n  |           ^^^^^^^^^\n'
                "hint: take it out: no argument, variable or path of ours holds one"
            ),
        ),
    ],
)
def test_a_wrong_args_file_says_what_and_where(text: str, told_: str) -> None:
    """As strictly as the manifest."""
    assert finding(text) == told_


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[" * (1 << 20), "too-deep"),
        (b'{"args": ' + b"[" * 600 + b"]" * 600 + b"}", "too-deep"),
        (b'{"args": ' + b"1" * 9999 + b"}", "json-syntax"),
        (b" " * ((1 << 20) + 1), "file-too-large"),
        (b"\xff", "not-utf8"),
    ],
)
def test_a_hostile_args_file_is_refused(data: bytes, code: str) -> None:
    """No surprise of the parser's comes through."""
    with pytest.raises(ManifestError) as caught:
        parse_args_file(data, "args.json")
    assert caught.value.code == code


def test_env_and_working_dir_lie_beneath_the_manifests_own(reading) -> None:
    """The manifest's word beats the args file's; what it does not say comes from there, with its origin."""
    args = reading.source('{"env": {"A": "1", "B": "1"}, "working_dir": "/w", "args": ["--x"]}', "args.json")
    wanted = reading.read(reading.base + 'env.B = "2"\n', args=args)
    assert wanted.manifest.env == {"A": "1", "B": "2"}
    assert wanted.manifest.paths.working_dir == "/w"
    assert wanted.args_file.args == ("--x",)
    assert [wanted.origins[key].file for key in ("env.A", "env.B", "paths.working_dir")] == [
        "args.json",
        "srpo.toml",
        "args.json",
    ]


def test_a_comma_behind_the_last_item_is_explained():
    """Python 3.13 has its own words and another place for it; the hint is the same."""
    with pytest.raises(ManifestError) as caught:
        parse_args_file(b'{"args": ["a",\n ]}', "args.json")
    (finding,) = caught.value.findings
    assert (finding.code, finding.hints) == ("json-syntax", ("no comma stands behind the last item",))
