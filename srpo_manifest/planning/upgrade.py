"""Two readings of one entry, and what differs between them. What it means for a manifest is told by `relevance`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import fields

from srpo_manifest.finding import Where
from srpo_manifest.values.contract import (
    ArgumentContract,
    Computed,
    Flag,
    Import,
    Launch,
    Opaque,
    Place,
    Plain,
    ScriptContract,
    Token,
)
from srpo_manifest.values.lock import EntryContract
from srpo_manifest.values.upgrade import Change, What

_OPTION = re.compile(r"--?[A-Za-z]")
_IDENTITY = ("path", "digest")
_Said: TypeAlias = tuple[str | bool | None, int]
"""What is said of a name, and the line that says it."""
_TOLD = ("reads", "dead", "sets", "exported", "makes", "launches", "forwards_arguments", "indirect", "gaps")
"""Fields of a script's contract that have a change of their own; every other is compared as it stands."""


def compared(script: str, before: EntryContract | None, after: EntryContract | None) -> tuple[Change, ...]:
    """Every difference of two readings of *script*; None where a commit has no such script. Equal ones give none.

    Lines alone are no difference. The other way round gives the same changes with their sides exchanged.
    """
    if before is None or after is None:
        came = Change(what="script", name=script, before=script if before else None, after=script if after else None)
        return () if before is after else (came,)
    programs = tuple(_entries(script, before, after))
    return (
        *(change for change in _scripts(before.script, after.script) if not (programs and change.what == "entry")),
        *programs,
        *_programs(before.arguments, after.arguments),
        *_rules(before.evidence, after.evidence),
        *_imports(before.imports, after.imports),
        *_rest("lock", script, before, after, but=("script", "arguments", "evidence", "imports")),
    )


def spelled(token: Token) -> str:
    """The word as a script would write it, without quotes."""
    texts = []
    for piece in token.pieces:
        if isinstance(piece, Plain):
            texts.append(piece.text)
        elif isinstance(piece, Place):
            folder = "${repo.dir}" if piece.base == "repo" else "$PWD"
            texts.append(folder + (f"/{piece.path}" if piece.path else ""))
        elif isinstance(piece, Opaque | Computed):
            texts.append(piece.source)
        else:
            texts.append(f"${{{piece.name}}}" if piece.default is None else f"${{{piece.name}:-{piece.default}}}")
    return "".join(texts)


def items(tokens: Iterable[Token]) -> dict[str, tuple[list[str], int]]:
    """A command's words by option, without dashes: its values and its line. Words before the first option have no name."""
    found: dict[str, tuple[list[str], int]] = {}
    values: list[str] = []
    for token in tokens:
        text = spelled(token)
        if _OPTION.match(text):
            name, glued, value = text.lstrip("-").partition("=")
            values = [value] if glued else []
            found[_numbered(name, found)] = (values, token.line)
            continue
        if not found:
            found[""] = (values, token.line)
        values.append(text)
    return found


def _scripts(before: ScriptContract | None, after: ScriptContract | None) -> Iterator[Change]:
    if before is None or after is None:
        return
    yield from _texts(before, after)
    if before.direct != after.direct:
        yield Change(
            what="mode", name=after.path, before=_mode(before), after=_mode(after), where=_obstacle(after), was=_obstacle(before)
        )  # fmt: skip
    yield from _launches(before, after)
    yield from _variables(before, after)
    folders = [_lines({spelled(token): token.line for token in one.makes}) for one in (before, after)]
    yield from _named("folder", folders[0], folders[1], (before.path, after.path))
    if before.forwards_arguments != after.forwards_arguments:
        yield Change(
            what="forwarding", name='"$@"', before=before.forwards_arguments, after=after.forwards_arguments,
            where=Where(file=after.path), was=Where(file=before.path),
        )  # fmt: skip
    yield from _gaps(before, after, "indirect", "gaps")
    yield from _rest("script", after.path, before, after, but=_TOLD)


def _mode(script: ScriptContract) -> str:
    return "direct" if script.direct else "not direct"


def _obstacle(script: ScriptContract) -> Where:
    """The first line that direct mode cannot serve."""
    lines = [gap.line for gap in (*script.gaps, *script.indirect)] or [one.line for one in script.launches[1:]]
    return Where(file=script.path, line=min(lines, default=0))


