from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.finding import Spot, Where
from srpo_manifest.reading.locate import Key, undotted
from srpo_manifest.reading.page import Page as Text
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.toml import decoded
from srpo_manifest.reading.tree import Node, marked

SCALARS = (
    "1",
    "-1.5e-3",
    "true",
    "1979-05-27 07:32:00",
    '"a # b = [c]"',
    r'"\"quoted\\"',
    "'C:\\dir'",
    '"漢字🦊"',
    '"""a\n"quoted" = 1\n[t]\n"""""',
    "'''\nx = 1 # no comment\n'''",
)


def tree(text: str, file: str = "a.toml") -> Node:
    return marked(parse(text).root, Text(text, file))


def places(text: str, file: str = "a.toml") -> dict[Key, Where]:
    def walk(node: Node, key: Key) -> Iterator[tuple[Key, Where]]:
        if key:
            assert node.where
            yield key, node.where
        children = (
            node.value.items()
            if isinstance(node.value, dict)
            else enumerate(node.value)
            if isinstance(node.value, list)
            else ()
        )
        for step, child in children:
            yield from walk(child, (*key, step))

    return dict(walk(tree(text, file), ()))


class Page:
    """A TOML text that grows, and the offsets at which its keys were planted."""

    def __init__(self) -> None:
        self.text = ""
        self.planted: dict[Key, int] = {}

    def write(self, text: str) -> None:
        self.text += text

    def plant(self, key: Key, text: str) -> None:
        self.planted.setdefault(key, len(self.text))
        self.text += text


def spelled(draw: st.DrawFn, name: str) -> str:
    bare = [name] if re.fullmatch("[A-Za-z0-9_-]+", name) else []
    return draw(st.sampled_from([f'"{name}"', f"'{name}'", *bare]))


def write_value(draw: st.DrawFn, page: Page, key: Key, depth: int) -> None:
    kind = draw(st.sampled_from(["scalar", "scalar", "array", "inline"] if depth else ["scalar"]))
    if kind == "scalar":
        page.write(draw(st.sampled_from(SCALARS)))
    elif kind == "array":
        page.write("[")
        for index in range(draw(st.integers(0, 3))):
            page.write(draw(st.sampled_from(["", "\n  ", " # ] [ '\n\t"])))
            page.plant((*key, index), "")
            write_value(draw, page, (*key, index), depth - 1)
            page.write(draw(st.sampled_from([",", " ,", "\n,"])))
        page.write(draw(st.sampled_from(["]", "\n]", " # x\n ]"])))
    else:
        page.write("{ ")
        for index, name in enumerate(draw(st.lists(NAMES, unique=True, max_size=3))):
            page.write(", " if index else "")
            write_pair(draw, page, key, name, depth - 1)
        page.write(" }")


def write_pair(draw: st.DrawFn, page: Page, table: Key, name: str, depth: int) -> None:
    key = (*table, name)
    page.plant(key, spelled(draw, name))
    if draw(st.booleans()):
        page.write(draw(st.sampled_from([".", " . "])))
        key = (*key, "sub")
        page.plant(key, spelled(draw, "sub"))
    page.write(draw(st.sampled_from(["=", " = ", "\t="])))
    write_value(draw, page, key, depth)


NAMES = st.sampled_from(["a", "b-1", "c_d", "漢", "🦊", "e f", "x.y", "7"])


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """Pairs, tables, tables in tables, and arrays of tables, each with planted keys."""
    page = Page()
    counts: dict[str, int] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        write_pair(draw, page, (), name, 2)
        page.write("\n")
    for name in draw(st.lists(st.sampled_from(["t", "u", "v"]), max_size=4)):
        several = name == "v" or counts.get(name) == 0
        if not several and name in counts:
            continue
        page.write(draw(st.sampled_from(["", "# [x]\n", "  "])) + ("[[ " if several else "["))
        key: Key = (name,)
        if several:
            index = counts[name] = counts.get(name, -1) + 1
            page.planted.setdefault(key, len(page.text))
            key = (*key, index)
        else:
            counts[name] = 1
        page.plant(key, spelled(draw, name))
        page.write(" ]]\n" if several else "]  # x\n")
        for pair in draw(st.lists(NAMES, unique=True, max_size=2)):
            write_pair(draw, page, key, pair, 2)
            page.write("\n")
        if draw(st.booleans()):
            page.write("[")
            page.write(f"{name}.")
            page.plant((*key, "sub"), "sub")
            page.write("]\n")
    return page


