"""`lock --upgrade --dry-run` over real repositories whose branch moves."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

TRAIN = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=1)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--note", default="")
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
print(args.steps, args.rate, args.note, args.fast)
"""
SCRIPT = "RATE=0.5\nmkdir -p made\npython3 train.py --steps $STEPS --rate $RATE --fast\n"
MANIFEST = """schema = 1
name = "own"
[repo]
url = "own"
ref = "main"
[model]
type = "generic"
[entry]
script = "run.sh"
[entry.set]
note = "mine"
[done]
exit_zero = true
[env]
STEPS = "3"
"""


@pytest.fixture
def own(place):
    """A locked repository beside its manifest; `commit` goes on with it."""
    folder = place.folder / "own"
    folder.mkdir()

    def git(*arguments: str, date: str = "2025-01-01T00:00:00Z") -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        env = place.env | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = subprocess.run(
            ["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True, env=env
        )
        return done.stdout.strip()

    def commit(files: dict[str, str | None], date: str = "2025-02-03T00:00:00Z") -> str:
        for path, text in files.items():
            at = folder / path
            if text is None:
                at.unlink()
            else:
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", "more", date=date)
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "main", ".")
    place.git, place.commit = git, commit
    place.first = commit({"run.sh": SCRIPT, "train.py": TRAIN, "README.md": "a"}, date="2025-01-01T00:00:00Z")
    place.write("srpo.toml", MANIFEST)
    assert place.run("lock").status == 0
    place.lock = place.folder / "srpo.lock"
    return place


@pytest.fixture
def ask(own) -> Callable[..., dict]:
    """The report, which writes nothing, with the exit status under `status`."""

    def call(*arguments: str) -> dict:
        before = own.lock.read_bytes()
        said = own.run("lock", "--upgrade", "--dry-run", "--json", *arguments)
        assert own.lock.read_bytes() == before
        assert not list(own.folder.glob("srpo.lock.*"))
        assert said.status in (0, 6), said.err
        return said.json | {"status": said.status}

    return call


def mattering(report: dict) -> list[tuple[str, str, str]]:
    return [(one["what"], one["name"], one["field"]) for one in report["changes"] if one["matters"]]


def test_nothing_new(own, ask):
    """A ref that moved nowhere."""
    said = own.run("lock", "--upgrade", "--dry-run")
    assert said.out == f"own main\n  at        {own.first[:12]} of 2025-01-01\n\nnothing new\n"
    assert (said.status, said.err) == (0, "")
    report = ask()
    assert (report["status"], report["matters"], report["changes"]) == (0, False, [])
    assert report["commits"] == {"added": 0, "gone": 0}


def test_a_typo_in_the_readme_does_not_matter(own, ask):
    """Other files, and comments that move lines, are no change of this manifest's."""
    new = own.commit({"README.md": "b", "train.py": "# moved\n\n" + TRAIN, "run.sh": "# moved\n" + SCRIPT})
    said = own.run("lock", "--upgrade", "--dry-run")
    assert said.status == 0
    assert (
        said.out
        == f"""own main
  from      {own.first[:12]} of 2025-01-01
  to        {new[:12]} of 2025-02-03
  between   1 commit, 3 files changed

  what does not
    text  run.sh    changed  run.sh  (what it accepts and does is told above)
    text  train.py  changed  train.py  (its code changed; what it accepts is told above)

the new commit changes nothing that matters to `srpo.toml`
next: `srpo-manifest lock --upgrade`
"""
    )
    report = ask()
    assert (report["status"], report["plan"], report["findings"]) == (0, [], {"new": [], "gone": []})
    assert (report["from"]["commit"], report["from"]["date"][:10]) == (own.first, "2025-01-01")
    assert (report["to"]["commit"], report["to"]["date"][:10]) == (new, "2025-02-03")
    assert report["commits"] == {"added": 1, "gone": 0}


