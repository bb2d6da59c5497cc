"""What looks like a secret, wherever it stands, and how it is told: by its length alone."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:hf_|gh[oprsu]_|AKIA)[A-Za-z0-9]{12,}|(?:github_pat_|glpat-|sk-|xox[a-z]-)[\w-]{12,})"
)
"""Tokens of Hugging Face, GitHub, AWS, GitLab, OpenAI and Slack, by how they begin."""
_BEARER = re.compile(r"(?i)\bbearer[ \t]+([^\s\"'`]{4,})")
_IN_URL = re.compile(r"://[^\s/@:\"'`]*:([^\s/@\"'`]+)(?=@)")
_END = r"(?i:token|secret|password|passwd|credentials?|(?:api|[_-])key)"
_NAMED = re.compile(rf"(?<![\w-])[\"']?[\w-]*{_END}[\"']?[ \t]*[=:]+[ \t]*(?![\"']?\$|[{{…\s])(.+)")
_GIVEN = re.compile(rf"--[\w-]*{_END}[\"'][ \t]*,[ \t]*(.+)")
"""A flag of a list, and what follows it there."""
_AT_END = re.compile(rf"{_END}\Z")
_LONGEST_END = 16


def names_secret(key: str) -> bool:
    """Whether a key of this name holds a secret.

    >>> names_secret("hub_token"), names_secret("max_token_length"), names_secret("monkey")
    (True, False, False)
    """
    return _AT_END.search(key[-_LONGEST_END:]) is not None


def hushed(text: str) -> str:
    """*text* of the same length, with a star for each character of what looks like a secret.

    >>> hushed('["-H", "Authorization: Bearer abcdef"]')
    '["-H", "Authorization: Bearer ******"]'
    """
    for look in (TOKEN, _BEARER, _IN_URL):
        text = look.sub(_starred, text)
    return text


def hushed_line(line: str) -> str:
    """Likewise, of a line of a manifest: the value of a key or flag that is named like a secret is one.

    >>> hushed_line("hub_token = 'abc'")
    'hub_token = *****'
    """
    return _GIVEN.sub(_starred, _NAMED.sub(_starred, hushed(line)))


def _starred(found: re.Match[str]) -> str:
    secret = found[found.re.groups]  # the whole, where there is no group
    start = len(found[0]) - len(secret)
    return found[0][:start] + "*" * len(secret)
