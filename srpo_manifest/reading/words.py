"""The plan's spelling of a word, read back."""

from __future__ import annotations

import re

from srpo_manifest.errors import ManifestError
from srpo_manifest.values.words import LATE_NAMES, Arrived, Late, Text, Word, joined
from srpo_manifest.wording import did_you_mean, listed, ticked

_ARRIVED = re.compile(r"script\.([1-9][0-9]*)(\*?)", re.ASCII)


def parse_word(spelled: str) -> Word:
    """The inverse of `str(word)`: `${run.id}` is late, `${script.1}` the script's, `$$` one literal `$`, any other `$` itself.

    Raises: ManifestError `unknown-late-word` for a name that is not in the closed list.

    >>> str(parse_word("out-${run.id}"))
    'out-${run.id}'
    """
    pieces: list[Text | Late | Arrived] = []
    position = 0
    while position < len(spelled):
        if spelled.startswith("$$", position):
            pieces.append(Text(text="$"))
            position += 2
        elif spelled.startswith("${", position):
            name, closed, _ = spelled[position + 2 :].partition("}")
            if closed and (arrived := _ARRIVED.fullmatch(name)):
                pieces.append(Arrived(number=int(arrived[1]), many=bool(arrived[2])))
                position += len(name) + 3
                continue
            if not closed or name not in LATE_NAMES:
                raise ManifestError(
                    "unknown-late-word",
                    f"{ticked('${' + name + '}')} is no word that is bound on the target",
                    *did_you_mean(name, LATE_NAMES),
                    f"there are {listed(sorted(LATE_NAMES), 'and')}",
                )
            pieces.append(Late(name=name))  # type: ignore[arg-type]
            position += len(name) + 3
        else:
            end = spelled.find("$", position + 1)
            pieces.append(Text(text=spelled[position : end if end >= 0 else len(spelled)]))
            position = end if end >= 0 else len(spelled)
    return joined(*pieces)


def bound_word(text: str) -> Word:
    """*text* with the closed list's `${run.id}` and so on bound late; everything else, `${HOME}` too, as it stands.

    >>> str(bound_word("${HOME}/${run.id}"))
    '$${HOME}/${run.id}'
    """
    pieces: list[Text | Late] = []
    while text:
        before, opened, rest = text.partition("${")
        name, closed, after = rest.partition("}")
        late_ = bool(opened and closed) and name in LATE_NAMES
        pieces.append(Text(text=before if late_ else before + opened))
        if late_:
            pieces.append(Late(name=name))  # type: ignore[arg-type]
        text = after if late_ else rest
    return joined(*pieces)