def test_a_flag_that_the_manifest_sets_is_gone(own, ask):
    """The finding that `validate` would have is told, before anything is locked."""
    own.commit({"train.py": TRAIN.replace("--note", "--nota").replace("args.note", "args.nota")})
    said = own.run("lock", "--upgrade", "--dry-run")
    assert said.status == 6
    body = said.out.split("\n\n", 1)[1]
    assert (
        body
        == """  what matters
    flag  note  str, default "" → not there  was train.py:5  (`entry.set` gives it; did you mean `nota`?)

  what does not
    flag  nota      not there → str, default ""  train.py:5  (nobody sets it)
    text  train.py  changed  train.py  (its code changed; what it accepts is told above)

  findings
    new   error[unknown-flag]: unknown flag `note`: `train.py` has 4 flags and would end with status 2  srpo.toml:11

this matters to `srpo.toml`: 1 change, 1 new error
next: look at it, then `srpo-manifest lock --upgrade`
"""
    )
    report = ask()
    assert [one["code"] for one in report["findings"]["new"]] == ["unknown-flag"]
    (gone,) = [one for one in report["changes"] if one["matters"]]
    assert (gone["before"]["default"], gone["after"], gone["where"]) == ("", None, None)
    assert gone["was"] == {"file": "train.py", "line": 5, "column": 0, "key": ""}
    assert own.run("validate").status == 0
    assert own.run("lock", "--upgrade").status == 0
    assert own.run("validate").status == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train.py": TRAIN.replace("default=1", "default=2")}, []),
        ({"train.py": TRAIN.replace("0.1", "0.2")}, []),
        ({"train.py": TRAIN.replace('"--note"', '"--note", choices=["mine", "x"]')}, [("flag", "note", "choices")]),
        ({"train.py": TRAIN.replace("args.note,", "")}, [("flag", "note", "effect")]),
        ({"train.py": TRAIN.replace("args = ", 'parser.add_argument("--seed", required=True)\nargs = ')}, [("flag", "seed", "")]),
        ({"run.sh": SCRIPT.replace("0.5", "0.6")}, [("argument", "rate", "")]),
        ({"run.sh": SCRIPT.replace(" --fast", "")}, [("argument", "fast", "")]),
        ({"run.sh": SCRIPT.replace("$STEPS", "$COUNT")}, [("argument", "steps", ""), ("variable", "COUNT", "read before set"), ("variable", "STEPS", "read before set")]),
        ({"run.sh": SCRIPT.replace("mkdir -p made\n", "")}, [("folder", "made", "")]),
        ({"run.sh": "if [ -e x ]; then RATE=1; fi\n" + SCRIPT}, [("mode", "run.sh", ""), ("text", "run.sh", "digest")]),
        ({"run.sh": SCRIPT.replace("train.py", "go.py"), "go.py": TRAIN}, [("entry", "run.sh", "")]),
        ({"run.sh": SCRIPT.replace("python3", "python3 -u")}, [("launcher", "u", "")]),
    ],
)  # fmt: skip
def test_each_change_of_upstream_is_told_for_this_manifest(own, ask, files, expected):
    """Planted one by one, in a repository of its own; what does not concern the manifest does not matter."""
    own.commit(files)
    report = ask()
    assert mattering(report) == expected
    assert (report["status"], report["matters"]) == ((6, True) if expected else (0, False))
    assert all(one["why"] for one in report["changes"])


def test_a_default_that_nobody_sets_matters_until_somebody_sets_it(own, ask):
    """The trainer would behave differently, though not a word of the plan differs."""
    own.commit({"run.sh": "python3 train.py --steps $STEPS\n"})
    own.run("lock", "--upgrade")
    own.commit({"train.py": TRAIN.replace("0.1", "0.2")})
    assert (mattering(ask()), ask()["plan"]) == ([("flag", "rate", "default")], [])
    assert mattering(ask("--set", "entry.set.rate=1.0")) == []


def test_a_script_that_moved_or_is_gone(own, ask):
    """Git knows where it went; `lock --upgrade` tells it, and changes nothing."""
    own.commit({"run.sh": None, "scripts/start.sh": SCRIPT.replace("0.5", "0.6")})
    report = ask()
    assert report["status"] == 6
    (moved,) = report["changes"]
    assert (moved["what"], moved["name"], moved["before"], moved["after"]) == (
        "script",
        "run.sh",
        "run.sh",
        "scripts/start.sh",
    )
    assert [one["code"] for one in report["findings"]["new"]] == ["script-missing"]
    before = own.lock.read_bytes()
    said = own.run("lock", "--upgrade")
    assert said.status == 2
    assert "script  run.sh  run.sh → scripts/start.sh" in said.err
    assert "error[script-missing]" in said.err
    assert own.lock.read_bytes() == before
    own.commit({"scripts/start.sh": None})
    (gone,) = ask()["changes"]
    assert (gone["after"], gone["matters"]) == (None, True)


