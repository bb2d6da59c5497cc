"""A person at a terminal."""

from __future__ import annotations

import pytest
from terminal import Terminal

ENDLESS = ("apply", "--set", "entry.set.max_train_steps=1000", "--set", "entry.set.checkpointing_steps=999")


@pytest.mark.parametrize(("answer", "status", "state"), [("s", 130, "ended"), ("d", 0, "running"), ("", 0, "running")])
def test_ctrl_c_asks_whether_to_detach_or_stop(place, answer: str, status: int, state: str):
    """Only the run's person decides; detaching is what no answer means."""
    terminal = Terminal(place, *ENDLESS)
    terminal.until("progress")
    terminal.type("\x03")
    terminal.until("[d]etach or [s]top: ")
    terminal.type(f"{answer}\n")
    assert terminal.status() == status, terminal.text
    assert place.run("status", "--json").json["state"] == state


def test_a_second_ctrl_c_insists(place):
    """A trainer that ignores TERM is killed at once, not after the grace."""
    terminal = Terminal(place, *ENDLESS, "--set", 'env.DEMO_FAULT="ignore-term"')
    terminal.until("progress")
    terminal.type("\x03")
    terminal.until("[d]etach or [s]top: ")
    terminal.type("s\n")
    terminal.until("stopping")
    terminal.type("\x03")
    assert terminal.status() == 130
    assert place.run("status", "--json").json["outcome"] == "stopped"


def test_validate_tells_a_person_where_to_ask(place):
    """Of the first error, once; programs and logs are spared it."""
    place.write("srpo.toml", 'schema = 1\nname = "a"\nmodel.type = "generic"\nstopp = 1\nname = "b"\n')
    terminal = Terminal(place, "validate")
    terminal.until("tells more")
    assert terminal.text.count("hint: `srpo-manifest explain unknown-key` tells more") == 1
    assert terminal.status() == 2
    assert "explain" not in place.run("validate").err


@pytest.mark.parametrize(("variables", "painted"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_only_a_terminal_sees_colours(place, variables, painted):
    """Pipes and files get plain text, and so does who does not want them."""
    place.write("srpo.toml", 'schema = 1\nname = "a"\nmodel.type = "generic"\nstopp = 1\n')
    place.env.pop("NO_COLOR", None)
    place.env |= {"TERM": "xterm", **variables}
    terminal = Terminal(place, "validate")
    assert terminal.status() == 2
    assert ("\x1b[1;31merror[unknown-key]\x1b[0m" in terminal.text) == painted
    assert ("\x1b" in terminal.text) == painted
    assert "\x1b" not in place.run("validate").out
    terminal = Terminal(place, "plan")
    assert terminal.status() == 2
    assert ("\x1b" in terminal.text) == painted
