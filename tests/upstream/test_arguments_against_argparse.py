"""The flags that are read from a program's source are those that its real parser has."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.values.contract import ArgumentContract, Flag

PROGRAMS = {
    "module level": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", "-l", type=float, default=5e-6, help="x")
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--name", default="a b")
parser.add_argument("--negative", type=float, default=-1e-4)
parser.add_argument("--sum", type=int, default=10 * 1024 + 2 ** 3)
parser.add_argument("--none", default=None)
parser.add_argument("--pair", type=float, nargs=2, default=[0.1, -0.25])
parser.add_argument("--many", nargs="*", type=int)
parser.add_argument("--some", nargs="+", default=())
parser.add_argument("--maybe", nargs="?", const="on", default="off")
parser.add_argument("--kind", choices=["a", "b"], default="a")
parser.add_argument("--level", type=int, choices=(1, 2, 3))
parser.add_argument("--flag", action="store_true")
parser.add_argument("--no-cache", dest="cache", action="store_false")
parser.add_argument("--mode", action="store_const", const=3)
parser.add_argument("--item", action="append", type=int)
parser.add_argument("-v", "--verbose", action="count", default=0)
parser.add_argument("--ema", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("-q")
parser.add_argument("--inf", type=float, default=float("inf"))
parser.add_argument("--both", type=str, default="a" "b" + "c")
args = parser.parse_args()
""",
    "positionals": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("model-path")
parser.add_argument("count", type=int, nargs="?", default=3)
parser.add_argument("rest", nargs=argparse.REMAINDER)
parser.parse_args()
""",
    "in functions": """
import argparse as ap
DEFAULT_RATE = 1e-4
def add_model(group):
    group.add_argument("--width", type=int, default=64)
def get_parser():
    p = ap.ArgumentParser(description="x")
    g = p.add_argument_group("model")
    add_model(g)
    e = g.add_mutually_exclusive_group(required=True)
    e.add_argument("--a", action="store_true")
    e.add_argument("--b", action="store_true")
    p.add_argument("--rate", type=float, default=DEFAULT_RATE)
    p.add_argument_group("more").add_argument("--last", type=lambda text: text)
    return p
def main(args):
    return args
if __name__ == "__main__":
    parser = get_parser()
    main(parser.parse_args())
""",
    "in a class": """
from argparse import ArgumentParser
class Trainer:
    def __init__(self):
        self.parser = ArgumentParser()
        self.add("x")
    def add(self, text):
        self.parser.add_argument("--depth", type=int)
    def read(self):
        self.parser.add_argument("--height", type=int)
        return self.parser.parse_args()
trainer = Trainer()
trainer.read()
""",
    "parents": """
import argparse
base = argparse.ArgumentParser(add_help=False)
base.add_argument("--seed", type=int, default=1)
other = argparse.ArgumentParser(add_help=False)
other.add_argument("--name")
parser = argparse.ArgumentParser(parents=[base, other], allow_abbrev=False)
parser.add_argument("--rate", type=float)
args = parser.parse_args()
""",
    "loops": """
import argparse
NAMES = ["x", "y"]
parser = argparse.ArgumentParser()
for name in ("h", "w"):
    parser.add_argument(f"--{name}", type=int, default=720)
for name, default in [("lr", 1e-5), ("eps", 1e-8)]:
    for side in ("left", "right"):
        parser.add_argument("--" + name + f"_{side}", type=float, default=default)
for name in NAMES:
    parser.add_argument(f"--{name}")
