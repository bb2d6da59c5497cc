"""What is told of a code word, beyond the finding itself: data files that `explain` reads."""

from typing import Annotated, Literal

from msgspec import Meta

from srpo_manifest.values.base import Strict

FORMAT = 1


class Explanation(Strict):
    """One code. `title` is its sentence, `text` what it means, why it is told and what to do.

    `level` is the one that holds by itself: `deny` and `warn` where `[lints]` may change it, `note` where nothing has to
    be done, None where no lint lowers it. `bad` is a manifest that gives the code, `good` the same one mended; `locked`
    says that only a lock that knows the trainer can tell.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: Annotated[str, Meta(min_length=1)]
    level: Literal["deny", "warn", "note"] | None = None
    bad: str = ""
    good: str = ""
    locked: bool = False


class Area(Strict):
    """The codes of one subject."""

    format: Annotated[int, Meta(ge=1, le=FORMAT)]
    title: str
    codes: dict[str, Explanation]
