"""`explain`: a code, a key, or all codes."""

from __future__ import annotations

import random

import pytest

from srpo_manifest.cli.explain import _likely
from srpo_manifest.engine.explaining import areas
from srpo_manifest.reading.keys import every_key


def test_a_code_is_explained_with_its_level_and_examples(say):
    """What it means, what to do, and how to lower it."""
    said = say("explain", "secret-literal")
    assert said.status == 0
    assert said.out.startswith("secret-literal: a value looks like a secret that is written out\n\n")
    assert '`secret-literal = "warn"` or `"allow"`, or the command line `--warn secret-literal`' in said.out
    assert "\nwrong:\n\n    schema = 1\n" in said.out
    assert '    env.WANDB_API_KEY = { env = "WANDB_API_KEY" }\n' in said.out
    assert "# a \\x07 bell" in say("explain", "control-character").out
    assert "no lint changes it" in say("explain", "unknown-key").out
    assert "level: note" in say("explain", "already-done").out
    assert "wrong, where srpo.lock knows the trainer:" in say("explain", "batch-size").out


def test_a_key_is_explained_from_its_type(say):
    """Kind, bounds, default and an example; a table lists its keys."""
    said = say("explain", "stop.grace_seconds")
    assert said.out == (
        "stop.grace_seconds: integer\n\nFrom TERM to KILL. torchrun alone takes up to 30.\n\n"
        "needed   no\ntakes    an integer from 0 to 86,400\ndefault  120\n\n"
        "example:\n\n    [stop]\n    grace_seconds = 120\n"
    )
    table = say("explain", "[repo]").out
    assert "keys:\n\n    url      https, ssh," in table
    assert "plugins: array of string\n" in say("explain", "plugins").out


def test_a_word_that_is_both_has_both_texts(say):
    """`files` is a table of the manifest, and what the supervisor says of a full disk."""
    said = say("explain", "files")
    assert "files: the supervisor could not use its files\n" in said.out
    assert "files: array of table\n" in said.out
    found = say("explain", "files", "--json").json
    assert (found["code"]["area"], found["key"]["key"]) == ("program", "files")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("unknwn-key", "did you mean `unknown-key`?"),
        ("Unknown_Key", "did you mean `unknown-key`?"),
        ("repo.reff", "did you mean `repo.ref`?"),
        ("rpo.ref", "did you mean `repo.ref`?"),
        ("nodes", "did you mean `resources.nodes`?"),
        ("gpus_per_nod", "did you mean `resources.gpus_per_node`?"),
        ("resources.grace_seconds", "did you mean `stop.grace_seconds`?"),
        ("backend.launcher.partition", "other keys of a backend's table come with the plugin of its kind"),
        ("validate", "`srpo-manifest validate --help` tells what that verb takes"),
    ],
)
def test_an_unknown_word_suggests_what_is_near(say, word: str, hint: str):
    """Among codes and keys; the last part of a key is enough."""
    said = say("explain", word)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"error[unknown-word]: `{word}` is neither a code nor a key of a manifest\n")
    assert f"hint: {hint}\n" in said.err


def test_a_slip_of_the_finger_suggests_what_was_meant():
    """Of one letter, in nearly every word; words like nothing suggest nothing."""
    codes, keys = [code for area in areas().values() for code in area.codes], every_key()
    chance = random.Random(5)
    slips = {}
    for word in (*codes, *keys):
        at = chance.randrange(len(word))
        slip = chance.choice(
            (word[:at] + word[at + 1 :], word[:at] + "q" + word[at:], word[:at] + "q" + word[at + 1 :])
        )
        slips |= {slip: word} if slip and slip not in (*codes, *keys) else {}
    wrong = [(slip, word) for slip, word in slips.items() if _likely(slip, codes, keys)[:1] != [word]]
    assert len(wrong) <= len(slips) // 50, wrong
    strange = ("".join(chance.choices("bcdfghjklmnpqrstvwxz", k=chance.randrange(4, 12))) for _ in range(100))
    assert [word for word in strange if _likely(word, codes, keys)] == []


def test_a_word_like_nothing_suggests_nothing(say):
    """Nobody guesses."""
    said = say("explain", "xyzzyq")
    assert (said.status, said.err.count("hint:")) == (2, 1)


def test_without_a_word_all_codes_are_listed(say):
    """By area, each with its sentence."""
    said = say("explain")
    assert said.status == 0
    lines = [line.split()[0] for line in said.out.splitlines() if line.startswith("  ")]
    ours = [code for area in areas().values() for code in area.codes]
    assert lines[: len(ours)] == ours
    found = say("explain", "--json").json
    assert found["format"] == 1
    assert [area["name"] for area in found["areas"] if area["plugin"] is None] == list(areas())
    assert found["areas"][0]["codes"][0].keys() == {"code", "title", "level"}


