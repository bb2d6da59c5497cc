"""`explain`: what a code or a key of the manifest means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import click
import msgspec

from srpo_manifest.cli.output import data
from srpo_manifest.engine.explaining import areas, examples
from srpo_manifest.errors import UsageError
from srpo_manifest.finding import visible
from srpo_manifest.wording import nearest, ticked

if TYPE_CHECKING:
    from srpo_manifest.reading.keys import KeyText
    from srpo_manifest.values.explanation import Area, Explanation

FORMAT = 1


@click.command("explain")
@click.argument("word", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(*, word: str | None, as_json: bool) -> int:
    """Tell what WORD means: a code, such as `unknown-key`, or a key, such as `repo.ref`. Without a WORD: list all codes."""
    known = areas()
    if word is None:
        if as_json:
            data({"format": FORMAT, "areas": [_listed(name, area) for name, area in known.items()]})
        else:
            print("\n\n".join("\n".join(_index(area)) for area in known.values()))
        return 0
    code = next(((name, area.codes[word]) for name, area in known.items() if word in area.codes), None)
    shown = examples()
    key = None
    if code is None or word in shown:
        from srpo_manifest.reading.keys import key_text  # noqa: PLC0415 - a code needs no types

        key = key_text(word, shown)
    if code is None and key is None:
        raise _unknown(word, [code for area in known.values() for code in area.codes])
    if as_json:
        told = code and {"code": word, "area": code[0], **msgspec.to_builtins(code[1])}
        data({"format": FORMAT, "code": told, "key": key})
        return 0
    parts = [*([_of_code(word, code[1])] if code else []), *([_of_key(key)] if key else [])]
    print("\n\n\n".join("\n".join(part) for part in parts))
    return 0


def _listed(name: str, area: Area) -> dict[str, object]:
    codes = [{"code": code, "title": one.title, "level": one.level} for code, one in area.codes.items()]
    return {"name": name, "title": area.title, "codes": codes}


def _index(area: Area) -> Iterator[str]:
    width = max(map(len, area.codes))
    yield area.title
    yield from (f"  {code:{width}}  {one.title}" for code, one in area.codes.items())


def _of_code(code: str, one: Explanation) -> Iterator[str]:
    yield from (f"{code}: {one.title}", "", one.text.strip(), "", _level(code, one))
    for title, manifest in (("wrong", one.bad), ("right", one.good)):
        if manifest:
            yield from ("", f"{title}{', where srpo.lock knows the trainer' if one.locked else ''}:", "")
            yield from (f"    {visible(line)}".rstrip() for line in manifest.splitlines())


def _level(code: str, one: Explanation) -> str:
    if one.level is None:
        return "level: always told, and no lint changes it"
    if one.level == "note":
        return "level: note, and nothing has to be done"
    first, second = ("warn", "allow") if one.level == "deny" else ("allow", "deny")
    return (
        f'level: {one.level}, unless `[lints]` says `{code} = "{first}"` or `"{second}"`,'
        f" or the command line `--{first} {code}` or `--{second} {code}`"
    )


def _of_key(key: KeyText) -> Iterator[str]:
    of = f" of {_or(key.items)}" if key.items else ""
    yield from (f"{key.key}: {_or(key.kinds)}{of}", "", key.says, "")
    rows = {"needed": "yes" if key.required else "no", "takes": key.takes, "default": key.default}
    yield from (f"{name:7}  {said}" for name, said in rows.items() if said)
    if key.keys:
        yield from ("", "keys:", "", *_table(key.keys))
    if key.example:
        yield from ("", "example:", "", textwrap.indent(key.example, "    "))


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    width = max(map(len, rows))
    return (f"    {name:{width}}  {said}" for name, said in rows.items())


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


def _unknown(word: str, codes: list[str]) -> UsageError:
    """Near misses among codes and keys; of a key, its last part may be all that was said."""
    from srpo_manifest.cli.verbs import VERBS  # noqa: PLC0415 - only a miss needs them
    from srpo_manifest.reading.keys import every_key  # noqa: PLC0415 - likewise

    likely = _likely(word, codes, every_key())
    hints = [f"did you mean {' or '.join(map(ticked, likely[:3]))}?"] if likely else []
    if word in VERBS:
        hints.append(f"`srpo-manifest {word} --help` tells what that verb takes")
    if word.startswith("backend."):
        hints.append("other keys of a backend's table come with the plugin of its kind")
    return UsageError(
        "unknown-word",
        f"{ticked(word)} is neither a code nor a key of a manifest",
        *hints,
        "`srpo-manifest explain` lists all codes, and docs/reference.md all keys",
    )


def _likely(word: str, codes: Iterable[str], keys: Iterable[str]) -> list[str]:
    by_last: dict[str, list[str]] = {}
    for key in keys:
        by_last.setdefault(key.rpartition(".")[2], []).append(key)
    table, dot, last = word.rpartition(".")
    beside = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == table] if dot else []
    if beside:
        near = nearest(last, beside)
        return [f"{table}.{near}"] if near else by_last.get(last, [])
    whole = nearest(word, (*codes, *keys))
    return by_last.get(word, []) or ([whole] if whole else by_last.get(nearest(last, by_last) or "", []))
