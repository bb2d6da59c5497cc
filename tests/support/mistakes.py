"""Manifests with one mistake each, from `tests/reading/mistakes/*.txt`: what is wrong, where, and what is said about it.

    == a title
    text of a manifest, in which «this» is the mistake and ‹this› the other place that is shown
    !! code: words that are said => what `--fix` writes

The mistake's text stands behind BASE, without the keys of BASE that it sets itself. `…` is some text, which variants
replace by one of another script; `␀`, `␛`, `␍` and their like are the characters that they picture. A line before
the text says what it is: `-- whole` (nothing before it), `-- part`, `-- extends`, `-- set`, or `-- profile NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from srpo_manifest.wording import nearest

FOLDER = Path(__file__).parent.parent / "reading/mistakes"
BASE = {"schema": "schema = 1\n", "name": 'name = "a"\n', "model": 'model.type = "generic"\n'}
_CASE = re.compile(
    r"== (?P<title>.+)\n(?:-- (?P<what>\w+) ?(?P<name>.*)\n)?(?P<text>(?:(?!!!).*\n)+)!! (?P<code>[a-z-]+): (?P<says>.+)\n"
)
_SIGNS = re.compile("[«»‹›]")
_PICTURES = {0x2400 + code: code for code in range(0x21)} | {0x2421: 0x7F}
_OWN = re.compile(r"^(\w+)", re.MULTILINE)
_HEADERS = re.compile(r"^\[(\w+)", re.MULTILINE)
_TEXT = "x"
_INDENTED = re.compile(r"^(?=.)", re.MULTILINE)


class Place(NamedTuple):
    """Of a mistake, as `Spot` counts: from 1, in characters. It ends with its first line; line 0 is the file."""

    line: int
    column: int
    width: int


class Mistake(NamedTuple):
    """One mistake; `text` has its signs."""

    area: str
    title: str
    what: str
    name: str
    text: str
    code: str
    says: str
    fix: str | None

    @property
    def whole(self) -> str:
        """The signed text of the file that is wrong."""
        if self.what not in ("", "profile"):
            return self.text
        plain = _SIGNS.sub("", self.text)
        own = _OWN.findall(f"\n{plain}".partition("\n[")[0]) + _HEADERS.findall(plain)
        return "".join(line for key, line in BASE.items() if not nearest(key, own)) + self.text


class Written(NamedTuple):
    """A text without signs, and the places that they marked."""

    text: str
    place: Place
    other: Place | None


def mistakes() -> list[Mistake]:
    """All of them, in the order of the files."""
    return [one for file in sorted(FOLDER.glob("*.txt")) for one in _read(file)]


def _read(file: Path) -> Iterator[Mistake]:
    text = file.read_text("utf-8")
    found = list(_CASE.finditer(text))
    if len(found) != len(re.findall("^== ", text, re.MULTILINE)):
        raise ValueError(f"{file.name}: a mistake cannot be read")
    for one in found:
        says, _, fix = one["says"].partition(" => ")
        written = fix.translate(_PICTURES) if fix else None
        yield Mistake(
            file.stem, one["title"], one["what"] or "", one["name"] or "", one["text"], one["code"], says, written
        )


def written(signed: str, text: str = _TEXT) -> Written:
    """What stands in a file, `…` being *text*."""
    signed = signed.replace("…", text).translate(_PICTURES)
    plain = _SIGNS.sub("", signed)
    return Written(plain, _place(signed, plain, "«", "»") or Place(0, 0, 1), _place(signed, plain, "‹", "›"))


def indented(signed: str) -> str:
    """Every line behind a tab."""
    return _INDENTED.sub("\t", signed)


def _place(signed: str, plain: str, opens: str, closes: str) -> Place | None:
    begin, end = signed.find(opens), signed.find(closes)
    if begin < 0:
        return None
    start, stop = (at - len(_SIGNS.findall(signed[:at])) for at in (begin, end))
    line_end = plain.find("\n", start)
    width = min(stop, line_end if line_end >= 0 else len(plain)) - start
    return Place(plain.count("\n", 0, start) + 1, start - plain.rfind("\n", 0, start), max(1, width))