@pytest.mark.fault(5, "the locked commit wins; old and new are told")
def test_history_that_was_rewritten_is_told(own, ask):
    """The locked commit is no ancestor; a ref that went back is another thing."""
    second = own.commit({"README.md": "b"})
    own.run("lock", "--upgrade")
    own.git("reset", "-q", "--hard", own.first)
    back = ask()
    assert (back["commits"], back["notes"]) == ({"added": 0, "gone": 1}, ["the ref went back by 1 commit"])
    own.commit({"README.md": "c"})
    assert own.run("plan", "--json").json["repo"]["commit"] == second
    report = ask()
    assert (report["from"]["commit"], report["to"]["commit"]) == (second, own.git("rev-parse", "HEAD"))
    assert report["commits"] == {"added": 1, "gone": 1}
    assert report["notes"] == [
        "history was rewritten: the locked commit is no ancestor of the new one, and 1 commit of it is left behind"
    ]
    assert report["status"] == 0
    own.git("reflog", "expire", "--expire=now", "--all")
    own.git("gc", "-q", "--prune=now")
    own.env["SRPO_MANIFEST_CACHE"] = str(own.folder / "another-cache")
    assert own.run("lock", "--upgrade", "--dry-run", "--offline").status == 2
    lost = ask()
    assert (lost["status"], lost["commits"], lost["from"]) == (6, None, {"commit": second, "date": None})
    assert lost["notes"] == [
        f"the locked commit {second[:12]} is not to be had any more: the lock's own entry is compared"
    ]
    offline = ask("--offline")
    assert (offline["status"], offline["matters"]) == (0, False)
    assert offline["notes"] == [
        f"the locked commit {second[:12]} is not in the cache: the lock's own entry is compared"
    ]


@pytest.mark.fault(6, "the locked commit wins; the move is told")
def test_a_tag_that_was_moved_is_told(own, ask):
    """What is locked stays what it was; a tag that is not as it was is more than a branch that went on."""
    own.git("tag", "v1")
    own.write("srpo.toml", MANIFEST.replace('"main"', '"v1"'))
    assert own.run("lock").status == 0
    second = own.commit({"README.md": "b"})
    own.git("tag", "-f", "v1")
    assert own.run("plan", "--json").json["repo"]["commit"] == own.first
    report = ask()
    assert (report["from"]["commit"], report["to"]["commit"]) == (own.first, second)
    assert report["notes"] == ["the tag `v1` was moved, which tags are not meant to be: ask its owner why"]


def test_a_rule_whose_evidence_vanished_matters(own, ask):
    """What rested on it is named; a rule that came back is told as well."""
    own.write("srpo.toml", MANIFEST.replace('"generic"', '"demo"\nbase = "builtin"'))
    trainer = Path(__file__).parent.parent.parent / "srpo_manifest/upstream/trainers/demo.toml"
    evidence = tomllib.loads(trainer.read_text())["evidence"]
    demo = Path(__file__).parent.parent.parent / "srpo_manifest/demo/trainer"
    files = {rule["file"]: (demo / rule["file"]).read_text() for rule in evidence.values()}
    own.commit(files)
    own.run("lock", "--upgrade")
    name, rule = min(evidence.items())
    own.commit({rule["file"]: "pass\n"})
    report = ask()
    rules = [(one["name"], one["before"], one["after"]) for one in report["changes"] if one["what"] == "rule"]
    assert (name, True, False) in rules
    assert report["status"] == 6
    own.run("lock", "--upgrade")
    own.commit(files)
    assert [(one["name"], one["before"], one["after"]) for one in ask()["changes"] if one["what"] == "rule"] == [
        (name, False, True) for name, *_ in rules
    ]


def test_a_lock_of_other_readers_is_read_again_before_it_is_compared(own, ask):
    """Upstream's change alone is told; without `--upgrade` it is what a re-lock would change."""
    text = own.lock.read_text()
    own.lock.write_text(text.replace("readers = ", "readers = 9").replace('"steps"', '"stops"'))
    report = ask()
    assert (report["status"], report["changes"]) == (0, [])
    assert report["notes"] == [
        "the lock's entry is of another version of the readers or of the trainer description: `srpo-manifest lock` reads it again"
    ]
    before = own.lock.read_bytes()
    said = own.run("lock", "--dry-run", "--json")
    assert own.lock.read_bytes() == before
    assert {(one["what"], one["name"], one["field"]) for one in said.json["changes"]} == {
        ("lock", "run.sh", "readers"), ("flag", "steps", ""), ("flag", "stops", ""),
    }  # fmt: skip
    assert said.status == 6
    assert own.run("lock").status == 0
    assert own.run("lock", "--dry-run").out.endswith("nothing new\n")


