"""`validate`: every mistake, in every format, and mended where that is certain."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

WRONG = """\
schema = 1
name = "flux"
[repo
ref = "main"
[model]
type = "generic"
[resources]
gpus_per_nod = 8
nodes = "2"
port = 0
[entry]
mode: "direct"
[lints]
gpu-count = "wran"
"""
RIGHT = (
    WRONG.replace("[repo", "[repo]")
    .replace("gpus_per_nod ", "gpus_per_node ")
    .replace('"2"', "2")
    .replace("mode:", "mode =")
    .replace('"wran"', '"warn"')
)
CODES = ["header-open", "unknown-key", "wrong-type", "invalid-value", "no-equals", "invalid-value"]


def test_every_mistake_of_every_file_is_told(place, say):
    """At once, with the number that can be mended."""
    place.write("a.toml", WRONG)
    place.write("b.toml", "schema = 1\nname = 1\n")
    said = say("validate", "a.toml", "b.toml")
    assert said.status == 2
    assert said.out.count("error[") == len(CODES) + 2
    assert said.err == "8 errors in 2 manifests, 5 fixable with `--fix`\n"


def test_what_is_certain_is_mended(place, say):
    """Nothing else changes, and a second time nothing is left to mend."""
    file = place.write("a.toml", WRONG)
    said = say("validate", "--fix", "a.toml")
    assert (said.status, said.err) == (2, "a.toml: 5 edits made\n2 errors in 1 manifest\n")
    assert file.read_text() == RIGHT
    again = say("validate", "--fix", "a.toml")
    assert again.err == "2 errors in 1 manifest\n"  # the port, and what two nodes come to
    assert file.read_text() == RIGHT


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "mark"])
def test_line_ends_and_a_byte_order_mark_are_kept(place, say, mark):
    """A file from Windows stays one."""
    file = place.folder / "a.toml"
    file.write_bytes(mark + WRONG.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    say("validate", "--fix", "a.toml")
    assert file.read_bytes() == mark + RIGHT.replace("\n", "\r\n").encode()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_difference_is_a_patch_and_changes_nothing(place, say):
    """What `--fix` would do."""
    file = place.write("a.toml", "schema = 1\nname = 'a'\n[modle]\ntype = 'generic'\n[modle.x]\n")
    said = say("validate", "--diff", "a.toml")
    assert said.status == 2
    assert said.out == (
        "--- a.toml\n+++ a.toml\n@@ -1,5 +1,5 @@\n schema = 1\n name = 'a'\n-[modle]\n+[model]\n"
        " type = 'generic'\n-[modle.x]\n+[model.x]\n"
    )
    assert "[modle]" in file.read_text()


def test_no_edit_makes_a_second_key_of_the_same_name(place, say):
    """What is set already is not set again."""
    file = place.write("a.toml", 'schema = 1\nname = "a"\nnam = "b"\nmodel.type = "generic"\n')
    said = say("validate", "--fix", "a.toml")
    assert "did you mean `name`?" in said.out
    assert file.read_text().count("name =") == 1


def test_github_shows_them_at_their_lines(place, say):
    """Nothing in a message ends the command or begins another."""
    place.write("a.toml", WRONG)
    lines = say("validate", "--format", "github", "a.toml").out.splitlines()
    assert lines[1] == (
        "::error file=a.toml,line=8,endLine=8,col=1,endColumn=13,title=srpo-manifest unknown-key::unknown key "
        "`gpus_per_nod` in `resources`%0Ahint: did you mean `gpus_per_node`?%0Ahint: `resources` takes `nodes`, "
        "`gpus_per_node`, `port`, `memory_gib`, or `cpus`"
    )
    assert len(lines) == len(CODES)
    place.write("b.toml", 'schema = 1\n"a%\\n::set-output name=x::y" = 1\n')
    assert all(
        line.startswith("::error file=b.toml")
        for line in say("validate", "--format", "github", "b.toml").out.splitlines()
    )


def test_gitlab_knows_them_again_when_lines_move(place, say):
    """A fingerprint holds no line, and is that of one finding alone."""
    place.write("a.toml", WRONG)
    first = json.loads(say("validate", "--format", "gitlab", "a.toml").out)
    assert [one["check_name"] for one in first] == CODES
    assert first[1]["location"] == {
        "path": "a.toml",
        "positions": {"begin": {"line": 8, "column": 1}, "end": {"line": 8, "column": 13}},
    }
    place.write("a.toml", "# moved\n\n" + WRONG)
    moved = json.loads(say("validate", "--format", "gitlab", "a.toml").out)
    assert [one["fingerprint"] for one in first] == [one["fingerprint"] for one in moved]
    assert len({one["fingerprint"] for one in first}) == len(CODES)


def test_sarif_has_place_fix_and_related_places(place, say):
    """As tools that read SARIF 2.1.0 want it."""
    place.write("sub dir/a.toml", WRONG + "[model]\n")
    found = json.loads(say("validate", "--format", "sarif", "sub dir/a.toml").out)
    run = found["runs"][0]
    assert (found["version"], run["columnKind"]) == ("2.1.0", "unicodeCodePoints")
    by_code = {one["ruleId"]: one for one in run["results"]}
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == by_code.keys()
    place_ = by_code["wrong-type"]["locations"][0]["physicalLocation"]
    assert place_["artifactLocation"] == {"uri": "sub%20dir/a.toml", "uriBaseId": "%SRCROOT%"}
    assert place_["region"] == {"startLine": 9, "startColumn": 9, "endLine": 9, "endColumn": 12}
    change = by_code["wrong-type"]["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert (change["deletedRegion"], change["insertedContent"]) == (place_["region"], {"text": "2"})
    assert by_code["duplicate-key"]["relatedLocations"][0]["message"]["text"] == "it is set first here"


def test_junit_has_a_case_for_each(place, say):
    """And one that passes for a file that is good."""
    place.write("a.toml", WRONG)
    place.write("b.toml", 'schema = 1\nname = "b"\nmodel.type = "generic"\n')
    root = ET.fromstring(say("validate", "--format", "junit", "a.toml", "b.toml").out)  # noqa: S314 - our own
    suites = {suite.get("name"): suite for suite in root}
    assert [(suite.get("tests"), suite.get("failures")) for suite in suites.values()] == [("6", "6"), ("1", "0")]
    assert [case.find("failure").get("type") for case in suites["a.toml"]] == CODES
    assert suites["b.toml"].find("testcase/failure") is None


@pytest.mark.parametrize("style", ["human", "json", "github", "gitlab", "sarif", "junit"])
def test_no_format_shows_a_secret(place, say, style):
    """Nor may a file speak to a terminal."""
    place.write("a.toml", 'schema = 1\nname = "\x1b[2J"\n[env]\nHF_TOKEN = planted\nB = "planted" x\nC = ["planted"]\n')
    said = say("validate", "--format", style, "a.toml")
    assert said.status == 2
    assert "planted" not in said.out + said.err
    assert "\x1b" not in said.out + said.err


def test_every_profile_is_checked_merged(place, say):
    """What only a profile brings about is told with its name, once for all that share it."""
    text = 'schema = 1\nname = "a"\nmodel.type = "generic"\n[entry]\nscript = "train.sh"\n'
    place.write(
        "a.toml",
        text + '[profile.bad.entry]\ncommand = ["x"]\n[profile.good]\nname = "b"\n[profile.odd]\ndrop = ["repo.ref"]\n',
    )
    said = say("validate", "--json", "a.toml")
    assert said.status == 2
    found = said.json["files"][0]["findings"]
    assert [(one["code"], one["where"]["line"], one["hints"][-1]) for one in found] == [
        ("impossible-combination", 7, "so it is with `--profile bad`"),
        ("unknown-drop", 11, "so it is with `--profile odd`"),
    ]
    place.write("a.toml", text + '[profile.good]\nname = "b"\n')
    assert say("validate", "a.toml").status == 0
    assert say("validate", "manifests", "a.toml").status == 2  # there is no such folder


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("[resources]\ngpus = 8\n", "did you mean `gpus_per_node`?"),
        ("[resources]\nmemory_mib = 65536\n", "did you mean `memory_gib`?"),
        ("[stop]\nstall_seconds = 600\n", "did you mean `stall_minutes`?"),
        ("[stop]\ngrace_minutes = 2\n", "did you mean `grace_seconds`?"),
        ('[entry]\ncode = "direct"\n', "did you mean `mode`?"),
        ('[model]\ntype = "generic"\nvar = "a"\n', "did you mean `vae`?"),
    ],
)
def test_no_edit_changes_a_meaning(place, say, wrong, hint):
    """What may be another word, or another unit, is a question for whoever wrote it."""
    model = "" if "[model]" in wrong else "model.type = 'generic'"
    text = f'schema = 1\nname = "a"\n{model}\n{wrong}'
    file = place.write("a.toml", text)
    said = say("validate", "--fix", "a.toml")
    assert said.status == 2
    assert hint in said.out
    assert file.read_text() == text


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfschema = 1\nnom = 1\n",
        b"shcema = 1\nnom = 1\n",
        b"schema: 1\nnom = 1\n",
        "schema = 1\nnom = 1\n".encode("utf-16"),
    ],
    ids=["mark", "misspelt", "colon", "utf-16"],
)
def test_a_folder_passes_over_no_manifest(place, say, data):
    """Whatever is wrong in the very line that makes it one."""
    place.write("jobs/pyproject.toml", '[project]\nname = "a"\nschema_version = 1\n')
    (place.folder / "jobs/a.toml").write_bytes(data)
    said = say("validate", "jobs")
    assert said.status == 2
    assert "a.toml" in said.out
    assert said.err.partition(" in ")[2].startswith("1 manifest")


def test_a_file_of_that_name_is_always_a_manifest(place, say):
    """And a folder without any is no success."""
    place.write("jobs/srpo.toml", 'name = "a"\n')
    assert "needs `schema`" in say("validate", "jobs").out
    place.write("none/a.toml", 'name = "a"\n')
    for verb in ("validate", "fmt", "migrate"):
        said = say(verb, "none")
        assert said.status == 2
        assert "error[no-manifest]: no manifest is in `none`" in said.out + said.err


def test_an_edit_is_of_its_own_file(place, say):
    """A file of the same name beneath, a part, and `--set` are named by their paths, and left as they are."""
    good = 'schema = 1\nname = "a"\nmodel.type = "generic"\n'
    file = place.write(
        "a/s.toml", good + 'extends = "a/s.toml"\nentry.args_file = "x.json"\n[stop]\ngrace_seconds = 7\n'
    )
    below = place.write("a/a/s.toml", "# beneath\n# it\n# is\n# here\n# and\n# there\nstop.max_hour = 3\n")
    place.write("a/x.json", '{"argz": 1}')
    before = file.read_text()
    said = say("validate", "--fix", "a/s.toml", "--set", "resources.node=2")
    assert said.status == 2
    assert "--> a/a/s.toml:7:6" in said.out
    assert "--> a/x.json" in said.out
    assert file.read_text() == before
    assert "max_hour " in below.read_text()
    assert "fixable" not in say("validate", "a/s.toml", "--set", "resources.node=2").err
    assert "file=a/a/s.toml,line=7" in say("validate", "--format", "github", "a/s.toml").out


def test_a_lint_that_nobody_tells_is_warned_about(place, say):
    """In the manifest and on the command line; a plugin may bring it, so it is no error."""
    place.write("a.toml", 'schema = 1\nname = "a"\nmodel.type = "generic"\n[lints]\nunknown-flga = "deny"\n')
    said = say("validate", "a.toml", "--deny", "nosuchcode")
    assert said.status == 0
    assert "warning[unknown-lint]: `unknown-flga` in `lints` has no effect" in said.out
    assert "--> a.toml:5:1" in said.out
    assert "did you mean `unknown-flag`?" in said.out
    assert "`--deny nosuchcode` has no effect" in said.out
    assert say("validate", "a.toml", "--deny", "all").status == 2


def test_what_a_profile_shares_is_told_once(place, say):
    """Though the profile has the key that was meant, and the hint is another."""
    text = 'schema = 1\nname = "a"\nmodel.type = "generic"\n[stop]\nmax_hour = 3.0\n[profile.p.stop]\nmax_hours = 3.0\n'
    place.write("a.toml", text)
    assert say("validate", "a.toml").out.count("error[") == 1


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ('entry.args_file = "argz.json"', "args.json"),
        ('extends = "sub/bse.toml"', "sub/base.toml"),
        ('backend.transport.kind = "locale"', "local"),
        ('backend.launcher.kind = "dirct"', "direct"),
    ],
)
def test_files_and_kinds_have_near_ones(place, say, line, near):
    """As keys have."""
    place.write("args.json", "{}")
    place.write("sub/base.toml", "")
    place.write("a.toml", f'schema = 1\nname = "a"\nmodel.type = "generic"\n{line}\n')
    said = say("validate", "a.toml")
    assert said.status == 2
    assert f"did you mean `{near}`?" in said.out


SPELLED = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("style", ["human", "json", "github", "gitlab", "sarif", "junit"])
@pytest.mark.parametrize(
    "line",
    [
        f"HF_TOKEN = {SPELLED}",
        f'HF_TOKEN = "{SPELLED}',
        f'entry.set.other = "{SPELLED}" x',
        f'entry.set.hub_token = "swordfish-{SPELLED[3:]}" x',
        f'repo.url = "https://me:{SPELLED[3:]}@example.org/x" x',
        f'end.comand = ["curl", "-H", "Authorization: Bearer {SPELLED[3:]}"]',
        f'resources.nodes = "{SPELLED}"',
        f'name = "ghp_{SPELLED[3:]}"',
        f'entry.mode = "github_pat_{SPELLED[3:]}"',
    ],
)
def test_a_secret_is_told_wherever_it_stands_as_stars(place, say, line, style):
    """By its shape, and by the name of its key: neither the source line nor a message repeats it."""
    base = "".join(one for one in ('name = "a"\n', 'model.type = "generic"\n') if line[:4] != one[:4])
    place.write("a.toml", f"schema = 1\n{base}{line}\n")
    said = say("validate", "--format", style, "a.toml")
    assert said.status == 2
    assert SPELLED[3:] not in said.out + said.err


@pytest.mark.parametrize("style", ["human", "json", "github", "gitlab", "sarif", "junit"])
def test_nothing_that_a_terminal_obeys_is_printed(place, say, style):
    """Neither from a name in the file, nor from the file's own."""
    place.write("b\x1b.toml", 'schema = 1\n"\\u001b[2J\\u0000\\u0001\\u202e" = 1\n')
    said = say("validate", "--format", style, "b\x1b.toml")
    assert said.status == 2
    assert not set(said.out) & {"\x1b", "\0", "\x01"}
    if style != "json":
        assert "\u202e" not in said.out
        assert "\\x1b[2J\\x00\\x01\\u202e" in said.out.replace("\\\\", "\\")


@pytest.mark.parametrize("style", ["human", "github", "gitlab", "junit"])
def test_a_file_whose_name_is_no_utf8_is_spelled_as_people_see_it(place, say, style):
    """In every format the same."""
    name = b"b\xff.toml".decode("utf-8", "surrogateescape")
    (place.folder / name).write_bytes(b"schema = \n")
    said = say("validate", "--format", style, name)
    assert said.status == 2
    assert "b\\xff.toml" in said.out.replace("\\\\", "\\")


GOOD = 'schema = 1\nname = "a"\nmodel.type = "generic"\n'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"schema": 1,\n"name": "x"}\n', "not-toml"),
        (b"# hi\nschema: 1\nmodel:\n  type: flux\n", "not-toml"),
        (b"---\nname: x\n", "not-toml"),
        (GOOD.encode("utf-16-le"), "not-utf8"),
        (GOOD.encode("utf-16-be"), "not-utf8"),
        (GOOD.replace("\n", "\r").encode(), "control-character"),
        (b'model_type = "FLUX_SRPO_DEV"\nsrpo_seed = 3\n', "missing-key"),
    ],
)
def test_a_file_of_another_kind_is_one_error(place, say, data, code):
    """It says what the file is, and nothing about its lines."""
    (place.folder / "a.toml").write_bytes(data)
    said = say("validate", "--json", "a.toml")
    assert [one["code"] for one in said.json["files"][0]["findings"]] == [code]


