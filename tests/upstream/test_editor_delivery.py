"""What the editor delivers, the real `argparse` reads as wished; everything else stays as the script had it."""

from __future__ import annotations

import argparse
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.editor import Delivery, Wish, deliver, of_command, read_tokens, wish_of
from srpo_manifest.values.contract import ArgumentContract
from srpo_manifest.values.words import Arrived, Word, joined, late, word

PROGRAM = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("where")
parser.add_argument("--steps", "-s", type=int, default=1)
parser.add_argument("--rate", type=float, default=0.5)
parser.add_argument("--name", default="x")
parser.add_argument("--pair", type=float, nargs=2, default=[0.0, 1.0])
parser.add_argument("--many", type=int, nargs="*")
parser.add_argument("--maybe", nargs="?", const="on", default="off")
parser.add_argument("--kind", choices=["a", "b"])
parser.add_argument("--level", type=float, choices=[1.0, 2.0])
parser.add_argument("--tf32", action="store_true")
parser.add_argument("--no-cache", dest="cache", action="store_false")
parser.add_argument("--ema", action=argparse.BooleanOptionalAction, default=None)
parser.add_argument("-q", type=int)
parser.add_argument("--steps_more", type=int)
args = parser.parse_args()
use(args)
"""


def contract_of(source: str) -> ArgumentContract:
    return read_arguments(source.encode(), "train.py")


CONTRACT = contract_of(PROGRAM)


def real_parser() -> argparse.ArgumentParser:
    """The parser that the program makes, built by argparse itself."""
    made: dict[str, Any] = {}
    exec(PROGRAM.partition("args =")[0], made)  # noqa: S102 - our own program
    parser = made["parser"]
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


PARSER = real_parser()
DEFAULTS = vars(PARSER.parse_args(["w"]))
DEST = {flag.name: flag.dest for flag in CONTRACT.flags}

INTEGERS = st.integers(-(10**9), 10**9)
FLOATS = st.floats(allow_nan=False) | st.sampled_from([-1e-5, -0.3, 5e-6, math.inf, -math.inf])
TEXTS = st.text(alphabet="ab-=1. /é'\"$", max_size=6) | st.sampled_from(["---", "-x", "-1", "--steps", "-1e-5", ""])
SETTINGS = {
    "steps": INTEGERS,
    "rate": FLOATS | INTEGERS,
    "name": TEXTS.filter(lambda text: text != "--"),
    "pair": st.tuples(st.floats(-1, 1).map(lambda value: round(value, 3)), INTEGERS).filter(
        lambda pair: "e" not in repr(pair)
    ),
    "many": st.lists(INTEGERS, max_size=3).map(tuple),
    "maybe": st.sampled_from(["x", "-y"]),
    "kind": st.sampled_from(["a", "b"]),
    "level": st.sampled_from([1, 2.0]),
    "tf32": st.booleans(),
    "no-cache": st.booleans(),
    "ema": st.booleans(),
    "q": INTEGERS,
}
SCRIPT_FORMS = {
    "steps": st.sampled_from(
        [["--steps", "5"], ["--steps=-5"], ["-s", "6"], ["-s7"], ["--steps", "1", "--steps", "2"]]
    ),
    "rate": st.sampled_from([["--rate", "1e-4"], ["--rate=-1e-4"]]),
    "name": st.sampled_from([["--name", "it"], ["--name="], ["--name=--x"]]),
    "pair": st.just(["--pair", "1", "-2"]),
    "many": st.sampled_from([["--many"], ["--many", "1", "-2"]]),
    "maybe": st.sampled_from([["--maybe"], ["--maybe", "v"]]),
    "kind": st.just(["--kind", "a"]),
    "level": st.just(["--level", "2.0"]),
    "tf32": st.just(["--tf32"]),
    "no-cache": st.just(["--no-cache"]),
    "ema": st.sampled_from([["--ema"], ["--no-ema"]]),
    "q": st.sampled_from([["-q", "3"], ["-q4"]]),
    "steps_more": st.just(["--steps_more", "9"]),
}
SCRIPTS = st.lists(st.sampled_from(sorted(SCRIPT_FORMS)), unique=True, max_size=6).flatmap(
    lambda names: st.tuples(*(SCRIPT_FORMS[name] for name in names)).map(
        lambda parts: ["w", *(text for part in parts for text in part)]
    )
)
WISHES = st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, max_size=6).flatmap(
    lambda names: st.fixed_dictionaries({name: SETTINGS[name] for name in names})
)


def delivered(script: list[str], wishes: dict[str, Any], contract: ArgumentContract = CONTRACT) -> Delivery:
    return deliver(
        contract,
        [word(text) for text in script],
        [
            wish_of(contract, name, setting, origin="entry.set", key=f"entry.set.{name}")
            for name, setting in wishes.items()
        ],
    )


def argv_of(delivery: Delivery) -> list[str]:
    return [text for each in delivery.argv if (text := each.text) is not None]


def expected(script: list[str], wishes: dict[str, Any]) -> dict[str, Any]:
    """What the program should see."""
    values = vars(PARSER.parse_args(script))
    for name, wish in wishes.items():
        match name:
            case "tf32":
                values["tf32"] = wish
            case "no-cache":
                values["cache"] = not wish
            case "pair" | "many":
                values[name] = list(wish)
            case _:
                values[DEST[name]] = wish
    return values


@settings(max_examples=100, deadline=None)
@given(script=SCRIPTS, wishes=WISHES)
def test_the_real_parser_reads_exactly_the_wishes(script, wishes):
    """Every wished flag has its value, every other flag the script's, whatever the order and spelling."""
    delivery = delivered(script, wishes)
    assert delivery.misfits == ()
    assert vars(PARSER.parse_args(argv_of(delivery))) == expected(script, wishes)


