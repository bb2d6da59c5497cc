"""Values that bash computes from others: put off while those are not known, worked out once they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from srpo_manifest.upstream.arithmetic import evaluate
from srpo_manifest.upstream.parameters import parameter
from srpo_manifest.upstream.quotes import NAME
from srpo_manifest.upstream.shell import File, Shell, text_in
from srpo_manifest.upstream.substitutions import text_of_command
from srpo_manifest.values.contract import Choice, Computed, Opaque, Piece, Place, Plain, Variable

_EXPANSION = re.compile(rf"\$(?:(?P<plain>{NAME})|\{{(?P<braced>{NAME})\}}|\{{[^{{}}$`\"'\\]+\}}|[1-9#])")
_WORD = re.compile(NAME)
_MEANS_NOTHING = re.compile(r"[\w./:,=@%+ -]*", re.ASCII)


def work_out(source: str, values: Mapping[str, str]) -> str | None:
    """What `Computed.source` comes to with the texts of its names; None where bash's answer is not certain.

    >>> work_out("$((A * 2))", {"A": "4"}), work_out("${A%.*}", {"A": "x.sh"})
    ('8', 'x')
    """
    shell = Shell(File(b"", ""))
    shell.values = {name: (Plain(text=text),) for name, text in values.items()}
    if source.startswith("eval "):
        (text,) = values.values() if len(values) == 1 else ("$",)
        return text if _MEANS_NOTHING.fullmatch(text) else None
    if source.startswith("$(basename "):
        (text,) = values.values() if len(values) == 1 else ("",)
        several = '"' not in source and re.search(r"[\s*?\[]", text)
        pieces = None if several else text_of_command("basename", [text])
        return text_in(pieces) if pieces else None
    if source.startswith("$(("):
        number = evaluate(source[3:-2], shell.known)
        return None if number is None else str(number)
    return text_in([piece for pieces, _ in parameter(source, shell, quoted=True) for piece in pieces])


def summed(source: str, shell: Shell, line: int) -> tuple[Piece, ...] | None:
    """`$((source))` over values that the script does not know; None where more than those decides."""
    values: dict[str, tuple[Piece, ...]] = {}
    names = {match[0] for match in _WORD.finditer(source)}

    def named(match: re.Match[str]) -> str:
        if match["plain"] or match["braced"]:
            return match[0]
        name = next(each for number in range(len(values) + 1) if (each := f"_{number}") not in names | values.keys())
        parts = parameter(_braced(match[0]), shell, quoted=True, line=line)
        values[name] = tuple(piece for pieces, _ in parts for piece in pieces)
        return f"${{{name}}}"

    if re.search(r"\+\+|--|(?<![=!<>])=(?!=)", source):
        return None
    made = _EXPANSION.sub(named, source)
    values |= {name: shell.scalar(name) for name in names if re.search(rf"(?<!\w){name}\b", made)}
    return _over(f"$(({made}))", values)


def _braced(source: str) -> str:
    return source if source.startswith("${") else f"${{{source[1:]}}}"


def _over(source: str, values: Mapping[str, Sequence[Piece]]) -> tuple[Piece, ...] | None:
    known: list[tuple[str, tuple[Plain | Variable | Choice | Place | Computed, ...]]] = []
    texts: dict[str, str] = {}
    for name, pieces in values.items():
        told = tuple(piece for piece in pieces if not isinstance(piece, Opaque))
        if len(told) < len(pieces):
            return None
        known.append((name, told))
        if (text := text_in(pieces)) is not None:
            texts[name] = text
    if len(texts) == len(values):
        result = work_out(source, texts)
        return None if result is None else (Plain(text=result),)
    if work_out(source, {name: texts.get(name, "7") for name in values}) is None:
        return None
    return (Computed(source=source, values=tuple(known)),)
