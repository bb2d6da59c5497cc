"""The house form: blanks and line breaks change, and nothing that anybody said."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.engine.explaining import areas
from srpo_manifest.errors import ManifestError, ManifestErrors
from srpo_manifest.reading.formatting import formatted
from srpo_manifest.reading.spanned import data_of
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import Source


def form(text: str) -> str:
    return formatted(Source(file="srpo.toml", data=text.encode())).decode()


def shape(text: str) -> list[str]:
    """Everything but blanks, line ends and trailing commas, each in its order: code, then comments."""
    return sorted(re.sub(r",(?=\s*(#[^\n]*\n\s*)*\])|[ \t\n]", "", text))


BLANKS = st.text(" \t", max_size=3)
BARE = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)
QUOTED = st.sampled_from(['"a b"', "'.#'", '"=\\""', '""'])
SCALARS = st.sampled_from(
    ["1", "1_000", "-0.0", "nan", "+inf", "5e-6", "true", '"#"', "'[ '", '" , "', '"""\n  a \n\n]"""', "'''\n#\n'''", "1979-05-27 07:32:00", "0xFF"]
)  # fmt: skip
COMMENTS = st.sampled_from(["#", "# a", "#  two  ", "#[x]", '# "'])


@st.composite
def keys(draw: st.DrawFn, number: int) -> str:
    """A key that no other one is, perhaps a dotted one."""
    parts = [f"k{number}", *draw(st.lists(BARE | QUOTED, max_size=2))]
    return "".join(f"{part}{draw(BLANKS)}.{draw(BLANKS)}" for part in parts[:-1]) + parts[-1]


@st.composite
def breaks(draw: st.DrawFn) -> str:
    """What may stand between the values of an array."""
    return "".join(draw(st.lists(BLANKS | st.just("\n") | COMMENTS.map(lambda text: f"{text}\n"), max_size=4)))


@st.composite
def values(draw: st.DrawFn, depth: int = 0) -> str:
    """A value, however it is spaced."""
    kind = draw(st.sampled_from(["scalar", "scalar", "array", "table"])) if depth < 3 else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    inner = draw(st.lists(values(depth + 1), max_size=3))
    if kind == "array":
        body = ",".join(f"{draw(breaks())}{one}{draw(breaks())}" for one in inner)
        comma = f",{draw(breaks())}" if inner and draw(st.booleans()) else ""
        return f"[{body or draw(breaks())}{comma}]"
    pairs = (f"{draw(BLANKS)}{draw(keys(n))}{draw(BLANKS)}={draw(BLANKS)}{one}" for n, one in enumerate(inner))
    return f"{{{','.join(pairs)}{draw(BLANKS)}}}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document that TOML 1.0 takes."""
    lines = []
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["pair", "pair", "pair", "header", "items", "blank", "comment"]))
        key = draw(keys(number))
        end = draw(BLANKS) + draw(st.just("") | COMMENTS)
        match kind:
            case "pair":
                lines.append(f"{draw(BLANKS)}{key}{draw(BLANKS)}={draw(BLANKS)}{draw(values())}{end}")
            case "header":
                lines.append(f"{draw(BLANKS)}[{draw(BLANKS)}{key}{draw(BLANKS)}]{end}")
            case "items":
                lines.append(f"[[{key}]]{end}")
            case "blank":
                lines += [draw(BLANKS)] * draw(st.integers(1, 3))
            case "comment":
                lines.append(draw(BLANKS) + draw(COMMENTS))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n \n"]))


def check(text: str) -> None:
    """What holds of every document."""
    before, mistakes = parse(text)
    assert not mistakes, text
    once = form(text)
    assert form(once) == once
    after, mistakes = parse(once)
    assert not mistakes
    assert repr(data_of(after)) == repr(data_of(before))
    assert shape(once) == shape(text)
    assert not once or (once.endswith("\n") and not once.endswith("\n\n") and not once.startswith("\n"))
    outside = re.sub(r'(?s)"""(.*?)"""|\'\'\'(.*?)\'\'\'', "''", once)
    assert not re.search(r"[ \t]+\n|\n\n\n", outside), once


@given(documents())
def test_formatting_keeps_what_is_said_and_is_done_once(text: str):
    """Values, order, spelling and comments stay; a second time changes nothing."""
    check(text)


@given(documents(), st.randoms(use_true_random=False), st.booleans())
def test_line_ends_are_kept(text: str, chance: random.Random, mark: bool):
    """One kind stays the only one; of two, those within strings stay as they are."""
    text += "\n"
    data = (b"\xef\xbb\xbf" if mark else b"") + text.replace("\n", "\r\n").encode()
    done = formatted(Source(file="srpo.toml", data=data))
    assert done == (b"\xef\xbb\xbf" if mark else b"") + form(text).replace("\n", "\r\n").encode()
    mixed = "".join(chance.choice(["\n", "\r\n"]) if letter == "\n" else letter for letter in text).encode()
    done = formatted(Source(file="srpo.toml", data=mixed))
    assert done.replace(b"\r\n", b"\n").decode() == form(text)
    assert formatted(Source(file="srpo.toml", data=done)) == done
    strings = re.compile(rb'(?s)""".*?"""|\'\'\'.*?\'\'\'')
    assert strings.findall(done) == strings.findall(mixed)


