"""`fmt`: the house form on the disk, in a pipe and in CI."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MESSY = '\n\nschema=1\nname="a"   # hello\n\n\n[ model ]\ntype = "generic"'
TIDY = 'schema = 1\nname = "a" # hello\n\n[model]\ntype = "generic"\n'


def piped(place, text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "srpo_manifest", "fmt", *arguments], cwd=place.folder, env=place.env, input=text, capture_output=True, check=False
    )  # fmt: skip


def test_a_file_is_formatted_once(place, say):
    """Its mode stays, and a second time nothing is written."""
    file = place.write("srpo.toml", MESSY)
    file.chmod(0o640)
    said = say("fmt")
    assert (said.status, said.out, said.err) == (0, "", "srpo.toml: formatted\n1 file formatted\n")
    assert file.read_text() == TIDY
    assert file.stat().st_mode & 0o777 == 0o640
    before = file.stat().st_ino
    assert say("fmt").err == "1 file in the house form\n"
    assert file.stat().st_ino == before
    assert say("validate").status == 0


def test_windows_keeps_its_line_ends_and_mark(place, say):
    """Byte for byte."""
    file = place.folder / "a.toml"
    file.write_bytes(b"\xef\xbb\xbf" + MESSY.replace("\n", "\r\n").encode())
    assert say("fmt", "a.toml").status == 0
    assert file.read_bytes() == b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode()


def test_a_link_stays_one(place, say):
    """What it leads to is formatted."""
    file = place.write("a.toml", MESSY)
    (place.folder / "link.toml").symlink_to("a.toml")
    assert say("fmt", "link.toml").status == 0
    assert (place.folder / "link.toml").is_symlink()
    assert file.read_text() == TIDY


def test_check_names_what_would_change_and_writes_nothing(place, say):
    """For CI: a folder means its manifests; a file that cannot be read hides no other."""
    place.write("m/a.toml", MESSY)
    place.write("m/b.toml", TIDY)
    place.write("m/c.toml", "schema = 1\nname = \n")
    place.write("m/pyproject.toml", "[project]\nname='x'\n")
    said = say("fmt", "--check", "m")
    assert (said.status, said.out) == (2, "m/a.toml\n")
    assert said.err.startswith("error[no-value]: there is no value\n  --> m/c.toml:2:8\n")
    assert said.err.endswith("1 file would be formatted, 1 file in the house form, 1 file left alone\n")
    assert (place.folder / "m/a.toml").read_text() == MESSY
    assert say("fmt", "--check", "m/b.toml").status == 0
    assert say("fmt", "m").status == 2
    assert (place.folder / "m/a.toml").read_text() == TIDY
    assert (place.folder / "m/pyproject.toml").read_text() == "[project]\nname='x'\n"


def test_a_difference_is_a_patch(place, say, tmp_path):
    """One that `patch` applies, missing line end and tabs included."""
    place.write("a.toml", MESSY.replace("[ model ]", "\t[ model ]"))
    said = say("fmt", "--diff", "a.toml")
    assert said.status == 2
    assert said.out.startswith(
        '--- a.toml\n+++ a.toml\n@@ -1,8 +1,5 @@\n+schema = 1\n+name = "a" # hello\n \n-\n-schema=1\n'
    )
    assert '-type = "generic"\n\\ No newline at end of file\n+[model]\n+type = "generic"\n' in said.out
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-p0", "-"], cwd=tmp_path, input=said.out, text=True, check=True)
    assert (place.folder / "a.toml").read_text() == TIDY


def test_a_part_is_formatted_by_name(place, say):
    """An overlay has no `schema`: it is formatted where it is named, not by its folder."""
    part = place.write("parts/big.toml", "[ resources ]\nnodes=2\n")
    assert say("fmt", "parts").err.startswith("error[no-manifest]: no manifest is in `parts`\n")
    assert say("fmt", "parts/big.toml").status == 0
    assert part.read_text() == "[resources]\nnodes = 2\n"


def test_a_pipe(place):
    """Stdin to stdout; what cannot be read leaves stdout empty."""
    done = piped(place, MESSY.encode(), "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, TIDY.encode(), b"")
    assert piped(place, TIDY.encode(), "-", "--check").returncode == 0
    done = piped(place, MESSY.encode(), "-", "--check")
    assert (done.returncode, done.stdout) == (2, b"-\n")
    done = piped(place, b"a = ", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error[no-value]")
    assert piped(place, b"\xff", "-").stderr.startswith(b"error[not-utf8]")
    assert piped(place, b"a" * (1 << 20) + b"a", "-").stderr.startswith(b"error[file-too-large]")
    assert piped(place, b"", "-").stdout == b""
    for arguments in (("-", "a.toml"), ("-", "--json")):
        done = piped(place, b"", *arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"error[usage]: `-` stands alone")


def test_a_program_reads_what_was_done(place, say):
    """All keys, always."""
    place.write("a.toml", MESSY)
    place.write("b.toml", "a = ")
    said = say("fmt", "--json", "--check", "a.toml", "b.toml")
    assert said.status == 2
    assert (said.json["format"], said.json["written"]) == (1, False)
    first, second = said.json["files"]
    assert first == {"file": "a.toml", "changed": True, "diff": None, "moved": [], "findings": []}
    assert [one["code"] for one in second["findings"]] == ["no-value"]
    assert say("fmt", "--json", "--diff", "a.toml").json["files"][0]["diff"].startswith("--- a.toml\n")
    assert say("fmt", "--json", "a.toml").json["written"]


@pytest.mark.parametrize(("name", "code"), [("none.toml", "file-missing"), ("pipe", "file-unreadable")])
def test_what_is_no_file_is_told(place, say, name, code):
    """Nothing waits, and nothing is made."""
    os.mkfifo(place.folder / "pipe")
    said = say("fmt", name)
    assert said.status == 2
    assert said.err.startswith(f"error[{code}]")
    assert not (place.folder / "none.toml").exists()


def test_a_link_out_of_the_project_is_not_followed(place, say):
    """The others are written."""
    place.write("b.toml", MESSY)
    (place.folder / "out.toml").symlink_to("/proc/self/comm")
    said = say("fmt", "out.toml", "b.toml")
    assert said.status == 2
    assert said.err.startswith("error[file-outside]: `out.toml` leads out of")
    assert (place.folder / "b.toml").read_text() == TIDY


def test_a_folder_that_cannot_be_written_is_told(place, need):
    """With what to do; root, who writes everywhere, is kept from it."""
    powerless = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    need(*powerless[:1])
    file = place.write("closed/a.toml", MESSY)
    file.parent.chmod(0o500)
    words = [*powerless, sys.executable, "-m", "srpo_manifest", "fmt", "closed/a.toml"]
    said = subprocess.run(words, cwd=place.folder, env=place.env, capture_output=True, text=True, check=False)
    file.parent.chmod(0o700)
    assert (said.returncode, said.stderr.splitlines()[0]) == (
        2, "error[file-unwritable]: `closed/a.toml` cannot be written: Permission denied",
    )  # fmt: skip
    assert file.read_text() == MESSY


def test_another_version_is_not_touched(place, say):
    """Exactly one error."""
    file = place.write("a.toml", "schema=9\nfoo=1\n")
    said = say("fmt", "a.toml")
    assert (said.status, said.err.count("error[")) == (2, 1)
    assert file.read_text() == "schema=9\nfoo=1\n"


def test_a_name_that_is_no_text_is_told(place):
    """To people and to programs, by this verb and by `validate`."""
    place.write(os.fsdecode(b"a\xff.toml"), MESSY)
    for verb in ("fmt --check", "fmt --json --check", "fmt --json", "validate --json"):
        done = subprocess.run(
            [sys.executable, "-m", "srpo_manifest", *verb.split(), b"a\xff.toml"], cwd=place.folder, env=place.env, capture_output=True, check=False
        )  # fmt: skip
        assert done.returncode in (0, 2), done.stderr
        assert b"a\\xff.toml" in done.stdout or b"a\\\\xff.toml" in done.stdout, done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_pipe_is_no_fault_of_ours(place, closed):
    """Nobody gives a text, or nobody takes one."""
    line = f"printf a=1 | {sys.executable} -m srpo_manifest fmt - {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=place.folder, env=place.env, capture_output=True, check=False)
    assert b"our-bug" not in done.stderr
    assert done.returncode == (2 if closed == "<&-" else 0)
