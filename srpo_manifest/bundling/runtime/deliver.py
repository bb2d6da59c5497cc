#!/usr/bin/env python3
"""Stands in for the launchers of a script: compares what one was called with to the plan, and becomes what the plan says.

`deliver.py PROGRAM [ARGUMENT...]`, called by the files of `shim/` and the functions of `shim.sh` (`docs/delivery.md`).
Standard library only, Python 3.9 or newer, Linux.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from typing import Any, Iterable, NamedTuple, NoReturn, Optional, Union

BUNDLE = os.path.dirname(os.path.abspath(__file__))
SHIMS = os.path.join(BUNDLE, "shim")
sys.path.insert(0, BUNDLE)
sys.dont_write_bytecode = True
from supervising.files import FORMAT, Node, Record, Refused, now, read_json, write_json  # noqa: E402 - `-I` leaves it out
from supervising.story import Events, spellings  # noqa: E402
from supervising.words import expand, late_words  # noqa: E402

LAUNCH_REFUSED = 79

Piece = Union[str, tuple[int, bool]]
"""Text, or the number of what only the script can tell, and whether that may be any number of words."""
_PIECE = re.compile(r"\$\$|\$\{script\.(\d+)(\*?)\}|\$\{([a-z.]+)\}")
_PYTHON = re.compile(r"python(\d(\.\d+)?)?")


class Unbound(Exception):
    """A late word has no value: the script cleared its environment."""


class Misfit(NamedTuple):
    """How far a launch was as expected: words of both sides."""

    expected: int
    arrived: int


def deliver(words: list[str]) -> NoReturn:
    """Compare what a launcher was called with to the plan, and become what the plan says."""
    node = Node(os.environ.get("SRPO_RUN_DIR") or os.path.join(os.path.dirname(BUNDLE), "attempt-1", "node-0"))
    shim, rules = read_json(os.path.join(BUNDLE, "shim.json")), node.rules()
    if shim is None or shim.get("format") != FORMAT:
        raise Refused("bundle-incomplete", "`shim.json` lies not beside `supervise.py`", "unpack the whole bundle", 2)
    # A script may hand over its own PATH: that is the one that it would have without us.
    arrived = [os.fsencode(one).decode("utf-8", "surrogateescape").replace(f"{SHIMS}:", "") for one in words]
    names = {"run.port": "SRPO_RUN_PORT", "run.index": "SRPO_RUN_INDEX", "run.chief": "SRPO_RUN_CHIEF"}
    bound = {late: os.environ[name] for late, name in names.items() if name in os.environ}
    bound.update(late_words(node, rules))
    try:
        meet(node, shim, arrived, (rules, bound))
    except Unbound as late:
        message = f"`{late}` has no value where it launches: it cleared its environment"
        refuse_launch(node, shim, "launch-unbound", message)


def meet(node: Node, shim: Record, arrived: list[str], planned: tuple[Record, dict[str, str]]) -> NoReturn:
    """Find the launch that arrived, and become what it should. Raises: Refused; Unbound."""
    bound, reached = planned[1], []
    for launch in shim["launches"]:
        expected = [pieces_of(one, bound) for one in launch["expected"]]
        found = handed_over(expected, arrived)
        reached.append((found, expected))
        if not isinstance(found, dict):
            continue
        final = [pieces_of(one, bound) for one in launch["final"]]
        argv = [word for one in final for word in filled(one, found)]
        if launch is not shim["launches"][0]:
            become(argv, None)
        told = (one for one in final if any(isinstance(piece, tuple) for piece in one))
        smuggled = brought((word for one in told for word in filled(one, found)), launch["edited"])
        if smuggled:
            message = f"the script brings `{smuggled}`, which the manifest settles"
            refuse_launch(node, shim, "launch-smuggles", message)
        ours = next((word for word in argv if SHIMS in word), None)
        if ours:
            refuse_launch(
                node, shim, "launch-leaks", f"the script hands over `{ours}`, which only stands in for a program"
            )
        begin_job(node)
        become(argv, planned)
    found, expected = reached[0]
    if is_launch(arrived, expected):
        refuse_launch(node, shim, "launch-differs", told_misfit(found, expected, shim["launches"][0], arrived))
    become(arrived, None, clean=False)


def pieces_of(spelled: str, bound: dict[str, str]) -> list[Piece]:
    """A word of the plan's spelling, with its late pieces bound. Raises: Unbound where one is not known here."""
    pieces: list[Piece] = [""]
    at = 0
    for match in _PIECE.finditer(spelled):
        pieces.append(spelled[at : match.start()])
        at = match.end()
        if match[1]:
            pieces.append((int(match[1]), bool(match[2])))
        elif match[3] is None:
            pieces.append("$")
        elif match[3] in bound:
            pieces.append(bound[match[3]])
        else:
            raise Unbound(match[0])
    pieces.append(spelled[at:])
    return pieces


