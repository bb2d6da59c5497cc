"""`plugins new` and `plugins check`: how a plugin begins, and whether it is in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from srpo_manifest.engine.scaffolding import KINDS, files_of

LONG = "a-name-as-long-as-it-may-be-30"
HOOK = "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef "
OPTIONS = """
from typing import Annotated, Literal
from msgspec import Meta
from srpo_manifest.plugin import PipedTransport, TransportOptions, hookimpl
class Options(TransportOptions, kw_only=True):
    kind: Literal["mine"]
    host: Annotated[str, Meta(description="Where.")] | None = None
class Kind:
    options = Options
    def open(self, options, wanted, facts): return PipedTransport()
@hookimpl
def srpo_transport(): return Kind()
"""
HANDLER = """
from srpo_manifest.plugin import hookimpl
class Handler:
    def probes(self, wanted, facts): return {}
    def steps(self, wanted, facts): return ()
@hookimpl
def srpo_build_env(wanted): return Handler()
"""


@pytest.fixture
def install(place):
    """Install a distribution that brings one plugin."""
    place.env["PYTHONPATH"] = str(place.folder / "site")

    def make(source: str, name: str = "mine", distribution: str | None = None, needs: str = "", version: str = "1.2"):
        whose = distribution or f"srpo-manifest-{name}"
        module = whose.replace("-", "_")
        place.write(f"site/{module}.py", source)
        meta = f"Metadata-Version: 2.1\nName: {whose}\nVersion: {version}\n" + (
            f"Requires-Dist: {needs}\n" * bool(needs)
        )
        place.write(f"site/{module}-{version}.dist-info/METADATA", meta)
        place.write(f"site/{module}-{version}.dist-info/entry_points.txt", f"[srpo_manifest]\n{name} = {module}\n")

    return make


def codes(say, *names: str, status: int = 2) -> list[str]:
    said = say("plugins", "check", "--json", *names)
    assert said.status == status, (said.out, said.err)
    assert said.json["good"] is (status == 0)
    return [finding["code"] for plugin in said.json["plugins"] for finding in plugin["findings"]]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("import nowhere_to_be_found", "plugin-broken", "No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "plugin-broken", "plugin `mine` 1.2 cannot be loaded: SystemExit: 3"),
        ("import os\nos._exit(3)", "plugin-broken", "plugin `mine` ends the program, with status 3"),
        ("import os\nos.kill(os.getpid(), 9)", "plugin-broken", "with status -9"),
        ("import time\ntime.sleep(60)", "plugin-hung", "did not answer within 0.5 seconds in its import"),
        ("import time\nwhile True:\n  try: time.sleep(60)\n  except BaseException: pass", "plugin-hung", "does not end"),
        (f"{HOOK}srpo_build_env(wanted, weather): pass", "plugin-incompatible", "weather"),
        (f"{HOOK}srpo_no_such_hook(wanted): pass", "plugin-incompatible", "srpo_no_such_hook"),
        ("def srpo_observe(event): pass", "plugin-hook", "`srpo_observe` is never called: it is not marked"),
        ("def srpo_observes(event): pass", "plugin-hook", "did you mean `srpo_observe`?"),
        ("x = 1", "plugin-hook", "plugin `mine` implements no hook"),
        (f"{HOOK}srpo_build_env(wanted): return 7", "plugin-answer", "expected a StageHandler"),
        (HANDLER.replace("{}", "[7]"), "plugin-answer", "answered stage build-env with `int`, expected a probe"),
        (HANDLER.replace("{}", "1 / 0"), "plugin-failed", "ZeroDivisionError"),
        (f"{HOOK}srpo_transport(): return 7", "plugin-answer", "expected a kind with `options` and `open`"),
        (f"{HOOK}srpo_launcher(): return 7", "plugin-answer", "expected a kind with `options` and `open`"),
        (f"{HOOK}srpo_explanations(): return ['text']", "plugin-answer", "expected the bytes of a file about codes"),
        (f"{HOOK}srpo_explanations(): return [b'format = 1\\ntitle = \"x\"']", "missing-key", "explanations"),
        (f"{HOOK}srpo_trainer(): return ['text']", "plugin-answer", "expected the bytes of a description"),
        (f"{HOOK}srpo_trainer(): return [b'format = ']", "no-value", "mine.toml"),
        (OPTIONS.replace('"mine"', '"other"'), "plugin-kind", "`kind` of `Options` does not say `mine`"),
        (OPTIONS.replace('Literal["mine"]', "str"), "plugin-kind", 'write `kind: Literal["mine"]`'),
        (OPTIONS.replace("kw_only=True", "kw_only=True, forbid_unknown_fields=False"), "plugin-options", "misspelt"),
        (OPTIONS.replace('Annotated[str, Meta(description="Where.")]', "str"), "plugin-options", "describe `host`"),
        (OPTIONS.replace("options, wanted, facts", "options"), "plugin-answer", "`open` cannot be called"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plugin_is_said(install, say, source: str, code: str, words: str):
    """One finding with its code, exit status 2, and the sound one beside it is looked at all the same."""
    install(source)
    install(f"print('talk')\n{HOOK}srpo_observe(event): pass", name="sound")
    env = {"SRPO_MANIFEST_PLUGIN_SECONDS": "0.5"} | (
        {"SRPO_MANIFEST_PLUGIN_SECONDS": "0.1"} if "while" in source else {}
    )
    said = say("plugins", "check", "mine", "sound", "--json", **env)
    assert said.status == 2, said.err
    mine, sound = said.json["plugins"]
    assert [finding["code"] for finding in mine["findings"]] == [code]
    told = [finding["message"] + " ".join(finding["hints"]) + str(finding["where"]) for finding in mine["findings"]]
    assert words in told[0]
    assert (sound["distribution"], sound["version"]) == ("srpo-manifest-sound", "1.2")
    assert (sound["provides"], sound["findings"]) == (["srpo_observe"], [])


def test_sound_plugins_are_listed_with_who_brings_them(install, say):
    """Exit status 0, and nothing but what is so."""
    install(OPTIONS)
    assert codes(say, "mine", status=0) == []
    assert say("plugins", "check", "mine").out == "mine  srpo-manifest-mine 1.2  srpo_transport\n"
    install(HANDLER.replace("{}", "()"))
    assert codes(say, "mine", status=0) == []


ABOUT = f"""{HOOK}srpo_explanations():
    return [b'format = 1\\ntitle = "Mine"\\n[codes.CODE]\\ntitle = "it is"\\ntext = "So it is."\\n']