@settings(max_examples=50, deadline=None)
@given(script=SCRIPTS)
def test_without_wishes_nothing_changes(script):
    """The script's own words arrive untouched."""
    assert argv_of(delivered(script, {})) == script


@settings(max_examples=50, deadline=None)
@given(script=SCRIPTS, wishes=WISHES)
def test_wishing_twice_changes_nothing_more(script, wishes):
    """Delivery of its own result is the same argv."""
    once = argv_of(delivered(script, wishes))
    assert argv_of(delivered(once, wishes)) == once


@settings(max_examples=50, deadline=None)
@given(script=SCRIPTS, name=st.sampled_from(sorted(set(SETTINGS) - {"ema"})))
def test_a_flag_that_is_taken_away_has_its_default(script, name):
    """`unset` leaves no trace of a flag, however the script spelled it."""
    argv = argv_of(deliver(CONTRACT, [word(text) for text in script], [Wish(name=name, on=False)]))
    values = vars(PARSER.parse_args(argv))
    assert values == vars(PARSER.parse_args(script)) | {DEST[name]: DEFAULTS[DEST[name]]}


@settings(max_examples=50, deadline=None)
@given(wishes=WISHES)
def test_tokens_of_a_person_are_the_same_wishes(wishes):
    """Delivered words, read as command-line tokens and delivered again, mean the same."""
    argv = argv_of(delivered(["w"], wishes))[1:]
    read, misfits = read_tokens(CONTRACT, argv, "--", "--")
    assert misfits == []
    again = argv_of(deliver(CONTRACT, [word("w")], read))
    assert vars(PARSER.parse_args(again)) == vars(PARSER.parse_args(["w", *argv]))


def test_an_overridden_flag_keeps_its_place_and_new_ones_come_last():
    """Order is the script's, then that of the wishes."""
    delivery = delivered(["w", "--rate", "1", "--steps", "2", "--tf32"], {"name": "n", "steps": 3, "kind": "a"})
    assert argv_of(delivery) == ["w", "--rate", "1", "--steps", "3", "--tf32", "--name", "n", "--kind", "a"]


def test_the_later_of_two_wishes_wins():
    """Precedence is the order of the wishes."""
    wishes = [Wish(name="steps", values=(1,)), Wish(name="steps", values=(2,))]
    assert argv_of(deliver(CONTRACT, [], wishes)) == ["--steps", "2"]


