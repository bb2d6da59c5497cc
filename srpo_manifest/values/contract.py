"""What a script and its entry program accept, read from their source without running either."""

from typing import Literal, TypeAlias

from srpo_manifest.values.base import Value

Scalar: TypeAlias = bool | int | float | str
Setting: TypeAlias = Scalar | tuple[Scalar, ...]
Action: TypeAlias = Literal["store", "store_true", "store_false", "store_const", "append", "count", "boolean", "other"]
Effect: TypeAlias = Literal["used", "never-read", "no-effect", "unknown"]


class Flag(Value):
    """One option of an argument parser.

    `name` is the first long spelling without dashes, as in the source (`train_guidence`); `aliases` are the other
    spellings with their dashes. `type` is "int", "float", "str", "bool", "other", or None where the source gives none
    (argparse then reads a string). `nargs` is an int, "?", "*", "+", or None. `default`, `choices`, `const` are None
    where absent; `unread` names those of them, and others, that are known only when the program runs.
    `line` is 1-based in `file` ("": the entry itself); `read_at` the entry's first line that reads it, None for none seen.
    """

    name: str
    aliases: tuple[str, ...] = ()
    dest: str = ""
    positional: bool = False
    type: Literal["int", "float", "str", "bool", "other"] | None = None
    nargs: int | str | None = None
    choices: tuple[Scalar, ...] | None = None
    default: Setting | None = None
    const: Setting | None = None
    required: bool = False
    action: Action = "store"
    line: int = 0
    read_at: int | None = None
    effect: Effect = "unknown"
    conditional: bool = False
    """Added only when the program's own condition holds: its presence is not certain."""
    unread: tuple[str, ...] = ()
    """Fields that the source gives as no literal: None there says nothing."""
    file: str = ""
    """The file of the repository that declares it, where that is not the entry."""
    command: str = ""
    """The command that takes it (`train`, of `add_subparsers`); "" for a flag of the program itself."""
    needed_at: int | None = None
    """The entry's first line where None is an error, for a flag that `argparse` lets be None."""
    needed_always: bool = False
    """That line is reached whenever the program runs, as far as can be seen."""

    @property
    def default_known(self) -> bool:
        """Whether `default` is what the program starts from."""
        return "default" not in self.unread


class Gap(Value):
    """Something in a source that could not be read: said, never guessed."""

    line: int
    reason: str
    code: str = ""
    """Its code word, where there is a way out of its own."""
    file: str = ""
    """The file it stands in, where that is not the one that was asked for."""


