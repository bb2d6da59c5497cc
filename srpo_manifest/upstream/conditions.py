"""Tests and patterns of a script: whether they hold, or None where only running it could tell."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from tree_sitter import Node

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.expansion import expand, scalar_of
from srpo_manifest.upstream.nodes import text_of
from srpo_manifest.upstream.patterns import pattern_of
from srpo_manifest.upstream.quotes import NAME, unquoted
from srpo_manifest.upstream.shell import Shell, counted, filled, text_in
from srpo_manifest.values.contract import Piece, Plain, Token

_NUMERIC: dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-lt": operator.lt,
    "-le": operator.le,
    "-gt": operator.gt,
    "-ge": operator.ge,
}
_PARTS = ("unary_expression", "binary_expression", "parenthesized_expression", "negation_expression")
_ASKED = re.compile(
    rf"(?:\[\[?\s+(?P<not>!\s+)?(?P<flag>-[zn]\s+)?|test\s+(?P<flag2>-[zn]\s+))"
    rf'"?\$(?:(?P<name>{NAME})|\{{(?P<braced>{NAME})(?::?-)?\}})"?\s*(?P<end>\]\]?)?'
)


def holds(node: Node, shell: Shell) -> bool | None:
    """Whether a `test_command` succeeds."""
    opening = node.children[0].type
    inner = node.named_children
    if opening == "((":
        return truth(text_of(node)[2:-2], shell)
    with shell.asked():
        if opening == "[[":
            return _double(inner[0], shell) if len(inner) == 1 else None
        words = _flat(node.children[1:-1], shell)
        return None if words is None else single(words)


def truth(source: str, shell: Shell) -> bool | None:
    """Whether `((source))` succeeds; what it stores is stored."""
    stored: dict[str, int] = {}
    number = evaluate(source, shell.known, stored.__setitem__)
    for name, result in stored.items():
        shell.store(name, (Plain(text=str(result)),))
    if number is None:
        if re.search(r"\+\+|--|(?<![=!<>])=(?!=)", source):
            shell.doubt(re.findall(NAME, source), "arithmetic may change it")
        return None
    return number != 0


def asked(source: str) -> tuple[str, bool] | None:
    """The variable that a test asks for being empty, and whether the test then succeeds.

    >>> asked('[ -z "$PORT" ]')
    ('PORT', True)
    """
    match = _ASKED.fullmatch(source.strip())
    if match is None:
        return None
    empty = (match["flag"] or match["flag2"] or "-n").strip() == "-z"
    if not empty and not source.strip().startswith("[[") and '"' not in source:
        # Without quotes, `[ -n $X ]` holds for an empty value too.
        return None
    return match["name"] or match["braced"], empty != bool(match["not"])


def matches(text: str | None, node: Node, shell: Shell) -> bool | None:
    """Whether *text* matches the pattern at *node*."""
    parts = _pattern_parts(node, shell)
    pattern = None if parts is None else pattern_of(parts)
    if pattern is None:
        return None
    if text is None or not text.isascii():
        return True if pattern.pattern == ".*" else None
    return bool(pattern.fullmatch(text))


def _pattern_parts(node: Node, shell: Shell) -> list[tuple[str, bool]] | None:
    source = shell.text(node)
    match node.type:
        case "word" | "number" | "extglob_pattern" | "regex":
            return [(source, False)] if re.fullmatch(r"(?:\\.|[^\\$`\"'(){}~&;<>\s])+", source) else None
        case "string" | "raw_string":
            text = text_in(scalar_of(node, shell))
            return None if text is None else [(text, True)]
        case "simple_expansion" | "expansion":
            text = text_in(scalar_of(node, shell))
            return None if text is None else [(text, False)]
        case "concatenation":
            parts: list[tuple[str, bool]] = []
            for child in node.children:
                inner = _pattern_parts(child, shell)
                if inner is None:
                    return None
                parts += inner
            return parts
        case _:
            return None


def _flat(nodes: Sequence[Node], shell: Shell) -> list[Token | str] | None:
    """The words of `[ ... ]`: operators as text, others as tokens."""
    words: list[Token | str] = []
    before: Node | None = None
    for node in nodes:
        if before is not None and not re.fullmatch(r"(?:[ \t]|\\\n)+", shell.between(before, node)):
            return None
        before = node
        if node.type in _PARTS:
            inner = _flat(node.children, shell)
            if inner is None:
                return None
            words += inner
        elif not node.is_named or node.type == "test_operator":
            words.append(shell.text(node))
        else:
            text = unquoted(shell.text(node)) if node.type in ("extglob_pattern", "regex") else None
            words += [text] if text is not None else expand([node], shell)
    return words


def single(words: Sequence[Token | str]) -> bool | None:
    """Whether `[` or `test` succeeds with these words."""
    tokens = [Token(pieces=(Plain(text=word),), line=0) if isinstance(word, str) else word for word in words]
    if any(word in ("-a", "-o", "(", ")") for word in words):
        return _joined(words)
    if not counted(tokens):
        return None
    match len(tokens):
        case 0:
            return False
        case 1:
            return filled(tokens[0].pieces)
        case 2 if tokens[0].text == "!":
            return _not(filled(tokens[1].pieces))
        case 2 if tokens[0].text in ("=", "==", "!=", *_NUMERIC):
            # An operator with nothing before it is an error, which is no success either.
            return False
        case 2 if tokens[0].text in ("-n", "-z"):
            has = filled(tokens[1].pieces)
            return has if tokens[0].text == "-n" else _not(has)
        case 3 if tokens[1].text is not None:
            first, last = tokens[0].pieces, tokens[2].pieces
            decided = _compared(first, tokens[1].text, last)
            if decided is None and tokens[0].text == "!" and tokens[1].text in ("-n", "-z"):
                return _not(single(tokens[1:]))
            return decided
        case 4 if tokens[0].text == "!":
            return _not(single(tokens[1:]))
        case _:
            return None


def _joined(words: Sequence[Token | str]) -> bool | None:
    """`-o` binds less than `-a`; parentheses are left alone."""
    if "(" in words or ")" in words:
        return None
    for sign in ("-o", "-a"):
        if sign in words and all(len(part) != 2 or part[0] in ("!", "-n", "-z") for part in _parts(words, sign)):
            left, right = map(single, _parts(words, sign))
            return _both(left, right) if sign == "-a" else _not(_both(_not(left), _not(right)))
    return None


def _parts(words: Sequence[Token | str], sign: str) -> tuple[Sequence[Token | str], Sequence[Token | str]]:
    at = list(words).index(sign)
    return words[:at], words[at + 1 :]


def _double(node: Node, shell: Shell) -> bool | None:
    """An expression of `[[ ... ]]`, where nothing is split."""
    children = node.children
    sign = shell.text(node.child_by_field_name("operator") or children[0])
    match node.type, len(children):
        case "parenthesized_expression", 3:
            return _double(children[1], shell)
        case (("unary_expression" | "negation_expression"), 2) if sign == "!":
            return _not(_double(children[1], shell))
        case "unary_expression", 2:
            has = filled(scalar_of(children[1], shell)) if sign in ("-z", "-n") else None
            return has if sign == "-n" else _not(has)
        case "binary_expression", 3:
            return _two(children[0], sign, children[2], shell)
        case (("string" | "raw_string" | "simple_expansion" | "expansion" | "word" | "concatenation"), _):
            return filled(scalar_of(node, shell))
        case _:
            return None


def _two(left: Node, sign: str, right: Node, shell: Shell) -> bool | None:
    if sign in ("&&", "||"):
        first = _double(left, shell)
        if first is (sign == "||"):
            return first
        second = _double(right, shell)
        return _both(first, second) if sign == "&&" else _not(_both(_not(first), _not(second)))
    if sign in ("=", "==", "!="):
        value = scalar_of(left, shell)
        matched = matches("" if filled(value) is False else text_in(value), right, shell)
        return matched if sign != "!=" else _not(matched)
    if sign in _NUMERIC:
        numbers = [evaluate(text_in(scalar_of(each, shell)) or "?", shell.known) for each in (left, right)]
        return None if None in numbers else _NUMERIC[sign](numbers[0] or 0, numbers[1] or 0)
    return None


def _compared(first: Sequence[Piece], sign: str, last: Sequence[Piece]) -> bool | None:
    one, other = text_in(first), text_in(last)
    if sign in ("=", "==", "!="):
        if one is None or other is None:
            # A value that is not empty is not the empty one.
            asks = filled(last) if one == "" else filled(first) if other == "" else None
            same = None if asks is None else not asks
        else:
            same = one == other
        return same if sign != "!=" else _not(same)
    if sign in _NUMERIC and one is not None and other is not None:
        if not all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", text, re.ASCII) for text in (one, other)):
            return None
        return _NUMERIC[sign](int(one), int(other))
    return None


def _not(decided: bool | None) -> bool | None:
    return None if decided is None else not decided


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return True if left and right else None