def _launches(before: ScriptContract, after: ScriptContract) -> Iterator[Change]:
    several = max(len(before.launches), len(after.launches)) > 1
    for number, (old, new) in enumerate(zip_longest(before.launches, after.launches), 1):
        turn = f" #{number}" if several else ""
        if old is None or new is None:
            yield Change(
                what="launch", name=f"launch{turn}", before=_command(old), after=_command(new),
                where=_at(after.path, new), was=_at(before.path, old),
            )  # fmt: skip
            continue
        paths = (before.path, after.path)
        yield from _words("launcher", old.launcher, new.launcher, paths, turn)
        yield from _words("argument", old.arguments, new.arguments, paths, turn)
        if (spelled(old.entry), old.module) != (spelled(new.entry), new.module):
            yield Change(
                what="entry", name=f"program{turn}", field="spelling", before=_entry(old), after=_entry(new),
                where=Where(file=after.path, line=new.entry.line), was=Where(file=before.path, line=old.entry.line),
            )  # fmt: skip
        given = [{name: _value(token) for name, token in one.environment} for one in (old, new)]
        yield from _named("variable", given[0], given[1], paths, field=f"of the launch{turn}")
        yield from _rest(
            "launch", f"launch{turn}", old, new, but=("launcher", "arguments", "entry", "module", "environment")
        )


def _at(path: str, told: Launch | Flag | None) -> Where | None:
    return None if told is None else Where(file=path, line=told.line)


def _entry(launch: Launch) -> str:
    return f"-m {spelled(launch.entry)}" if launch.module else spelled(launch.entry)


def _command(launch: Launch | None) -> str | None:
    if launch is None:
        return None
    return " ".join([*map(spelled, launch.launcher), _entry(launch), *map(spelled, launch.arguments)])


def _words(
    what: What, before: Iterable[Token], after: Iterable[Token], paths: tuple[str, str], turn: str
) -> Iterator[Change]:
    old, new = items(before), items(after)
    for name in _union(old, new):
        (was, was_at), (now, now_at) = old.get(name, (None, 0)), new.get(name, (None, 0))
        if was != now:
            yield Change(
                what=what, name=(name or "words") + turn, before=was, after=now,
                where=None if now is None else Where(file=paths[1], line=now_at),
                was=None if was is None else Where(file=paths[0], line=was_at),
            )  # fmt: skip


def _variables(before: ScriptContract, after: ScriptContract) -> Iterator[Change]:
    paths = (before.path, after.path)
    yield from _named("variable", _lines(before.reads), _lines(after.reads), paths, field="read before set")
    yield from _named("variable", _lines(before.dead), _lines(after.dead), paths, field="set and never read")
    yield from _named("variable", _values(before), _values(after), paths, field="value")
    yield from _named("variable", _exports(before), _exports(after), paths, field="exported")


def _exports(script: ScriptContract) -> dict[str, _Said]:
    return {name: (True, script.sets[name].line if name in script.sets else 0) for name in script.exported}


def _values(script: ScriptContract) -> dict[str, _Said]:
    return {name: _value(token) for name, token in script.sets.items()}


def _value(token: Token) -> _Said:
    return spelled(token), token.line


def _lines(names: Mapping[str, int]) -> dict[str, _Said]:
    """Names that are there or not, with their lines."""
    return {name: (True, line) for name, line in names.items()}


def _named(
    what: What, before: Mapping[str, _Said], after: Mapping[str, _Said], paths: tuple[str, str], *, field: str = ""
) -> Iterator[Change]:
    """Names that came, went, or have another value."""
    for name in _union(before, after):
        (was, was_at), (now, now_at) = before.get(name, (None, 0)), after.get(name, (None, 0))
        if was != now:
            yield Change(
                what=what, name=name, field=field, before=was, after=now,
                where=None if now is None else Where(file=paths[1], line=now_at),
                was=None if was is None else Where(file=paths[0], line=was_at),
            )  # fmt: skip


def _gaps(before: msgspec.Struct, after: msgspec.Struct, *names: str) -> Iterator[Change]:
    """Places that could not be read: by their reasons, each as often as it is told."""
    old, new = ([gap for name in names for gap in getattr(one, name)] for one in (before, after))
    counted = [Counter(gap.reason for gap in gaps) for gaps in (old, new)]
    for reason in _union(*counted):
        was, now = (count[reason] for count in counted)
        if was != now:
            yield Change(
                what="gap", name=reason, before=was or None, after=now or None, where=_told_at(after, new, reason), was=_told_at(before, old, reason)
            )  # fmt: skip


