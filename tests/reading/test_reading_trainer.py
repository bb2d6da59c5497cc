from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.canonical import canonical_json
from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.rendering import told
from srpo_manifest.values.trainer import GENERIC

GOOD = 'format = 1\nname = "generic"\ntitle = "any script"\nmethods = ["full-finetune", "lora"]\nneeds_gpu = false\n'


def finding(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_trainer(text.encode(), "own.toml")
    return told(caught.value.findings[0])


def test_a_description_is_read(root: Path) -> None:
    """The smallest one, and all that ship."""
    assert parse_trainer(GOOD.encode(), "own.toml") == GENERIC
    shipped = sorted((root / "srpo_manifest" / "upstream" / "trainers").glob("*.toml"))
    assert shipped
    assert [parse_trainer(file.read_bytes(), file.name).name for file in shipped] == [file.stem for file in shipped]


@pytest.mark.parametrize(
    ("text", "told_"),
    [
        (
            GOOD + "[evidence.a]\nfile = 'x'\npatern = 'y'",
            (
                "error[unknown-key]: unknown key `patern` in `evidence.a`\n"
                "  --> own.toml:8:1\n"
                "  |\n"
                "8 | patern = 'y'\n"
                "  | ^^^^^^\n"
                "hint: did you mean `pattern`?\n"
                "hint: `evidence.a` takes `file` or `pattern`"
            ),
        ),
        (
            GOOD + "[[log]]\nevent = 'progress.mad'\npattern = 'x'",
            (
                "error[invalid-value]: `log.0.event` is `progress.mad`, "
                "expected `phase.started`, `progress.made`, or `warning.raised`\n"
                "  --> own.toml:7:9\n"
                "  |\n"
                "7 | event = 'progress.mad'\n"
                "  |         ^^^^^^^^^^^^^^\n"
                "hint: did you mean `progress.made`?"
            ),
        ),
        (
            "format = 2\nsurprise = 1",
            (
                "error[format-newer]: `own.toml` has format 2; this srpo-manifest knows 1\n"
                "  --> own.toml (format)\n"
                "hint: update srpo-manifest: `pip install -U srpo-manifest`"
            ),
        ),
        (
            "name = 'x'",
            "error[missing-key]: the trainer description needs `format`\n  --> own.toml (format)\nhint: write `format = …`",
        ),
    ],
)
def test_a_wrong_description_says_where(text: str, told_: str) -> None:
    """As strictly as a manifest."""
    assert finding(text) == told_


RULES = "[evidence.loops]\nfile = 'x.py'\npattern = 'while'\n"
CHECK = "[[checks]]\ncode = 'c'\nmessage = 'm'\n"


@pytest.mark.parametrize(
    ("text", "told_"),
    [
        (
            f"{RULES}[[log]]\nevent = 'warning.raised'\npattern = 'x'\nrule = 'loop'",
            (
                "error[rule-without-evidence]: `log.0.rule` names `loop`, which has no evidence\n"
                "   --> own.toml:12:1\n"
                "   |\n"
                "12 | rule = 'loop'\n"
                "   | ^^^^\n"
                "hint: did you mean `loops`?\n"
                "hint: write a table `[evidence.loop]` with `file` and `pattern`"
            ),
        ),
        (
            "[[log]]\nevent = 'warning.raised'\npattern = '(?P<step>'",
            (
                "error[bad-pattern]: `log.0.pattern` is no regular expression: missing ), unterminated subpattern\n"
                "  --> own.toml:8:1\n"
                "  |\n"
                "8 | pattern = '(?P<step>'\n"
                "  | ^^^^^^^\n"
                "hint: escape what shall mean itself with a backslash, and put the pattern in single quotes"
            ),
        ),
        (
            "[[log]]\nevent = 'progress.made'\npattern = '(?P<step>.)(?P<los>.)'",
            (
                "error[unknown-group]: `log.0.pattern` names the group `los`, which `progress.made` does not have\n"
                "  --> own.toml:8:1\n"
                "  |\n"
                "8 | pattern = '(?P<step>.)(?P<los>.)'\n"
                "  | ^^^^^^^\n"
                "hint: did you mean `loss`?\n"
                "hint: it has `step`, `total`, `epoch`, `loss`, `reward`, `grad_norm`, `learning_rate`, `step_seconds`, and `left_seconds`"
            ),
        ),
        (
            CHECK + "flag = 'steps'\nwhen = ['!steps=1']",
            (
                "error[bad-condition]: `checks.0.when.0` is `!steps=1`, which is no condition\n"
                "   --> own.toml:10:9\n"
                "   |\n"
                "10 | when = ['!steps=1']\n"
                "   |         ^^^^^^^^^^\n"
                "hint: write `flag=value`, `flag` (it is given), or `!flag` (it is not)"
            ),
        ),
        (
            "[[files]]\npath = 'data/{index'",
            (
                "error[bad-template]: `files.0.path` holds a brace that stands around no name\n"
                "  --> own.toml:7:1\n"
                "  |\n"
                "7 | path = 'data/{index'\n"
                "  | ^^^^\n"
                "hint: write `{flag}`, or `{flag.0}` for the first of several values"
            ),
        ),
        (
            CHECK,
            (
                "error[check-shape]: `checks.0` asks either a `flag` or a `probe`\n"
                "  --> own.toml:6:3\n"
                "  |\n"
                "6 | [[checks]]\n"
                "  |   ^^^^^^\n"
                "hint: keep one of them"
            ),
        ),
    ],
)
def test_a_description_that_would_claim_nonsense_is_refused_when_read(text: str, told_: str) -> None:
    """With its place, and what to do: nobody finds out hours into a run."""
    assert finding(GOOD + text) == told_


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            f"{RULES}[loop]\nshape = 'plain'\nmax_steps = 's'\ncheckpoint_every = 'c'\nrule = 'lops'",
            "rule-without-evidence",
        ),
        (f"{RULES}[memory]\nrule = 'lops'", "rule-without-evidence"),
        ("[[afterwards]]\ntext = 't'\nrule = 'r'", "rule-without-evidence"),
        ("[[dead]]\nflag = 'f'\nwhy = 'w'\nrule = 'r'", "rule-without-evidence"),
        ("[[files]]\npath = 'p'\nrule = 'r'", "rule-without-evidence"),
        (CHECK + "flag = 'f'\nrule = 'r'", "rule-without-evidence"),
        ("[evidence.a]\nfile = 'x'\npattern = '['", "bad-pattern"),
        ("[[log]]\nevent = 'progress.made'\npattern = 'x'", "unknown-group"),
        ("[[log]]\nevent = 'phase.started'\npattern = 'x'", "missing-key"),
        ("[[files]]\npath = 'p'\nwhen = ['']", "bad-condition"),
        (CHECK + "flag = 'f'\nwhen = ['a b']", "bad-condition"),
        ("[[modules]]\nname = 'm'\nwhy = 'w'\nwhen = ['a b']", "bad-condition"),
        ("[[modules]]\nname = 'm'\nwhy = 'w'\nrule = 'r'", "rule-without-evidence"),
        ("[packages]\ntorch = '~=2.6'", "bad-condition"),
        ("[artifacts]\ncheckpoints = '{}/x'", "bad-template"),
        ("[done]\nfiles = ['{a b}']", "bad-template"),
        ("[[afterwards]]\ntext = 'a }'", "bad-template"),
        (CHECK + "flag = 'f'\nhints = ['{']", "bad-template"),
        (CHECK + "flag = 'f'\nop = 'equals'\nvalue = '{f'", "bad-template"),
        (CHECK + "flag = 'f'\nprobe = 'true'", "check-shape"),
        (CHECK + "flag = 'f'\nop = 'at-least'", "check-shape"),
        (CHECK + "flag = 'f'\nop = 'one-of'\nvalue = 1", "check-shape"),
        (CHECK + "flag = 'f'\nop = 'equals'\nvalue = [1]", "check-shape"),
    ],
)
def test_every_table_is_looked_at(text: str, code: str) -> None:
    """Rules, patterns, conditions, templates and checks, wherever they stand."""
    assert finding(GOOD + text).startswith(f"error[{code}]: ")


def test_what_ships_is_kept_as_json_too(root: Path, golden) -> None:
    """TOML takes seven times as long to read, on every cold `validate`: the twin says the same, and is written by this test."""
    folder = root / "srpo_manifest" / "upstream" / "trainers"
    described = {file.stem: parse_trainer(file.read_bytes(), file.name) for file in folder.glob("*.toml")}
    for name, trainer in described.items():
        golden(folder / f"{name}.json", msgspec.json.format(canonical_json(trainer), indent=1) + b"\n")
    assert {file.stem for file in folder.glob("*.json")} == set(described)
