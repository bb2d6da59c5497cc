from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import told
from srpo_manifest.reading.canonical import canonical_json
from srpo_manifest.reading.trainer import parse_trainer
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
                "  --> own.toml:7:1\n"
                "  |\n"
                "7 | event = 'progress.mad'\n"
                "  | ^^^^^\n"
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
            "error[missing-key]: the trainer description needs `format`\n  --> own.toml\nhint: write `format = …`",
        ),
    ],
)
def test_a_wrong_description_says_where(text: str, told_: str) -> None:
    """As strictly as a manifest."""
    assert finding(text) == told_


def test_what_ships_is_kept_as_json_too(root: Path, golden) -> None:
    """TOML takes seven times as long to read, on every cold `validate`: the twin says the same, and is written by this test."""
    folder = root / "srpo_manifest" / "upstream" / "trainers"
    described = {file.stem: parse_trainer(file.read_bytes(), file.name) for file in folder.glob("*.toml")}
    for name, trainer in described.items():
        golden(folder / f"{name}.json", msgspec.json.format(canonical_json(trainer), indent=1) + b"\n")
    assert {file.stem for file in folder.glob("*.json")} == set(described)