args = parser.parse_args()
""",
    "later defaults": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--a", type=int, default=1)
parser.add_argument("--b-c", type=int, default=1)
parser.set_defaults(a=5, b_c=6, other=7)
args, unknown = parser.parse_known_args()
""",
    "custom actions": """
import argparse
class Twice(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, values * 2)
def number(text):
    return int(text)
parser = argparse.ArgumentParser()
parser.add_argument("--twice", action=Twice)
parser.add_argument("--more", action="extend", nargs="+")
parser.add_argument("--number", type=number)
parser.add_argument("--truth", type=bool, default=False)
parser.add_argument("--version", action="version", version="1")
args = parser.parse_args()
""",
    "helpers": """
import argparse
SIZES = {"small": object(), "large": object()}
def switch(parser, name, default=False):
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--" + name, dest=name, action="store_true", default=default)
    group.add_argument("--no-" + name, dest=name, action="store_false")
def training(parser, tune, also=False):
    flag = "--rate"
    parser.add_argument(flag, type=float)
    if tune:
        parser.add_argument("--tune", type=int, default=3)
    if also:
        parser.add_argument("--never")
parser = argparse.ArgumentParser()
for name in ("a", "b"):
    switch(parser, name)
switch(parser, "c", default=True)
training(parser, True)
parser.add_argument("--size", choices=list(SIZES))
parser.add_argument("--sorted", choices=sorted(SIZES.keys()))
parser.add_argument("--count", type=int, choices=range(3))
args = parser.parse_args()
""",
    "earlier defaults": """
import argparse
parser = argparse.ArgumentParser()
parser.set_defaults(late=5)
parser.add_argument("--other", type=int, default=1)
args = parser.parse_args()
""",
    "an object of a class": """
import argparse
class Options:
    def __init__(self):
        self.made = False
    def fill(self, parser):
        parser.add_argument("--a", type=int)
        return parser
    def parse(self):
        parser = self.fill(argparse.ArgumentParser())
        self.parser = parser
        return parser.parse_args()
class More(Options):
    def extra(self):
        return 1
trainer = More()
trainer.parse()
""",
    "own messages": """
import argparse
class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SystemExit(message)
parser = Parser()
parser.add_argument("--a")
args = parser.parse_args()
""",
}


ARGUMENTS = {"module level": ["--steps", "1"], "positionals": ["m"], "in functions": ["--a"]}


def build(name: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """Run the program with arguments that it takes, and return its parser."""
    monkeypatch.setattr("sys.argv", ["program.py", *ARGUMENTS.get(name, [])])
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(PROGRAMS[name], "program.py", "exec"), made)  # noqa: S102 - our own programs
    parser = made["trainer"].parser if "trainer" in made else made["parser"]
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


ACTIONS = {
    argparse._StoreAction: "store",
    argparse._StoreTrueAction: "store_true",
    argparse._StoreFalseAction: "store_false",
    argparse._StoreConstAction: "store_const",
    argparse._AppendAction: "append",
    argparse._CountAction: "count",
    argparse.BooleanOptionalAction: "boolean",
}


def described(action: argparse.Action) -> dict[str, Any]:
    """A real option in the contract's words."""
    switch = action.nargs == 0 and type(action) in ACTIONS
    kind = action.type
    return {
        "spellings": sorted(action.option_strings),
        "dest": action.dest,
        "type": None if kind is None else kind.__name__ if kind in (int, float, str, bool) else "other",
        "nargs": None if switch else action.nargs,
        "choices": None if action.choices is None else tuple(action.choices),
        "default": tuple(action.default) if isinstance(action.default, list) else action.default,
        "const": action.const,
        "required": action.required,
        "action": ACTIONS.get(type(action), "other"),
    }


def claimed(flag: Flag) -> dict[str, Any]:
    """A flag of the contract in the same words."""
    long = f"--{flag.name}"
    spelled = [] if flag.positional else [*flag.aliases] if f"-{flag.name}" in flag.aliases else [long, *flag.aliases]
    return {
        "spellings": sorted(spelled),
        "dest": flag.dest,
        "type": flag.type,
        "nargs": flag.nargs,
        "choices": flag.choices,
        "default": flag.default,
        "const": flag.const,
        "required": flag.required,
        "action": flag.action,
    }


def read(source: str) -> ArgumentContract:
    return read_arguments(source.encode(), "train.py")


@pytest.mark.parametrize("name", PROGRAMS)
def test_flags_are_those_of_the_real_parser(name, monkeypatch):
    """Names, dest, type, nargs, choices, default, const, required and action agree with argparse itself."""
    contract = read(PROGRAMS[name])
    parser = build(name, monkeypatch)
    real = [described(each) for each in parser._actions if not isinstance(each, argparse._HelpAction)]
    versions = [each["dest"] for each in real if each["dest"] == "version"]
    mine = [claimed(flag) for flag in contract.flags]
    for each in (*real, *mine):
        if each["dest"] in versions:
            each.update(default=None, dest="version")
    key = lambda each: each["dest"] + "".join(each["spellings"])  # noqa: E731 - a sort key
    assert sorted(mine, key=key) == sorted(real, key=key)
    assert contract.complete
    assert all(flag.default_known for flag in contract.flags)
    assert not any(flag.conditional for flag in contract.flags)


