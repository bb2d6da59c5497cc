"""Where the tests plant the numbered rows of a table: `@pytest.mark.MARKER(NUMBER, CODE)`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_WORDS = ("prevented", "succeeded", "failed", "stopped", "unverified", "lost", "running")
"""Ends that are no codes."""


class Planted(NamedTuple):
    """A test that plants a row; `code` is how it ends."""

    number: int
    code: str
    file: str
    test: str


def planted(root: Path, *markers: str) -> list[Planted]:
    """Every `@pytest.mark.MARKER(NUMBER, CODE)` and `MARKER(NUMBER, CODE, …)` of the tests."""
    files = (file for folder in ("tests", "plugins") for file in (root / folder).rglob("test_*.py"))
    return sorted({one for file in files for one in _of(root, file, markers)})


def table(rows: Mapping[int, Iterable[str]], found: Iterable[Planted], *, letter: str = "") -> list[str]:
    """A line of Markdown for each row: its number, its texts, how it ends, the tests that plant it."""
    found = list(found)
    lines = []
    for number, texts in rows.items():
        mine = [one for one in found if one.number == number]
        codes = ", ".join(dict.fromkeys(f"`{one.code}`" if _is_code(one.code) else one.code for one in mine))
        tests = ", ".join(dict.fromkeys(f"[{one.test}](../{one.file})" for one in mine))
        lines.append(f"| {letter}{number} | {' | '.join(texts)} | {codes} | {tests} |")
    return lines


def _is_code(text: str) -> bool:
    return " " not in text and text not in _WORDS


def _of(root: Path, file: Path, markers: tuple[str, ...]) -> Iterator[Planted]:
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                match call:
                    case ast.Call(
                        func=ast.Attribute(attr=name) | ast.Name(id=name),
                        args=[ast.Constant(value=int(number)), ast.Constant(value=str(code)), *_],
                    ) if name in markers:
                        yield Planted(number, code, str(file.relative_to(root)), function.name)
                    case _:
                        pass
