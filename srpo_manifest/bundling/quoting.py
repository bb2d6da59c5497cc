"""The one place that turns a word into shell."""

from __future__ import annotations

from srpo_manifest.values.words import Arrived, Late, LateName, Text, Word

VARIABLES: dict[LateName, str] = {
    "run.id": "SRPO_RUN_ID",
    "run.dir": "SRPO_RUN_DIR",
    "run.port": "SRPO_RUN_PORT",
    "run.index": "SRPO_RUN_INDEX",
    "run.chief": "SRPO_RUN_CHIEF",
    "repo.dir": "SRPO_REPO_DIR",
    "target.home": "HOME",
}
"""The bash variables that hold the late values when a job script runs."""


def quote(text: str) -> str:
    r"""*text* as one shell word, byte for byte.

    >>> quote("it's $5")
    "'it'\\''s $5'"
    """
    if text and all(character.isascii() and (character.isalnum() or character in "@%+=:,./-_") for character in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def shell(word: Word) -> str:
    """*word* as one shell word: texts quoted, late pieces as quoted variables.

    Raises: AssertionError for what only the script can tell: that is no shell's to say.
    """
    return "".join(map(_piece, word.pieces)) or "''"


def command(words: tuple[Word, ...]) -> str:
    """A command line, one word a line where it is long."""
    shelled = [shell(word) for word in words]
    return " ".join(shelled) if sum(map(len, shelled)) < 100 else " \\\n    ".join(shelled)


def _piece(piece: Text | Late | Arrived) -> str:
    match piece:
        case Text(text=text):
            return quote(text)
        case Late(name=name):
            return f'"${{{VARIABLES[name]}}}"'
        case Arrived():  # pragma: no cover - a plan in shim mode runs the script, not its argv
            raise AssertionError(piece)
