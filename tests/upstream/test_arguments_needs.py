"""A flag is needed in fact only where None is an error that nothing keeps away."""

from __future__ import annotations

import pytest

from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.flags import refused_default

HEAD = """
import argparse, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=int)
parser.add_argument("--y", action="store_true")
args = parser.parse_args()
"""


def needed(code: str) -> tuple[int | None, bool]:
    flag = read_arguments((HEAD + code).encode(), "train.py").flags[0]
    return flag.needed_at, flag.needed_always


ALWAYS = [
    "print(args.x + 1)",
    "print(args.x // 8)",
    "print(-args.x)",
    "range(args.x)",
    "os.path.join(folder, args.x)",
    "os.makedirs(args.x, exist_ok=True)",
    "Model.from_pretrained(args.x, subfolder='vae')",
    "args.x.split()",
    "args.x[0]",
    "args.x < 3",
    "[*args.x]",
]


@pytest.mark.parametrize("code", ALWAYS)
def test_what_cannot_bear_none_needs_the_flag(code):
    """Sums, orders, counting, paths, items: the first such line is told."""
    assert needed(code) == (7, True)
    assert needed("print(args.x)\n" + code) == (8, True)
    assert needed(f"def main():\n    {code}\nmain()") == (8, True)
    assert needed(f"for epoch in range(9):\n    {code}") == (8, True)


@pytest.mark.parametrize(
    "code",
    [
        "if rank == 0:\n    args.x + 1",
        "def main(step):\n    if step:\n        args.x + 1\nmain(1)",
        "def main():\n    x = args.x\n    if rank:\n        x = 3\n    x // 2\nmain()",
        "if args.x is not None:\n    print(1)\nif rank:\n    args.x + 1",
    ],
)
def test_under_a_condition_of_its_own_it_may_be_needed(code):
    """The condition asks about something else than flags."""
    line, always = needed(code)
    assert line is not None
    assert not always


NEVER = [
    "print(args.x)",
    "print(f'{args.x}')",
    "print('%s' % args.x)",
    "args.x == 3",
    "args.x or 3",
    "if args.x:\n    args.x + 1",
    "if args.x is not None:\n    range(args.x)",
    "if args.x is None:\n    raise SystemExit(1)\nargs.x + 1",
    "if not args.x:\n    sys.exit(1)\nargs.x + 1",
    "assert args.x\nargs.x + 1",
    "args.x = 3\nargs.x + 1",
    "if args.y:\n    args.x + 1",
    "try:\n    args.x + 1\nexcept TypeError:\n    pass",
    "y = args.x + 1 if args.x else 3",
    "args.x and args.x + 1",
    "lambda: args.x + 1",
    "def main():\n    x = args.x\n    x = 3\n    x + 1\nmain()",
    "def main():\n    x = args.x\n    if x is None:\n        return\n    x + 1\nmain()",
    "def other():\n    x = args.x\n    print(x)\nother()",
]


@pytest.mark.parametrize("code", NEVER)
def test_what_bears_none_or_thinks_of_it_needs_nothing(code):
    """Any question about the value, or about another flag, keeps the claim away."""
    assert needed(code) == (None, False)


@pytest.mark.parametrize(
    "declared", ["default=3", "required=True", "action='store_true'", "default=sys.argv", "nargs='*', default=[]"]
)
def test_only_a_flag_that_may_be_none_can_be_needed(declared):
    """A default, known or not, and a required flag are argparse's own business."""
    source = f"import argparse, sys\nparser = argparse.ArgumentParser()\nparser.add_argument('--x', {declared})\n"
    (flag,) = read_arguments((source + "args = parser.parse_args()\nargs.x + 1\n").encode(), "train.py").flags
    assert flag.needed_at is None


@pytest.mark.parametrize(
    ("declared", "refused"),
    [
        ("type=int, default=3.5", ("3.5",)),
        ("type=int, default='many'", ("many",)),
        ("choices=['a', 'b'], default='c'", ("c",)),
        ("type=int, nargs=2, default=[1, 2.5]", ("1", "2.5")),
        ("type=int, nargs=2, default=[1]", ("1",)),
        ("type=int, default=3", None),
        ("type=float, default=3", None),
        ("type=str, default=3.5", None),
        ("default=None", None),
        ("type=int, default=False", None),
        ("type=int, action='append', default=[1.5]", None),
        ("type=parse, default=3.5", None),
        ("choices=KINDS, default='c'", None),
    ],
)
def test_a_default_is_refused_where_argparse_would_refuse_it(declared, refused):
    """Passing the documented default would end the program."""
    source = f"import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--x', {declared})\n"
    (flag,) = read_arguments((source + "args = parser.parse_args()\n").encode(), "train.py").flags
    assert refused_default(flag) == refused
