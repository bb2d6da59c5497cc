"""The code words that a user can meet, gathered from where they are told."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_WORD = re.compile(r"[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*\Z")
_SPELLED = re.compile(r"(?:error|warning)\[([a-z][a-z0-9-]*)\]")
_OF_BASH = re.compile(r"""\b(?:refuse [0-9]+|warn) ([a-z][a-z-]*) ['"]|\\"code\\": \\"([a-z-]+)""")
TELLERS = {
    "ContactLost", "FactError", "LaunchError", "ManifestError", "Mistake", "PluginError", "Refused", "TransportError",
    "Undeliverable", "UsageError", "_check", "_fault", "_note", "_tell", "_warn", "check", "never_closed", "slip", "warn",
}  # fmt: skip
"""What takes a code as its first argument. Any other call that takes a word with a dash there is one as well, unless it is among:"""
OTHERS = {
    "Part", "_git", "_run", "checked", "child_by_field_name", "children_by_field_name", "run", "tell", "user_cache_path",
    "user_state_path",
}  # fmt: skip
BEGUN = {"Unfit": "record-"}
"""What takes the end of a code, with its beginning."""
LATER = {"refuse_launch": 2}
"""What takes a code at another place."""
ELSEWHERE = ("flag-never-read", "flag-no-effect", "images-used", "output-used", "script-crlf", "trainer")
"""Words that no call takes as they stand: they are put together, or come out of a table."""
SHIPPED_ELSEWHERE = "demo/trainer"


class Told(NamedTuple):
    """A code, where, and by what; `level` where it is said beside it."""

    code: str
    place: str
    by: str
    level: str | None = None


def told(package: Path) -> list[Told]:
    """Every code of the package's own texts."""
    found = [one for path in sorted(package.rglob("*.py")) if SHIPPED_ELSEWHERE not in path.as_posix() for one in _of_python(path)]  # fmt: skip
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.sh")]):
        text = re.sub(r'^ *(?:>>>.*\n.*|""".*)', "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found += [Told(code, str(path), "print") for code in _SPELLED.findall(text)]
        if path.suffix == ".sh":
            found += [Told(one or other, str(path), "bash") for one, other in _OF_BASH.findall(text)]
    for path in sorted((package / "upstream/trainers").glob("*.toml")):
        found += _of_trainer(path)
    return found


def _of_trainer(path: Path) -> Iterator[Told]:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for check in data.get("checks", ()):
        yield Told(check["code"], str(path), "Check", check.get("level", "deny"))
    for line in data.get("log", ()):
        if line["event"] == "warning.raised" and "code" in line:
            yield Told(line["code"], str(path), "log")


def _of_python(path: Path) -> Iterator[Told]:
    module = ast.parse(path.read_bytes())
    constants = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        level = next(iter(_texts(named["level"], {})), None) if "level" in named else None
        given = [named["code"]] if "code" in named else []
        position = LATER.get(name, 0)
        words = list(_texts(call.args[position], {})) if len(call.args) > position else []
        yield from (Told(f"{BEGUN[name]}{word}", f"{path}:{call.lineno}", name) for word in words if name in BEGUN)
        if name in TELLERS or name in LATER or (name not in OTHERS and any("-" in word for word in words)):
            yield from (Told(word, f"{path}:{call.lineno}", name, level) for word in words)
        for value in given:
            yield from (Told(word, f"{path}:{call.lineno}", name, level) for word in _texts(value, constants))


def _texts(node: ast.expr, constants: dict[str, object]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if _WORD.match(text):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one, constants), *_texts(other, constants))
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value, constants)
        case ast.Name(id=name) if isinstance(constants.get(name), str):
            yield str(constants[name])
