"""`migrate`: a manifest of the older wrapper's keys, as a person meets it."""

from __future__ import annotations

import os

import pytest

OLD = """\
# mine
schema = 0

base_model_name  = "data/flux" # by hand
srpo_working_dir = "~/srpo/flux"
srpo_vis_tile_size = 256
"""
NEW = """\
# mine
schema = 1
name   = "flux"

[paths]
working_dir = "~/srpo/flux"

[model]
type = "flux-dev-srpo"
base = "data/flux" # by hand

# Not carried over from schema 0:
# srpo_vis_tile_size = 256
"""


@pytest.mark.parametrize(
    "verb",
    [("validate",), ("validate", "--fix"), ("plan",), ("apply",), ("lock",), ("doctor",), ("bundle", "--out", "out"), ("fmt",)],
    ids=" ".join,
)  # fmt: skip
def test_every_verb_tells_of_an_older_schema_and_of_nothing_else(place, say, verb):
    """Exactly one error, with what to run; the file is not touched."""
    file = place.write("flux.toml", OLD)
    said = say(*verb, "flux.toml")
    assert said.status == 2
    told = said.out + said.err
    assert told.count("error[") == 1
    assert "error[schema-older]: this file has schema 0; this srpo-manifest reads schema 1" in told
    assert "hint: run `srpo-manifest migrate flux.toml`" in told
    assert file.read_text() == OLD


def test_a_file_is_migrated_once(place, say):
    """It tells what became of each key; afterwards the manifest is good and in the house form."""
    file = place.write("flux.toml", OLD)
    file.chmod(0o640)
    said = say("migrate", "flux.toml")
    assert (said.status, said.out) == (0, "")
    assert said.err.startswith(
        "  base_model_name   ->  model.base\n  srpo_working_dir  ->  paths.working_dir\n\nnote[name-made]:"
    )
    assert "warning[not-carried]: `srpo_vis_tile_size` is not carried over: no script of SRPO has such a flag\n  --> flux.toml:6:1" in said.err  # fmt: skip
    assert said.err.endswith("flux.toml: migrated\n1 file migrated\n")
    assert file.read_text() == NEW
    assert file.stat().st_mode & 0o777 == 0o640
    assert say("validate", "flux.toml").status == 0
    assert say("fmt", "--check", "flux.toml").status == 0
    before = file.stat().st_ino
    again = say("migrate", "flux.toml")
    assert (again.status, again.err) == (0, "1 file of today's schema\n")
    assert (file.stat().st_ino, file.read_text()) == (before, NEW)


def test_windows_keeps_its_line_ends_and_mark(place, say):
    """Byte for byte."""
    file = place.folder / "flux.toml"
    file.write_bytes(b"\xef\xbb\xbf" + OLD.replace("\n", "\r\n").encode())
    assert say("migrate", "flux.toml").status == 0
    assert file.read_bytes() == b"\xef\xbb\xbf" + NEW.replace("\n", "\r\n").encode()


def test_it_can_be_seen_first(place, say):
    """`--diff` prints, `--check` names; both exit 2 and write nothing. A folder means its manifests."""
    file = place.write("m/flux.toml", OLD)
    place.write("m/new.toml", NEW)
    said = say("migrate", "--diff", "m")
    assert said.status == 2
    assert "-schema = 0\n" in said.out
    assert "+schema = 1\n" in said.out
    said = say("migrate", "--check", "m")
    assert (said.status, said.out) == (2, "m/flux.toml\n")
    assert said.err.endswith("1 file would be migrated, 1 file of today's schema\n")
    assert file.read_text() == OLD
    assert say("migrate", "m").status == 0
    assert say("migrate", "--check", "m").status == 0


def test_a_program_reads_what_was_done(place, say):
    """Keys with their new names, and what is to be known."""
    place.write("flux.toml", OLD)
    one = say("migrate", "--json", "flux.toml").json["files"][0]
    assert one["changed"]
    assert {"from": "base_model_name", "to": "model.base"} in one["moved"]
    assert {"from": "srpo_vis_tile_size", "to": ""} in one["moved"]
    assert [finding["code"] for finding in one["findings"]] == ["name-made", "not-carried"]


@pytest.mark.parametrize(
    ("line", "code", "place_of_it"),
    [
        ("srpo_working_dri = '/x'", "unknown-key", "flux.toml:7:1"),
        ("srpo_args_file = 'none.json'", "file-missing", "flux.toml:7:1"),
        ("training_method = 'LORA'", "method-unavailable", "flux.toml:7:1"),
        ("srpo_extra_env = 'WANDB_API_KEY=0123456789abcdef'", "secret-literal", "flux.toml:7:1"),
        ("srpo_extra_env = 'LD_PRELOAD=a.so'", "env-denied", "flux.toml:7:1"),
    ],
)
def test_what_would_not_validate_is_refused_where_it_stands(place, say, line, code, place_of_it):
    """The old file stays, no secret is shown, and other files are migrated."""
    file = place.write("flux.toml", f"{OLD}{line}\n")
    other = place.write("other.toml", OLD)
    said = say("migrate", "flux.toml", "other.toml")
    assert said.status == 2
    assert f"error[{code}]" in said.err
    assert f"  --> {place_of_it}\n" in said.err
    assert (code == "unknown-key") != ("take it out and write it anew after the migration" in said.err)
    assert "0123456789abcdef" not in said.err + said.out
    assert said.err.endswith("1 file migrated, 1 file left alone\n")
    assert file.read_text() == f"{OLD}{line}\n"
    assert other.read_text() == NEW.replace('"flux"\n', '"other"\n', 1)


def test_what_is_no_file_is_told(place, say):
    """Nothing waits, and nothing is made."""
    os.mkfifo(place.folder / "pipe")
    assert say("migrate", "none.toml").err.startswith("error[file-missing]")
    assert say("migrate", "pipe").err.startswith("error[file-unreadable]")
    place.write("srpo.toml", "srpo_seed = 1\n")
    said = say("migrate")
    assert said.err.startswith("error[missing-key]: the manifest needs `schema`")
    assert "`schema = 0` where its keys are those of the older wrapper" in said.err