def handed_over(expected: list[list[Piece]], arrived: list[str]) -> Union[dict[int, list[str]], Misfit]:
    """What stands for each piece that only the script can tell, by its number; or how far both agree."""
    position = 0
    for position, word in enumerate(expected):
        if any(isinstance(piece, tuple) and piece[1] for piece in word):
            return _any_number(expected, arrived, position)
        found = position < len(arrived) and re.fullmatch(pattern(word), arrived[position], re.DOTALL)
        if not found:
            return Misfit(position, position)
    if len(arrived) > len(expected):
        return Misfit(len(expected), len(expected))
    return _groups(expected, arrived)


def _any_number(expected: list[list[Piece]], arrived: list[str], at: int) -> Union[dict[int, list[str]], Misfit]:
    """The rest, from a word on that may be several, or none."""
    word, far = expected[at], Misfit(at, at)
    most = len(arrived) - at
    for count in [1, 0, *range(2, most + 1)]:
        taken = arrived[at : at + count]
        if count > most or not stands_for(word, taken):
            continue
        rest = handed_over(expected[at + 1 :], arrived[at + count :])
        if isinstance(rest, dict):
            number = next(piece[0] for piece in word if isinstance(piece, tuple) and piece[1])
            return {**_groups(expected[:at], arrived[:at]), number: taken, **rest}
        far = max(far, Misfit(at + 1 + rest.expected, at + count + rest.arrived))
    return far


def _groups(expected: list[list[Piece]], arrived: list[str]) -> dict[int, list[str]]:
    found = {}
    for word, text in zip(expected, arrived):  # noqa: B905 - Python 3.9 has no `strict`
        numbers = [piece[0] for piece in word if isinstance(piece, tuple)]
        match = re.fullmatch(pattern(word), text, re.DOTALL)
        found.update({number: [match[at]] for at, number in enumerate(numbers, 1)} if match else {})
    return found


def pattern(word: list[Piece]) -> str:
    """A regular expression for one whole word."""
    return "".join(re.escape(piece) if isinstance(piece, str) else "(.*)" for piece in word)


def stands_for(word: list[Piece], taken: list[str]) -> bool:
    """Whether bash can make *taken* of a word that is expanded without quotes."""
    first = next(at for at, piece in enumerate(word) if isinstance(piece, tuple) and piece[1])
    last = max(at for at, piece in enumerate(word) if isinstance(piece, tuple) and piece[1])
    before, after = word[:first], word[last + 1 :]
    if not taken:
        return not any(before + after)
    if len(taken) == 1:
        return re.fullmatch(pattern(word), taken[0], re.DOTALL) is not None
    begins = re.match(pattern(before), taken[0], re.DOTALL)
    ends = re.fullmatch(".*" + pattern(after), taken[-1], re.DOTALL)
    return begins is not None and ends is not None


def filled(word: list[Piece], found: dict[int, list[str]]) -> list[str]:
    """The words that a word of the final command becomes."""
    for piece in word:
        if isinstance(piece, tuple) and piece[1]:
            return found[piece[0]]
    return ["".join(piece if isinstance(piece, str) else found[piece[0]][0] for piece in word)]


def brought(words: Iterable[str], edited: list[str]) -> Optional[str]:
    """The first of *words* that sets a flag which the manifest settles, an abbreviation included."""
    for word in words:
        name = word.partition("=")[0]
        long = name.startswith("--") and len(name) > 2
        if any(flag == name or (long and flag.startswith(name)) for flag in edited):
            return name
    return None


def is_launch(arrived: list[str], expected: list[list[Piece]]) -> bool:
    """Whether a call that the plan does not expect would start a trainer."""
    name = os.path.basename(arrived[0])
    if not _PYTHON.fullmatch(name):
        return name != "accelerate" or arrived[1:2] == ["launch"]
    own = [str(word[0] if len(word) == 1 else "".join(map(str, word))) for word in expected]
    meant = program_of(own) if _PYTHON.fullmatch(os.path.basename(own[0])) else None
    return meant is not None and program_of(arrived) == meant


