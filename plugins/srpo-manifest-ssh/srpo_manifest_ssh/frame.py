"""A script's own answer, told from what a login shell's files, a banner or ssh itself print around it."""

from __future__ import annotations

import re

from srpo_manifest.plugin import Answer, quote

ASTRAY = 97
"""The status of a shell that a login file put in our place."""


def framed(script: str, mark: str) -> str:
    """*script*, which is run in a subshell, with *mark* before its output and its errors, and with its status behind.

    A shell that is not ours, and takes standard input for commands, ends at the first line.
    """
    return f"""[ "${{script+read}}" ] || exit {ASTRAY}
printf '\\n%s\\n' {mark}; printf '\\n%s\\n' {mark} >&2
(eval {quote(script)})
printf '\\n%s %s\\n' {mark} "$?"
"""


def unframed(answer: Answer, mark: str) -> Answer | None:
    """What the script itself said; None where it was not heard to its end."""
    _, begun, rest = answer.output.partition(f"\n{mark}\n".encode())
    ends = [*re.finditer(rb"\n%s (\d+)\n" % mark.encode(), rest)]
    if not begun or not ends:
        return None
    return Answer(status=int(ends[0][1]), output=rest[: ends[0].start()], error=complaints(answer, mark))


def began(answer: Answer, mark: str) -> bool:
    """Whether the far bash had the whole script."""
    return f"\n{mark}\n".encode() in answer.output


def complaints(answer: Answer, mark: str) -> bytes:
    """Standard error from where the script began; all of it where it never did."""
    before, begun, rest = answer.error.partition(f"\n{mark}\n".encode())
    return rest if begun else before
