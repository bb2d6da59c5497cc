from __future__ import annotations

import json

KEYS = [
    "format", "id", "name", "manifest", "repo", "backend", "job", "options", "forecast", "steps", "rules", "checks",
    "warnings", "refusals", "notes", "assumes",
]  # fmt: skip


def test_a_plan_is_the_same_plan_every_time(place, say):
    """Twice asked, and from saved facts without any machine: the same bytes."""
    first = say("plan", "--json", "--save-facts", "facts.json")
    assert first.status == 0, first.err
    assert list(first.json) == KEYS
    assert say("plan", "--json").out == first.out
    assert say("plan", "--json", "--facts", "facts.json", PATH="/nonexistent").out == first.out
    assert not (place.folder / "srpo.lock").exists()
    assert not (place.folder / ".srpo").exists()


def test_a_plan_for_people_names_what_changes(say):
    """Steps with reasons, flags with their way, the whole command."""
    said = say("plan", "--", "--seed", "7")
    assert said.status == 0
    assert "run   checkout" in said.out
    words = " ".join(said.out.split())
    assert "max_train_steps 30000000 → 4 (entry.set)" in words
    assert "seed 42 → 7 (--)" in words
    assert "weight_decay" not in said.out.partition("environment")[0]
    assert "--seed 7 \\\n" in said.out
    assert "--learning_rate 2e-2" in said.out
    assert "weight_decay" in say("plan", "--origin").out


def test_something_to_run_is_exit_6_when_asked_for(say):
    """`--detailed-exitcode` for scripts."""
    assert say("plan", "--detailed-exitcode").status == 6


def test_wrong_flags_are_refused_with_the_json_still_on_stdout(place, say):
    """Every wrong flag at once, each with its place in the file."""
    place.write(
        "srpo.toml",
        (place.folder / "srpo.toml").read_text()
        + "train_guidence = 3.5\nlearnign_rate = 1.0\nlearning = 1\nema_decay = 0.9\n",
    )
    said = say("plan", "--json")
    assert said.status == 4
    refusals = {finding["code"]: finding for finding in said.json["refusals"]}
    assert set(refusals) == {"flag-default", "unknown-flag", "flag-abbreviated"}
    assert refusals["unknown-flag"]["where"] == {
        "file": "srpo.toml",
        "line": 13,
        "column": 1,
        "key": "entry.set.learnign_rate",
    }
    assert set(refusals["unknown-flag"]) == {"code", "level", "message", "hints", "where", "related", "fix"}
    assert "did you mean `learning_rate`?" in refusals["unknown-flag"]["hints"]
    assert [finding["code"] for finding in said.json["warnings"]] == ["flag-never-read"]
    text = say("plan")
    assert "error[unknown-flag]: unknown flag `learnign_rate`" in text.err
    assert "  --> srpo.toml:13:1" in text.err
    assert say("apply").status == 4


def test_a_difference_is_told_path_by_path(say):
    """Two plans compared."""
    assert say("plan", "--out", "p.json").status == 0
    said = say("plan", "--diff", "p.json", "--set", "entry.set.seed=9")
    assert "options.seed.manifest: null → 9" in said.out
    assert say("plan", "--diff", "p.json").out == "no difference\n"


def test_overlays_and_settings_from_the_command_line(place, say):
    """Profile under part under `--set`."""
    place.write(
        "srpo.toml",
        (place.folder / "srpo.toml").read_text() + "[profile.long.entry.set]\nmax_train_steps = 5\nseed = 5\n",
    )
    place.write("part.toml", "[entry.set]\nseed = 6\n")
    argv = say("plan", "--json", "--profile", "long", "--with", "part.toml", "--set", "name=other").json
    assert argv["name"] == "other"
    options = {option["name"]: option["final"] for option in argv["options"]}
    assert options["max_train_steps"] == ["--max_train_steps", "5"]
    assert options["seed"] == ["--seed", "6"]


def test_the_older_wrappers_args_file(place, say):
    """`args`, `env` and `working_dir` from JSON, beneath what the manifest says itself."""
    place.write("args.json", json.dumps({"args": ["--seed", "3"], "env": {"A": "1", "B": "1"}, "working_dir": "there"}))
    text = (place.folder / "srpo.toml").read_text()
    place.write(
        "srpo.toml", text.replace("[entry.set]", '[env]\nB = "2"\n[entry]\nargs_file = "args.json"\n[entry.set]')
    )
    said = say("plan", "--json")
    assert said.status == 0, said.err
    plan = said.json
    assert {name: plan["job"]["env"][name] for name in "AB"} == {"A": "1", "B": "2"}
    assert plan["job"]["cwd"] == str(place.folder / "there")
    assert {option["name"]: option for option in plan["options"]}["seed"]["origin"] == "entry.args_file"


def test_the_named_bash_must_answer(place, say):
    """`--bash` beats SRPO_BASH; the one that failed is named."""
    assert say("plan", "--bash", "/bin/false").status == 4
    said = say("plan", SRPO_BASH="/nonexistent/bash")
    assert said.status == 4
    assert "error[no-bash]: no bash answers on this machine: /nonexistent/bash (SRPO_BASH)" in said.err
    assert say("plan", "--bash", "/bin/bash", SRPO_BASH="/nonexistent/bash").status == 0


def test_a_manifest_that_is_not_there(say):
    """One sentence, one hint."""
    assert say("plan", "nothing.toml") == (
        2,
        "",
        "error[file-missing]: `nothing.toml` is not there\nhint: correct the path\n",
    )


def test_secrets_are_in_no_plan_and_no_facts(place, say):
    """References stay references."""
    place.write("srpo.toml", (place.folder / "srpo.toml").read_text() + '[env]\nHF_TOKEN = { env = "MY_TOKEN" }\n')
    said = say(
        "plan",
        "--json",
        "--out",
        "p.json",
        "--save-facts",
        "f.json",
        MY_TOKEN="very-secret-value",
        HF_TOKEN="very-secret-value",
    )
    assert said.json["job"]["env"]["HF_TOKEN"] == {"env": "MY_TOKEN"}
    for text in (said.out, said.err, *(path.read_text() for path in place.folder.glob("*.json"))):
        assert "very-secret-value" not in text
