"""Which launch of the entry script is meant, how it is served, and why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from srpo_manifest.builtin.resources import OF_EVERY_JOB
from srpo_manifest.plugin import (
    Choice,
    EntryContract,
    Fault,
    Finding,
    Launch,
    Plain,
    ScriptContract,
    Token,
    Variable,
    Wanted,
    Word,
    launches_meant,
    listed,
    plural,
    secret_name,
    ticked,
)

MANUAL = "give the whole command as `entry.command`"
_CHANGES_PATH = re.compile(r"PATH=|-$|-[0v]*i|-[0v]*u?PATH$|--i[a-z-]*$|--unset=PATH$")
_WAYS_OUT = {
    "script-crlf": (
        "commit it with line ends of LF: `*.sh text eol=lf` in .gitattributes, then `git add --renormalize .`",
    )
}


class Undeliverable(Exception):
    """The script cannot be served: the fault says why. *observed*: with other facts it could be."""

    def __init__(self, code: str, message: str, *hints: str, observed: bool = False, key: str = "entry.script") -> None:
        super().__init__(message)
        finding = Finding(code=code, level="deny", message=message, hints=hints)
        self.fault = Fault(finding=finding, key=key, final=True, observed=observed)


def script_contract(script: str, contract: EntryContract) -> ScriptContract:
    """What was read of the script. Raises: Undeliverable where it could not be read as one."""
    if contract.script is None:
        raise Undeliverable("script-unread", f"{ticked(script)} could not be read as a script", MANUAL)
    for gap in contract.script.gaps:
        message = f"{ticked(script)} line {gap.line}: {gap.reason}"
        raise Undeliverable(gap.code or "script-indirect", message, *_WAYS_OUT.get(gap.code, ()), MANUAL)
    return contract.script


def chosen(wanted: Wanted, script: str, contract: ScriptContract) -> Launch:
    """The launch that the manifest means. Raises: Undeliverable where that is none, or several."""
    said, launches = wanted.manifest.entry.launch, contract.launches
    if not launches:
        hints = [f"line {gap.line}: {gap.reason}" for gap in contract.indirect[:5]]
        raise Undeliverable("script-indirect", f"{ticked(script)} starts no trainer that is known", *hints, MANUAL)
    meant = launches_meant(wanted, contract)
    if len(meant) == 1:
        return meant[0]
    if len({launch.line for launch in meant}) == 1:
        message = f"{ticked(script)} comes to line {meant[0].line} {len(meant)} times, with other words each time"
        raise Undeliverable("launch-repeats", message, MANUAL)
    every = tuple(f"`entry.launch = {launch.line}` is {shown(launch)}" for launch in meant or launches)
    if meant:
        found = f"{ticked(script)} starts {plural(len(meant), 'program')}"
        raise Undeliverable(
            "launch-ambiguous",
            f"{found}{'' if said is None else f' that {ticked(said)} may mean'}, and which one is meant is not said",
            *every,
            MANUAL,
            key="entry.launch",
        )
    raise Undeliverable(
        "launch-unknown", f"{ticked(script)} has no launch {ticked(said)}", *every, key="entry.launch"
    )  # fmt: skip


def chosen_or_none(wanted: Wanted, script: str, contract: EntryContract) -> Launch | None:
    """The same where nobody needs to hear why there is none."""
    try:
        return chosen(wanted, script, script_contract(script, contract))
    except Undeliverable:
        return None


def mode_of(
    wanted: Wanted, script: str, contract: ScriptContract, launch: Launch, values: Mapping[str, Word | None]
) -> Literal["direct", "shim"]:
    """How *launch* is served. Raises: Undeliverable where direct mode is wanted and cannot be had."""
    mode = wanted.manifest.entry.mode
    why = _not_direct(wanted, script, contract, launch, values)
    if mode == "direct" and why:
        raise Undeliverable("script-indirect", why, 'set `entry.mode = "auto"`', MANUAL)
    return "shim" if mode == "shim" or why else "direct"


def uncatchable(launch: Launch, program: str) -> str:
    """Why neither a function nor PATH brings the call of *program* to us; empty where one does."""
    if any(name == "PATH" for name, _ in launch.environment):
        return "it is started with a PATH of its own"
    # bash itself looks for the program behind `time`, as it does where there is no starter.
    words = [_begins(token) for token in launch.before if token.text not in ("time", "-p")]
    if not words:
        return ""
    starters = {word.rpartition("/")[2] for word in words}
    if "sudo" in starters:
        return "`sudo` gives it another PATH"
    if "env" in starters and (changing := next(filter(_CHANGES_PATH.match, words), None)):
        return f"`env` changes its PATH ({ticked(changing)})"
    return f"{ticked(_begins(launch.before[0]))} starts it by its own path" if "/" in program else ""


def _begins(token: Token) -> str:
    """The word, as far as it is known."""
    if token.text is not None:
        return token.text
    return "".join(piece.text if isinstance(piece, Plain) else "…" for piece in token.pieces)


def shown(launch: Launch) -> str:
    """The launch as a person knows it again."""
    words = (_text(token) for token in (*launch.launcher[:1], launch.entry))
    return f"{ticked(' … '.join(words))} in line {launch.line}"


def _text(token: Token) -> str:
    return token.text if token.text is not None else "…"


def _not_direct(
    wanted: Wanted, script: str, contract: ScriptContract, launch: Launch, values: Mapping[str, Word | None]
) -> str:
    """Why the final argv alone would not do all that the script does; empty where it does."""
    for gap in contract.indirect:
        return f"{ticked(script)} line {gap.line}: {gap.reason}"
    if len(contract.launches) != 1:
        return f"{ticked(script)} starts {len(contract.launches)} programs"
    for gap in launch.conditions:
        return f"{ticked(script)} line {gap.line}: {gap.reason}"
    if launch.environment:
        names = listed((name for name, _ in launch.environment), "and")
        return f"{ticked(script)} line {launch.line} sets {names} for the launch alone"
    for token in (*launch.launcher, launch.entry, *launch.arguments):
        for piece in token.pieces:
            if isinstance(piece, Variable | Choice) and (why := _open(piece, values)):
                return f"{ticked(script)} line {token.line} uses `${piece.name}`, {why}"
    secret = next(_secrets(wanted, (*launch.launcher, launch.entry, *launch.arguments), values), None)
    return f"{ticked(script)} hands over {ticked('$' + secret)}, whose value no plan may hold" if secret else ""


def _open(piece: Variable | Choice, values: Mapping[str, Word | None]) -> str:
    """Why only the running script can tell what becomes of a variable; empty where the plan can."""
    value = values.get(piece.name)
    if value is None and piece.name in OF_EVERY_JOB:
        return "which every job has, and which only the target knows"
    text = (value.text or "") if value is not None else ""
    if not text and isinstance(piece, Variable):
        text = piece.default or ""
    splits = not piece.quoted and bool(set(text) & set(" \t\n*?["))
    return "whose value falls into several words" if splits else ""


def _secrets(wanted: Wanted, tokens: Sequence[Token], values: Mapping[str, Word | None]) -> Iterator[str]:
    for token in tokens:
        for piece in token.pieces:
            if isinstance(piece, Variable | Choice) and is_secret(wanted, piece.name, values):
                yield piece.name


def is_secret(wanted: Wanted, name: str, values: Mapping[str, Word | None]) -> bool:
    """Whether its value, the manifest's or the target's, is one that no plan may hold."""
    return values.get(name) is None and (name in wanted.manifest.env or secret_name(name))
