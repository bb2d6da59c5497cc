"""Faults of bash, environment, manifest and launch, planted on a machine that is otherwise good."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srpo_manifest.builtin.bash import chosen_bash
from srpo_manifest.values.facts import Known

COMMAND = """schema = 1
name = "own"
[repo]
url = "demo:"
[model]
type = "generic"
[entry]
command = ["bash", "-c", {script}]
[done]
exit_zero = true
"""
OWN = COMMAND.replace('"demo:"', '"own"').replace('command = ["bash", "-c", {script}]', 'script = "{script}"')


def command(script: str, rest: str = "") -> str:
    return COMMAND.format(script=json.dumps(script)) + rest


@pytest.fixture
def own(place):
    """Make the repository `own` of these files, and a manifest that runs `run.sh` of it."""

    def make(files: dict[str, str], script: str = "run.sh") -> None:
        folder = place.folder / "own"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(text[3:]) if text.startswith("-> ") else path.write_text(text)
        for words in (["init", "-q", "-b", "main", "."], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x"]):  # fmt: skip
            subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)
        place.write("srpo.toml", OWN.format(script=script))

    return make


@pytest.mark.fault(23, "no-bash")
def test_without_bash_the_places_are_named_that_were_looked_in(place, say):
    """A folder of PATH that is not there among them."""
    tools = place.folder / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(shutil.which("git") or "")
    said = say("plan", "--json", PATH=f"{tools}:/nowhere")
    assert said.status == 4
    (refusal,) = (finding for finding in said.json["refusals"] if finding["code"] == "no-bash")
    assert f"no `bash` lies in `{tools}` or `/nowhere` (PATH)" in refusal["message"]


@pytest.mark.fault(24, "no-bash")
def test_the_bash_of_windows_that_starts_wsl_is_passed_over(make):
    """The next one is taken; alone it is refused, with the reason."""
    stub, git = r"C:\Windows\System32\bash.exe", r"C:\Program Files\Git\bin\bash.exe"
    apps = r"C:\Users\me\AppData\Local\Microsoft\WindowsApps\bash.exe"
    wanted = make.wanted()
    facts = make.facts().joined({"bash.PATH": Known(value=[stub, apps, git]), f"bash.{git}": Known(value="5.2.37(1)-release")})  # fmt: skip
    assert chosen_bash(wanted, facts).path == git
    facts = facts.joined({"bash.PATH": Known(value=[stub, apps]), "controller.platform": Known(value="win32")})
    refusals = [finding for finding in make.planned(wanted, facts).findings if finding.level == "deny"]
    (refusal,) = (one for one in refusals if one.code == "no-bash")
    assert f"{stub} (PATH): skipped, it starts WSL" in refusal.message
    assert "target-not-linux" in [one.code for one in refusals]


@pytest.mark.fault(25, "no-bash")
@pytest.mark.fault(28, "no-bash")
def test_a_bash_that_is_none_for_us(place, say):
    """One of another machine, one that is too old, one that is no bash: asked, and refused with what it answered."""
    foreign = place.folder / "bin/foreign"
    foreign.parent.mkdir()
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(2000))
    foreign.chmod(0o755)
    old = place.program("old", '#!/bin/sh\nprintf "3.1.17(1)-release"\n')
    none = place.program("none", "#!/bin/sh\nexit 0\n")
    for program, words in ((foreign, "cannot be started: Exec format error"), (old, "its version 3.1.17(1)-release is older than 3.2"), (none, "it is no bash")):  # fmt: skip
        said = say("plan", "--bash", str(program))
        assert said.status == 4
        assert "error[no-bash]" in said.err
        assert words in said.err
    least = place.program("least", '#!/bin/bash\ncase "$*" in *BASH_VERSION*) printf "3.2.57(1)-release";; *) exec bash "$@";; esac\n')  # fmt: skip
    assert say("plan", "--bash", str(least)).status == 0


@pytest.mark.fault(26, "windows-path")
@pytest.mark.parametrize("key", ["paths.workspace", "paths.working_dir"])
def test_a_windows_path_on_a_target_that_is_linux(place, say, key: str):
    """With the key, before anything is asked."""
    said = say("plan", "--set", rf"{key}='C:\srpo\flux'")
    assert said.status == 2
    assert rf"error[windows-path]: `{key}` is the Windows path `C:\srpo\flux`, but jobs run on Linux" in said.err


@pytest.mark.fault(27, "script-crlf")
@pytest.mark.fault(29, "variable-unset")
def test_a_script_that_cannot_run_here(own, place, say):
    """CRLF has its line; variables that nobody sets are named all at once."""
    own({"run.sh": "#!/bin/bash\r\npython3 train.py\r\n", "train.py": ""})
    said = say("plan")
    assert (said.status, "error[script-crlf]: `run.sh` line 1" in said.err) == (4, True), said.err
    own({"run.sh": "python3 train.py --a $FIRST --b $SECOND --c $THIRD\n"})
    (place.folder / "srpo.lock").unlink(missing_ok=True)
    said = say("plan")
    assert said.status == 4
    assert "error[variable-unset]: `run.sh` reads `FIRST`, `SECOND`, and `THIRD` before setting it" in said.err


@pytest.mark.fault(30, "passed on byte for byte")
@pytest.mark.fault(30, "variable-not-utf8")
def test_an_inherited_value_that_is_no_text(own, place):
    """It reaches the trainer untouched; where the script would put it into the plan it is refused by name."""
    train = "import os; open('seen', 'wb').write(os.environb[b'OTHER'])"
    own({"run.sh": "python3 train.py\n", "other.sh": 'python3 train.py "$OTHER"\n', "train.py": train})
    env = {os.fsencode(name): os.fsencode(value) for name, value in place.env.items()} | {
        b"OTHER": b"\x80\xc3(\xff'\nb"
    }

    def say(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        program = [sys.executable, "-m", "srpo_manifest", *words]
        return subprocess.run(program, cwd=place.folder, env=env, capture_output=True, check=False, timeout=120)

    said = say("apply")
    assert said.returncode == 0, said.stderr
    assert (place.folder / "seen").read_bytes() == b"\x80\xc3(\xff'\nb"
    said = say("plan", "--json", "--set", 'entry.script="other.sh"')
    assert said.returncode == 4, said.stderr
    assert "variable-not-utf8" in [finding["code"] for finding in json.loads(said.stdout)["refusals"]]
    said = say("plan", "--", b"--x=\xff")
    assert (said.returncode, said.stderr.startswith(b"error[not-utf8]: `--x=\\xff`")) == (2, True), said.stderr


@pytest.mark.fault(32, "env-too-long")
@pytest.mark.fault(32, "argument-too-long")
@pytest.mark.fault(32, "command-too-large")
def test_what_linux_would_not_pass_on(place, say):
    """Each with its size, when it is planned; what only a secret brings, at apply, before anything is sent."""
    long = "x" * 200_000
    place.write("srpo.toml", command("true", f'[env]\nA = "{long}"\n'))
    for verb in ("validate", "plan"):
        said = say(verb)
        assert "error[env-too-long]: the value of `A` is 200,000 bytes long; Linux takes 131,071 with the name" in said.out + said.err  # fmt: skip
    place.write("srpo.toml", command("true"))
    place.write("args.json", json.dumps({"args": [long]}))
    said = say("plan", "--set", 'entry.args_file="args.json"')
    assert (said.status, "error[argument-too-long]: word 3 of the command is 200,000 bytes long" in said.err) == (
        4,
        True,
    )
    place.write("args.json", json.dumps({"args": ["x" * 100_000] * 10}))
    more = "".join(f'A{number} = "{"x" * 100_000}"\n' for number in range(10))
    place.write("env.toml", f"[env]\n{more}")
    said = say("plan", "--set", 'entry.args_file="args.json"', "--with", "env.toml")
    assert (said.status, "error[command-too-large]: the command and its variables take 2,000," in said.err) == (4, True)
    place.write("srpo.toml", command("true", '[env]\nTOKEN = { file = "token" }\n'))
    place.write("token", long)
    assert say("plan").status == 0
    said = say("apply")
    assert said.status == 2
    assert "error[env-too-long]: the value of `TOKEN` is 200,000 bytes long" in said.err
    place.write("srpo.toml", command("true", '[env]\nTOKEN = { target_file = "token" }\n'))
    said = say("apply")
    assert said.status == 5
    assert "error[env-too-long]: the value of `TOKEN` in" in said.err
    assert not list(place.folder.glob(".srpo/runs/own-*"))


@pytest.mark.fault(33, "invalid-value")
@pytest.mark.fault(33, "secret-unusable")
def test_a_nul_is_in_no_value(place, say):
    """Said in the manifest, or brought by a file."""
    place.write("srpo.toml", command("true", '[env]\nA = "a\\u0000b"\n'))
    assert "error[invalid-value]: `env.A` holds the control character U+0000" in say("validate").out
    place.write("srpo.toml", command("true", '[env]\nTOKEN = { file = "token" }\n'))
    place.write("token", "secret-before\0after")
    said = say("apply")
    assert (said.status, "error[secret-unusable]" in said.err) == (2, True)
    assert "secret-before" not in said.err


@pytest.mark.fault(34, "secret-missing")
def test_secrets_that_are_not_there_are_all_named(place, say):
    """A variable, a file, a pipe that would wait for ever; no value is in any message."""
    os.mkfifo(place.folder / "pipe")
    place.write("srpo.toml", command("true", '[env]\nA = { env = "NOT_A" }\nB = { file = "not-b" }\nC = { file = "pipe" }\nD = { env = "IS_D" }\n'))  # fmt: skip
    assert [finding["code"] for finding in say("plan", "--json", IS_D="the-value-of-d").json["warnings"]] == ["secret-missing"] * 3  # fmt: skip
    said = say("apply", IS_D="the-value-of-d")
    assert said.status == 2
    assert "error[secret-missing]: no value for `A` (variable `NOT_A` of this machine), `B` (file `not-b` of this machine), `C` (file `pipe` of this machine)" in said.err  # fmt: skip
    assert "the-value-of-d" not in said.out + said.err
    assert not list(place.home.glob("runs/*"))


@pytest.mark.fault(35, "made anew")
@pytest.mark.fault(36, "failed, and the step is named")
def test_an_environment_that_was_cut_off_is_made_anew(place, say):
    """Killed in the middle of it, nothing of it is used; what the user made there is never cleared."""
    venv = '[python]\nkind = "venv"\npath = "envs/one"\nrequirements = "requirements.txt"\n'
    place.write("srpo.toml", command('python -c "import sys; print(sys.prefix)" >seen', venv))
    place.write("requirements.txt", "# nothing\n")
    # a Python whose pip fails after it has left something behind, as an interrupted one does
    real = shutil.which("python3") or ""
    fake = f'#!/bin/bash\n{real} "$@" || exit\n[ -e "{place.folder}/break" ] || exit 0\nhome=${{@: -1}}\nrm -f -- "$home/bin/python"\nprintf "#!/bin/sh\\ntouch $home/half\\nexit 9\\n" >"$home/bin/python"\nchmod +x "$home/bin/python"\n'
    place.program("python3", fake)
    path = f"{place.folder}/bin:{place.env['PATH']}"
    place.write("break", "")
    said = say("apply", PATH=path)
    assert said.status == 1
    assert "srpo-manifest: preparation step venv failed (steps/" in say("logs").out
    half = place.folder / "envs/one/half"
    assert half.exists()
    (place.folder / "break").unlink()
    said = say("apply", PATH=path)
    assert said.status == 0, say("logs").out
    assert "was cut off while it was made: it is made anew" in say("logs").out
    assert not half.exists()
    assert (place.folder / "seen").read_text().strip() == str(place.folder / "envs/one")
    half.write_text("mine")
    (place.folder / "envs/one/.srpo-ready").unlink()
    assert say("apply", "--again", PATH=path).status == 0
    assert half.read_text() == "mine"


@pytest.mark.fault(36, "failed, and the step is named")
def test_a_step_whose_middle_fails_has_failed(tmp_path: Path):
    """As `env_setup.sh` does it: the last line succeeds."""
    from srpo_manifest.bundling.render import _LEADER

    (tmp_path / "steps").mkdir()
    (tmp_path / "steps/01-install.sh").write_text("pip() { [ $1 != broken ]; }\npip good\npip broken | cat\npip good\n")
    head = _LEADER.partition("supervise()")[0].format(name="x", plan="y")
    said = subprocess.run(
        ["bash", "-c", f"{head}\nprepare install 01-install.sh\necho went on"], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "SRPO_BUNDLE": str(tmp_path), "SRPO_RUN_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (said.returncode, said.stdout) == (70, "")
    assert "preparation step install failed (steps/01-install.sh)" in said.stderr


@pytest.mark.fault(37, "not-utf8")
@pytest.mark.fault(37, "a byte order mark is read over")
@pytest.mark.fault(38, "file-too-large")
@pytest.mark.fault(39, "too-deep")
@pytest.mark.fault(40, "duplicate-key")
@pytest.mark.fault(40, "unknown-key")
@pytest.mark.fault(41, "file-unreadable")
def test_manifests_that_cannot_be_read(place, say):
    """Each has its code and place, whatever lies there, and none takes its time."""
    text = command("true")
    (place.folder / "bom.toml").write_bytes(text.encode("utf-8-sig"))
    assert say("validate", "bom.toml").status == 0
    (place.folder / "wide.toml").write_bytes(text.encode("utf-16"))
    place.write("large.toml", text + "[entry.set]\n" + "".join(f"flag{n} = 1\n" for n in range(700_000)))
    place.write("many.toml", text + "[entry.set]\n" + "".join(f"f{n}=1\n" for n in range(50_000)))
    place.write("dotted.toml", text + ".".join("a" * 8_000) + " = 1\n")
    place.write("nested.toml", text + "plugins = " + "[" * 8_000)
    place.write("twice.toml", text + '[env]\nA = "1"\nA = "2"\n')
    place.write("unknown.toml", text + "[stop]\ngrace_second = 3\n")
    os.mkfifo(place.folder / "pipe.toml")
    (place.folder / "folder.toml").mkdir()
    (place.folder / "loop.toml").symlink_to("loop.toml")
    (place.folder / "zero.toml").symlink_to("/dev/zero")
    files = ("wide", "large", "many", "dotted", "nested", "twice", "unknown", "pipe", "loop", "zero")
    began = time.process_time()
    said = say("validate", "--format", "json", *(f"{name}.toml" for name in files))
    assert time.process_time() - began < 5
    found = {Path(row["file"]).stem: row["findings"][0] for row in said.json["files"]}
    assert {name: finding["code"] for name, finding in found.items()} == {
        "wide": "not-utf8", "large": "file-too-large", "many": "file-too-large", "dotted": "too-deep", "nested": "too-deep",
        "twice": "duplicate-key", "unknown": "unknown-key", "pipe": "file-unreadable", "loop": "file-unreadable", "zero": "file-outside",
    }  # fmt: skip
    assert found["wide"]["message"] == "`wide.toml` is UTF-16, expected UTF-8"
    assert (found["twice"]["where"]["line"], found["unknown"]["hints"][0]) == (13, "did you mean `grace_seconds`?")
    assert "error[no-manifest]: no manifest is in `folder.toml`" in say("plan", "folder.toml").err


@pytest.mark.fault(42, "plan-unfaithful")
@pytest.mark.fault(42, "plan-stale")
@pytest.mark.fault(42, "carried-file-changed")
def test_what_changes_between_plan_and_apply(place, say):
    """A saved plan does what it showed, whatever became of the manifest; edits of the plan or of what it carries refuse."""
    carrying = '[paths]\nconcept_file = "concepts.json"\n'
    place.write("concepts.json", "[1]")
    place.write("srpo.toml", command("echo planned >seen", carrying))
    assert say("plan", "--out", "p.json").status == 0
    place.write("srpo.toml", command("echo edited >seen", carrying))
    assert say("apply", "p.json").status == 0
    assert (place.folder / "seen").read_text() == "planned\n"
    text = (place.folder / "p.json").read_text()
    assert "echo planned" in text
    place.write("q.json", text.replace("echo planned", "echo edited", 1))
    said = say("apply", "q.json")
    assert (said.status, "error[plan-unfaithful]" in said.err) == (2, True)
    place.write("concepts.json", "[2]")
    said = say("apply", "p.json", "--again")
    assert (said.status, "error[plan-stale]" in said.err) == (4, True)


def test_a_carried_file_that_changes_while_it_is_sent(tmp_path: Path):
    """What is sent is what was planned, and lies where the manifest may lead."""
    import hashlib

    from srpo_manifest.engine.packing import Packer
    from srpo_manifest.errors import ManifestError
    from srpo_manifest.values.bundle import Bundle, BundleFile

    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "a").write_text("planned")
    (tmp_path / "outside").write_text("planned")
    packer = Packer(str(folder), lambda *_: iter(()))

    def carried(name: str) -> bytes:
        file = BundleFile(name="files/a", controller_file=name, digest=hashlib.sha256(b"planned").hexdigest())
        return b"".join(packer.tar(Bundle(plan="", files=(file,))))

    assert b"planned" in carried("a")
    (folder / "a").write_text("edited")
    with pytest.raises(ManifestError) as caught:
        carried("a")
    assert caught.value.code == "carried-file-changed"
    (folder / "a").unlink()
    (folder / "a").symlink_to(tmp_path / "outside")
    for name in ("a", "../outside", str(tmp_path / "outside")):
        with pytest.raises(ManifestError) as caught:
            carried(name)
        assert caught.value.code == "carried-file-missing"
        assert "leads out of" in str(caught.value)


@pytest.mark.fault(43, "script-missing")
def test_a_script_that_is_not_in_the_repository(own, place, say):
    """Missing, by a link, behind a folder that is a link, or beside it."""
    (place.folder / "outside").mkdir()
    (place.folder / "outside/run.sh").write_text("touch canary\n")
    own({"run.sh": "true\n", "linked.sh": f"-> {place.folder}/outside/run.sh", "scripts": f"-> {place.folder}/outside"})
    for script in ("gone.sh", "linked.sh", "scripts/run.sh", "../outside/run.sh", f"{place.folder}/outside/run.sh"):
        said = say("plan", "--json", "--set", f'entry.script="{script}"')
        assert said.status in (2, 4), script
        codes = [finding["code"] for finding in said.json["refusals"]] if said.out else [said.err]
        assert any("script" in code or "path" in code or "launch" in code for code in codes), (script, codes)
    assert not list(place.folder.rglob("canary"))


@pytest.mark.fault(43, "failed: checkout")
def test_a_checkout_that_became_a_link_is_not_run(place, say):
    """The tree's folder, the folder of all of them, or the visible link's: replaced after the plan was made."""
    place.write("srpo.toml", command("true"))
    assert say("apply").status == 0
    checkouts, foreign = place.folder / ".srpo/checkouts", place.folder / "foreign"
    (tree,) = checkouts.iterdir()
    shutil.copytree(tree, foreign / tree.name)
    subprocess.run(["chmod", "-R", "u+w", foreign, checkouts], check=True)
    assert say("plan", "--out", "p.json", "--again").status == 0
    tree.rename(checkouts / "old")
    tree.symlink_to(foreign / tree.name)
    assert say("apply", "p.json", "--again").status == 1
    assert f"{tree} is a link, and no folder of ours: take it away" in say("logs").out
    checkouts.rename(place.folder / "elsewhere")
    checkouts.symlink_to(foreign)
    assert say("apply", "p.json", "--again").status == 1
    assert f"{checkouts} is a link, and no folder of ours: take it away" in say("logs").out
    checkouts.unlink()
    shutil.rmtree(place.folder / "third_party")
    (place.folder / "third_party").symlink_to(place.folder.parent)
    assert say("apply", "--again").status == 1
    assert "leads out of the workspace: take the link away" in say("logs").out
    (place.folder / "third_party").unlink()
    assert say("apply", "--again").status == 0


def test_a_store_that_others_can_write_to_is_not_used(place, say, need):
    """By its mode, or as another user's, behind a link as well: what lies there would run."""
    place.write("srpo.toml", command("true"))
    store, elsewhere = place.folder / ".srpo", place.folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    store.symlink_to(elsewhere)
    assert say("plan").status == 0
    for mode in (0o770, 0o702):
        elsewhere.chmod(mode)
        said = say("plan")
        assert (said.status, "error[store-foreign]" in said.err) == (4, True)
    elsewhere.chmod(0o755)
    assert say("plan").status == 0
    need("root")
    os.chown(elsewhere, 54321, 54321)
    said = say("apply")
    assert (said.status, "it belongs to another user" in said.err) == (4, True)
    assert not list(elsewhere.iterdir())