def test_every_case_of_the_suite_keeps_its_value(root: Path):
    """As TOML's own suite has it."""
    folder = root.parent / "shared/data/toml-test/tests"
    if not folder.is_dir():
        pytest.skip("toml-test is not beside the checkout")
    names = [name for name in (folder / "files-toml-1.0.0").read_text().split() if name.startswith("valid/") and name.endswith(".toml")]  # fmt: skip
    assert len(names) > 200
    for name in names:
        data = (folder / name).read_bytes()
        once = formatted(Source(file=name, data=data))
        assert formatted(Source(file=name, data=once)) == once, name
        texts = [one.decode("utf-8-sig").replace("\r\n", "\n") for one in (data, once)]
        assert len({repr(data_of(parse(text).root)) for text in texts}) == 1, name
        assert once.startswith(b"\xef\xbb\xbf") == data.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        (" \n\n", ""),
        ("a=1", "a = 1\n"),
        ("\n\n  a   =  1  \n\n\n\n[ b . 'c d' ]   \nx=1\n\n", "a = 1\n\n[b.'c d']\nx = 1\n"),
        ("[[ a ]]#x\n", "[[a]] #x\n"),
        ("a . b=1", "a.b = 1\n"),
        ("a={}\nb=[ ]\nc=[\n]\n", "a = {}\nb = []\nc = [\n]\n"),
        ("a={x=1,y=[ 1,2, ]}\n", "a = { x = 1, y = [1, 2] }\n"),
        ("a = [1,\n2]\n", "a = [\n    1,\n    2,\n]\n"),
        ("a = [ # x\n\n  1,2, # y\n\n\n 3\n # z\n\n]", "a = [ # x\n    1, 2, # y\n\n    3,\n    # z\n]\n"),
        ("a = [1 # x\n,2\n,\n3]", "a = [\n    1, # x\n    2,\n    3,\n]\n"),
        ("a = [[1,\n2],{b=1}]", "a = [[\n    1,\n    2,\n], { b = 1 }]\n"),
        ("a = [\n[\n1\n],\n]", "a = [\n    [\n        1,\n    ],\n]\n"),
        ('a = """\n x \n\n\n"""   # y', 'a = """\n x \n\n\n""" # y\n'),
    ],
)  # fmt: skip
def test_the_house_form(before: str, after: str):
    """One for each rule."""
    assert form(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 1\nlonger = 2\n", "a = 1\nlonger = 2\n"),
        ("a      = 1\nlonger = 2\nlongest = 3\n", "a       = 1\nlonger  = 2\nlongest = 3\n"),
        ("a      = 1\n# why\nlonger = 2\n", "a      = 1\n# why\nlonger = 2\n"),
        ("a      = 1\n\nlonger = 2\n", "a = 1\n\nlonger = 2\n"),
        ("a    = 1\nb.c  = 2\n", "a = 1\nb.c = 2\n"),
        ("a  = 1\nb  = 2\n", "a = 1\nb = 2\n"),
        ("a = 1    # x\nlonger = 2 # y\n", "a = 1 # x\nlonger = 2 # y\n"),
        ("a=1        # x\nlonger=2   # y\n", "a = 1        # x\nlonger = 2   # y\n"),
        ("a = 1   # x\n\n[b]     # y\n", "a = 1 # x\n\n[b] # y\n"),
        (
            "a=1   # x\nbb=2  # y\n[b]\nlong=1 # z\nl=1    # w\n",
            "a = 1   # x\nbb = 2  # y\n[b]\nlong = 1 # z\nl = 1    # w\n",
        ),
    ],
)
def test_columns_stay_where_somebody_made_some(before: str, after: str):
    """They are mended, never made."""
    assert form(before) == after


def test_what_is_shipped_is_in_the_house_form(root: Path):
    """Manifests, the examples that are right, and those of the README."""
    for file in (root / "manifests").rglob("*.toml"):
        assert formatted(Source(file=str(file), data=(data := file.read_bytes()))) == data, file
    examples = {code: one.good for area in areas().values() for code, one in area.codes.items() if one.good}
    assert [code for code, text in examples.items() if form(text) != text] == []
    readme = (root / "README.md").read_text(encoding="utf-8")
    for text in re.findall(r"(?ms)^```toml\n(.*?)^```$", readme):
        assert form(text) == text


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a = \nb = 'x\n", ["no-value", "string-open"]),
        ("schema = 2\na=1", ["schema-newer"]),
        ("schema = 0\na=1", ["schema-older"]),
        ("a = " + "[" * 40 + "]" * 40, ["too-deep"]),
    ],
)
def test_what_cannot_be_read_is_not_formatted(text: str, codes: list[str]):
    """Its mistakes are told as everywhere; of another version nothing else is."""
    with pytest.raises(ManifestError) as caught:
        form(text)
    assert [one.code for one in caught.value.findings] == codes
    assert isinstance(caught.value, ManifestErrors) == (len(codes) > 1)
