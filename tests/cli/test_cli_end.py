"""`[end]`: what the target does once the run is over, from the manifest to the machine."""

from __future__ import annotations

import time

import pytest


def until(holds):
    limit = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_the_command_is_told_run_and_shown(place, say):
    """The plan notes it; it runs once the run has ended, with the outcome; `status` tells how it went."""
    place.program("power-off", '#!/bin/sh\necho "$1 after $SRPO_RUN_OUTCOME" >>"$PLACE/off"\n')
    place.write(
        "srpo.toml", (place.folder / "srpo.toml").read_text() + '[end]\ncommand = ["power-off", "it\'s time"]\n'
    )
    path = {"PATH": f"{place.folder}/bin:{place.env['PATH']}", "PLACE": str(place.folder)}
    plan = say("plan", "--json", **path).json
    assert plan["rules"]["end"] == {"command": ["power-off", "it's time"], "wait_seconds": 0.0}
    assert [note["message"] for note in plan["notes"] if note["code"] == "end-command"] == [
        "`power-off 'it'\\''s time'` runs on the target after every end of the run: read docs/end.md"
    ]
    assert say("apply", **path).status == 0
    until(lambda: say("status", "--json").json["end"]["state"] == "ended")
    assert (place.folder / "off").read_text() == "it's time after succeeded\n"
    assert "  end         `power-off 'it'\\''s time'` ended with status 0" in say("status").out


def test_it_is_called_off_from_here(place, say):
    """A run that goes on is stopped, and the machine stays."""
    end = f'[end]\ncommand = ["touch", "{place.folder}/off"]\n'
    endless = "max_train_steps = 1000\ncheckpointing_steps = 999\n"
    text = (place.folder / "srpo.toml").read_text()
    place.write("srpo.toml", text.replace("max_train_steps = 4\ncheckpointing_steps = 4\n", endless) + end)
    assert say("apply", "--detach").status == 0
    assert say("stop", "--no-end").status == 0
    until(lambda: (say("status", "--json").json["end"] or {}).get("state") == "called-off")
    assert not (place.folder / "off").exists()
    assert "called-off: somebody called it off" in say("status").out


def test_a_program_that_is_not_there_is_refused(place, say):
    """Before anything is spent on a machine that would never go off."""
    place.write("srpo.toml", (place.folder / "srpo.toml").read_text() + '[end]\ncommand = ["power-down-please"]\n')
    said = say("plan")
    assert said.status == 4
    assert (
        "error[end-command-missing]: `power-down-please`, which is to run when the run is over" in said.err + said.out
    )


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ('command = ["true"]\nwait_hours = 2.0', "wait_hours"),
        ("command = []", "command"),
        ('when = "ended"', "command"),
    ],
)
def test_what_cannot_be_meant_is_an_error(place, say, table, code):
    """With the place in the file."""
    place.write("srpo.toml", (place.folder / "srpo.toml").read_text() + f"[end]\n{table}\n")
    said = say("validate")
    assert said.status == 2
    assert code in said.err + said.out


def test_what_has_begun_cannot_be_called_off(place, say):
    """And is not told as if it had been."""
    place.write("srpo.toml", (place.folder / "srpo.toml").read_text() + '[end]\ncommand = ["true"]\n')
    assert say("apply").status == 0
    until(lambda: say("status", "--json").json["end"]["state"] == "ended")
    said = say("stop", "--no-end")
    assert said.status == 5
    assert said.err.startswith("error[end-begun]: the command of `[end]` of run `demo-")
    assert "cannot be called off: it has ended already" in said.err


def test_no_summary_speaks_to_the_terminal(place, tmp_path):
    """A folder's name may hold anything."""
    folder = tmp_path / "odd\x1b[31mname"
    folder.mkdir()
    odd = type(place)(folder, place.folder / "cache")
    said = odd.run("apply")
    assert said.status == 0, said.err
    assert "\x1b" not in said.out + said.err
    assert "odd\\x1b[31mname" in said.err
    assert "\x1b" not in odd.run("stop").out