def test_without_a_lock_there_is_nothing_to_compare(own):
    """Which commit would be pinned is told; nothing is written."""
    own.lock.unlink()
    said = own.run("lock", "--upgrade", "--dry-run")
    assert said.status == 0
    assert said.out.endswith("nothing is locked yet: there is nothing to compare with; `srpo-manifest lock --upgrade` pins this commit\n")  # fmt: skip
    report = own.run("lock", "--dry-run", "--json").json
    assert (report["from"], report["to"]["commit"], report["matters"]) == (None, own.first, False)
    assert not own.lock.exists()


def test_a_script_that_no_commit_has_is_the_manifests_own_fault(own):
    """Upstream did nothing; a lock that does not know the script yet reads it at both commits."""
    own.write("a b.toml", MANIFEST.replace("run.sh", "run.hs"))
    said = own.run("lock", "--upgrade", "--dry-run", "a b.toml")
    assert said.status == 2
    assert "error[script-missing]" in said.err
    own.write("a b.toml", MANIFEST.replace("run.sh", "train.py"))
    own.commit({"train.py": TRAIN.replace("0.1", "0.2")})
    said = own.run("lock", "--upgrade", "--dry-run", "a b.toml")
    assert "  note      the lock does not know `train.py` yet: `srpo-manifest lock` reads it\n" in said.out
    assert (
        "flag  rate default  0.1 → 0.2  train.py:4  (nobody sets it; `rate = 0.1` in `[entry.set]` keeps it)\n"
        in said.out
    )
    assert said.out.endswith(
        "this matters to `a b.toml`: 1 change\nnext: look at it, then `srpo-manifest lock --upgrade 'a b.toml'`\n"
    )
    own.lock.unlink()
    own.write("a b.toml", MANIFEST.replace("run.sh", "run.hs"))
    assert own.run("lock", "--dry-run", "a b.toml").status == 2


def test_upgrade_tells_what_it_takes_over_and_writes_it(own):
    """A compact report on stderr; stdout stays what it was."""
    new = own.commit({"run.sh": SCRIPT.replace("0.5", "0.6")})
    said = own.run("lock", "--upgrade")
    assert (said.status, said.out) == (0, f"own main {new}\n")
    assert (
        said.err
        == f"""own main
  from      {own.first[:12]} of 2025-01-01
  to        {new[:12]} of 2025-02-03
  between   1 commit, 1 file changed
    argument  rate  0.5 → 0.6  run.sh:3  (the script gives it, and nobody else does)
  2 other changes without weight here
{own.lock} written
"""
    )
    assert own.run("lock", "--upgrade").err == f"{own.lock} is up to date\n"
    again = own.run("lock", "--upgrade", "--json")
    assert json.loads(again.out)["changed"] is False


def test_a_command_has_no_flags_and_its_files_are_watched(own, ask):
    """A program that the manifest names by path."""
    own.write("srpo.toml", MANIFEST.replace('script = "run.sh"\n[entry.set]\nnote = "mine"', 'command = ["python3", "${repo.dir}/train.py"]'))  # fmt: skip
    own.commit({"train.py": TRAIN + "# more\n", "run.sh": None})
    report = ask()
    assert [(one["what"], one["name"], one["matters"]) for one in report["changes"]] == [("file", "train.py", False)]
    own.commit({"train.py": None})
    report = ask()
    assert [(one["what"], one["name"], one["matters"]) for one in report["changes"]] == [("file", "train.py", True)]
    assert report["status"] == 6


def test_the_demo_is_never_locked(say):
    """It comes with the package."""
    said = say("lock", "--upgrade", "--dry-run")
    assert (said.status, said.out, said.err) == (0, "", "the demo is carried by the package: nothing is locked\n")


def test_a_ref_that_is_gone_is_an_error_as_ever(own):
    """The other exits stay."""
    own.write("srpo.toml", MANIFEST.replace('ref = "main"', 'ref = "none"'))
    said = own.run("lock", "--upgrade", "--dry-run")
    assert said.status == 2
    assert "error[ref-missing]" in said.err
    own.write("srpo.toml", MANIFEST.replace('url = "own"', 'url = "nowhere"'))
    assert own.run("lock", "--upgrade", "--dry-run").status == 5