GENERATED = {
    "transformers": "from transformers import HfArgumentParser\nconfig = HfArgumentParser(Config).parse_args_into_dataclasses()",
    "trl": "import trl\nconfig = trl.TrlParser(Config).parse_args_and_config()",
    "tyro": "import tyro\nconfig = tyro.cli(Config)",
    "tyro's function": "from tyro import cli as read\nconfig = read(Config)",
    "simple_parsing": "import simple_parsing as sp\nconfig = sp.parse(Config)",
    "fire": "import fire\nfire.Fire(train)",
    "click": "import click\n@click.command()\ndef main():\n    pass",
    "hydra": "import hydra\n@hydra.main(config_path='x')\ndef main(config):\n    pass",
    "omegaconf": "from omegaconf import OmegaConf\nconfig = OmegaConf.from_cli()",
    "absl": "from absl import flags\nflags.DEFINE_string('x', '', '')",
    "typer": "import typer\napp = typer.Typer()",
    "lightning": "from lightning.pytorch.cli import LightningCLI\ncli = LightningCLI(Model)",
    "jsonargparse": "from jsonargparse import CLI\nCLI(train)",
}


@pytest.mark.parametrize("name", GENERATED)
def test_interfaces_that_a_library_makes_are_unknown_with_their_line(name):
    """Dataclasses, signatures and decorators are told, not read; the same library's other calls say nothing."""
    contract = read(GENERATED[name])
    assert contract.flags == ()
    assert [gap.line for gap in contract.gaps] == [2]
    assert "`" in contract.gaps[0].reason
    assert read(HEAD + "from omegaconf import OmegaConf\nOmegaConf.load('x')" + TAIL).complete


def test_a_helper_that_nothing_calls_adds_nothing():
    """A function that the program never names cannot be run by it."""
    contract = read(HEAD + "def more(parser):\n    parser.add_argument('--b')\n" + TAIL)
    assert ([flag.name for flag in contract.flags], contract.complete) == (["a"], True)


def test_what_comes_after_an_early_return_is_not_certain():
    """Another branch may have left the function."""
    code = "def more():\n    if sys.argv:\n        return\n    parser.add_argument('--b')\nmore()"
    assert {flag.name: flag.conditional for flag in read(HEAD + code + TAIL).flags} == {"a": False, "b": True}


def test_a_chain_of_parsers_takes_the_flags_of_all():
    """The first passes over what the second reads: `parse_known_args`, then `parse_args` of the rest."""
    first = "import argparse\nconfig = argparse.ArgumentParser()\nconfig.add_argument('--c')\nparser = argparse.ArgumentParser()\nparser.add_argument('--a')\n"
    chain = read(first + "known, rest = config.parse_known_args()\nargs = parser.parse_args(rest)\n")
    assert ([flag.name for flag in chain.flags], chain.complete, chain.allows_unknown) == (["c", "a"], True, False)
    strict = read(first + "known, rest = config.parse_known_args()\nargs = parser.parse_args()\n")
    assert ([flag.name for flag in strict.flags], strict.complete) == (["a"], True)
    both = read(first + "known, rest = config.parse_known_args()\nmore, rest = parser.parse_known_args()\n")
    assert ([flag.name for flag in both.flags], both.complete, both.allows_unknown) == (["c", "a"], True, True)
    either = read(first + "if rest:\n    config.parse_args()\nelse:\n    parser.parse_args()\n")
    assert not either.complete
    assert all(flag.conditional for flag in either.flags)


def test_a_name_that_is_used_again_holds_the_later_parser():
    """The first parser's flags are none of the second's; nor are those of another object's."""
    code = "{}.add_argument('--b')\nargs = {}.parse_args()\n"
    again = (
        HEAD
        + "known = parser.parse_known_args()\nparser = argparse.ArgumentParser()\n"
        + code.format("parser", "parser")
    )
    assert [flag.name for flag in read(again).flags] == ["b"]
    objects = "import argparse\n" + "".join(
        f"class {name}:\n    def __init__(self):\n        self.parser = argparse.ArgumentParser()\n        self.parser.add_argument('--{name}')\n"
        for name in ("A", "B")
    )
    contract = read(objects + "    def read(self):\n        return self.parser.parse_args()\nA()\nB().read()\n")
    assert [flag.name for flag in contract.flags] == ["B"]
    branches = HEAD + "if sys.argv:\n    parser = argparse.ArgumentParser()\n" + code.format("parser", "parser")
    assert not read(branches).complete


def test_commands_without_known_names_are_no_choices():
    """The word that names a command is there; what it may be is not known."""
    code = "subs = parser.add_subparsers(dest='what')\nfor name in names():\n    subs.add_parser(name)\n"
    (_, what) = read(HEAD + code + TAIL).flags
    assert (what.name, what.choices, what.unread) == ("what", None, ("choices",))