@pytest.mark.parametrize("words", [("--fix", "--diff"), ("--diff", "--json"), ("--diff", "--format", "github")])
def test_what_would_be_passed_over_is_refused(say, words):
    """No option is silently another's."""
    said = say("validate", *words, "srpo.toml")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error[usage]: `--diff` prints a patch, and nothing else")


def test_stdin_is_checked(place, say):
    """As `fmt` reads it."""
    command = [sys.executable, "-m", "srpo_manifest", "validate", "-"]
    for text, status in ((GOOD, 0), ("schema = ", 2)):
        done = subprocess.run(
            command, cwd=place.folder, env=place.env, input=text, text=True, check=False, capture_output=True
        )
        assert done.returncode == status, done
    assert "  --> -:1:10" in done.stdout
    assert say("validate", "-", "--fix").err.startswith("error[usage]: `-` stands alone")


def test_a_second_line_is_no_setting(place, say):
    """One `--set`, one key; and a mistake says in which."""
    place.write("a.toml", GOOD)
    said = say("validate", "--set", 'stop.max_hours=1\nname="y"', "--set", "stop.stall_minutes=0", "a.toml")
    assert said.out.count("error[") == 2
    assert "hint: one `--set` sets one key" in said.out
    assert "  --> --set stop.stall_minutes:1:20" in said.out


