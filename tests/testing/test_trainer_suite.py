"""The suite for trainer descriptions, on those that ship, and on what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from srpo_manifest.demo import demo_files
from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.testing import TrainerSuite
from srpo_manifest.upstream import __file__ as upstream

SHIPPED = sorted((Path(upstream).parent / "trainers").glob("*.toml"))
LEAST = 'format = 1\nname = "x"\ntitle = "x"\n'


class TestDemo(TrainerSuite):
    """With its sources and its log."""

    @pytest.fixture
    def description(self) -> bytes:
        return next(path for path in SHIPPED if path.stem == "demo").read_bytes()

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        for name, (data, _) in demo_files().items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        return tmp_path

    @pytest.fixture
    def lines(self) -> list[str]:
        return [
            "Progress: 3/10 | Details: {'loss_hps': '0.5', 'step_time': '0.02s', 'grad_norm': 1.5}",
            "Initializing HPS reward model",
            "--> loading model from builtin",
            "***** Running training *****",
            "--> saving checkpoint at step 4",
            "--> checkpoint saved at step 4",
            "failed (exitcode: -9)",
            "FileNotFoundError: no such file",
            "train.py: error: unrecognized arguments: --x",
        ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
class TestShipped(TrainerSuite):
    """What can be told without their sources."""

    @pytest.fixture
    def description(self, path: Path) -> bytes:
        return path.read_bytes()


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("[done]\n", "test_its_runs_can_be_done"),
        ("[done]\ncheckpoints = 1\n", "test_its_runs_can_be_done"),
        ("[memory]\nstate_bytes = -1\n", "test_its_estimates_are_amounts"),
        ('[notes]\n"--seed" = "x"\n', "test_its_flags_are_flags"),
        ('[[checks]]\ncode = "Bad Code"\nmessage = "x"\nflag = "a"\n', "test_its_checks_are_told_apart"),
        ('[[checks]]\ncode = "a"\nmessage = "x"\nflag = "a"\n' * 2, "test_its_checks_are_told_apart"),
    ],
)
def test_what_is_wrong_is_seen(text: str, test: str) -> None:
    """By the sentence that it breaks."""
    trainer = parse_trainer((LEAST + text).encode(), "trainer.toml")
    with pytest.raises(AssertionError):
        getattr(TrainerSuite(), test)(trainer)


def test_evidence_and_lines_that_do_not_fit_are_seen(tmp_path: Path) -> None:
    """A file that is not there, a pattern that is not in it, a line that no rule knows."""
    text = f"{LEAST}[evidence.a]\nfile = 'a.py'\npattern = '^step'\n[[log]]\nevent = 'progress.made'\npattern = 'step (?P<step>\\w+)'\n"
    trainer, suite = parse_trainer(text.encode(), "trainer.toml"), TrainerSuite()
    with pytest.raises(AssertionError, match=r"there is no a\.py"):
        suite.test_its_evidence_holds(trainer, tmp_path)
    (tmp_path / "a.py").write_text("x\nno step\n")
    with pytest.raises(AssertionError, match=r"it is not in a\.py"):
        suite.test_its_evidence_holds(trainer, tmp_path)
    with pytest.raises(AssertionError, match="no line fits"):
        suite.test_its_rules_know_the_log(trainer, ["epoch 1"])
    with pytest.raises(ValueError, match="could not convert"):
        suite.test_its_rules_know_the_log(trainer, ["step two"])
