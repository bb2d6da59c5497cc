"""What a trainer will work with: the values that arrive, its parser's defaults, and what its description knows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from srpo_manifest.upstream.flags import spelled
from srpo_manifest.values.contract import ArgumentContract, Scalar
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.values.words import Word, word

Arriving = Mapping[str, tuple[Word, ...]]
"""Values by flag; a flag without a value, and one that is off, are absent; a switch that is on has no values."""
_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)(?:\.(\d+))?\}")


def arriving(finals: Arriving, contract: ArgumentContract | None, trainer: Trainer) -> Arriving:
    """*finals* over the parser's defaults over those of the description."""
    known: dict[str, tuple[Word, ...]] = {name: (word(_spelled(value)),) for name, value in trainer.defaults.items()}
    for flag in contract.flags if contract else ():
        if flag.default is None or isinstance(flag.default, bool):
            continue
        values = flag.default if isinstance(flag.default, tuple) else (flag.default,)
        known[flag.name] = tuple(word(_spelled(value)) for value in values)
    return {**known, **finals}


def number_of(values: Arriving, flag: str, item: int = 0) -> int | None:
    """The whole number that is value *item* of *flag*."""
    text = text_of(values, flag, item)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def text_of(values: Arriving, flag: str, item: int = 0) -> str | None:
    """Value *item* of *flag*; None where there is none, or only the target knows it."""
    found = values.get(flag, ())
    return found[item].text if item < len(found) else None


def holds(condition: str, values: Arriving) -> bool | None:
    """Whether a `when` holds: `flag=value`, `flag` (it is given), `!flag` (it is not). None where that is not known."""
    name, equals, wanted = condition.partition("=")
    if not equals:
        return (name.removeprefix("!") in values) != name.startswith("!")
    if name not in values:
        return False
    text = text_of(values, name)
    return None if text is None else text == wanted


def names_in(template: str) -> list[str]:
    """The names that *template* has in braces."""
    return [match[1] for match in _NAMED.finditer(template)]


def filled(template: str, values: Arriving, more: Mapping[str, str]) -> str | None:
    """*template* with `{flag}`, `{flag.0}` and the names of *more* replaced; None where one of them is not known."""
    missing = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal missing
        found = more.get(match[1]) if match[2] is None else None
        found = text_of(values, match[1], int(match[2] or 0)) if found is None else found
        missing |= found is None
        return found or ""

    made = _NAMED.sub(replaced, template)
    return None if missing else made


def _spelled(value: Scalar) -> str:
    return spelled(value) if not isinstance(value, bool) else str(value).lower()
