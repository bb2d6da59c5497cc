"""Words for people: plurals, or-lists and near misses."""

from __future__ import annotations

from collections.abc import Iterable

_UNITS = {
    "byte", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "ms", "sec", "second", "min", "minute", "hour", "day",
    "week", "cpu", "gpu", "core", "node", "worker",
}  # fmt: skip
_LONG = 6
"""A word of so many letters is still known with one of them wrong."""


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 file`, `2 files`; *many* for irregular nouns.

    >>> plural(2, "entry", "entries")
    '2 entries'
    """
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def ticked(text: object) -> str:
    """The text in backticks, as messages show literals."""
    return f"`{text}`"


def listed(items: Iterable[object], last: str = "or") -> str:
    """All items in backticks: "`a`, `b`, or `c`".

    >>> listed(["a", "b"])
    '`a` or `b`'
    """
    words = [ticked(item) for item in items]
    if len(words) < 3:
        return f" {last} ".join(words)
    return f"{', '.join(words[:-1])}, {last} {words[-1]}"


def gigabytes(size: float) -> str:
    """A size for people: `47.6 GB`, `312 kB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if size < 100 * factor else f"{size / factor:.0f} {unit}"
    return f"{size:.0f} bytes"


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """The known word that *wanted* most likely means, or None.

    Equal but for case, `-` and `_` wins; else the least number of edits (insert, delete, replace, swap of
    neighbours), less than a third of the word's length, and one at least.
    """
    folded = _folded(wanted)
    best: tuple[int, str] | None = None
    for word in known:
        most = max(1, (len(folded) - 1) // 3)
        if abs(len(folded) - len(word)) > most:
            continue
        edits = _edits(folded, _folded(word))
        if edits <= most and (best is None or edits < best[0]):
            best = (edits, word)
    return best[1] if best else None


def did_you_mean(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """The hint for a near miss, as a tuple that joins other hints."""
    found = nearest(wanted, known)
    return (f"did you mean {ticked(found)}?",) if found else ()


def surely(wanted: str, meant: str, known: Iterable[str], words: Iterable[str] = ()) -> bool:
    """Whether *wanted* is *meant* misspelt and can be nothing else, so that it may be rewritten unseen.

    They differ in case and separators; or in one part between `_`: a plural, a swap of neighbours, or one letter of a
    long word. That part is no unit and in none of the *known* and other *words*, and nothing else known is as near.
    """
    known = tuple(known)
    folded, right = _folded(wanted), _folded(meant)
    if folded.replace("_", "") == right.replace("_", ""):
        return True
    distance = _edits(folded, right)
    rivals = (other for other in known if other != meant and abs(len(other) - len(wanted)) <= distance)
    if any(_edits(folded, _folded(other)) <= distance for other in rivals):
        return False
    parts, others = folded.split("_"), right.split("_")
    wrong = [(part, other) for part, other in zip(parts, others, strict=False) if part != other]
    if len(parts) != len(others) or len(wrong) != 1:
        return False
    part, other = wrong[0]
    if _singular(part) == _singular(other):
        return True
    swapped = sorted(part) == sorted(other)
    if distance != 1 or not (swapped or len(right.replace("_", "")) >= _LONG):
        return False
    return _singular(part) not in _UNITS.union(
        _singular(one) for word in (*known, *words) for one in _folded(word).split("_")
    )


def related(wanted: str, known: Iterable[str]) -> str | None:
    """The only known word that *wanted* is a part of, or that differs in its unit; None where there are several."""
    folded = _folded(wanted)
    head = folded.rpartition("_")[0]
    others = [
        word for word in known if head and _in_unit(folded) and _in_unit(word) and word.rpartition("_")[0] == head
    ]
    found = others or [word for word in known if f"_{folded}_" in f"_{word}_"]
    return found[0] if len(found) == 1 else None


def _in_unit(word: str) -> bool:
    return _singular(word.rpartition("_")[2]) in _UNITS


def _singular(word: str) -> str:
    return word.removesuffix("s")


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def _edits(a: str, b: str) -> int:
    """The optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before = before, row
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
