"""What becomes of a flag is told only where it is certain."""

from __future__ import annotations

import pytest

from srpo_manifest.upstream.arguments import read_arguments

HEAD = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=int)
parser.add_argument("--y", type=int)
"""
MAIN = HEAD + "args = parser.parse_args()\n"


def effects(source: str) -> dict[str, str]:
    return {flag.name: flag.effect for flag in read_arguments(source.encode(), "train.py").flags}


READS = [
    "print(args.x)",
    "getattr(args, 'x', None)",
    "hasattr(args, 'x')",
    "def f():\n    return args.x",
    "def f(options):\n    return options.x\nf(args)",
    "def f(*, options):\n    return options.x\nf(options=args)",
    "other = args\nother.x",
    "class T:\n    def __init__(self, a):\n        self.rate = a.x\nT(args)",
    "args.x += 1",
    "def f(args):\n    return args.x",
    "use = lambda: args.x",
    "w, h = args.x, 1\nprint(w)",
]


@pytest.mark.parametrize("code", READS)
def test_a_flag_that_is_read_is_used_and_another_is_never_read(code):
    """Attributes, `getattr`, other names and functions of the file are followed."""
    found = effects(MAIN + code)
    assert found == {"x": "used", "y": "never-read"}


ESCAPES = [
    "train(args)",
    "train(**vars(args))",
    "config = vars(args)",
    "save(args.__dict__)",
    "self.args = args",
    "jobs = [args]",
    "spawn(train, args=(args,))",
    "def f(*all):\n    pass\nf(args)",
    "def f():\n    yield args",
    "for name in names:\n    getattr(args, name)",
    "exec(code)",
    "print(locals())",
]


@pytest.mark.parametrize("code", ESCAPES)
def test_what_gets_out_of_sight_is_unknown(code):
    """Once other code has the namespace, an unread flag may be read there."""
    assert effects(MAIN + code + "\nprint(args.x)") == {"x": "used", "y": "unknown"}


IDLE = [
    "def f(a, b):\n    return a\nf(1, args.x)",
    "def f(a, *, b):\n    return a\nf(1, b=args.x)",
    "def f():\n    a, b = args.x, args.y\n    return b\nf()",
    "def f():\n    a = args.x\n    a = 2\nf()",
    "if args.x:\n    assert NotImplementedError('not supported now')",
    "if args.x:\n    pass",
]


@pytest.mark.parametrize("code", IDLE)
def test_a_value_that_nobody_looks_at_has_no_effect(code):
    """Passed to a parameter, or copied to a name, that is never looked at."""
    assert effects(MAIN + code)["x"] == "no-effect"


LIVELY = [
    "def f(a, b):\n    return b\nf(1, args.x)",
    "def f(a, b):\n    return locals()\nf(1, args.x)",
    "def f(a, b):\n    return lambda: b\nf(1, args.x)",
    "@traced\ndef f(a, b):\n    return a\nf(1, args.x)",
    "def f(a, b):\n    return a\nf(1, args.x)\nprint(args.x)",
    "def f(a, b):\n    return a\ndef f(a, b):\n    return b\nf(1, args.x)",
    "def f(a, b):\n    return a\nf(1, args.x + 1)",
    "other(1, args.x)",
    "a = args.x",
]


@pytest.mark.parametrize("code", LIVELY)
def test_no_effect_is_never_said_in_doubt(code):
    """Any look at the value, or a function that is not certain, makes the flag used."""
    assert effects(MAIN + code)["x"] == "used"


def test_a_namespace_that_comes_back_from_a_function_is_followed():
    """`return parser.parse_args()` is the usual form."""
    code = "def get():\n    return parser.parse_args()\ndef main():\n    args = get()\n    print(args.x)\nmain()\n"
    assert effects(HEAD + code) == {"x": "used", "y": "never-read"}
    assert effects(HEAD + "args, more = parser.parse_known_args()\nprint(args.x)\n") == {"x": "used", "y": "never-read"}
    assert effects(HEAD + "def get():\n    return parser.parse_args()\n") == {"x": "unknown", "y": "unknown"}
    assert effects(HEAD + "parser.parse_args(namespace=config)\n") == {"x": "unknown", "y": "unknown"}


def test_writing_is_not_reading():
    """A flag that is only overwritten is never read."""
    assert effects(MAIN + "args.x = 1\nsetattr(args, 'y', 2)\n") == {"x": "never-read", "y": "never-read"}


def test_the_first_reading_line_is_told():
    """`read_at` is the line of the first read."""
    flags = read_arguments((MAIN + "\nprint(args.x)\nprint(args.x)\n").encode(), "train.py").flags
    assert [(flag.name, flag.read_at, flag.line) for flag in flags] == [("x", 8, 4), ("y", None, 5)]