def test_programs_get_everything_of_a_code_and_of_a_key(say):
    """All keys are there, whatever they hold."""
    code = say("explain", "gpu-count", "--json").json
    assert code["key"] is None
    assert code["code"].keys() == {"code", "area", "plugin", "title", "text", "level", "bad", "good", "locked"}
    assert code["code"]["plugin"] is None
    key = say("explain", "repo.url", "--json").json
    assert (key["code"], key["of_plugins"]) == (None, [])
    assert key["key"].keys() == {"key", "kinds", "says", "items", "required", "default", "takes", "example", "keys"}


PLUGIN = """
from typing import Annotated, Literal
from msgspec import Meta
from srpo_manifest.plugin import PipedTransport, TransportOptions, hookimpl
class Options(TransportOptions, kw_only=True):
    kind: Literal["NAME"]
    room: Annotated[int, Meta(ge=1, le=9, description="Which of its rooms.")] = 3
class Kind:
    options = Options
    def open(self, options, wanted, facts): return PipedTransport()
@hookimpl
def srpo_transport(): return Kind()
@hookimpl
def srpo_explanations():
    return [b'format = 1\\ntitle = "Rooms"\\n[codes.NAME-full]\\ntitle = "no room is left"\\ntext = "Take another."\\n']
"""


@pytest.fixture
def install(place):
    """Install a plugin of a name."""
    place.env["PYTHONPATH"] = str(place.folder / "site")

    def make(name: str, source: str = PLUGIN):
        place.write(f"site/plug_{name}.py", source.replace("NAME", name))
        place.write(f"site/{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        place.write(f"site/{name}-1.dist-info/entry_points.txt", f"[srpo_manifest]\n{name} = plug_{name}\n")

    return make


def test_what_plugins_bring_is_explained_with_their_names(install, say):
    """Keys of their tables, also where several have one, and their codes; near misses are found among them."""
    install("inn")
    install("hostel")
    said = say("explain", "backend.transport.room")
    assert said.out.startswith(
        "backend.transport.room: integer (plugin `hostel`)\n\nWhich of its rooms.\n\n"
        "needed   no\ntakes    an integer from 1 to 9\ndefault  3\n"
    )
    assert "backend.transport.room: integer (plugin `inn`)\n" in said.out
    assert say("explain", "profile.smoke.backend.transport.room").out.startswith(
        "profile.smoke.backend.transport.room: integer ("
    )
    table = say("explain", "backend.transport").out
    assert "backend.transport: table (plugin `inn`)\n" in table
    assert "    room  Which of its rooms.\n" in table
    assert "(plugin" not in say("explain", "backend.launcher").out
    assert say("explain", "inn-full").out.startswith("inn-full: no room is left (plugin `inn`)\n\nTake another.\n")
    assert "hint: did you mean `backend.transport.room`?\n" in say("explain", "backend.transport.rooom").err
    assert "hint: did you mean `hostel-full`?\n" in say("explain", "hostel-ful").err
    assert "\nRooms (plugin `inn`)\n  inn-full  no room is left\n" in say("explain").out


def test_programs_get_what_plugins_bring(install, say):
    """With the plugin of each."""
    install("inn")
    found = say("explain", "backend.transport.room", "--json").json
    assert (found["code"], found["key"]) == (None, None)
    (one,) = found["of_plugins"]
    assert (one["plugin"], one["key"], one["default"]) == ("inn", "backend.transport.room", "3")
    assert say("explain", "inn-full", "--json").json["code"]["plugin"] == "inn"


def test_a_plugin_that_is_broken_keeps_nobody_from_explaining(install, say):
    """It is told where it may be what was meant, and not asked where it is not."""
    install("inn")
    install("broken", "print('talk')\nraise ValueError('no')")
    said = say("explain", "inn-full")
    assert (said.status, said.out.split(":")[0]) == (0, "inn-full")
    assert "plugin-broken" not in say("explain", "unknown-key").err
    assert "error[plugin-broken]: plugin `broken` 1 cannot be loaded" in say("explain", "of-the-broken").err


def test_every_code_of_the_ssh_plugin_is_explained(say):
    """As its author would see it."""
    said = say("plugins", "check", "ssh", "--json").json["plugins"]
    assert [one["findings"] for one in said] == [[]]
    assert "login-refused: the machine did not let us in (plugin `ssh`)" in say("explain", "login-refused").out