def fail():
    raise TransportError("its-own", "no")
"""


def test_codes_that_nobody_explains_are_noted(install, say):
    """Those of errors, checks and findings in its source; and a text that hides behind one of ours."""
    install(ABOUT.replace("CODE", "its-own"))
    assert codes(say, "mine", status=0) == []
    install(ABOUT.replace("CODE", "unknown-key"))
    assert codes(say, "mine", status=0) == ["plugin-codes", "plugin-codes"]
    out = say("plugins", "check", "mine").out
    assert "plugin `mine` explains `unknown-key`, which is a code of ours" in out
    assert "`explain` has nothing to say of `its-own`" in out
    trainer = 'format = 1\\nname = "mine"\\ntitle = "x"\\n[[checks]]\\ncode = "of-its-trainer"\\nmessage = "x"\\nflag = "a"\\n'
    install(f"{HOOK}srpo_trainer(): return [b'{trainer}']")
    assert codes(say, "mine", status=0) == ["plugin-codes"]
    assert "`explain` has nothing to say of `of-its-trainer`" in say("plugins", "check", "mine").out


@pytest.mark.parametrize(
    ("needs", "wrong"),
    [
        ("srpo-manifest>=9", True), ("srpo-manifest<0.1", True), ("srpo_manifest[testing] (==9.*)", True),
        ("srpo-manifest>=0.1,<0.2", False), ("srpo-manifest~=0.1.0", False), ("srpo-manifest", False),
        ('srpo-manifest>=9; extra == "x"', False), ("srpo-manifest-other>=9", False), ("srpo-manifest!=0.1.0", True),
    ],
)  # fmt: skip
def test_a_plugin_of_another_version_is_told(install, say, needs: str, wrong: bool):
    """By what its distribution requires, even if it happens to load."""
    install(OPTIONS, needs=needs)
    assert codes(say, "mine", status=2 if wrong else 0) == ["plugin-incompatible"] * wrong


@pytest.mark.parametrize("name", ["local", "srpo-manifest"])
def test_a_built_in_name_is_taken(install, say, name: str):
    """Nobody would ever ask such a plugin."""
    install(OPTIONS.replace("mine", name), name=name)
    assert codes(say, name) == ["plugin-kind"]


def test_a_trainer_has_a_name_of_its_own(install, say):
    """That of a description which ships cannot be taken; one that is not the plugin's needs a second key."""
    trainer = f'{HOOK}srpo_trainer(): return [b\'format = 1\\nname = "NAME"\\ntitle = "x"\\n\']'
    install(trainer.replace("NAME", "demo"))
    assert codes(say, "mine") == ["plugin-kind", "plugin-kind"]
    install(trainer.replace("NAME", "other"))
    assert codes(say, "mine", status=0) == ["plugin-kind"]
    install(trainer.replace("NAME", "mine"))
    assert codes(say, "mine", status=0) == []


def test_two_distributions_with_one_name_are_both_looked_at(install, say):
    """And what else is wrong with either is told beside."""
    install(OPTIONS, distribution="one-of-them")
    install("raise ValueError('no')", distribution="the-other")
    said = say("plugins", "check", "mine", "--json").json["plugins"]
    assert [(one["distribution"], [finding["code"] for finding in one["findings"]]) for one in said] == [
        ("one-of-them", ["plugin-conflict"]), ("the-other", ["plugin-conflict", "plugin-broken"]),
    ]  # fmt: skip