def test_numbers_are_spelled_as_python_prints_them():
    """`5e-06`, and `=` only where a dash would be misread."""
    assert argv_of(delivered([], {"rate": 5e-6})) == ["--rate", "5e-06"]
    assert argv_of(delivered([], {"rate": -0.3})) == ["--rate", "-0.3"]
    assert argv_of(delivered([], {"rate": -1e-5})) == ["--rate=-1e-05"]
    assert argv_of(delivered([], {"q": -3})) == ["-q", "-3"]


@pytest.mark.parametrize(
    ("name", "setting", "code"),
    [
        ("step", 3, "unknown-flag"),
        ("steps_mor", 3, "flag-abbreviated"),
        ("stepz", 3, "unknown-flag"),
        ("where", "x", "unknown-flag"),
        ("steps", 3.5, "flag-type"),
        ("steps", 3.0, "flag-type"),
        ("steps", "1e3", "flag-type"),
        ("steps", True, "flag-value"),
        ("steps", (1, 2), "flag-value"),
        ("rate", "fast", "flag-value"),
        ("pair", 1.0, "flag-value"),
        ("pair", (1.0, -1e-5), "flag-value"),
        ("name", "--", "flag-value"),
        ("kind", "c", "flag-value"),
        ("level", 3, "flag-value"),
        ("tf32", "yes", "flag-value"),
    ],
)
def test_what_argparse_would_refuse_is_refused_before(name, setting, code):
    """One misfit, with its code and the key to blame; the script's argv is left as it was."""
    delivery = delivered(["w", "--steps", "2"], {name: setting})
    assert [(misfit.code, misfit.key) for misfit in delivery.misfits] == [(code, f"entry.set.{name}")]
    assert argv_of(delivery) == ["w", "--steps", "2"]


@pytest.mark.parametrize(
    ("tokens", "codes"),
    [
        (["--steps"], ["flag-value"]),
        (["--steps", "x"], ["flag-type"]),
        (["--steps=3", "stray"], ["stray-argument"]),
        (["--unknown", "1", "--steps", "2"], ["unknown-flag"]),
        (["--kin", "a"], ["flag-abbreviated"]),
        (["--tf32=1"], ["flag-value"]),
        (["--q", "1"], ["unknown-flag"]),
    ],
)
def test_wrong_tokens_of_a_person_are_told(tokens, codes):
    """Tokens behind `--` are checked as settings are."""
    read, misfits = read_tokens(CONTRACT, tokens, "--", "--")
    assert [misfit.code for misfit in (*misfits, *deliver(CONTRACT, [], read).misfits)] == codes


@pytest.mark.trap(15, "flag-blank")
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (["--steps"], "flag-blank"),
        (["--pair", "1", "--tf32"], "flag-blank"),
        (["--unknown", "1"], "unknown-flag"),
        (["-z"], "unknown-flag"),
    ],
)
def test_faults_of_the_script_itself_are_told(script, code):
    """A blank value and an unknown flag end the program: said before it starts."""
    with pytest.raises(SystemExit):
        PARSER.parse_args(["w", *script])
    assert [misfit.code for misfit in delivered(["w", *script], {}).misfits] == [code]


def test_a_number_of_the_script_that_some_pythons_misread_is_told():
    """`-1e-5` is an option for argparse before Python 3.13."""
    assert [misfit.code for misfit in delivered(["w", "--rate", "-1e-5"], {}).misfits] == ["flag-value"]
    assert delivered(["w", "--rate=-1e-5"], {}).misfits == ()


def test_a_blank_of_the_script_is_mended_by_a_wish():
    """Setting the flag puts its value where the blank was."""
    delivery = delivered(["w", "--steps", "--tf32"], {"steps": 4})
    assert delivery.misfits == ()
    assert argv_of(delivery) == ["w", "--steps", "4", "--tf32"]


