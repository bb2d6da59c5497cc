"""`${...}`: what bash makes of a variable's value."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import TypeAlias

from msgspec.structs import replace

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.nodes import shown
from srpo_manifest.upstream.patterns import pattern_of, replaced, without
from srpo_manifest.upstream.quotes import NAME
from srpo_manifest.upstream.shell import Array, Shell, counted, filled, text_in
from srpo_manifest.values.contract import Choice, Computed, Opaque, Piece, Place, Plain, Variable

Part: TypeAlias = tuple[tuple[Piece, ...], bool]
"""Pieces, and whether they stand in quotes."""

_BRACED = re.compile(
    rf"\$\{{(?P<length>#?)(?P<name>{NAME}|[0-9]+|[@*#])(?:\[(?P<index>[^\]]*)\])?"
    r"(?:(?P<operator>:?[-=?+]|%%?|##?|/[/#%]?|\^\^?|,,?|:(?=[ (\d]))(?P<operand>[\s\S]*))?\}",
    re.ASCII,
)
_PIECE = re.compile(
    rf"\$(?P<name>{NAME})|(?P<braced>\$\{{)|\"(?P<double>[^\"\\`]*)\"|'(?P<single>[^']*)'"
    r"|(?P<plain>[^\\$`\"'{}~]+)"
)
_IN_DOUBLE = re.compile(rf"\$(?P<name>{NAME})|(?P<braced>\$\{{)|(?P<plain>[^\\$`\"{{}}]+)")
_SAFE = re.compile(r"[\"'][\w./:,=+@%-]+[\"']")
_SLICE = re.compile(r"\s*(?P<start>\d+|\(?\s*-\d+\s*\)?)\s*(?::\s*(?P<length>-?\d+)\s*)?")


def parameter(source: str, shell: Shell, *, quoted: bool, splits: bool = True, line: int = 0) -> list[Part]:
    """The parts that a whole `${...}` becomes. *splits*: whether what is not quoted falls into words."""
    unknown: list[Part] = [
        ((Opaque(source=source, reason=f"{shown(source)} is known only when the script runs"),), quoted)
    ]
    match = _BRACED.fullmatch(source)
    if match is None:
        return unknown
    value = _value(match, shell, source)
    operator, operand = match["operator"], match["operand"] or ""
    if value is None or (match["length"] and operator):
        return unknown
    if match["length"]:
        if (text := text_in(value)) is not None:
            return [((Plain(text=str(len(text))),), quoted)] if text.isascii() else unknown
        counts = _later(match, value, "", "", shell)
        return unknown if counts is None else [((counts,), quoted)]
    if operator is None:
        return [(shell.positional(int(match["name"]), source, line) if match["name"].isdigit() else value, quoted)]
    if operator.strip(":") in ("-", "=", "?", "+") and operator != ":":
        chosen = _choice(match, value, operand, shell, quoted=quoted, splits=splits)
        return unknown if chosen is None else chosen
    text = text_in(value)
    if text is None:
        later = _of_place(value, operator, operand) or _later(match, value, operator, operand, shell)
        return unknown if later is None else [((later,), quoted)]
    changed = None if not text.isascii() else _changed(text, operator, operand, shell, quoted=quoted)
    return unknown if changed is None else [((Plain(text=changed),), quoted)]


def _of_place(value: tuple[Piece, ...], operator: str, operand: str) -> Piece | None:
    """`${0##*/}` and `${0%/*}`: the last name of a path, and the folder that it is in."""
    place = value[0] if len(value) == 1 else None
    if not isinstance(place, Place) or not place.path:
        return None
    match operator, operand:
        case "##", "*/":
            return Plain(text=posixpath.basename(place.path))
        case ("%", "/*"):
            return replace(place, path=posixpath.dirname(place.path))
        case _:
            return None


def _later(
    match: re.Match[str], value: tuple[Piece, ...], operator: str, operand: str, shell: Shell
) -> Computed | None:
    """An operator that can be applied once the value is known."""
    known = tuple(piece for piece in value if not isinstance(piece, Opaque))
    name = match["name"]
    if len(known) < len(value) or match["index"] is not None or not re.fullmatch(NAME, name):
        return None
    if match["length"]:
        return Computed(source=f"${{#{name}}}", values=((name, known),))
    if re.search(r"[\"'`$\\]", operand) or _changed("x", operator, operand, shell, quoted=True) is None:
        return None
    return Computed(source=f"${{{name}{operator}{operand}}}", values=((name, known),))


def _value(match: re.Match[str], shell: Shell, source: str) -> tuple[Piece, ...] | None:
    name, index = match["name"], match["index"]
    held = shell.values.get(name)
    if name in ("@", "*", "#"):
        # `${#}`, and `${#@}`: the regular expression takes the first `#` of the latter for a length.
        counts = (name == "#" and not match["length"]) or (name in "@*" and match["length"])
        if not counts or match["operator"] or shell.arguments is None or not counted(shell.arguments):
            return None
        return (Plain(text=str(len(shell.arguments)) if name == "#" else "x" * len(shell.arguments)),)
    if name.isdigit():
        return shell.argument(int(name), source)
    if index is None or (name, index) == ("BASH_SOURCE", "0"):
        return shell.scalar(name)
    if not isinstance(held, Array):
        return shell.scalar(name) if index == "0" and name in shell.values and held is not None else None
    if index in ("@", "*"):
        if not match["length"] or not counted(held.tokens):
            return None
        return (Plain(text="x" * len(held.tokens)),)
    number = evaluate(index, shell.known)
    return None if number is None else shell.element(held, number, source)


def _choice(
    match: re.Match[str], value: tuple[Piece, ...], operand: str, shell: Shell, *, quoted: bool, splits: bool
) -> list[Part] | None:
    """The operators that ask whether it is empty, or with no colon whether it is set."""
    operator, name = match["operator"], match["name"]
    has = filled(value)
    if not operator.startswith(":") and has is not True:
        has = _is_set(name, match["index"], shell)
    parts = operand_parts(operand, shell, quoted=quoted)
    chosen: list[Part] | None
    match operator[-1]:
        case "?":
            # A run that gets past this has a value.
            return [(value, quoted)] if has is not False else None
        case "+":
            return [] if has is False else parts if has else None
        case _ if has:
            return [(value, quoted)]
        case _ if has is False:
            chosen = parts
        case _:
            whole = quoted or not splits or not re.search("[\"']", operand) or bool(_SAFE.fullmatch(operand))
            chosen = _defaulted(value, parts if whole else None, quoted=quoted, only_unset=not operator.startswith(":"))
    if operator[-1] == "=":
        if match["index"] is not None or name.isdigit():
            return None
        shell.store(name, tuple(_held(chosen)), "" if chosen is not None else "its default is not certain")
    return chosen


def _held(parts: Sequence[Part] | None) -> list[Piece]:
    """The pieces as a variable holds them."""
    return [
        replace(piece, quoted=True) if isinstance(piece, Variable | Choice | Place | Computed) else piece
        for pieces, _ in parts or ()
        for piece in pieces
    ]


def _is_set(name: str, index: str | None, shell: Shell) -> bool | None:
    if name.isdigit():
        return None if shell.arguments is None or not counted(shell.arguments) else int(name) <= len(shell.arguments)
    if index is not None or name not in shell.values:
        return None
    held = shell.values[name]
    if held is None:
        return False
    if isinstance(held, Array):
        return bool(held.tokens) if counted(held.tokens) else None
    return None if text_in(held) is None else True


def _defaulted(
    value: tuple[Piece, ...], parts: list[Part] | None, *, quoted: bool, only_unset: bool
) -> list[Part] | None:
    """`${name:-text}` where the name still has a value of the environment."""
    only = value[0] if len(value) == 1 else None
    if parts is None or not isinstance(only, Variable | Choice):
        return None
    if isinstance(only, Choice) or only.default:
        # A name with a default of its own is set.
        return [(value, quoted)] if only_unset and not (isinstance(only, Choice) and only.only_unset) else None
    if only.default is not None and only_unset:
        return [(value, quoted)]
    pieces = _held(parts)
    text = text_in(pieces)
    if text is not None and not only_unset:
        return [((replace(only, default=text),), quoted)]
    known = tuple(piece for piece in pieces if not isinstance(piece, Opaque))
    if len(known) < len(pieces):
        return None
    return [((Choice(name=only.name, default=known, only_unset=only_unset),), quoted)]


def operand_parts(text: str, shell: Shell, *, quoted: bool) -> list[Part] | None:
    """The words behind an operator; None where bash's reading is not certain."""
    parts: list[Part] = []
    at = 0
    if quoted and (inner_quotes := re.fullmatch(r'"([^"\\`]*)"', text)):
        text = inner_quotes[1]
    while at < len(text):
        match = (_IN_DOUBLE if quoted else _PIECE).match(text, at)
        if match is None:
            return None
        groups = match.groupdict()
        at = match.end()
        if match["braced"]:
            end = _closing(text, at)
            inner = text[match.start() : end]
            # A default within a default is asked for only when it is needed, and may assign.
            if end == 0 or re.search(r":?=", inner):
                return None
            parts += parameter(inner, shell, quoted=quoted)
            at = end
        elif groups["name"]:
            parts.append((shell.scalar(groups["name"]), quoted))
        elif groups.get("single") is not None:
            parts.append(((Plain(text=groups["single"] or ""),), True))
        elif groups.get("double") is not None:
            inner_parts = operand_parts(groups["double"] or "", shell, quoted=True)
            if inner_parts is None:
                return None
            parts += inner_parts or [((Plain(text=""),), True)]
        else:
            parts.append(((Plain(text=groups["plain"] or ""),), quoted))
    return parts