def _told_at(contract: Any, gaps: Iterable[Any], reason: str) -> Where | None:
    lines = [gap.line for gap in gaps if gap.reason == reason]
    return Where(file=contract.path, line=lines[0]) if lines else None


def _entries(script: str, before: EntryContract, after: EntryContract) -> Iterator[Change]:
    """Which program it is, and whether its interface could be read."""
    old, new = before.arguments, after.arguments
    if (old and old.path) != (new and new.path):
        yield Change(
            what="entry", name=script, before=old and old.path, after=new and new.path,
            where=Where(file=new.path) if new else None, was=Where(file=old.path) if old else None,
        )  # fmt: skip


def _programs(before: ArgumentContract | None, after: ArgumentContract | None) -> Iterator[Change]:
    if before is None or after is None:
        return
    yield from _texts(before, after)
    old, new = _by_name(before.flags), _by_name(after.flags)
    for name in _union(old, new):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            parts: Iterable[Change] = [Change(what="flag", name=name, before=_shape(was), after=_shape(now))]
        else:
            parts = _rest("flag", name, was, now, but=("read_at",))
        for change in parts:
            yield msgspec.structs.replace(change, where=_at(after.path, now), was=_at(before.path, was))
    yield from _gaps(before, after, "gaps")
    yield from _rest("program", after.path, before, after, but=("flags", "gaps"))


def _by_name(flags: Iterable[Flag]) -> dict[str, Flag]:
    found: dict[str, Flag] = {}
    for flag in flags:
        found[_numbered(flag.name, found)] = flag
    return found


def _shape(flag: Flag | None) -> dict[str, Any] | None:
    """A flag's fields that are not as they are by default, without its lines."""
    if flag is None:
        return None
    usual = Flag(name=flag.name)
    said = ((field.name, getattr(flag, field.name), getattr(usual, field.name)) for field in fields(flag))
    return {name: plain(value) for name, value, default in said if value != default and not _is_line(name)}


def _rules(before: Mapping[str, bool], after: Mapping[str, bool]) -> Iterator[Change]:
    for rule in _union(before, after):
        if before.get(rule) != after.get(rule):
            yield Change(what="rule", name=rule, before=before.get(rule), after=after.get(rule))


def _imports(before: Mapping[str, Import], after: Mapping[str, Import]) -> Iterator[Change]:
    for name in _union(before, after):
        was, now = before.get(name), after.get(name)
        if (was is None) != (now is None) or (was and now and was.own != now.own):
            yield Change(what="import", name=name, before=plain(was), after=plain(now))


def _texts(before: ScriptContract | ArgumentContract, after: ScriptContract | ArgumentContract) -> Iterator[Change]:
    if before.path == after.path and before.digest != after.digest:
        yield Change(
            what="text", name=after.path, field="digest", before=before.digest, after=after.digest,
            where=Where(file=after.path), was=Where(file=before.path),
        )  # fmt: skip


def _rest(
    what: What, name: str, before: msgspec.Struct, after: msgspec.Struct, *, but: tuple[str, ...]
) -> Iterator[Change]:
    """Every other field, whatever a later version adds: a line counts only as being there or not."""
    for field in fields(before):
        if field.name in (*but, *_IDENTITY, "line"):
            continue
        was, now = plain(getattr(before, field.name)), plain(getattr(after, field.name))
        if _is_line(field.name):
            was, now = was is not None, now is not None
        if was != now or type(was) is not type(now):
            yield Change(what=what, name=name, field=field.name, before=was, after=now)


def plain(value: Any) -> Any:
    """A value as JSON has it, without the lines in it; names that lead to lines are names alone."""
    if isinstance(value, Token):
        return spelled(value)
    if isinstance(value, msgspec.Struct):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value) if one.name != "line"}
    if isinstance(value, Mapping):
        if value and all(type(one) is int for one in value.values()):
            return sorted(value)
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value


def _is_line(name: str) -> bool:
    return name == "line" or name.endswith("_at")


def _numbered(name: str, found: Mapping[str, Any]) -> str:
    """The name; of several with one name the later ones are numbered."""
    count = sum(known == name or known.startswith(f"{name}#") for known in found)
    return f"{name}#{count + 1}" if count else name


def _union(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Names of both, in the order of the new side, then what it lost; each once."""
    return list(dict.fromkeys((*after, *before)))