def test_late_values_travel_as_they_are():
    """A value that only the target knows replaces the script's, glued or not, and is kept where nobody overrides it."""
    home = late("target.home")
    wish = Wish(name="name", late=home, origin="run")
    assert deliver(CONTRACT, [word("--name"), word("x")], [wish]).argv == (word("--name"), home)
    assert deliver(CONTRACT, [word("--name=") + home + "/x"], [wish]).argv == (word("--name"), home)
    kept = (word("--name=") + home + "/x", word("--steps"), word("3"))
    delivery = deliver(CONTRACT, kept, [])
    assert delivery.argv == kept
    assert delivery.finals["name"] == (home + "/x",)


def test_dead_conditional_and_missing_flags_are_told():
    """A wish without effect, one that may not be declared, and a required flag that nobody sets."""
    source = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--dead")
parser.add_argument("--must", required=True)
if sys.argv:
    parser.add_argument("--perhaps")
args = parser.parse_args()
print(args.must)
"""
    contract = contract_of(source)
    codes = [misfit.code for misfit in delivered([], {"dead": "x", "perhaps": "y"}, contract).misfits]
    assert codes == ["flag-never-read", "flag-unproven", "flag-missing"]
    assert delivered(["--must", "1"], {}, contract).misfits == ()


@pytest.mark.parametrize(
    "more", ["parser.add_argument(*names)\nargs = parser.parse_args()", "args, unknown = parser.parse_known_args()"]
)
def test_a_flag_is_proven_wrong_only_by_a_whole_contract(more):
    """With a gap, or where unknown flags are passed over, an unknown flag is only unproven."""
    contract = contract_of("import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--a')\n" + more)
    assert [misfit.code for misfit in delivered([], {"other": 1}, contract).misfits] == ["flag-unproven"]


def test_options_tell_every_flags_way():
    """Script's value, manifest's value, final tokens and origin stand side by side."""
    delivery = delivered(["w", "--steps", "2", "--tf32"], {"steps": 3, "tf32": False})
    told = {option.name: (option.script, option.manifest, option.final, option.origin) for option in delivery.options}
    assert told["steps"] == (2, 3, ("--steps", "3"), "entry.set")
    assert told["tf32"] == (True, False, None, "entry.set")
    assert told["rate"] == (None, None, None, "default")
    assert "where" not in told


def told(number: int, *, many: bool = False, before: str = "") -> Word:
    """What only the script can tell."""
    return joined(*word(before).pieces, Arrived(number=number, many=many))


def test_what_only_the_script_can_tell_keeps_its_place():
    """As a flag's value, as a word of its own; an overridden flag takes its value along, and the edited spellings are told."""
    script = (
        word("where"), word("--name"), told(1, before="run "), word("--steps"), told(2, many=True), told(3, many=True),
    )  # fmt: skip
    wishes = [wish_of(CONTRACT, "steps", 7, origin="", key=""), Wish(name="ema", on=False)]
    delivery = deliver(CONTRACT, script, wishes)
    assert list(map(str, delivery.argv)) == [
        "where",
        "--name",
        "run ${script.1}",
        "--steps",
        "7",
        "${script.3*}",
        "--no-ema",
    ]
    assert delivery.edited == ("--steps", "-s", "--ema", "--no-ema")
    assert delivery.misfits == ()
    assert str(delivery.finals["name"][0]) == "run ${script.1}"


def test_a_required_flag_may_be_among_what_the_script_tells():
    """Then nobody can say that it is missing."""
    contract = contract_of(
        'import argparse\np = argparse.ArgumentParser()\np.add_argument("--must", required=True)\nprint(p.parse_args().must)\n'
    )
    assert [misfit.code for misfit in deliver(contract, (), []).misfits] == ["flag-missing"]
    assert [misfit.code for misfit in deliver(contract, (told(1),), []).misfits] == ["flag-missing"]
    assert deliver(contract, (told(1, many=True),), []).misfits == ()