OTHER = b"""
import argparse
def add(parser, more=False):
    parser.add_argument("--width", type=int, default=64)
    if more:
        parser.add_argument("--more")
def get_parser():
    parser = argparse.ArgumentParser()
    add(parser)
    return parser
if __name__ == "__main__":
    get_parser().add_argument("--own").parse_args()
"""


@pytest.mark.parametrize(
    "code",
    [
        "from options import get_parser\nargs = get_parser().parse_args()\n",
        "import options\nparser = options.get_parser()\nargs = parser.parse_args()\n",
        "import argparse\nfrom options import add as fill\nparser = argparse.ArgumentParser()\nfill(parser)\nparser.parse_args()\n",
        "import argparse\nimport package.inner as inner\nparser = argparse.ArgumentParser()\ninner.add(parser)\nparser.parse_args()\n",
        "import argparse\nfrom package import inner\nparser = argparse.ArgumentParser()\ninner.add(parser)\nparser.parse_args()\n",
        "from work import run\nif __name__ == '__main__':\n    run()\n",
    ],
)
def test_other_files_of_the_repository_are_read_where_the_parser_leads_there(code):
    """Beside the program, in packages, and behind the function that does it all; the file is told."""
    files = {
        "tools/options.py": OTHER,
        "package/inner.py": OTHER,
        "tools/work.py": b"from options import get_parser\ndef run():\n    get_parser().parse_args()\n",
    }
    contract = read_arguments(code.encode(), "tools/train.py", files.get)
    assert [(flag.name, flag.default) for flag in contract.flags] == [("width", 64)]
    assert {flag.file for flag in contract.flags} < {"tools/options.py", "package/inner.py"}
    assert contract.complete
    assert not read_arguments(code.encode(), "tools/train.py").complete


def test_a_file_that_is_not_there_is_a_gap():
    """A package that is installed elsewhere hides what it adds."""
    asked = []
    code = (
        "import argparse, torch\nparser = argparse.ArgumentParser()\ntorch.add_arguments(parser)\nparser.parse_args()\n"
    )
    contract = read_arguments(code.encode(), "train.py", asked.append)
    assert [gap.line for gap in contract.gaps] == [3]
    assert asked == ["torch.py", "torch/__init__.py", "src/torch.py", "src/torch/__init__.py"]


def test_unknown_flags_are_allowed_only_where_every_parse_passes_them_over():
    """`parse_known_args` is told apart from `parse_args`."""
    assert read(PROGRAMS["later defaults"]).allows_unknown
    assert not read(PROGRAMS["parents"]).allows_unknown


HEAD = "import argparse, sys\nparser = argparse.ArgumentParser()\nparser.add_argument('--a')\n"
TAIL = "\nargs = parser.parse_args()\n"

GAPS = {
    "computed name": "parser.add_argument(sys.argv[0])",
    "starred": "parser.add_argument(*names)",
    "keywords": "parser.add_argument('--b', **more)",
    "computed nargs": "parser.add_argument('--b', nargs=count())",
    "computed dest": "parser.add_argument('--b', dest=count())",
    "unknown loop": "for name in names():\n    parser.add_argument('--' + name)",
    "comprehension": "[parser.add_argument(n) for n in ('--b', '--c')]",
    "handed on": "deepspeed.add_config_arguments(parser)",
    "handed on and back": "parser = accelerate.add(parser)",
    "commands of a loop": "subs = parser.add_subparsers()\nfor name in ('x', 'y'):\n    subs.add_parser(name)",
    "commands of other code": "subs = parser.add_subparsers()\nregister(subs)",
    "commands of commands": "a = parser.add_subparsers().add_parser('x')\nb = a.add_subparsers().add_parser('y').add_argument('--b')",
    "a command perhaps": "if sys.argv:\n    subs = parser.add_subparsers()\n    subs.add_parser('x')",
    "other code's parser": "def more(parser):\n    parser.add_argument('--b')\nregister(more)",
    "several parsers for one helper": "def more(p, name):\n    p.add_argument(name)\nmore(parser, '--b')\nmore(argparse.ArgumentParser(), '--c')",
    "another line": "parser.parse_args(sys.argv[2:])",
    "inner parts": "parser._actions.clear()",
    "alias of the method": "add = parser.add_argument\nadd('--b')",
    "stored away": "register.append(parser)",
    "dataclass parser": "other = HfArgumentParser(Config)",
    "other prefix": "second = argparse.ArgumentParser(prefix_chars='+')",
    "unknown parents": "second = argparse.ArgumentParser(parents=[make()])",
    "second parser": "second = argparse.ArgumentParser()\nsecond.parse_args()",
    "two ways": "parser.add_argument('--b', type=int)\nparser.add_argument('--b', type=float)",
}