class ArgumentContract(Value):
    """The interface of one entry program.

    Source: the `argparse` calls of `path` at the pinned commit. `digest` is the SHA-256 of the file's bytes, hex.
    `gaps` are places that may hide flags; a contract with gaps is not `complete`, and an unknown flag is then not proven wrong.
    """

    path: str
    digest: str
    flags: tuple[Flag, ...] = ()
    allows_unknown: bool = False
    """The program calls `parse_known_args`: unknown flags are not fatal."""
    gaps: tuple[Gap, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every flag is known."""
        return not self.gaps


class Import(Value):
    """A module that a program needs for its start: `at` is `file:line` of the first import.

    An `own` one is a folder of the checkout without `__init__.py`: any package of that name in the interpreter takes its place.
    """

    at: str
    own: bool = False


class Plain(Value, tag="text"):
    """Characters after bash took the quotes away."""

    text: str


class Variable(Value, tag="variable"):
    """`$name` or `${name}` of the environment: read before the script sets it.

    Unquoted it becomes no word when empty and several words when it holds blanks.
    """

    name: str
    quoted: bool = False
    default: str | None = None
    """The text of `${name:-default}`, when that is what the script says."""


class Choice(Value, tag="choice"):
    """`${name:-...}` of the environment with a default that is more than text.

    The value is that of the variable unless it is empty, or with *only_unset* (`${name-...}`) unless it is not set; else the
    pieces of `default`, which know no `Opaque`. *quoted* as with `Variable`; it holds for the default too.
    """

    name: str
    default: tuple["Plain | Variable | Choice | Place | Computed", ...] = ()
    quoted: bool = False
    only_unset: bool = False


class Place(Value, tag="place"):
    """An absolute path that only the target spells out: a *base*, with `/` and *path* behind it unless that is empty.

    *base* is the folder of the checkout, or the working directory that the script is started in. *quoted* as with
    `Variable`. *physical*: the script asked for the path without symbolic links (`realpath`, `pwd -P`).
    """

    path: str
    base: Literal["repo", "cwd"] = "repo"
    quoted: bool = False
    physical: bool = False


class Computed(Value, tag="computed"):
    """`$((...))`, or an operator of `${...}`, over variables of the environment.

    *source* is bash, with no other names than those of *values*; their pieces stand in quotes and know no `Opaque`.
    `upstream.computed.work_out` works it out. *quoted* as with `Variable`; a number never splits.
    """

    source: str
    values: tuple[tuple[str, tuple["Plain | Variable | Choice | Place | Computed", ...]], ...] = ()
    quoted: bool = False


class Opaque(Value, tag="unknown"):
    """A piece that only running the script could tell."""

    source: str
    reason: str
    quoted: bool = False
    """A part of exactly one word."""
    place: str | None = None
    """The path in the checkout that it leads to, where that much is certain: `$(dirname "$0")` of `a/b.sh` is `a`."""


Piece: TypeAlias = Plain | Variable | Choice | Place | Computed | Opaque


class Token(Value):
    """One shell word of a command, in pieces. `line` is 1-based."""

    pieces: tuple[Piece, ...]
    line: int
    quoted: bool = False
    """Some part stood in quotes: the word exists even when empty."""

    @property
    def text(self) -> str | None:
        """The whole word when it is known, else None."""
        texts = [piece.text for piece in self.pieces if isinstance(piece, Plain)]
        return "".join(texts) if len(texts) == len(self.pieces) else None


class Launch(Value):
    """One command of a script that starts a trainer.

    `launcher` runs from the program (`torchrun`) through its own options; `entry` is the program that is trained with
    (`fastvideo/SRPO.py`, or a module name after `-m`); `arguments` is what follows it. `line` is that of the launcher.
    A loop or a function that is surely run gives one launch for each time.
    """

    launcher: tuple[Token, ...]
    entry: Token
    module: bool = False
    arguments: tuple[Token, ...] = ()
    line: int = 0
    environment: tuple[tuple[str, Token], ...] = ()
    """`NAME=value` words before the command."""
    before: tuple[Token, ...] = ()
    """The words of the commands that start the launcher: `nohup`, `srun -p gpu`."""
    conditions: tuple[Gap, ...] = ()
    """What decides at run time whether, or how often, the script gets here. A command that fails under `set -e` is none."""
    doubt: str = ""
    """Why `entry` is only the likely one of the words; empty where it is certain."""
    folder: str | None = ""
    """Where the script's own `cd`s lead, from the folder that it is started in, or in the checkout; None for unknown."""

    @property
    def certain(self) -> bool:
        """Whether a run of the script surely starts it, once."""
        return not self.conditions

    @property
    def resolved(self) -> bool:
        """Whether each word of the argv is known, but for named variables of the environment and where folders lie."""
        return not self.unknown

    @property
    def unknown(self) -> tuple[Gap, ...]:
        """Each piece of the argv that only running the script could tell."""
        tokens = (*self.launcher, self.entry, *self.arguments)
        return tuple(
            Gap(line=token.line, reason=piece.reason)
            for token in tokens
            for piece in token.pieces
            if isinstance(piece, Opaque)
        )


class ScriptContract(Value):
    """What a launch script reads, does and starts, when it is run without arguments but those that it forwards.

    `digest` is the SHA-256 of the file's bytes, hex. `reads` are environment variables that it reads before setting
    them; `dead` are variables that it sets and never reads; both name to the 1-based line. `makes` are the folders of
    harmless `mkdir`s, as tokens; `files` are relative paths that it sources or runs for certain, to the line, as long as
    it stays in its folder. `indirect` says why the script is more than assignments, `mkdir` and one launch:
    direct mode cannot serve it then. `launches` are known apart from that: each says how far by itself.
    """

    path: str
    digest: str
    reads: dict[str, int] = {}
    dead: dict[str, int] = {}
    sets: dict[str, Token] = {}
    """Plain assignments, exported or not, with their last value."""
    exported: tuple[str, ...] = ()
    makes: tuple[Token, ...] = ()
    files: dict[str, int] = {}
    launches: tuple[Launch, ...] = ()
    forwards_arguments: bool = False
    arguments: dict[str, int] = {}
    """The script's own `$1` and the following (`"@"`, `"*"` for several) that it uses with no word for their absence, to
    the line: they are empty, as the script is run without arguments. What a test alone asks for is not among them."""
    errexit: bool = False
    indirect: tuple[Gap, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sources: dict[str, str] = {}
    """Files of the same repository that it reads with `source`: path to SHA-256. Lines of theirs are told by the `source`."""

    @property
    def direct(self) -> bool:
        """Whether the final argv alone does all that the script does."""
        return len(self.launches) == 1 and self.launches[0].certain and not self.indirect and not self.gaps
