import pytest

from srpo_manifest.testing import Program, StageSuite


class TestExample(StageSuite):
    """What every stage promises, with a ledger and without."""

    @pytest.fixture
    def plugin(self):
        return "example"

    @pytest.fixture
    def manifests(self, tmp_path):
        return ("", f'[env]\nSRPO_LEDGER = "{tmp_path}/it\'s a ledger"')


@pytest.fixture
def program(tmp_path):
    found = Program(tmp_path)
    notify = tmp_path / "notify"
    notify.write_text('#!/bin/sh\nprintf "%s|" "$@" >>"$0.told"\n')
    notify.chmod(0o755)
    return found


@pytest.mark.parametrize(("command", "outcome"), [("true", "succeeded"), ("false", "failed")])
def test_an_end_is_written_down_there_and_told_here(program, tmp_path, command: str, outcome: str):
    """Whichever end it is; what the program prints is not mixed with our data."""
    keys = 'plugins = ["example"]'
    program.manifest(keys, f'[env]\nSRPO_LEDGER = "{tmp_path}/it\'s a ledger"', command=(command,))
    said = program.say("apply", "--json", SRPO_NOTIFY=str(tmp_path / "notify"))
    run = said.events[-1]["run"]
    assert (tmp_path / "it's a ledger").read_text() == f"{run} {outcome}\n"
    assert (tmp_path / "notify.told").read_text() == f"run.ended|{run}|{outcome}|"


def test_a_notifier_that_fails_is_told_and_the_run_goes_on(program):
    """By the plugin's name."""
    program.manifest('plugins = ["example"]')
    said = program.say("apply", "--json", SRPO_NOTIFY="/nowhere")
    assert said.status == 0
    (warning,) = (event["message"] for event in said.events if event["event"] == "warning.raised")
    assert "plugin `example` 0.1.0 failed in srpo_observe" in warning
