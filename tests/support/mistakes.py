"""Manifests with one mistake each, from `tests/reading/mistakes/*.txt`: what is wrong, where, and what is said about it.

    == a title
    text of a manifest, in which «this» is the mistake and ‹this› the other place that is shown
    !! code: words that are said => what `--fix` writes

The mistake's text stands behind BASE, without the keys of BASE that it sets itself. `…` is some text, which variants
replace by one of another script; `␀`, `␛`, `␍` and their like are the characters that they picture, and `∅` is nothing. A line before
the text says what it is: `-- whole` (nothing before it), `-- part`, `-- extends`, `-- set`, or `-- profile NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
HOMES = (
    "backend", "done", "end", "entry", "env", "files", "lints", "model", "name", "outputs", "paths", "plugins", "profile",
    "python", "repo", "resources", "schema", "stop",
)  # fmt: skip
_HOME = re.compile(r"\w+")
_OWN = re.compile(r"^(\w+)", re.MULTILINE)
_HEADERS = re.compile(r"^\[+(\w+)", re.MULTILINE)
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
        return "".join(line for key, line in BASE.items() if not self.sets(key)) + self.text

    def sets(self, key: str) -> bool:
        """Whether its text has the top-level *key*, or nearly."""
        plain = _SIGNS.sub("", self.text)
        own = _OWN.findall(f"\n{plain}".partition("\n[")[0]) + _HEADERS.findall(plain)
        return nearest(key, own) is not None

    @property
    def home(self) -> str | None:
        """The top-level key that it is about; None where it is about more: a newer schema, several tables, a bracket or a long string left open."""
        opens = self.code == "array-open" or "never closed" in self.title or '"""' in _SIGNS.sub("", self.text)
        if self.what or opens or self.says.startswith("close it with `}`") or self.text.startswith("schema"):
            return None
        plain = _SIGNS.sub("", self.text)
        tables = {*_HEADERS.findall(plain)}
        if len(tables) > 1 or (tables and not plain.startswith("[")):
            return None
        word = _HOME.search(plain)
        return (nearest(word[0], HOMES) or word[0]) if word else self.title


class Written(NamedTuple):
    """A text without signs, and the places that they marked."""

    text: str
    places: tuple[Place, ...]
    others: tuple[Place, ...]

    @property
    def place(self) -> Place:
        """Of its only mistake."""
        return self.places[0] if self.places else Place(0, 0, 1)


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
        written = fix.removeprefix("∅").translate(_PICTURES) if fix else None
        yield Mistake(
            file.stem, one["title"], one["what"] or "", one["name"] or "", one["text"], one["code"], says, written
        )


def written(signed: str, text: str = _TEXT) -> Written:
    """What stands in a file, `…` being *text*."""
    signed = signed.replace("…", text).translate(_PICTURES)
    plain = _SIGNS.sub("", signed)
    return Written(plain, tuple(_places(signed, plain, "«", "»")), tuple(_places(signed, plain, "‹", "›")))


def joined(chosen: Iterable[Mistake], good: Iterable[str] = ()) -> str:
    """One signed text of independent mistakes, each with a home of its own, and of good lines about other homes."""
    chosen = list(chosen)
    homes = {one.home for one in chosen}
    parts = [line for key, line in BASE.items() if not any(one.sets(key) for one in chosen)]
    parts += [line for line in good if _HOME.search(line)[0] not in homes]  # type: ignore[index]
    parts += [one.text for one in chosen]
    return "".join(sorted(parts, key=_opens_a_table))


def _opens_a_table(text: str) -> bool:
    return re.search(r"^\[", _SIGNS.sub("", text), re.MULTILINE) is not None


def indented(signed: str) -> str:
    """Every line behind a tab."""
    return _INDENTED.sub("\t", signed)


def _places(signed: str, plain: str, opens: str, closes: str) -> Iterator[Place]:
    for found in re.finditer(f"{opens}[^{closes}]*{closes}", signed):
        start, stop = (at - len(_SIGNS.findall(signed[:at])) for at in found.span())
        line_end = plain.find("\n", start)
        width = min(stop, line_end if line_end >= 0 else len(plain)) - start
        yield Place(plain.count("\n", 0, start) + 1, start - plain.rfind("\n", 0, start), max(1, width))
