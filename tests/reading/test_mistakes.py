"""One mistake, one finding: its code, its place to the character, what is said, and the edit that mends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistakes import Mistake, Place, Written, indented, joined, mistakes, written

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, Spot, Where
from srpo_manifest.reading.toml import Source

MARK = b"\xef\xbb\xbf"
CASES = mistakes()
WIDE = "# 漢字 👩‍🚀 e\u0301\n"


def as_bytes(found: Written) -> tuple[Written, bytes]:
    return found, found.text.encode()


def windows(signed: str) -> tuple[Written, bytes]:
    found, data = as_bytes(written(signed))
    return found, data.replace(b"\n", b"\r\n")


def marked(signed: str) -> tuple[Written, bytes]:
    found, data = as_bytes(written(signed))
    return found, MARK + data


def marked_windows(signed: str) -> tuple[Written, bytes]:
    found, data = windows("\n" + WIDE + signed)
    return found, MARK + data


def without_its_last_line_end(signed: str) -> tuple[Written, bytes]:
    found, data = as_bytes(written(signed))
    return found, data.removesuffix(b"\n")


VARIANTS: dict[str, Callable[[str], tuple[Written, bytes]]] = {
    "plain": lambda signed: as_bytes(written(signed)),
    "crlf": windows,
    "bom": marked,
    "bom, comments and crlf": marked_windows,
    "tabs": lambda signed: as_bytes(written(indented(signed))),
    "no last line end": without_its_last_line_end,
    "ideographs": lambda signed: as_bytes(written(signed, "漢字")),
    "emoji": lambda signed: as_bytes(written(WIDE + signed, "👩‍🚀🙂")),
    "combining": lambda signed: as_bytes(written(signed, "e\u0301a\u0308")),
    "right to left": lambda signed: as_bytes(written(signed, "עִבְרִית")),
}


def findings(reading: Any, case: Mistake, data: bytes) -> tuple[Finding, ...]:
    """Everything that is told of the case, as *data* has it."""
    sources: dict[str, Any] = {}
    base = data if case.what in ("", "whole", "profile") else reading.base.encode()
    match case.what:
        case "part":
            sources = {"parts": [Source(file="part.toml", data=data)]}
        case "extends":
            sources = {"extends": Source(file="below.toml", data=data)}
        case "set":
            sources = {"sets": [data.decode().removesuffix("\n")]}
        case "profile":
            sources = {"profiles": [case.name]}
    with pytest.raises(ManifestError) as caught:
        reading.read(base, **sources)
    return caught.value.findings


def place(where: Where | None) -> Place:
    if where is None:
        return Place(0, 0, 1)
    return Place(where.line, where.column, where.width if isinstance(where, Spot) else 1)


def variants(case: Mistake) -> dict[str, Callable[[str], tuple[Written, bytes]]]:
    return {"plain": VARIANTS["plain"]} if case.what == "set" else VARIANTS


@pytest.mark.parametrize("case", CASES, ids=[f"{case.area}: {case.title}" for case in CASES])
def test_one_mistake_is_one_finding(reading, case: Mistake) -> None:
    """However lines end, and whatever stands before it."""
    for name, made in variants(case).items():
        expected, data = made(case.whole)
        found = findings(reading, case, data)
        assert [one.code for one in found] == [case.code], (name, found)
        (one,) = found
        said = "\n".join((one.message, *one.hints))
        assert place(one.where) == expected.place, (name, one)
        assert [place(other.where) for other in one.related] == [*expected.others], name
        assert case.says in said, said
        assert (one.fix.replacement if one.fix else None) == case.fix, name


GOOD = (
    "backend.transport.kind = 'local'\n",
    "[done]\nimages = 8\n",
    "[end]\ncommand = ['true']\n",
    "entry.extra_args = ['--seed', '漢字']\n",
    "[entry]\nmode = 'auto'\n[entry.set]\nseed = 7\n",
    "[env]\nWANDB_MODE = 'offline'\nHF_TOKEN = { env = 'HF_TOKEN' }\n",
    "files = [{ path = 'a' }]\n",
    "[[files]]\npath = 'data/clip'\n",
    "lints.gpu-count = 'warn'\n",
    "outputs = { to = '🚀', fetch = ['images'] }\n",
    "[paths]\nworkspace = '~/srpo'\n",
    "[python]\nkind = 'venv'\nrequirements = 'r.txt'\n",
    "repo = { ref = 'main' } # e\u0301\n",
    "[resources]\nnodes = 1\n",
    "stop.max_hours = 12\n",
)
"""Lines of a valid manifest, one or two ways for each top-level key."""
ALONE = [case for case in CASES if case.home]


@st.composite
def planted(draw: st.DrawFn) -> tuple[list[Mistake], str]:
    """One to ten independent mistakes in a valid manifest: each is about a top-level key of its own, and leaves nothing open."""
    count = draw(st.integers(1, 10))
    cases = draw(st.lists(st.sampled_from(ALONE), min_size=count, max_size=count, unique_by=lambda case: case.home))
    good = draw(
        st.lists(
            st.sampled_from(GOOD),
            unique_by=lambda line: line.strip("[").split("=")[0].split("]")[0].split(".")[0].strip(),
        )
    )
    return cases, joined(cases, good)


@given(plants=planted(), text=st.sampled_from(["x", "漢字", "👩‍🚀🙂"]), end=st.sampled_from(["\n", "\r\n"]))
def test_so_many_mistakes_are_so_many_findings(reading, plants: tuple[list[Mistake], str], text: str, end: str) -> None:
    """Exactly those, each at its place: none hides another, and none brings a second one."""
    cases, signed = plants
    expected = written(signed, text)
    data = expected.text.replace("\n", end).encode()
    with pytest.raises(ManifestError) as caught:
        reading.read(data)
    found = caught.value.findings
    assert [place(one.where) for one in found] == [*expected.places]
    assert sorted(one.code for one in found) == sorted(case.code for case in cases)


def test_there_are_enough_of_them() -> None:
    """Each has a title of its own, and every area its share."""
    assert len({case.title for case in CASES}) == len(CASES) >= 150
    assert len({case.code for case in CASES}) >= 25