@pytest.mark.fault(44, "runs through bash")
def test_a_script_that_is_not_executable(own, place, say):
    """Through bash it needs no such right, whether it is replaced by its launch or runs itself."""
    own({"run.sh": "python3 train.py\n", "train.py": "open('seen', 'w').close()"})
    assert not os.access(place.folder / "own/run.sh", os.X_OK)
    for mode in ("direct", "shim"):
        said = say("apply", "--set", f'entry.mode="{mode}"')
        assert said.status == 0, said.err + say("logs").out
        (place.folder / "seen").unlink()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((name, "env-denied") for name in ("LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "ENV", "BASH_FUNC_torchrun", "PROMPT_COMMAND", "SHELLOPTS", "UID", "IFS", "SRPO_RUN_ID", "SRPO_BUNDLE")),
        ("LD_LIBRARY_PATH", "env-loader"),
        ("BASH_FUNC_x%%", "invalid-value"),
    ],
)  # fmt: skip
def test_variables_that_would_run_code_are_denied_wherever_they_are_said(make, tmp_path, name: str, code: str):
    """In the manifest, in the args file, by `--set`."""
    import msgspec

    from srpo_manifest.engine.checking import check
    from srpo_manifest.errors import ManifestError
    from srpo_manifest.values.said import Said

    head = 'schema = 1\nname = "x"\n[model]\ntype = "generic"\n'
    (tmp_path / "args.json").write_text(json.dumps({"env": {name: "./x"}}))
    (tmp_path / "manifest.toml").write_text(f'{head}[env]\n"{name}" = "./x"\n')
    (tmp_path / "args.toml").write_text(f'{head}[entry]\nargs_file = "args.json"\n')
    (tmp_path / "set.toml").write_text(head)
    for file in ("manifest", "args", "set"):
        said = Said(manifest=str(tmp_path / f"{file}.toml"))
        said = msgspec.structs.replace(said, sets=(f'env."{name}"="./x"',)) if file == "set" else said
        try:
            found = [finding.code for finding in check(said)]
        except ManifestError as error:
            found = [error.code]
        assert found == [code], file


@pytest.mark.fault(45, "unverified")
def test_exit_zero_without_what_was_wanted_is_no_success(place, say):
    """However quick it was."""
    place.write("srpo.toml", command("true").replace("exit_zero = true", 'files = ["out/*.bin"]'))
    said = say("apply", "--json")
    assert (said.status, said.events[-1]["outcome"]) == (1, "unverified")