def test_a_name_that_would_do_is_shown(place, say):
    """Beside the pattern."""
    place.write("a.toml", GOOD.replace('"a"', '"Flux HPS"'))
    assert "hint: `flux-hps` would do" in say("validate", "a.toml").out


def test_a_variable_as_a_shell_writes_it_is_one_finding(place, say):
    """It is no secret, and it is not expanded."""
    place.write("a.toml", GOOD + 'env.HF_TOKEN = "${HF_TOKEN}"\n')
    said = say("validate", "a.toml")
    assert said.out.count("error[") == 1
    assert "error[not-interpolated]" in said.out
    assert '`HF_TOKEN = { env = "HF_TOKEN" }`' in said.out


def test_mistakes_in_flags_stand_at_what_is_wrong(place, say):
    """The value, or the element; a key of the manifest's own points home."""
    demo = 'schema = 1\nname = "d"\nrepo.url = "demo:"\nmodel = { type = "demo", base = "builtin" }\n[entry]\n'
    place.write(
        "a.toml",
        demo
        + 'unset = ["seeed"]\nextra_args = ["learning_rate=3", "-h", "--seed", "abc"]\n[entry.set]\nmax_train_steps = "x"\n'
        + 'max_hours = 3\ngradient_checkpointing = "true"\n',
    )
    said = say("validate", "--json", "a.toml")
    found = [(one["code"], one["where"]["line"], one["where"]["column"]) for one in said.json["files"][0]["findings"]]
    assert found == [
        ("unknown-flag", 6, 10),
        ("stray-argument", 7, 15),
        ("unknown-flag", 7, 34),
        ("flag-type", 7, 40),
        ("flag-type", 9, 19),
        ("unknown-flag", 10, 1),
        ("flag-value", 11, 26),
    ]
    assert "`max_hours` belongs to `[stop]`" in said.out
    assert "write `true` without quotes" in said.out
    assert "`-h` prints the help" in said.out


