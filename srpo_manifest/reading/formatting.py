"""A manifest's text in the house form: blanks and line breaks change, nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from srpo_manifest.errors import ManifestErrors
from srpo_manifest.reading.columns import written
from srpo_manifest.reading.foreign import known_as_toml
from srpo_manifest.reading.layout import laid_out
from srpo_manifest.reading.lineends import as_in
from srpo_manifest.reading.page import Page
from srpo_manifest.reading.spanned import Item, Span, data_of
from srpo_manifest.reading.statements import parse
from srpo_manifest.reading.tokens import ATOM, Token, tokens
from srpo_manifest.reading.toml import Source, bounded, decoded, few
from srpo_manifest.reading.versions import known_schema


class Text(NamedTuple):
    """A text without a mistake, as the reader sees it."""

    text: str
    root: Item
    tokens: list[Token]

    @property
    def atoms(self) -> list[Span]:
        """Where its keys and scalars stand."""
        return [token.span for token in self.tokens if token.kind == ATOM]

    @property
    def meaning(self) -> tuple[list[str], list[str], str]:
        """What formatting must not change: words and marks, comments, and the data."""
        words = [token.text for token in self.tokens if token.kind not in "\n#"]
        final = [not (word == "," and following == "]") for word, following in pairwise((*words, ""))]
        comments = [token.text.rstrip(" \t") for token in self.tokens if token.kind == "#"]
        return [word for word, kept in zip(words, final, strict=True) if kept], comments, repr(data_of(self.root))


def read_text(source: Source) -> Text:
    """The text of a file. Raises: ManifestError `file-too-large`, `not-utf8`, `too-deep`; ManifestErrors of its mistakes."""
    text = decoded(source.data, source.file)
    few(text, source.file)
    bounded(text, source.file)
    root, mistakes = parse(text)
    if mistakes:
        known_as_toml(text, source.file)
        page = Page(text, source.file)
        raise ManifestErrors(map(page.finding, mistakes))
    return Text(text, root, tokens(text, root))


def formatted(source: Source) -> bytes:
    """The bytes of the same manifest, or part of one, in the house form.

    Line ends and a byte order mark stay; doing it again changes nothing.
    Raises: ManifestError of `read_text` and `known_schema`, where nothing may be touched.
    """
    before = read_text(source)
    if item := before.root.value.get("schema"):
        known_schema(item.value, Page(before.text, source.file).spot(item.span, ("schema",)))
    text = laid_out(before.text, before.tokens)
    after = read_text(Source(file=source.file, data=(whole := written(text)).encode()))
    if after.meaning != before.meaning or written(laid_out(whole, after.tokens)) != whole:
        raise AssertionError("formatting would change what the file says")
    return as_in(source.data, whole, before.atoms, after.atoms)
