"""What parser and places agree on: how a TOML string is spelled, and how long a line is shown."""

from __future__ import annotations

LONGEST_LINE = 400
"""Characters of a source line that is still shown."""
STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*+"{0,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{0,5}"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
)
"""A string in either quotes, closed or not: it never fails after a quote, so that a scan stays linear."""