@pytest.mark.parametrize("name", GAPS)
def test_what_may_hide_flags_is_a_gap_with_its_line(name):
    """Nothing is guessed: the place is named, and what is certain is still read."""
    contract = read(HEAD + GAPS[name] + TAIL)
    assert not contract.complete
    assert "a" in [flag.name for flag in contract.flags]
    assert all(4 <= gap.line <= 7 and gap.reason for gap in contract.gaps)


@pytest.mark.parametrize(
    "source",
    [
        b"def (:\n",
        b"x = 1\n",
        b"",
        b"\0",
        b"a = " + b"(" * 500 + b")" * 500,
        b"# -*- coding: nonsense -*-\n",
        b"\xff\xfe",
    ],
)
def test_what_shows_no_parser_is_a_gap_and_no_error(source):
    """Broken Python, and Python without a parser, prove no flag wrong."""
    contract = read_arguments(source, "train.py")
    assert contract.flags == ()
    assert len(contract.gaps) == 1
    assert contract.gaps[0].line >= 1


def test_a_parser_that_nobody_asks_here_may_get_more_flags():
    """A parser for other modules is read, and the contract is not complete."""
    contract = read(
        "import argparse\ndef get():\n    p = argparse.ArgumentParser()\n    p.add_argument('--a')\n    return p\n"
    )
    assert [flag.name for flag in contract.flags] == ["a"]
    assert not contract.complete


def test_flags_under_a_condition_are_marked():
    """An `if`, a `try`, a loop that may break, or a function that is called under one."""
    contract = read(
        HEAD
        + """
def more():
    parser.add_argument("--f")
if sys.argv:
    parser.add_argument("--b")
else:
    parser.add_argument("--c")
try:
    parser.add_argument("--d")
except ValueError:
    pass
for name in ("--e",):
    if sys.argv:
        break
    parser.add_argument(name)
if sys.argv:
    more()
with open("x"):
    parser.add_argument("--g")
"""
        + TAIL
    )
    assert {flag.name for flag in contract.flags if not flag.conditional} == {"a", "g"}
    assert {flag.name for flag in contract.flags if flag.conditional} == {"b", "c", "d", "f", "e"} - {"e"}
    assert [gap.line for gap in contract.gaps] == [18]


def test_defaults_that_are_no_literals_are_not_known():
    """A computed default is told from none."""
    contract = read(
        HEAD
        + "N = 3\nN = 4\nparser.add_argument('--b', default=N)\nparser.add_argument('--c', default=sys.argv)\n"
        + "parser.add_argument('--d', default={'x': 1})\nparser.set_defaults(a=len(sys.argv))"
        + TAIL
    )
    assert {flag.name: (flag.default, flag.default_known) for flag in contract.flags} == dict.fromkeys(
        "abcd", (None, False)
    )


def test_the_source_is_never_run(tmp_path):
    """Reading a program leaves no trace of it."""
    mark = tmp_path / "mark"
    read(f"open({str(mark)!r}, 'w')\n" + HEAD + TAIL)
    assert not mark.exists()


KINDS = ("int", "float", "str")
VALUES = {
    "int": st.integers(-9, 9),
    "float": st.sampled_from([0.5, -1e-5, 2.0]),
    "str": st.sampled_from(["a", "b c", ""]),
}


@st.composite
def declarations(draw: st.DrawFn) -> str:
    """What stands behind the flag's name."""
    form = draw(st.sampled_from(["value", "switch", "boolean", "many", "choice", "const", "append", "count", "bare"]))
    kind = draw(st.sampled_from(KINDS))
    value = draw(VALUES[kind])
    match form:
        case "value":
            return f", type={kind}, default={value!r}, help='a % sign'"
        case "switch":
            return f", action={draw(st.sampled_from(['store_true', 'store_false']))!r}"
        case "boolean":
            return f", action=argparse.BooleanOptionalAction, default={draw(st.booleans())}"
        case "many":
            nargs = draw(st.sampled_from(["2", "'*'", "'+'", "'?'", "argparse.REMAINDER"]))
            return f", type={kind}, nargs={nargs}, default=[{value!r}, {value!r}]"
        case "choice":
            return f", choices=[{value!r}, {value!r}], required={draw(st.booleans())}"
        case "const":
            return f", action='store_const', const={value!r}, default=None"
        case "append":
            return f", type={kind}, action='append'"
        case "count":
            return ", action='count', default=0"
        case _:
            return ""


