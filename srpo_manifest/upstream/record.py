"""What a walk over a script finds."""

from __future__ import annotations

from collections.abc import Sequence

from srpo_manifest.upstream.commands import MOVES, file_of
from srpo_manifest.upstream.shell import Shell
from srpo_manifest.values.contract import Gap, Launch, Opaque, Token

FOR_THE_SHELL = ("PATH", "IFS", "ENV", "BASH_ENV", "GLOBIGNORE", "POSIXLY_CORRECT")
"""Variables that the shell itself reads."""


class Record:
    """The findings, and where the walk stands: what they hold under."""

    def __init__(self) -> None:
        self.errexit = False
        self.forwards = False
        self.reads: dict[str, int] = {}
        self.lines: dict[str, int] = {}
        self.last_lines: dict[str, int] = {}
        self.exported: list[str] = []
        self.makes: list[Token] = []
        self.files: dict[str, int] = {}
        self.stays = True
        """Whether the script is in the folder that it was started in, as far as its own `cd`s go."""
        self.launches: list[Launch] = []
        self.indirect: list[Gap] = []
        self.gaps: list[Gap] = []
        self.sources: dict[str, str] = {}
        self.guards: list[Gap] = []
        """What decides whether the walk is really where it is."""
        self.exits: list[Gap] = []
        """Where the script may have ended before."""
        self.leaves: list[Gap] = []
        """Where the function or loop may have been left before."""

    def gap(self, line: int, reason: str) -> None:
        """Something that direct mode would not do; what stands under a condition is told by the condition."""
        gap = Gap(line=line, reason=reason)
        if not self.guards and gap not in self.indirect:
            self.indirect.append(gap)

    def conditions(self) -> tuple[Gap, ...]:
        """All that has to hold for the walk to be here."""
        return tuple(dict.fromkeys((*self.guards, *self.exits, *self.leaves)))

    def note_file(self, tokens: Sequence[Token], line: int) -> None:
        """A file that the script looks for in the folder that it was started in."""
        path = file_of([token.text for token in tokens])
        if path is not None and self.stays and not self.conditions():
            self.files.setdefault(path, line)
        self.stays &= tokens[0].text not in MOVES

    def note_set(self, name: str, line: int) -> None:
        """The script sets *name*."""
        self.lines.setdefault(name, line)
        self.last_lines[name] = line

    def export(self, name: str, line: int, shell: Shell) -> None:
        """What the launch would see otherwise cannot be told by one value."""
        if name not in self.exported:
            self.exported.append(name)
        if self.launches:
            self.gap(line, f"the exported `{name}` changes after the launch")
        for piece in shell.scalar(name):
            if isinstance(piece, Opaque):
                self.gap(line, piece.reason)
