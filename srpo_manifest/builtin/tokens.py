"""What bash makes of a script's tokens: words of the plan."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from srpo_manifest.builtin.launches import MANUAL, Undeliverable, is_secret
from srpo_manifest.builtin.resources import OF_EVERY_JOB, platform_variables
from srpo_manifest.plugin import (
    Arrived,
    Choice,
    Computed,
    Facts,
    Launch,
    Opaque,
    Place,
    Plain,
    Token,
    Unknown,
    Value,
    Variable,
    Wanted,
    Word,
    anchors,
    late,
    ticked,
    word,
    work_out,
)

_ENDPOINTS = {
    "--rdzv_endpoint": late("run.chief") + ":" + late("run.port"),
    "--rdzv-endpoint": late("run.chief") + ":" + late("run.port"),
    "--rdzv_id": late("run.id"),
    "--rdzv-id": late("run.id"),
    "--master_port": late("run.port"),
    "--master-port": late("run.port"),
    "--main_process_port": late("run.port"),
}
"""Launcher options that two runs on one host must not share."""


class Told(Value):
    """What only the script can tell: the source that stands there."""

    number: int
    source: str
    line: int


class Expander:
    """Turns tokens of one command into words. What only the script can tell is refused, or with *runs* left to it."""

    def __init__(self, wanted: Wanted, script: str, values: dict[str, Word | None], *, runs: bool) -> None:
        self._wanted, self._script, self._values, self._runs = wanted, script, values, runs
        self.told: list[Told] = []

    def words(self, tokens: Sequence[Token]) -> tuple[Word, ...]:
        """Tokens as bash would hand them on: an empty one without quotes is no word. Raises: Undeliverable."""
        made = ((token, self.word(token)) for token in tokens)
        return tuple(word_ for token, word_ in made if word_.pieces or token.quoted)

    def word(self, token: Token) -> Word:
        """One token with its variables. Raises: Undeliverable where a value is missing, or would be split."""
        made = Word()
        for piece in token.pieces:
            match piece:
                case Plain(text=text):
                    made = made + text
                case Variable() | Choice():
                    made = made + self._value(piece, token.line)
                case Place():
                    made = made + self._place(piece, token.line)
                case Computed():
                    made = made + self._computed(piece, token.line)
                case Opaque() if self._runs:
                    made = made + self._arrived(piece.source, token.line, many=not piece.quoted)
                case Opaque():
                    message = f"{ticked(self._script)} line {token.line}: {piece.reason}"
                    raise Undeliverable("script-indirect", message, MANUAL)
        return made

    def _value(self, variable: Variable | Choice, line: int) -> Word:
        name, value = variable.name, self._values.get(variable.name)
        if value is None and self._runs and is_secret(self._wanted, name, self._values):
            return self._arrived(f"${name}", line, many=not variable.quoted)
        if value is None and self._runs and name in OF_EVERY_JOB:
            return self._arrived(f"${name}", line, many=not variable.quoted)
        empty = value is None or value.text == ""
        if isinstance(variable, Choice):
            if value is None or (empty and not variable.only_unset):
                value = self.word(Token(pieces=variable.default, line=line, quoted=True))
        elif variable.default is not None and empty:
            value = word(variable.default)
        if value is None:
            message = f"{ticked(self._script)} line {line} needs `${name}`, which has no value"
            hint = "set `resources.gpus_per_node`" if name == "HOST_GPU_NUM" else "give it a value in `[env]`"
            raise Undeliverable("variable-unset", message, hint, observed=True)
        if not variable.quoted and value.text is not None and set(value.text) & set(" \t\n*?["):
            if self._runs:
                return self._arrived(f"${name}", line, many=True)
            message = f"{ticked(self._script)} line {line} uses `${name}` without quotes, and its value {ticked(value.text)} would be split or expanded"
            raise Undeliverable("variable-splits", message, "give it a plain value in `[env]`")
        return value

    def _place(self, place: Place, line: int) -> Word:
        base = anchors.workspace(self._wanted) if place.base == "repo" else anchors.working_dir(self._wanted)
        if not place.quoted and set(str(base)) & set(" \t\n*?["):
            message = f"{ticked(self._script)} line {line} uses a folder without quotes, and its name {ticked(str(base))} would be split or expanded"
            raise Undeliverable("variable-splits", message, "choose another `paths.workspace`")
        return (late("repo.dir") if place.base == "repo" else base) + (f"/{place.path}" if place.path else "")

    def _computed(self, computed: Computed, line: int) -> Word:
        """What bash would work out. Raises: Undeliverable where that is not certain, or would be split."""
        texts = {name: self.word(Token(pieces=pieces, line=line, quoted=True)).text for name, pieces in computed.values}
        known = {name: text for name, text in texts.items() if text is not None}
        text = work_out(computed.source, known) if len(known) == len(texts) else None
        if text is None and self._runs:
            return self._arrived(computed.source, line, many=not computed.quoted)
        if text is None:
            message = f"{ticked(self._script)} line {line}: what {ticked(computed.source)} comes to here is not certain"
            raise Undeliverable("script-indirect", message, f"give its variables plain values in `[env]`, or {MANUAL}")
        if not computed.quoted and set(text) & set(" \t\n*?["):
            message = f"{ticked(self._script)} line {line} uses {ticked(computed.source)} without quotes, and its value {ticked(text)} would be split or expanded"
            raise Undeliverable("variable-splits", message, "give its variables plain values in `[env]`")
        return word(text)

    def _arrived(self, source: str, line: int, *, many: bool) -> Word:
        self.told.append(Told(number=len(self.told) + 1, source=source, line=line))
        return Word(pieces=(Arrived(number=len(self.told), many=many),))


def values_of(wanted: Wanted, facts: Facts) -> dict[str, Word | None]:
    """What a variable of the environment is at that time: the plan's own values, then the target's."""
    values: dict[str, Word | None] = {
        name: None if isinstance(value, Unknown) else value for name, value in platform_variables(wanted, facts).items()
    }
    for name in facts.facts:
        if name.startswith("target.env.") and isinstance(text := facts.get(name, str), str):
            values[name.removeprefix("target.env.")] = word(text)
    values |= {name: word(value) if isinstance(value, str) else None for name, value in wanted.manifest.env.items()}
    values["HOME"] = late("target.home")
    return values


def pinned(launcher: tuple[Word, ...]) -> tuple[Word, ...]:
    """The launcher with its meeting point made this run's own."""
    words = list(launcher)
    for position, option in enumerate(launcher):
        name, glued, _ = (option.text or str(option)).partition("=")
        if name not in _ENDPOINTS:
            continue
        if glued:
            words[position] = word(f"{name}=") + _ENDPOINTS[name]
        elif position + 1 < len(words):
            words[position + 1] = _ENDPOINTS[name]
    return tuple(words)


def in_checkout(entry: Word, launch: Launch) -> Word:
    """The entry as the trainer gets it: its path in the checkout becomes absolute."""
    if launch.module or str(entry).startswith(("/", "${")):
        return entry
    folder = f"{launch.folder}/" if launch.folder else ""
    return late("repo.dir") + "/" + (entry if entry.text is None else posixpath.normpath(folder + entry.text))
