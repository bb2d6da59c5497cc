"""`explain`: what a code or a key of the manifest means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from srpo_manifest.cli import completion
from srpo_manifest.cli.output import data, tell
from srpo_manifest.engine.explaining import areas, examples
from srpo_manifest.errors import UsageError
from srpo_manifest.finding import visible
from srpo_manifest.wording import nearest, ticked

if TYPE_CHECKING:
    from srpo_manifest.engine.inventory import Brought
    from srpo_manifest.reading.keys import KeyText
    from srpo_manifest.values.explanation import Area, Explanation

FORMAT = 1


@click.command("explain")
@click.argument("word", required=False, shell_complete=completion.words)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(*, word: str | None, as_json: bool) -> int:
    """Tell what WORD means: a code, such as `unknown-key`, or a key, such as `repo.ref`. Without a WORD: list all codes."""
    if word is None:
        return _all(as_json=as_json)
    known = areas()
    code = next((_Code(name, "", area.codes[word]) for name, area in known.items() if word in area.codes), None)
    shown = examples()
    key, table = None, None
    if code is None or word in shown:
        from srpo_manifest.reading.keys import key_text, table_of_backend  # noqa: PLC0415 - a code needs no types

        key, table = key_text(word, shown), table_of_backend(word)
    theirs: dict[str, KeyText] = {}
    if (code is None and key is None) or table:
        plugins = _brought()
        theirs = {kind: one for kind, one in _keys_of_plugins(plugins, word, shown).items() if one != key}
        code = code or _code_of_plugin(plugins, word)
        if code is None and key is None and not theirs:
            tell(finding for fault in plugins.faults for finding in fault.findings)
            raise _unknown(word, known, plugins)
    if as_json:
        told = code and {
            "code": word,
            "area": code.area,
            "plugin": code.plugin or None,
            **msgspec.to_builtins(code.one),
        }
        of_plugins = [{"plugin": plugin, **msgspec.to_builtins(one)} for plugin, one in theirs.items()]
        data({"format": FORMAT, "code": told, "key": key, "of_plugins": of_plugins})
        return 0
    parts = [
        *([_of_code(word, code)] if code else []),
        *([_of_key(key)] if key else []),
        *(_of_key(one, plugin) for plugin, one in theirs.items()),
    ]
    print("\n\n\n".join("\n".join(part) for part in parts))
    return 0


class _Code(NamedTuple):
    """A code's explanation, its area, and the plugin that brings it; empty: it is ours."""

    area: str
    plugin: str
    one: Explanation


def _all(*, as_json: bool) -> int:
    plugins = _brought()
    ours = [(name, "", area) for name, area in areas().items()]
    every = ours + [(plugin, plugin, area) for plugin, several in plugins.areas.items() for area in several]
    tell(finding for fault in plugins.faults for finding in fault.findings)
    if as_json:
        data({"format": FORMAT, "areas": [_listed(*one) for one in every]})
    else:
        print("\n\n".join("\n".join(_index(plugin, area)) for _, plugin, area in every))
    return 0


def _brought() -> Brought:
    from srpo_manifest.engine.inventory import brought  # noqa: PLC0415 - plugins are imported on demand

    return brought()


def _code_of_plugin(plugins: Brought, word: str) -> _Code | None:
    found = ((plugin, area) for plugin, several in plugins.areas.items() for area in several)
    return next((_Code(plugin, plugin, area.codes[word]) for plugin, area in found if word in area.codes), None)


def _keys_of_plugins(plugins: Brought, word: str, shown: dict[str, Any]) -> dict[str, KeyText]:
    """What each backend that is installed says of the key, by its kind."""
    from srpo_manifest.reading.keys import key_text  # noqa: PLC0415 - likewise

    found = {kind: key_text(word, shown, whole) for kind, whole in plugins.manifests().items()}
    return {kind: one for kind, one in found.items() if one}


def _listed(name: str, plugin: str, area: Area) -> dict[str, object]:
    codes = [{"code": code, "title": one.title, "level": one.level} for code, one in area.codes.items()]
    return {"name": name, "title": area.title, "plugin": plugin or None, "codes": codes}


def _index(plugin: str, area: Area) -> Iterator[str]:
    width = max(map(len, area.codes), default=0)
    yield f"{visible(area.title)}{_whose(plugin)}"
    yield from (f"  {code:{width}}  {one.title}" for code, one in area.codes.items())


def _whose(plugin: str) -> str:
    return f" (plugin {ticked(plugin)})" if plugin else ""


def _of_code(code: str, found: _Code) -> Iterator[str]:
    one = found.one
    yield from (f"{code}: {one.title}{_whose(found.plugin)}", "", one.text.strip(), "", _level(code, one))
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


def _of_key(key: KeyText, plugin: str = "") -> Iterator[str]:
    of = f" of {_or(key.items)}" if key.items else ""
    yield from (f"{key.key}: {_or(key.kinds)}{of}{_whose(plugin)}", "", key.says, "")
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


def _unknown(word: str, known: Mapping[str, Area], plugins: Brought) -> UsageError:
    """Near misses among codes and keys; of a key, its last part may be all that was said."""
    from srpo_manifest.cli.verbs import VERBS  # noqa: PLC0415 - only a miss needs them
    from srpo_manifest.reading.keys import every_key  # noqa: PLC0415 - likewise

    theirs = (area for several in plugins.areas.values() for area in several)
    codes = [code for area in (*known.values(), *theirs) for code in area.codes]
    keys = dict.fromkeys((*every_key(), *(key for whole in plugins.manifests().values() for key in every_key(whole))))
    likely = _likely(word, codes, tuple(keys))
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