def _closing(text: str, at: int) -> int:
    """Behind the brace that closes the one before *at*; 0 for none, and where quotes stand between."""
    depth = 1
    for part in re.finditer(r'"[^"{}\\`]*"|[\s\S]', text[at:]):
        if part[0] in ("'", '"', "\\", "`"):
            return 0
        depth += {"{": 1, "}": -1}.get(part[0], 0)
        if depth == 0:
            return at + part.end()
    return 0


def _changed(text: str, operator: str, operand: str, shell: Shell, *, quoted: bool) -> str | None:
    """The operators that cut and replace characters of a value that is known."""
    match operator[0]:
        case "^" | ",":
            if operand:
                return None
            change = str.upper if operator[0] == "^" else str.lower
            return change(text) if len(operator) == 2 else change(text[:1]) + text[1:]
        case "/":
            return _replaced(text, operator, operand, shell, quoted=quoted)
        case "%" | "#":
            pattern = _pattern(operand, shell, quoted=quoted)
            return None if pattern is None else without(text, pattern, operator)
        case _:
            return _sliced(text, operand)


def _replaced(text: str, operator: str, operand: str, shell: Shell, *, quoted: bool) -> str | None:
    match = re.fullmatch(r"((?:\\.|[^\\/\"'$])+|\$\w+)(?:/([^&\\\"'`]*))?", operand)
    if match is None:
        return None
    pattern = _pattern(match[1], shell, quoted=quoted)
    parts = operand_parts(match[2] or "", shell, quoted=True)
    new = None if parts is None else text_in([piece for pieces, _ in parts for piece in pieces])
    if pattern is None or new is None or "&" in new:
        return None
    return replaced(text, pattern, new, operator)


def _sliced(text: str, operand: str) -> str | None:
    match = _SLICE.fullmatch(operand)
    if match is None:
        return None
    start = int(re.sub(r"[() ]", "", match["start"]))
    start = start if start >= 0 else len(text) + start
    length = len(text) if match["length"] is None else int(match["length"])
    if start < 0 or length < 0:
        return None
    return text[start : start + length]


def _pattern(operand: str, shell: Shell, *, quoted: bool) -> re.Pattern[str] | None:
    if re.search("[\"']", operand) if quoted else False:
        return None
    if "\\" in operand:
        return pattern_of([(operand, False)]) if re.fullmatch(r"(?:\\.|[^\\$\"'`{}~])*", operand) else None
    parts = operand_parts(operand, shell, quoted=False)
    texts = [(text_in(pieces), literal) for pieces, literal in parts or ()]
    if parts is None or any(text is None for text, _ in texts):
        return None
    return pattern_of((text or "", literal) for text, literal in texts)
