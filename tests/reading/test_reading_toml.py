from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.toml import DEPTH, LIMIT_BYTES, read_toml
from srpo_manifest.rendering import told

NEARLY_MIB = LIMIT_BYTES - 16


def finding(data: bytes | str) -> str:
    with pytest.raises(ManifestError) as caught:
        read_toml(data if isinstance(data, bytes) else data.encode(), "a.toml")
    return "\n\n".join(map(told, caught.value.findings))


def test_a_document_is_read_with_and_without_a_byte_order_mark_and_with_either_line_end() -> None:
    """What an editor on Windows writes means the same."""
    text = 'a = "é"\n\n[b]\nc = """x\ny"""\n'
    same = [text.encode(), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode()]
    assert [read_toml(data, "a.toml") for data in same] == [{"a": "é", "b": {"c": "x\ny"}}] * 3


SLIPS = {
    'p = "C:\\users"': """\
error[bad-escape]: this is no escape
  --> a.toml:1:8
  |
1 | p = "C:\\users"
  |        ^^
hint: in double quotes a backslash escapes: put a path or a pattern in single quotes, or double it""",
    "a = 1\n[b]\nc = 1\nd.e = 2\n\nc = 2": """\
error[duplicate-key]: `c` is set twice
  --> a.toml:6:1
  |
3 | c = 1
  | - it is set first here
...
6 | c = 2
  | ^
hint: keep one of them""",
    "[a]\n[a]": """\
error[duplicate-key]: `a` is set twice
  --> a.toml:2:2
  |
1 | [a]
  |  - it is set first here
2 | [a]
  |  ^
hint: keep one of them""",
    "a = 1\rb = 2": """\
error[control-character]: this line holds the control character U+000D
  --> a.toml:1:6
  |
1 | a = 1\\rb = 2
  |      ^^
hint: a line ends with a newline, or with both""",
    "漢 = 1": """\
error[bad-key]: this is no key
  --> a.toml:1:1
  |
1 | 漢 = 1
  | ^^
hint: a key is made of letters, digits, `_` and `-`; others stand in quotes""",
    "a = True": """\
error[not-a-value]: this is no value
  --> a.toml:1:5
  |
1 | a = True
  |     ^^^^
hint: booleans are written `true` and `false`""",
    "a = null": """\
error[not-a-value]: this is no value
  --> a.toml:1:5
  |
1 | a = null
  |     ^^^^
hint: TOML has no null: leave the key out""",
    "a b": """\
error[no-equals]: this key has no `=`
  --> a.toml:1:3
  |
1 | a b
  |   ^
hint: a setting is written `key = value`, a table `[name]`""",
    "a = [1,\nb = 2": """\
error[array-open]: this array is never closed
  --> a.toml:1:5
  |
1 | a = [1,
  |     ^
hint: close it with `]`""",
    "a = {b = 1,\nc = 2}": """\
error[inline-table]: a line ends in a table in braces
  --> a.toml:1:12
  |
1 | a = {b = 1,
  |            ^
hint: this is TOML of a later version; manifests are TOML 1.0
hint: write the table in one line, or under a header of its own""",
    "a = '''x": """\
error[string-open]: this string is never closed
  --> a.toml:1:5
hint: close it with `'''`""",
    "[a.b]\nc = 1\n[a]\nb.c = 2": """\
error[duplicate-key]: `b` has a header of its own
  --> a.toml:4:1
  |
1 | [a.b]
  |    - it is set first here
...
4 | b.c = 2
  | ^
hint: write this key below that header""",
}


@pytest.mark.parametrize("text", SLIPS)
def test_a_syntax_error_shows_its_line_and_a_way_out(text: str) -> None:
    """Place in characters, the line itself, and what to do; exactly one for one slip."""
    assert finding(text) == SLIPS[text]


@pytest.mark.parametrize("more", ["a.c = 2", "[a.c]", "a.b.c = 2", "[a.b.c]"])
def test_a_table_in_braces_is_closed(more: str) -> None:
    """And so are those in it; nothing is added to them."""
    assert finding(f"a = {{b.d = 1}}\n{more}\n").startswith("error[duplicate-key]: ")


def test_every_mistake_is_told_at_once() -> None:
    """Each in its own place: what is wrong in one line hides nothing of the next."""
    text = "a = 'x\n[b\nc: 1\nd = 07\n[e]\nf = 1\nf = 2\ng = [1 2]\nh\n"
    with pytest.raises(ManifestError) as caught:
        read_toml(text.encode(), "a.toml")
    assert [(one.code, one.where and one.where.line) for one in caught.value.findings] == [
        ("string-open", 1),
        ("header-open", 2),
        ("no-equals", 3),
        ("not-a-value", 4),
        ("duplicate-key", 7),
        ("no-comma", 8),
        ("no-equals", 9),
    ]


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
    "digits": ("a=" + "1" * NEARLY_MIB, "not-a-value"),
    "escaped quotes": ('a="' + '\\"' * (NEARLY_MIB // 2), "string-open"),
    "open strings": ('a="\n' * (NEARLY_MIB // 4), "string-open"),
    "quotes": ('"' * NEARLY_MIB, "no-equals"),
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