def program_of(argv: list[str]) -> Optional[str]:
    """The module or file that a Python is started with; None for `-c`, standard input or nothing."""
    position = 1
    while position < len(argv):
        word = argv[position]
        if not word.startswith("-") or word == "-":
            return os.path.normpath(word) if word != "-" else None
        if word.startswith("--"):
            position += 1
            continue
        kind = re.search("[cmWX]", word[1:])
        if kind and kind[0] == "c":
            return None
        if kind and kind[0] == "m":
            return "-m " + (word[kind.end() + 1 :] or "".join(argv[position + 1 : position + 2]))
        position += 2 if kind and kind.end() == len(word) - 1 else 1
    return None


def told_misfit(found: Any, expected: list[list[Piece]], launch: Record, arrived: list[str]) -> str:
    """The first word that differs."""
    place = f"word {found.arrived + 1} of the launch in line {launch['line']}"
    wanted = f"`{launch['expected'][found.expected]}`" if found.expected < len(expected) else "its end"
    come = f"`{arrived[found.arrived]}`" if found.arrived < len(arrived) else "its end"
    return f"{place} is {come}, and the plan expects {wanted}"


def refuse_launch(node: Node, shim: Record, code: str, message: str) -> NoReturn:
    """Tell it, and let the supervisor end the run. Raises: Refused."""
    for text in spellings(os.environ.get(name, "") for name in shim["secrets"]):
        message = message.replace(text, "***")
    message = f"`{shim['script']}` does not launch what was planned: {message}"
    message = message.encode("utf-8", "backslashreplace").decode()
    Events(node).append("warning.raised", code=code, message=message)
    with contextlib.suppress(OSError):
        write_json(node.path("refused.json"), {"time": now(), "code": code, "reason": message})
    raise Refused(code, message, "plan again, or give the whole command as `entry.command`", LAUNCH_REFUSED)


def begin_job(node: Node) -> None:
    """The phase `job` begins; a script may come to its launch again."""
    with open(node.path("phases"), "a+b") as phases:
        phases.seek(0)
        again = b"job\n" in phases.readlines()
        phases.write(b"job\n")
    if again:
        Events(node).append("warning.raised", code="launch-again", message="the script came to its launch again")


def become(argv: list[str], planned: Optional[tuple[Record, dict[str, str]]], clean: bool = True) -> NoReturn:
    """Turn into the real program, as if nothing of ours had been there; *planned* has its place and its variables."""
    if planned:
        os.chdir(expand(planned[0]["cwd"], planned[1]))
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(":") if not same_folder(folder, SHIMS)]
    places = [argv[0]] if "/" in argv[0] else [os.path.join(folder, argv[0]) for folder in folders]
    program = next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)
    if program is None:
        print(f"srpo-manifest: {argv[0]}: command not found", file=sys.stderr)
        sys.exit(127)
    variables = dict(os.environ)
    if clean:
        variables.update({"PATH": ":".join(folders), "_": program})
        if same_folder(variables.get("BASH_ENV", ""), os.path.join(BUNDLE, "shim.sh")):
            del variables["BASH_ENV"]
    else:
        # a Python looks for its own home by the name that it was called with
        argv = [program, *argv[1:]]
    if planned:
        rules, bound = planned
        variables["PWD"] = expand(rules["cwd"], bound)
        for name, spelled in rules["shim"]["variables"].items():
            variables[name] = kept(name, expand(spelled, bound), variables.get(name))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    words = [one.encode("utf-8", "surrogateescape") for one in argv]
    os.execve(program, words, variables)


def same_folder(one: str, other: str) -> bool:
    """Whether both paths lead to one place."""
    return one == other or (bool(one) and os.path.realpath(one) == os.path.realpath(other))


def kept(name: str, planned: str, found: Optional[str]) -> str:
    """The planned value, or what the script put around it, as around a list of folders."""
    if found is not None and f":{planned}:" in f":{found}:":
        return found
    if found is not None:
        comes = "comes first" if name == "PYTHONPATH" and found else "stands"
        print(f"srpo-manifest: the script changed `{name}`; the plan's value {comes}", file=sys.stderr, flush=True)
    return f"{planned}:{found}" if name == "PYTHONPATH" and found else planned


def main() -> int:
    """Do it. Returns: the exit status of a refusal."""
    try:
        deliver(sys.argv[1:])
    except Refused as refused:
        print(f"error[{refused.code}]: {refused}\nhint: {refused.hint}", file=sys.stderr)
        return refused.status
    except OSError as error:
        print(f"error[files]: {error}", file=sys.stderr)
        return 70


if __name__ == "__main__":
    sys.exit(main())