def paths(data: Any, key: Key = ()) -> Iterator[Key]:
    if key:
        yield key
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, child in children:
        yield from paths(child, (*key, step))


@given(pages())
def test_every_planted_key_is_found_where_it_was_planted(page: Page) -> None:
    """Line and column in characters, through quotes, brackets, comments, CJK and emoji."""
    found = places(page.text, "a.toml")
    assert set(found) == set(paths(tomllib.loads(page.text))) == set(page.planted)
    for key, offset in page.planted.items():
        before = page.text[:offset]
        assert (found[key].line, found[key].column) == (before.count("\n") + 1, offset - before.rfind("\n"))


@given(pages())
def test_line_ends_and_a_byte_order_mark_move_nothing(page: Page) -> None:
    """A file from Windows has the same places."""
    windows = page.text.replace("\n", "\r\n").encode("utf-8-sig")
    assert places(decoded(windows, "a.toml"), "a.toml") == places(page.text, "a.toml")


@given(st.text("ab=[]{}\"'\\.#,\n1 t", max_size=24))
def test_whatever_tomllib_reads_has_places_for_exactly_its_keys(text: str) -> None:
    """And a text that is no TOML ends the walk without a fault."""
    found = places(text, "a.toml")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(found) == set(paths(data))


def test_a_place_holds_the_line_and_the_width_of_the_key() -> None:
    """All that a snippet needs."""
    text = 'x = 1\n["a b".c]\n"d" = [ 1, "é" ] # z'
    assert tree(text, "f").place(("a b", "c")) == Spot(
        file="f", line=2, column=8, key="a b.c", width=1, text='["a b".c]'
    )
    assert tree(text, "f").place(("a b", "c", "d", 1)) == Spot(
        file="f", line=3, column=12, key="a b.c.d.1", width=3, text='"d" = [ 1, "é" ] # z'
    )
    assert tree(text).at(("a b", "x")) is None


SECRETS = (
    '[env]\nA = "planted"',
    'env.A = "planted"',
    'env = { A = "planted", B = "planted" }',
    'env = { A = """\nplanted""", B = "planted", C = 1 }',
    "[env]\nA = planted",
    'profile.x = { env = { A = "planted" }, name = "y" }',
    'profile = { x = { env = { A = """\nplanted""" }, name = "y" } }',
    '[profile.x.env]\n"A" = "planted" # planted',
    '[profile.x]\nenv.A = { env = "planted" }',
    "env.A = '''\nplanted\nplanted'''\nb = 1",
)


@pytest.mark.parametrize("text", SECRETS)
def test_no_place_shows_a_value_of_an_environment_table(text: str) -> None:
    """Neither on its own line nor on one that it shares."""
    found = places(text, "a.toml")
    assert found
    assert not any("planted" in where.text for where in found.values())


def test_a_line_of_an_environment_table_still_shows_its_key() -> None:
    """A snippet helps without the value."""
    found = places('[env]\nHF_TOKEN = "x"\n', "a.toml")
    assert found["env", "HF_TOKEN"].text == "HF_TOKEN = …"
    assert found["env",].text == "[env]"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a.b", ("a", "b")),
        (' a . "b.c" ', ("a", "b.c")),
        (r'"\u00e9"', ("é",)),
        ("", None),
        ("a.", None),
        ("a b", None),
        ("a=1", None),
    ],
)
def test_a_dotted_key_is_read_as_toml_spells_it(text: str, key: Key | None) -> None:
    """Quotes keep a dot inside a name."""
    assert undotted(text) == key