WINDOWS = r"""
schema = 1
name = "x"
model.type = "demo"
model.base = "builtin"
repo.url = "demo:"
paths.working_dir = 'C:\x'
paths.workspace = 'D:\x'
env.API_TOKEN = "S3CR3T"
resources.nodes = 2
lints.nevr-ends = "warn"
"""


@pytest.mark.parametrize(
    "more", ["", "resources.port = 0\n", 'plugins = ["no-such"]\n', 'backend.launcher.kind = "drect"\n']
)
def test_a_folder_of_another_system_hides_nothing_and_nothing_hides_it(place, say, more):
    """Each of the two is told, whatever else is wrong."""
    place.write("a.toml", WINDOWS + more)
    (file,) = say("validate", "--json", "a.toml").json["files"]
    codes = sorted(one["code"] for one in file["findings"])
    assert codes.count("windows-path") == 2
    assert {"secret-literal", "unknown-lint"} <= {*codes}
    assert ("nodes-unsupported" in codes) == ("backend" not in more)


def test_a_part_that_is_missing_hides_no_mistake_of_form(place, say):
    """Neither in the manifest, nor in another part, nor in what `--set` says."""
    place.write(
        "a.toml", 'schema = 1\nname = "x"\nmodel.type = "generic"\nentry.command = ["true"]\nresources.prt = 1\n'
    )
    place.write("b.toml", "[repo]\nrefresh = true\n")
    said = say(
        "validate", "--json", "a.toml", "--with", "nope.toml", "--with", "b.toml", "--set", "resources.port=70000"
    )
    (file,) = said.json["files"]
    assert sorted(one["code"] for one in file["findings"]) == [
        "file-missing",
        "invalid-value",
        "unknown-key",
        "wrong-type",
    ]
    (refresh,) = [one for one in file["findings"] if one["code"] == "wrong-type"]
    assert refresh["hints"] == ["write one of `always` or `if-missing`"]