COMMANDS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--level")
commands = parser.add_subparsers(dest="what")
train = commands.add_parser("train", aliases=["t"])
train.add_argument("--rate", type=float)
train.add_argument("--level", type=int)
evaluate = commands.add_parser("eval")
evaluate.add_argument("--rate", choices=["low"])
evaluate.add_argument("--deep", action="store_true")
args = parser.parse_args()
use(args)
"""


@pytest.mark.parametrize("command", ["train", "t"])
def test_the_scripts_command_decides_which_flags_there_are(command):
    """New flags of the command follow it, those of the program stand before it; another command's flags are unknown."""
    script = ["--seed", "1", command, "--level", "2"]
    contract = of_command(contract_of(COMMANDS), list(map(word, script)))
    delivery = delivered(script, {"rate": 0.5, "level": 3}, contract)
    assert [str(each) for each in delivery.argv] == ["--seed", "1", command, "--level", "3", "--rate", "0.5"]
    assert delivery.misfits == ()
    delivery = delivered([command, "--level", "2"], {"seed": 7}, contract)
    assert [str(each) for each in delivery.argv] == ["--seed", "7", command, "--level", "2"]
    made: dict[str, Any] = {}
    exec(COMMANDS.partition("args =")[0], made)  # noqa: S102 - our own program
    assert made["parser"].parse_args([str(each) for each in delivery.argv]).level == 2
    assert [misfit.code for misfit in delivered(script, {"deep": True}, contract).misfits] == ["unknown-flag"]


def test_without_a_command_its_flags_are_not_certain():
    """A value that looks like a command is none."""
    contract = of_command(contract_of(COMMANDS), [word("--level"), word("eval")])
    assert {flag.name for flag in contract.flags if flag.conditional} == {"rate", "level", "deep"}
    plain = contract_of(PROGRAM)
    assert of_command(plain, [word("train")]) is plain


def test_what_the_program_cannot_do_without_is_told_with_its_line():
    """Whenever it runs, or where it seems to; nothing once somebody sets it."""
    source = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
parser.add_argument("--folder")
args = parser.parse_args()
for step in range(args.steps):
    print(step)
if os.cpu_count():
    os.makedirs(args.folder)
"""
    contract = contract_of(source)
    misfits = delivered([], {}, contract).misfits
    assert [(misfit.code, misfit.message.rpartition("`train.py:")[2].partition("`")[0]) for misfit in misfits] == [
        ("flag-needed", "7"),
        ("flag-expected", "10"),
    ]
    assert all(misfit.hints for misfit in misfits)
    assert delivered(["--folder", "x"], {"steps": 1}, contract).misfits == ()


def test_a_default_that_its_own_type_refuses_is_told_as_such():
    """Whoever copies the documented value learns that leaving the flag out gives it."""
    contract = contract_of(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--guidance', type=int, default=3.5)\n"
        "args = parser.parse_args()\nuse(args)\n"
    )
    (misfit,) = delivered([], {"guidance": 3.5}, contract).misfits
    assert misfit.code == "flag-type"
    assert misfit.hints == ("leave it out to have `3.5`", "`guidance` is declared at `train.py:3`")
    assert [misfit.code for misfit in delivered([], {"guidance": 2.5}, contract).misfits] == ["flag-type"]
    assert delivered([], {"guidance": 3}, contract).misfits == ()


SECRETS = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--hub_token", type=int)
parser.add_argument("--api-key", choices=["a", "b"])
parser.add_argument("--wandb_key_secret")
args = parser.parse_args()
use(args)
"""


@pytest.mark.parametrize(
    ("name", "value"), [("hub_token", "swordfish"), ("api-key", "swordfish"), ("wandb_key_secret", "-swordfish -")]
)
def test_no_message_repeats_the_value_of_a_flag_that_is_named_like_a_secret(name: str, value: str) -> None:
    """Its length alone is told."""
    contract = contract_of(SECRETS)
    wish = wish_of(contract, name.replace("-", "_"), (value, "--") if value[0] == "-" else value, origin="", key="")
    tokens = [f"{name}={value}"]
    told = (*deliver(contract, [], [wish]).misfits, *read_tokens(contract, tokens, "", "")[1])
    assert len(told) == 2
    assert all(name.replace("-", "_") in one.message.replace("-", "_") for one in told)
    assert "swordfish" not in repr(told)
