from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import told
from srpo_manifest.reading.toml import DEPTH, LIMIT_BYTES, read_toml

NEARLY_MIB = LIMIT_BYTES - 16


def finding(data: bytes | str) -> str:
    with pytest.raises(ManifestError) as caught:
        read_toml(data if isinstance(data, bytes) else data.encode(), "a.toml")
    return told(caught.value.findings[0])


def test_a_document_is_read_with_and_without_a_byte_order_mark_and_with_either_line_end() -> None:
    """What an editor on Windows writes means the same."""
    text = 'a = "é"\n\n[b]\nc = """x\ny"""\n'
    same = [text.encode(), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode()]
    assert [read_toml(data, "a.toml") for data in same] == [{"a": "é", "b": {"c": "x\ny"}}] * 3


@pytest.mark.parametrize(
    ("text", "told_"),
    [
        (
            'p = "C:\\users"',
            (
                "error[toml-syntax]: this is no TOML: invalid hex value\n"
                "  --> a.toml:1:10\n"
                "  |\n"
                '1 | p = "C:\\users"\n'
                "  |          ^\n"
                "hint: in double quotes a backslash escapes: put a path or a pattern in single quotes"
            ),
        ),
        (
            "a = 1\n[b]\nc = 1\nd.e = 2\n\nc = 2",
            (
                "error[toml-syntax]: `b.c` is set twice\n"
                "  --> a.toml:6:1\n"
                "  |\n"
                "6 | c = 2\n"
                "  | ^\n"
                "hint: it is set before in line 3: keep one of them"
            ),
        ),
        (
            "[a]\n[a]",
            (
                "error[toml-syntax]: `a` is set twice\n"
                "  --> a.toml:2:2\n"
                "  |\n"
                "2 | [a]\n"
                "  |  ^\n"
                "hint: it is set before in line 1: keep one of them"
            ),
        ),
        (
            "a = 1\rb = 2",
            (
                "error[toml-syntax]: this is no TOML: expected newline or end of document after a statement\n"
                "  --> a.toml:1:6\n"
                "  |\n"
                "1 | a = 1\\rb = 2\n"
                "  |      ^^\n"
                "hint: a line ends with a newline: this one holds a carriage return alone"
            ),
        ),
        (
            "漢 = 1",
            "error[toml-syntax]: this is no TOML: invalid statement\n  --> a.toml:1:1\n  |\n1 | 漢 = 1\n  | ^^",
        ),
        (
            "a = True",
            (
                "error[toml-syntax]: this is no TOML: invalid value\n"
                "  --> a.toml:1:5\n"
                "  |\n"
                "1 | a = True\n"
                "  |     ^\n"
                "hint: booleans are written `true` and `false`"
            ),
        ),
    ],
)
def test_a_syntax_error_shows_its_line_and_a_way_out(text: str, told_: str) -> None:
    """Place in characters, the line itself, and what to do."""
    assert finding(text) == told_


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a = null", "TOML has no null: leave the key out"),
        ("a = main", "a string needs quotes"),
        ("a b", "a setting is written `key = value`, a table `[name]`"),
        ("a = [1,", "something above is not closed"),
        ('a = """x', "something above is not closed"),
    ],
)
def test_the_common_slips_have_a_hint(text: str, hint: str) -> None:
    """Each says what to write."""
    assert finding(text).splitlines()[-1] == f"hint: {hint}"


def test_bytes_that_are_no_text_have_a_place() -> None:
    """Line and column count characters, not bytes."""
    assert finding("a = 1\nb = 'é".encode() + b"\xff'") == (
        "error[not-utf8]: `a.toml` is not UTF-8: byte 0xff begins no character\n"
        "  --> a.toml:2:7\n"
        "hint: save it as UTF-8"
    )


@pytest.mark.parametrize(
    "text",
    [
        '[env]\nHF_TOKEN = "hf_planted',
        'env.HF_TOKEN = "hf_planted',
        '[profile.x.env]\nA = "hf_planted" x',
        'env = { A = "hf_planted", A = 2 }',
        '[env]\nA = """\nhf_planted""" x\n',
        '["env"]\nA = "hf_planted"\nA = "hf_planted"',
    ],
)
def test_a_syntax_error_shows_no_line_that_may_hold_a_secret(text: str) -> None:
    """What stands in an environment table stays out of errors."""
    assert "planted" not in finding(text)


HOSTILE = {
    "dots": ("a." * (NEARLY_MIB // 2) + "a=1", "too-deep"),
    "quoted dots": ('"a" . ' * (NEARLY_MIB // 6) + "a=1", "too-deep"),
    "dots in a header": ("[" + "a." * (NEARLY_MIB // 2) + "a]", "too-deep"),
    "dots in an inline table": ("x={" + "a." * (NEARLY_MIB // 2) + "a=1}", "too-deep"),
    "dots after a string that looks open": ("x='\"'\n" + "a." * 99 + "a=1", "too-deep"),
    "dots after a comment": ('# """\n' + "a." * 99 + "a=1", "too-deep"),
    "dots after many quotes": ('x="""a""""" # "\n' + "a." * 99 + "a=1", "too-deep"),
    "arrays": ("a=" + "[" * NEARLY_MIB, "too-deep"),
    "tables": ("a=" + "{a=" * (NEARLY_MIB // 3), "too-deep"),
    "digits": ("a=" + "1" * NEARLY_MIB, "toml-syntax"),
    "escaped quotes": ('a="' + '\\"' * (NEARLY_MIB // 2), "toml-syntax"),
    "open strings": ('a="\n' * (NEARLY_MIB // 4), "toml-syntax"),
    "quotes": ('"' * NEARLY_MIB, "toml-syntax"),
    "size": ("#" * (LIMIT_BYTES + 1), "file-too-large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str) -> None:
    """A mebibyte of trouble ends in a code, before the parser's time or stack does."""
    text, code = HOSTILE[name]
    with pytest.raises(ManifestError) as caught:
        read_toml(text.encode(), "a.toml")
    assert caught.value.code == code


def test_what_is_deep_but_within_bounds_is_read() -> None:
    """Dots and brackets in strings and comments do not count."""
    deep = "a=" + "[" * DEPTH + "]" * DEPTH
    text = f"{deep}\nb='{'.' * 99}{'[' * 99}' # {'.' * 99}{'[' * 99}\n{'.'.join('c' * DEPTH)}=1.5"
    assert read_toml(text.encode(), "a.toml") == tomllib.loads(text)


@given(st.text("ab=[]{}\"'\\.#,\n\r1 t\x00é", max_size=24))
def test_any_text_is_read_as_tomllib_reads_it_or_refused_with_a_code(text: str) -> None:
    """Nothing but a ManifestError ends a reading, and its place lies in the file."""
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ManifestError) as caught:
            read_toml(text.encode(), "a.toml")
        where = caught.value.findings[0].where
        assert where is not None
        lines = text.replace("\r\n", "\n").split("\n")
        assert 1 <= where.line <= len(lines)
        assert 1 <= where.column <= len(lines[where.line - 1]) + 1
    else:
        assert read_toml(text.encode(), "a.toml") == expected