@st.composite
def stretches(draw: st.DrawFn, owner: str, number: int) -> str:
    """A few lines that give flags to *owner*; *number* keeps their names apart."""
    declared = draw(declarations())
    name = f"f{number}-{draw(st.sampled_from(['x', 'y_z']))}"
    form = draw(
        st.sampled_from(["plain", "group", "exclusive", "loop", "pairs", "helper", "method", "if", "late", "early"])
    )
    match form:
        case "group":
            return f"g{number} = {owner}.add_argument_group('g')\ng{number}.add_argument('--{name}'{declared})"
        case "exclusive":
            plain = declared.replace("required=True", "required=False")
            return f"{owner}.add_mutually_exclusive_group().add_argument('--{name}'{plain})"
        case "loop":
            return f"for side in ['l', 'r']:\n    {owner}.add_argument(f'--{name}-{{side}}'{declared})"
        case "pairs":
            return f"for n{number}, d{number} in (('l', 1), ('r', 2)):\n    {owner}.add_argument('--{name}' + n{number}, type=int, default=d{number})"
        case "helper":
            return f"def h{number}(parser, name, on=True):\n    if on:\n        parser.add_argument('--' + name{declared})\nh{number}({owner}, '{name}')\nh{number}({owner}, 'no{number}', on=False)"
        case "method":
            return f"class C{number}:\n    def fill(self, p):\n        p.add_argument('--{name}'{declared})\nC{number}().fill({owner})"
        case "if":
            return f"if {draw(st.booleans())}:\n    {owner}.add_argument('--{name}'{declared})"
        case "late":
            return f"{owner}.add_argument('--{name}', type=int, default=1)\n{owner}.set_defaults(f{number}_x=7, f{number}_y_z=8)"
        case "early":
            return f"{owner}.set_defaults(f{number}_x=7, f{number}_y_z=8)\n{owner}.add_argument('--{name}', type=int, default=1)"
        case _:
            return f"{owner}.add_argument('-{'abcdefgijklm'[number]}', '--{name}'{declared})"


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A program that builds one parser, with parents and commands."""
    lines = ["import argparse", "base = argparse.ArgumentParser(add_help=False)"]
    lines += [draw(stretches("base", number)) for number in range(draw(st.integers(0, 2)))]
    lines += ["parser = argparse.ArgumentParser(parents=[base])"]
    lines += [draw(stretches("parser", number)) for number in range(3, 3 + draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        lines += ["commands = parser.add_subparsers(dest='what', required=True)"]
        for number, name in enumerate(draw(st.sampled_from([["train"], ["train", "eval"]])), 7):
            lines += [f"c{number} = commands.add_parser({name!r}, aliases=[{name[0]!r}], parents=[base])"]
            lines += [draw(stretches(f"c{number}", number))]
    body = "\n".join(lines)
    if draw(st.booleans()):
        inner = "\n".join("    " + line for line in body.splitlines()[1:])
        body = f"import argparse\ndef get_parser():\n{inner}\n    return parser\nparser = get_parser()"
    return body + "\n"


def real(parser: argparse.ArgumentParser, command: str = "") -> list[dict[str, Any]]:
    """Every option, those of commands included."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        found.append(described(action) | {"command": command})
        if isinstance(action, argparse._SubParsersAction):
            found += [each for name, inner in action.choices.items() for each in real(inner, name)]
    return found


@settings(max_examples=150, deadline=None)
@given(source=programs())
def test_any_parser_is_read_as_argparse_has_it(source):
    """Groups, parents, loops, helpers, methods, known conditions, defaults set before and after, commands and their aliases."""
    made: dict[str, Any] = {}
    exec(compile(source, "train.py", "exec"), made)  # noqa: S102 - our own programs
    contract = read_arguments((source + "args = parser.parse_args()\n").encode(), "train.py")
    key = lambda each: (each["command"], each["dest"], each["spellings"])  # noqa: E731 - a sort key
    mine = [claimed(flag) | {"command": flag.command} for flag in contract.flags]
    assert sorted(mine, key=key) == sorted(real(made["parser"]), key=key)
    assert contract.complete
    assert not any(flag.conditional or flag.unread for flag in contract.flags)