def test_a_word_that_is_nearly_bound_is_told(place, say):
    """What belongs to another program's templates is not."""
    place.write(
        "a.toml",
        'schema = 1\nname = "x"\nmodel.type = "generic"\n'
        'entry.command = ["bash", "${repo.dri}/x", "${run.id}", "${model.name}", "${HOME}"]\n',
    )  # fmt: skip
    (file,) = say("validate", "--json", "a.toml").json["files"]
    (told,) = [one for one in file["findings"] if one["code"] == "not-interpolated"]
    assert (told["where"]["line"], told["where"]["column"], told["hints"]) == (4, 26, ["did you mean `${repo.dir}`?"])


def test_more_mistakes_than_are_told_are_told_of(place, say):
    """A reader who mends them all must not think that he is done."""
    place.write("a.toml", 'schema = 1\nname = "x"\n' + "".join(f"resources.k{number} = 1\n" for number in range(3000)))
    (file,) = say("validate", "--json", "a.toml").json["files"]
    assert file["findings"][-1]["code"] == "mistakes-cut"
    assert len(file["findings"]) <= 1002


@pytest.mark.parametrize("beside", ["\n", ""])
def test_a_difference_shows_no_secret(place, say, beside):
    """Not around what is changed, nor in it."""
    text = f'[env]\nAPI_TOKEN = "S3CR3Tabc"\n[resources]{beside}\nndoes = 1\n[entry.set]\nhub_tken = 1\n'
    place.write("a.toml", 'schema = 1\nname = "x"\nmodel.type = "generic"\nentry.command = ["true"]\n' + text)
    said = say("validate", "--diff", "a.toml")
    assert "+nodes = 1" in said.out
    assert "API_TOKEN" not in said.out
    assert "S3CR3T" not in said.out + said.err
    place.write("b.toml", 'schema = 1\nname = "x"\nenv = { API_TOKEN = "S3CR3Tabc"; }\n')
    assert "S3CR3T" not in say("validate", "--diff", "b.toml").out


@pytest.mark.parametrize("key", ["model.base", "model.vae", "model.lora", "paths.cache_dir", "python.path"])
def test_a_path_of_another_system_is_told_at_its_key(place, say, key):
    """Whatever it is for: a job on Linux finds nothing there."""
    place.write("a.toml", 'schema = 1\nname = "x"\nmodel.type = "generic"\nentry.command = ["true"]\n')
    said = say("validate", "--json", "a.toml", "--set", rf"{key}='C:\srpo\x'")
    ((found,),) = [file["findings"] for file in said.json["files"]]
    assert (found["code"], found["where"]["key"]) == ("windows-path", key)
    assert say("validate", "a.toml", "--set", f"{key}='/srv/C:/x'").status == 0
