"""One hundred mistakes, each in a manifest of its own, told by us and by every peer that is installed.

    python bench/mistakes.py

The mistakes are those of `tests/reading/mistakes/`; peers get our JSON Schema in the draft that editors know. Counted
in a peer's favour: a mistake is found where anything is said of its file, a line or a column is right where one of all
places that are told lies in the mistake, a suggestion where the right word is said anywhere. `in one file` are mistakes
of a single manifest that holds one about each top-level key: a run tells those at whose line something is said, or,
where a tool knows no lines, one for each thing that it says. `said` is how much is said of the hundred files.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union

import msgspec
import msgspec.inspect as shape

from srpo_manifest.reading.shapes import info
from srpo_manifest.values.manifest import DirectOptions, LocalOptions, Manifest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
from mistakes import Mistake, Place, joined, mistakes, written  # noqa: E402 - the tests' own, one source of both

SCHEMA = "srpo.v1.draft-07.schema.json"
DIRECTIVE = f"#:schema ./{SCHEMA}\n"
HUNDRED = 100
ALL = "all.toml"
_SUGGESTED = re.compile(r"did you mean `(.*)`\?")


class Said(NamedTuple):
    """One thing that a tool says of a file; 0 where it tells no line or column."""

    text: str
    line: int = 0
    column: int = 0


Told = dict[str, list[Said]]
Tool = Callable[[Path, list[str]], Told]


def chosen() -> list[Mistake]:
    """A hundred, from every area alike; none about overlays or a plugin, which no schema knows."""
    known = [one for one in mistakes() if one.what in ("", "whole") and '"ssh"' not in one.text]
    return [known[number * len(known) // HUNDRED] for number in range(HUNDRED)]


def suggestion(one: Mistake) -> str:
    """The word that mends it; empty where it takes more than a word."""
    found = _SUGGESTED.search(one.says)
    return (found[1] if found else (one.fix or "")).strip('"')


def run(argv: list[str], folder: Path) -> str:
    """All that a command prints."""
    done = subprocess.run(
        argv,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"NO_COLOR": "1", "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    return done.stdout + done.stderr


def beside(name: str) -> str | None:
    """A program of this environment, or of PATH."""
    own = Path(sys.executable).with_name(name)
    return str(own) if own.exists() else shutil.which(name)


def ours(folder: Path, files: list[str]) -> Told:
    """`srpo-manifest validate`."""
    out = json.loads(run([str(beside("srpo-manifest")), "validate", "--format", "json", *files], folder))
    return {
        row["file"]: [
            Said(json.dumps(one, ensure_ascii=False), place.get("line", 0), place.get("column", 0))
            for one in row["findings"]
            if one["level"] == "deny"
            for place in (one.get("where") or {},)
        ]
        for row in out["files"]
    }


def tombi(folder: Path, files: list[str]) -> Told:
    """`tombi lint`: a message, and below it where."""
    told: Told = {}
    text = run([str(beside("tombi")), "lint", "--offline", *files], folder)
    for message, file, line, column in re.findall(r"Error: (.*)\n +at (.*):(\d+):(\d+)", text):
        told.setdefault(Path(file).name, []).append(Said(message, int(line), int(column)))
    return told


def taplo(folder: Path, files: list[str]) -> Told:
    """`taplo lint`: as rustc prints."""
    told: Told = {}
    text = run([str(beside("taplo")), "lint", "--colors", "never", *files], folder)
    for message, file, line, column in re.findall(r"error: (.*)\n *┌─ (.*):(\d+):(\d+)", text):
        told.setdefault(Path(file).name, []).append(Said(message, int(line), int(column)))
    return told


def check_jsonschema(folder: Path, files: list[str]) -> Told:
    """`check-jsonschema`: a path in the data."""
    told: Told = {}
    out = run([str(beside("check-jsonschema")), "--schemafile", SCHEMA, "-o", "json", *files], folder)
    found = json.loads(out[out.index("{") :])
    for one in (*found["errors"], *found["parse_errors"]):
        told.setdefault(Path(one["filename"]).name, []).append(Said(json.dumps(one, ensure_ascii=False)))
    return told


def plain(explain: Callable[[object], Iterable[str]]) -> Tool:
    """Tomllib, and then what is said of its data."""

    def tool(folder: Path, files: list[str]) -> Told:
        told: Told = {}
        for file in files:
            try:
                told[file] = [Said(text) for text in explain(tomllib.loads((folder / file).read_text("utf-8")))]
            except tomllib.TOMLDecodeError as error:
                at = re.search(r"at line (\d+), column (\d+)", str(error))
                told[file] = [Said(str(error), *(map(int, at.groups()) if at else ()))]
        return told

    return tool


def whole(data: object) -> object:
    """With the usual backend where it is not said."""
    usual = {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}}
    backend = data.get("backend", {}) if isinstance(data, dict) else None
    return data | {"backend": usual | backend} if isinstance(data, dict) and isinstance(backend, dict) else data


def by_msgspec(data: object) -> Iterable[str]:
    """The first error."""
    try:
        msgspec.convert(whole(data), Manifest[LocalOptions, DirectOptions], strict=True)
    except msgspec.ValidationError as error:
        yield str(error)


def by_jsonschema(data: object) -> Iterable[str]:
    """Every error, with its path."""
    import jsonschema

    schema = json.loads((ROOT / "schemas" / SCHEMA).read_text("utf-8"))
    return (f"{one.json_path}: {one.message}" for one in jsonschema.Draft7Validator(schema).iter_errors(data))


def by_pydantic(data: object) -> Iterable[str]:
    """Every error, with its path, of the same types as pydantic has them."""
    import pydantic

    try:
        pydantic.TypeAdapter(pydantic_type(info(Manifest[LocalOptions, DirectOptions]))).validate_python(whole(data))
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield f"{'.'.join(map(str, one['loc']))}: {one['msg']}"


def pydantic_type(node: shape.Type) -> Any:
    """What pydantic calls it: strict, and without other keys."""
    import pydantic

    def bounded(kind: Any, **bounds: Any) -> Any:
        return Annotated[
            kind, pydantic.Field(strict=True, **{name: value for name, value in bounds.items() if value is not None})
        ]

    match node:
        case shape.Metadata():
            return pydantic_type(node.type)
        case shape.StructType():
            fields = {one.encode_name: (pydantic_type(one.type), ... if one.required else None) for one in node.fields}
            closed = pydantic.ConfigDict(extra="forbid", strict=True, protected_namespaces=())
            with warnings.catch_warnings(action="ignore"):  # `schema` is a name that pydantic has, too
                return pydantic.create_model(node.cls.__name__, __config__=closed, **fields)
        case shape.UnionType():
            return Union[tuple(map(pydantic_type, node.types))]  # noqa: UP007 - of as many as there are
        case shape.LiteralType():
            return Literal[tuple(node.values)]
        case shape.DictType():
            return dict[pydantic_type(node.key_type), pydantic_type(node.value_type)]  # type: ignore[misc]
        case shape.VarTupleType():
            return bounded(list[pydantic_type(node.item_type)], min_length=node.min_length, max_length=node.max_length)  # type: ignore[misc]
        case shape.StrType():
            pattern = node.pattern and node.pattern.replace(r"\A", "^").replace(r"\Z", "$")
            return bounded(str, min_length=node.min_length, max_length=node.max_length, pattern=pattern)
        case shape.IntType() | shape.FloatType():
            kind = int if isinstance(node, shape.IntType) else float
            return bounded(kind, ge=node.ge, gt=node.gt, le=node.le, lt=node.lt)
        case shape.BoolType():
            return bool
        case _:
            return None


def is_importable(name: str) -> bool:
    """Whether a library is here."""
    from importlib.util import find_spec

    return find_spec(name) is not None


TOOLS: dict[str, tuple[bool, Tool]] = {
    "srpo-manifest validate": (True, ours),
    "tombi lint": (beside("tombi") is not None, tombi),
    "taplo lint": (beside("taplo") is not None, taplo),
    "check-jsonschema": (beside("check-jsonschema") is not None, check_jsonschema),
    "tomllib + jsonschema": (is_importable("jsonschema"), plain(by_jsonschema)),
    "tomllib + pydantic": (is_importable("pydantic"), plain(by_pydantic)),
    "tomllib + msgspec": (True, plain(by_msgspec)),
}


def is_at(said: Said, place: Place) -> bool:
    """Whether it lies in the mistake; of one about the whole file, the first line is right, and no line is."""
    if place.line == 0:
        return said.line <= 2
    return said.line == place.line + 1 and place.column <= said.column <= place.column + place.width


def is_in_line(said: Said, place: Place) -> bool:
    """Likewise, of the line alone."""
    return said.line <= 2 if place.line == 0 else said.line == place.line + 1


def main() -> None:
    """Write the manifests, run each tool once over all of them and once over the last, and print the table."""
    cases = chosen()
    together: dict[str, Mistake] = {}
    for one in cases:
        if one.home:
            together.setdefault(one.home, one)
    places = [written(one.whole).places for one in cases]
    file_of = [f"{number:03}.toml" for number in range(len(cases))]
    with tempfile.TemporaryDirectory(prefix="srpo-manifest-bench-") as name:
        folder = Path(name)
        shutil.copy(ROOT / "schemas" / SCHEMA, folder)
        for file, one in zip(file_of, cases, strict=True):
            (folder / file).write_text(DIRECTIVE + written(one.whole).text, "utf-8")
        everything = written(joined(together.values()))
        (folder / ALL).write_text(DIRECTIVE + everything.text, "utf-8")
        words = [suggestion(one) for one in cases]
        print(f"{len(cases)} mistakes, {sum(map(bool, words))} that a word mends, {len(everything.places)} in one file")
        print(f"{'':24} {'found':>6} {'line':>6} {'column':>6} {'suggestion':>10} {'in one file':>11} {'said':>6}")
        for title, (here, tool) in TOOLS.items():
            if not here:
                print(f"{title:24} absent")
                continue
            told = tool(folder, file_of)
            said = [told.get(file, []) for file in file_of]
            marks = [found[0] if found else Place(0, 0, 1) for found in places]
            line = sum(any(is_in_line(one, mark) for one in each) for each, mark in zip(said, marks, strict=True))
            column = sum(any(is_at(one, mark) for one in each) for each, mark in zip(said, marks, strict=True))
            meant = sum(
                bool(word) and any(word in one.text for one in each) for each, word in zip(said, words, strict=True)
            )
            last = tool(folder, [ALL]).get(ALL, [])
            lines = {one.line for one in last}
            once = (
                sum(mark.line + 1 in lines for mark in everything.places)
                if lines - {0}
                else min(len(last), len(everything.places))
            )
            print(
                f"{title:24} {sum(map(bool, said)):6} {line:6} {column:6} {meant:10} {once:11} {sum(map(len, said)):6}"
            )


if __name__ == "__main__":
    main()
