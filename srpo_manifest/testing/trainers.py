"""What every trainer description promises: a plugin inherits the suite, and names its file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from srpo_manifest.plugin import Trainer, TrainerCheck
from srpo_manifest.reading.trainer import parse_trainer

_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_ESTIMATES = ("state_bytes", "gpu_bytes", "host_bytes_per_worker")


class TrainerSuite:
    """Inherit it in a `Test…` class that overrides the fixture `description`; `checkout` and `lines` make it say more."""

    @pytest.fixture
    def description(self) -> bytes:
        """The file under test."""
        raise NotImplementedError("a suite that inherits this one names its description")

    @pytest.fixture
    def checkout(self) -> Path | None:
        """The trainer's sources, where evidence is looked for."""
        return None

    @pytest.fixture
    def lines(self) -> Sequence[str]:
        """Lines of the trainer's log, one at least for each rule."""
        return ()

    @pytest.fixture
    def trainer(self, description: bytes) -> Trainer:
        """The description, read as strictly as `model.type` reads it."""
        return parse_trainer(description, "trainer.toml")

    def test_it_says_what_it_is(self, trainer: Trainer) -> None:
        """A name that a manifest can write, and a title."""
        assert _CODE.fullmatch(trainer.name)
        assert trainer.title.strip()

    def test_its_evidence_holds(self, trainer: Trainer, checkout: Path | None) -> None:
        """Each pattern is found in its file, as `lock` looks for it."""
        if checkout is None and trainer.evidence:
            pytest.skip("no checkout is given")
        for rule, one in trainer.evidence.items():
            assert checkout is not None
            assert (checkout / one.file).is_file(), f"{rule}: there is no {one.file}"
            text = (checkout / one.file).read_bytes().decode("utf-8", "replace")
            assert re.search(one.pattern, text, re.MULTILINE), f"{rule}: it is not in {one.file}"

    def test_its_rules_know_the_log(self, trainer: Trainer, lines: Sequence[str]) -> None:
        """Each finds a line, and what it takes for a number is one."""
        if not lines and trainer.log:
            pytest.skip("no lines of its log are given")
        for rule in trainer.log:
            found = [match for line in lines if (match := re.search(rule.pattern, line))]
            assert found, f"no line fits {rule.pattern}"
            if rule.event == "progress.made":
                for text in (text for match in found for text in match.groupdict().values() if text is not None):
                    float(text)

    def test_its_estimates_are_amounts(self, trainer: Trainer) -> None:
        """None is below nothing."""
        counts = [getattr(trainer.memory, name) for name in _ESTIMATES if trainer.memory]
        counts += [trainer.loop.checkpoint_bytes or 0, trainer.loop.images_below or 0] if trainer.loop else []
        assert [count for count in counts if count < 0] == []

    def test_its_checks_are_told_apart(self, trainer: Trainer) -> None:
        """Each has a code that a manifest can write and a sentence; several may share a code, and no two ask the same."""
        assert [check.code for check in trainer.checks if not _CODE.fullmatch(check.code)] == []
        assert [check.code for check in trainer.checks if not check.message.strip()] == []
        asked = [_question(check) for check in trainer.checks]
        assert [check.code for check, one in zip(trainer.checks, asked, strict=True) if asked.count(one) > 1] == []

    def test_its_runs_can_be_done(self, trainer: Trainer) -> None:
        """It says when, of things that it knows where to look for; one that goes on for ever is not waited for."""
        done = trainer.done
        assert done.exit_zero or done.checkpoints or done.images or done.files
        assert not done.checkpoints or (done.checkpoints > 0 and trainer.artifacts.checkpoints)
        assert not done.images or (done.images > 0 and trainer.artifacts.images)
        assert not (done.exit_zero and trainer.loop and trainer.loop.shape == "checkpoint-then-watch")

    def test_its_flags_are_flags(self, trainer: Trainer) -> None:
        """As the entry's parser knows them: without dashes in front."""
        given: list[Iterable[str | None]] = [
            (trainer.model.base, trainer.model.vae, trainer.model.lora),
            trainer.per_run.folder,
            trainer.per_run.name,
            trainer.pinned,
            trainer.notes,
            trainer.defaults,
            (dead.flag for dead in trainer.dead),
            (check.flag for check in trainer.checks),
        ]
        assert [
            flag for several in given for flag in several if flag is not None and (not flag or flag[0] == "-")
        ] == []


def _question(check: TrainerCheck) -> tuple[object, ...]:
    return check.code, check.flag, check.item, check.probe, check.op, check.value, check.when
