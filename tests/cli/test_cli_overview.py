from __future__ import annotations

import subprocess
import sys

from srpo_manifest import __version__
from srpo_manifest.cli.verbs import VERBS, overview

MAY_NOT_IMPORT = {
    "--version": {"click", "msgspec", "pluggy", "rich", "structlog", "sh", "tree_sitter", "filelock", "platformdirs", "typing", "json", "re"},
    "--help": {"click", "msgspec", "pluggy", "rich", "structlog", "sh", "tree_sitter", "filelock", "platformdirs", "typing"},
    "validate": {"click", "pluggy", "rich", "structlog", "sh", "tree_sitter", "filelock", "importlib.metadata", "subprocess", "asyncio"},
    "explain": {"pluggy", "rich", "structlog", "sh", "tree_sitter", "filelock", "importlib.metadata", "subprocess", "asyncio"},
    "plan": {"click", "rich", "structlog", "sh", "tree_sitter", "filelock", "importlib.metadata", "asyncio"},
    "runs": {"rich", "structlog", "sh", "tree_sitter", "importlib.metadata", "pluggy"},
}  # fmt: skip


def test_version(say):
    """One line on stdout."""
    assert say("--version") == (0, f"srpo-manifest {__version__}\n", "")


def test_help_names_every_verb_by_both_roads(say):
    """The fast path and click print the same overview; nothing at all is a usage error."""
    assert say("--help") == (0, overview() + "\n", "")
    assert say("-h").out == say("--help").out
    assert say().status == 2
    assert all(f"  {verb} " in overview() for verb in VERBS)


def test_every_verb_tells_its_options(say):
    """`VERB --help` works for each."""
    for verb in VERBS:
        said = say(verb, "--help")
        assert said.status == 0, said
        assert "--json" in said.out or verb == "plugins", verb


def test_an_unknown_verb_suggests_one(say):
    """The complete list follows."""
    said = say("aply")
    assert said.status == 2
    assert said.err.startswith("error[unknown-verb]: unknown verb `aply`\nhint: did you mean `apply`?\n")


def test_an_unknown_option_is_a_usage_error(say):
    """Click's complaint in our words."""
    said = say("plan", "--locke")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error[usage]: no such option")


def test_a_reader_that_goes_away_is_no_error(place):
    """`srpo-manifest schema | head -1`."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m srpo_manifest schema | head -1"],
        cwd=place.folder, env=place.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_what_a_verb_costs_is_what_it_imports(place):
    """Each hot verb does without the packages that it does not need."""
    place.run("plan", "--save-facts", "facts.json")
    calls = {
        "--version": ["--version"],
        "--help": ["--help"],
        "validate": ["validate", "plain.toml"],
        "explain": ["explain", "repo.ref"],
        "plan": ["plan", "--facts", "facts.json"],
        "runs": ["runs"],
    }
    place.write("plain.toml", 'schema = 1\nname = "x"\n[model]\ntype = "generic"\n')
    for verb, arguments in calls.items():
        program = (
            "import sys; from srpo_manifest.cli.boundary import run; status = run(sys.argv[1:]);"
            "print(*sorted(sys.modules), file=sys.stderr, sep='\\n'); sys.exit(status)"
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}", *arguments],
            cwd=place.folder, env=place.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not MAY_NOT_IMPORT[verb] & set(done.stderr.split("\n")), verb


def test_both_roads_to_a_plan_say_the_same(say):
    """The short way without click, and click's."""
    say("plan", "--save-facts", "facts.json")
    for more in ([], ["--json"], ["srpo.toml"], ["nothing.toml"]):
        assert say("plan", "--facts", "facts.json", *more) == say("plan", "--facts", "facts.json", *more, "--offline")
    for shape in (["validate"], ["validate", "nothing.toml"]):
        assert say(*shape, "srpo.toml")[0] == say(*shape, "srpo.toml", "--offline")[0]
    assert say("plan", "--facts").status == 2
    assert say("plan", "a", "b").status == 2