def test_a_plugin_that_is_not_installed(install, say):
    """A near miss is told."""
    install(OPTIONS)
    assert codes(say, "mien") == ["plugin-missing"]
    assert "did you mean `mine`?" in say("plugins", "check", "mien").out


def settle(place, folder: Path, name: str) -> None:
    """What `pip install` would leave, without its minute."""
    module = next(folder.glob("srpo_manifest_*"))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["srpo_manifest"].items()
    info = f"site/{module.name}-{project['version']}.dist-info"
    shutil.copytree(module, place.folder / "site" / module.name)
    place.write(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
                f"Requires-Dist: {project['dependencies'][0]}\n")  # fmt: skip
    place.write(f"{info}/entry_points.txt", f"[srpo_manifest]\n{' = '.join(entry)}\n")
    assert entry == (name, module.name)
    place.env["PYTHONPATH"] = str(place.folder / "site")


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_begins_sound(place, say, kind: str):
    """Installed, it passes its own tests, which plan a manifest that names it; it is formatted, typed, listed and in order."""
    name = f"my-{kind}"
    said = say("plugins", "new", name, "--kind", kind)
    assert (said.status, said.out) == (0, f"srpo-manifest-{name}\n"), said.err
    assert "pip install -e '.[testing]' && pytest" in said.err
    folder = place.folder / f"srpo-manifest-{name}"
    settle(place, folder, name)
    for words in (
        ["pytest", "-q", "-p", "no:cacheprovider", "-k", "not TestRuns or demo_trains"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ):
        done = subprocess.run([sys.executable, "-m", *words], cwd=folder, env=place.env, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert codes(say, name, status=0) == []
    assert f"{name}  srpo-manifest-{name} 0.1.0  srpo_" in say("plugins", "list").out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a", LONG])
def test_any_name_leaves_it_formatted(tmp_path: Path, kind: str, name: str):
    """No template hangs on how long it is; every word of one is filled in."""
    for path, text in files_of(name, kind).items():
        assert "{{" not in text
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for words in (["format", "--check"], ["check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, "."], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["", "Mine", "my_own", "-a", "a-", "a--b", "1a", "a/b", "..", "ä", "a" * 31, "a\n"])
def test_a_name_that_is_none_is_refused(place, say, name: str):
    """Before anything is written."""
    said = say("plugins", "new", "--", name) if name.startswith("-") else say("plugins", "new", name)
    assert said.status == 2
    assert name.startswith("-") or "error[plugin-name]" in said.err
    assert {path.name for path in place.folder.iterdir()} <= {"srpo.toml", "home"}


@pytest.mark.parametrize("name", ["local", "direct", "srpo-manifest", "generic", "flux-dev-srpo"])
def test_a_name_of_a_built_in_part_is_refused(say, name: str):
    """Nobody could name such a plugin."""
    assert f"`{name}` is the name of a built-in part" in say("plugins", "new", name).err


def test_nothing_is_overwritten(place, say):
    """A folder with other things in it is fine, such as one that git made; `--json` tells what was written."""
    place.write("here/.git/HEAD", "x")
    said = say("plugins", "new", "mine", "--out", "here", "--json").json
    assert (said["folder"], said["kind"]) == ("here", "stage")
    assert all((place.folder / "here" / path).is_file() for path in said["files"])
    shutil.rmtree(place.folder / "here")
    place.write("here/README.md", "mine")
    said = say("plugins", "new", "mine", "--out", "here")
    assert said.status == 2
    assert said.err.startswith("error[plugin-exists]: `here/README.md` is there already\n")
    assert [path.name for path in (place.folder / "here").iterdir()] == ["README.md"]


def test_the_templates_ship(root: Path):
    """As data: no tool takes them for code of ours."""
    found = [path for path in (root / "srpo_manifest/scaffolds").rglob("*") if path.is_file()]
    assert {path.suffix for path in found} == {".in"}
    assert {path.name for path in (resources.files("srpo_manifest") / "scaffolds").iterdir()} == {"common", *KINDS}


@pytest.mark.slow
def test_one_line_installs_and_tests_a_new_plugin(tmp_path: Path, root: Path):
    """As a stranger does it: pip, into a fresh environment with a built core."""
    venv, wheels = tmp_path / "venv", tmp_path / "wheels"
    env = os.environ | {"PATH": f"{venv}/bin:{os.environ['PATH']}"}

    def call(text: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(["bash", "-ec", text], cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    call(f"{sys.executable} -m pip wheel -q --no-deps -w {wheels} {root} && {sys.executable} -m venv {venv}")
    call(f"pip install -q {next(wheels.glob('*.whl'))}")
    call("srpo-manifest plugins new mine --kind observer")
    assert "2 passed" in call("pip install -q -e '.[testing]' && pytest -q", tmp_path / "srpo-manifest-mine")
    assert call("srpo-manifest plugins check") == "mine  srpo-manifest-mine 0.1.0  srpo_observe\n"
