"""`$((...))` and `((...))` over whole decimal numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from srpo_manifest.upstream.quotes import NAME

_WORD = re.compile(
    rf"\s*(?:(?P<number>\d+)|(?P<name>{NAME})|\$(?P<given>{NAME})|\$\{{(?P<braced>{NAME})\}}"
    r"|(?P<sign>\+\+|--|\*\*|<<|>>|[-+*/%<>=!]=|&&|\|\||[-+*/%<>=!()?:,&|^~]))",
    re.ASCII,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_LIMIT = 2**63


def _quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda a, b: int(bool(a or b))},
    {"&&": lambda a, b: int(bool(a and b))},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": _quotient, "%": lambda a, b: a - b * _quotient(a, b)},
)


class _Uncertain(Exception):
    """What bash would make of it is not certain."""


def evaluate(
    source: str, value: Callable[[str], str | None], assign: Callable[[str, int], None] | None = None
) -> int | None:
    """The number that *source*, without its parentheses, comes to; None where it is not certain.

    *value* gives a variable's text, empty for one that is not set. *assign* takes what `=`, `+=`, `++` store; without it,
    and where None is returned, nothing has been stored.

    >>> evaluate("2 * (A + 1) - 7 / 2", {"A": "3"}.get)
    5
    """
    reader = _Reader(value)
    try:
        reader.read(source)
        result = reader.whole()
    except (_Uncertain, RecursionError):
        return None
    if reader.stored and assign is None:
        return None
    for name, number in reader.stored:
        if assign is not None:
            assign(name, number)
    return result


class _Reader:
    def __init__(self, value: Callable[[str], str | None]) -> None:
        self.value = value
        self.words: list[tuple[str, str]] = []
        self.stored: list[tuple[str, int]] = []

    def read(self, source: str) -> None:
        source, at = source.strip(), 0
        while at < len(source):
            match = _WORD.match(source, at)
            if match is None or match.lastgroup is None:
                raise _Uncertain
            self.words.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()

    def whole(self) -> int:
        # One assignment is enough: with more, or with `?`, the order matters.
        result = self._assignment()
        if self.words:
            raise _Uncertain
        return result

    def _assignment(self) -> int:
        kinds = [kind for kind, _ in self.words]
        texts = [text for _, text in self.words]
        if kinds[:1] == ["name"] and texts[1:2] == ["="]:
            del self.words[:2]
            result = self._binary(0)
        elif kinds[:1] == ["name"] and texts[1:2] in (["+="], ["-="], ["*="]):
            del self.words[:2]
            result = _LEVELS[5 if texts[1] == "*=" else 4][texts[1][0]](self._number(texts[0]), self._binary(0))
        elif sorted(kinds) == ["name", "sign"] and {"++", "--"} & set(texts):
            name = texts[kinds.index("name")]
            old = self._number(name)
            new = old + (1 if "++" in texts else -1)
            self.words.clear()
            self.stored.append((name, new))
            return old if kinds[0] == "name" else new
        else:
            return self._binary(0)
        self.stored.append((texts[0], self._checked(result)))
        return result

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.words and (operation := _LEVELS[level].get(self.words[0][1])):
            sign = self.words.pop(0)[1]
            right = self._binary(level + 1)
            if right == 0 and sign in "/%":
                raise _Uncertain
            left = self._checked(int(operation(left, right)))
        return left

    def _unary(self) -> int:
        if not self.words:
            raise _Uncertain
        kind, text = self.words.pop(0)
        match kind, text:
            case "number", _:
                return self._integer(text)
            case "name", _:
                return self._number(text)
            case (("given" | "braced"), _):
                # Its characters are put in before the expression is read.
                return self._integer((self.value(text) or "").replace("-", "x"))
            case _, "-":
                return -self._unary()
            case _, "!":
                return int(not self._unary())
            case _, "(":
                inner = self._binary(0)
                if not self.words or self.words.pop(0)[1] != ")":
                    raise _Uncertain
                return inner
            case _:
                raise _Uncertain

    def _number(self, name: str) -> int:
        text = self.value(name)
        if text is None:
            raise _Uncertain
        return self._integer(text or "0")

    def _integer(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise _Uncertain
        return self._checked(int(text))

    def _checked(self, number: int) -> int:
        if abs(number) >= _LIMIT:
            raise _Uncertain
        return number
