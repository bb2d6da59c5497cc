"""The one place that turns a word into shell."""

from __future__ import annotations

from srpo_manifest.values.words import LateName, Text, Word

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
    """*word* as one shell word: texts quoted, late pieces as quoted variables."""
    pieces = [
        quote(piece.text) if isinstance(piece, Text) else f'"${{{VARIABLES[piece.name]}}}"' for piece in word.pieces
    ]
    return "".join(pieces) or "''"


def command(words: tuple[Word, ...]) -> str:
    """A command line, one word a line where it is long."""
    shelled = [shell(word) for word in words]
    return " ".join(shelled) if sum(map(len, shelled)) < 100 else " \\\n    ".join(shelled)
