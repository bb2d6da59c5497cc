"""From schema 0 to today's: every wish arrives, every comment stays, and what has no meaning is said."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.engine.checking import findings
from srpo_manifest.engine.migrating import migrated as whole
from srpo_manifest.engine.migrating import run_name
from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding, Where
from srpo_manifest.reading.formatting import formatted
from srpo_manifest.reading.keys0 import MOVED, UNKNOWN
from srpo_manifest.reading.lockfile import inline
from srpo_manifest.reading.migrations import STEPS, migrated
from srpo_manifest.reading.steps import Old, Step
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.versions import OLDEST_SCHEMA
from srpo_manifest.rendering import told
from srpo_manifest.values.manifest import SCHEMA
from srpo_manifest.values.said import Said
from srpo_manifest.values.schema0 import Manifest0

FROZEN = "f29bf9ddd6986849ccffcc8fdcd286701a736d256bfcc36ac7c32c8756eb96aa"
BASE = 'schema = 0\nbase_model_name = "data/flux"\n'
FILE = "old.toml"


def moved(text: str, name: str = "a-run") -> str:
    done = migrated(Source(file=FILE, data=text.encode()), name)
    assert done is not None
    return formatted(Source(file=FILE, data=done.text.encode())).decode()


def refused(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        migrated(Source(file=FILE, data=text.encode()), "a-run")
    return "\n\n".join(map(told, caught.value.findings))


def test_there_is_a_step_from_every_version():
    """None is left out, and none leads beyond today's."""
    assert sorted(STEPS) == list(range(OLDEST_SCHEMA, SCHEMA))


def test_schema_0_is_frozen(root: Path):
    """It changes no more: files of it are out there."""
    shape = json.dumps(msgspec.json.schema(Manifest0), sort_keys=True)
    assert hashlib.sha256(shape.encode()).hexdigest() == FROZEN
    keys = tomllib.loads((root / "tests/reading/schema0.toml").read_text())
    assert sorted(keys) == sorted(Manifest0.__struct_fields__)


def test_a_whole_manifest(root: Path, tmp_path: Path, golden):
    """As a person reads it; with the lock of upstream every flag is one."""
    data = (root / "tests/reading/schema0.toml").read_bytes()
    file = tmp_path / "flux.toml"
    file.write_bytes(data)
    done = whole(Source(file=str(file), data=data))
    golden(root / "tests/reading/schema0-migrated.toml", (done.after or b"").decode())
    said = Said(manifest=str(file), lock=str(root / "manifests/srpo.lock"), sets=("resources.gpus_per_node=8",))
    found = findings(said, done.after)
    assert [one.message for one in found if one.level == "deny"] == []
    assert any(one.code == "flag-never-read" for one in found)
    codes = Counter((one.code, one.level) for one in done.findings)
    assert codes == {
        ("name-made", "note"): 1,
        ("left-out", "note"): 4,
        ("not-carried", "warn"): 2,
        ("path-moved", "warn"): 1,
    }
    assert all(one.where and one.where.line for one in done.findings)


def test_comments_go_with_their_keys():
    """What stands above a key, behind it, at the head and at the end."""
    text = """\
# head
# of the file

# version
schema = 0 # zero

# base
# model
base_model_name = 'data/flux' # here

# low

# rate
srpo_learning_rate = 1_0e-6
[vae] # of vae
# name
model_name = "v"
# end
"""
    assert (
        moved(text)
        == """\
# head
# of the file

# version
schema = 1 # zero
name   = "a-run"

[model]
type = "flux-dev-srpo"
# base
# model
base = 'data/flux' # here
# of vae
# name
vae  = "v"

[entry.set]
# low

# rate
learning_rate = 1_0e-6

# end
"""
    )


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('srpo_discount_pos = "0.1, 0.25"', "entry.set.discount_pos", [0.1, 0.25]),
        ('srpo_train_timestep = " 5  25 "', "entry.set.train_timestep", [5, 25]),
        ("srpo_vis_guidence = 3.0", "entry.set.vis_guidence", 3),
        ("srpo_force_refresh = true", "repo.refresh", "always"),
        ("srpo_allow_tf32 = false", "entry.set.allow_tf32", False),
        ('srpo_extra_args = "--a \\"b c\\" --d=\'\'"', "entry.extra_args", ["--a", "b c", "--d="]),
        ("srpo_extra_env = 'A = x;y,z '", "env.A", "x;y,z"),
        ("srpo_bash = '/bin/bash'", "backend.transport", {"kind": "local", "bash": "/bin/bash"}),
        ("vae = {model_name='v'}", "model.vae", "v"),
        ("vae.model_name = 'v'", "model.vae", "v"),
    ],
)
def test_a_value_that_is_spelled_otherwise_arrives(line: str, key: str, value: Any):
    """Texts with a grammar of their own become what they mean."""
    found: Any = tomllib.loads(moved(f"{BASE}{line}\n"))
    for part in key.split("."):
        found = found[part]
    assert repr(found) == repr(value)


def test_what_says_nothing_is_kept_as_a_comment():
    """With the comments that belong to it."""
    text = moved(f'{BASE}# why\nsrpo_extra_env = "  \\n" # none\n# args\nsrpo_extra_args = "" # more\n')
    end = '# Not carried over from schema 0:\n# why\n# srpo_extra_env = "  \\n" # none\n# args\n# srpo_extra_args = "" # more\n'
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("srpo_learning_rat = 1e-6", "error[unknown-key]: unknown key `srpo_learning_rat` in a manifest of schema 0"),
        ("srpo_seed = '7'", "error[wrong-type]: `srpo_seed` is a string, expected an integer"),
        ("srpo_eta = inf", "error[invalid-value]: `srpo_eta` is inf, expected a finite number"),
        ("srpo_vis_guidence = inf", "error[invalid-value]: `srpo_vis_guidence` is inf, expected a finite number"),
        ("srpo_train_timestep = '5'", "error[invalid-value]: `srpo_train_timestep` cannot be read: expected two whole numbers, such as `5 25`"),
        ("srpo_discount_inv = '1 2 3'", "error[invalid-value]: `srpo_discount_inv` cannot be read: expected two numbers"),
        ("srpo_extra_args = '\"'", "error[invalid-value]: `srpo_extra_args` cannot be read: a quote, or a backslash, has no end"),
        ("srpo_extra_env = 'A=1,B=2'", "error[invalid-value]: `srpo_extra_env` cannot be read: the value of `A` holds a comma or semicolon that may begin another variable: write one a line"),
        ("srpo_extra_env = 'hf_abcdefgh'", "error[invalid-value]: `srpo_extra_env` cannot be read: expected one `NAME=value` a line"),
        ("srpo_extra_env = '''A=1\nA=2'''", "error[invalid-value]: `srpo_extra_env` cannot be read: `A` is set twice"),
        ("model_type = 'SDXL'", "error[invalid-value]: `model_type` is `SDXL`, expected `FLUX_SRPO_DEV`"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(line: str, message: str):
    """At its place; no value of a variable is shown."""
    said = refused(f"{BASE}{line}\n")
    assert said.startswith(message), said
    assert "  --> old.toml:3:" in said
    assert "hf_abc" not in said


def test_all_mistakes_are_told_at_once():
    """As everywhere."""
    said = refused("schema = 0\nsrpo_seed = true\nsrpo_h = nan\nsrpo_foo = 1\n")
    assert said.count("error[") == 4


@pytest.mark.parametrize(
    ("text", "code"),
    [("srpo_seed = 1", "missing-key"), ("schema = -1", "invalid-value"), ("schema = true", "invalid-value"), ("schema = 2", "schema-newer"), ("schema = ", "no-value")],
)  # fmt: skip
def test_a_version_that_is_none_is_refused(text: str, code: str):
    """Nothing is guessed from the keys."""
    assert refused(text).startswith(f"error[{code}]")


def test_todays_version_is_left_alone():
    """Whatever else is wrong with it."""
    assert migrated(Source(file=FILE, data=b"schema = 1\nfoo = 1\n"), "a-run") is None


@pytest.mark.parametrize(
    ("file", "name"),
    [("/a/My Run/srpo.toml", "my-run"), ("/a/big_run.v2.toml", "big-run-v2"), ("/srpo.toml", "srpo"), ("/a/é.toml", "srpo"), (f"/{'x' * 60}.toml", "x" * 40)],
)  # fmt: skip
def test_a_run_is_called_after_its_file(file: str, name: str):
    """Or its folder, where the file is called as all are."""
    assert run_name(file) == name


# the chain


def to_2(old: Old) -> Step:
    """A step of a version that is not there yet: `name` is called `title`, and `model.vae` has gone."""
    text = re.sub(
        r"(?m)^vae .*\n", "", re.sub(r"(?m)^name ", "title ", old.text.text.replace("schema = 1", "schema = 2"))
    )
    places = {
        "title": Where(file=old.file, line=2, key="name"),
        "model.base": Where(file=old.file, line=9, key="model.base"),
    }
    gone = Finding(
        code="gone", level="warn", message="`model.vae` is gone", where=Where(file=old.file, line=9, key="model.vae")
    )
    return Step(text, (gone,), (("name", "title"), ("model.vae", "")), places)


def test_steps_follow_each_other():
    """What the later one tells is told of the text that was read."""
    text = f"{BASE}vae.model_name = 'v'\nsrpo_seed = 1\n"
    done = migrated(Source(file=FILE, data=text.encode()), "a-run", steps={**STEPS, 1: to_2}, newest=2)
    assert done is not None
    data = tomllib.loads(done.text)
    assert (data["schema"], data["title"], data["model"]) == (
        2,
        "a-run",
        {"type": "flux-dev-srpo", "base": "data/flux"},
    )
    assert set(done.moved) == {
        ("", "title"), ("base_model_name", "model.base"), ("vae.model_name", ""), ("srpo_seed", "entry.set.seed"),
    }  # fmt: skip
    gone = next(one for one in done.findings if one.code == "gone")
    assert gone.where is not None
    assert (gone.where.line, gone.where.key) == (3, "vae.model_name")
    assert done.places["model.base"].line == 2
    one = migrated(Source(file=FILE, data=b'schema = 1\nname = "x"\n'), "a-run", steps={**STEPS, 1: to_2}, newest=2)
    assert one is not None
    assert tomllib.loads(one.text) == {"schema": 2, "title": "x"}


# whatever is written

TEXTS = st.from_regex(r"[a-z][a-z0-9_./-]{0,12}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
COMMENTS = st.lists(st.sampled_from(["# a", "#b", "", "## c #"]), max_size=3)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "model_type": st.just("FLUX_SRPO_DEV"),
    "training_method": st.just("FINE_TUNE"),
    "srpo_args_file": st.just(""),
    "srpo_discount_inv": st.tuples(NUMBERS, NUMBERS).map(lambda pair: f"{pair[0]!r} {pair[1]!r}"),
    "srpo_discount_pos": st.just("0.1 0.25"),
    "srpo_train_timestep": st.tuples(INTEGERS, INTEGERS).map(lambda pair: f"{pair[0]}  {pair[1]}"),
    "srpo_extra_args": st.lists(TEXTS, max_size=3).map(" ".join),
    "srpo_extra_env": st.lists(st.tuples(st.from_regex("V_[A-Z]{1,4}", fullmatch=True), TEXTS), max_size=3, unique_by=lambda one: one[0]).map(lambda pairs: "\n".join(map("=".join, pairs))),
    "srpo_train_guidence": st.floats(-1e6, 1e6),
    "srpo_vis_guidence": st.integers(0, 10).map(float) | st.just(3.5),
    "srpo_bash": TEXTS.map("/bin/{}".format),
    "srpo_repo_url": st.sampled_from(["https://example.org/a.git", "demo:"]),
    "srpo_repo_ref": st.sampled_from(["", "main", "v1"]),
}  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[str]]:
    """A manifest of schema 0, its values and its comments."""
    fields = {field.name: field for field in msgspec.structs.fields(Manifest0)}
    names = draw(st.lists(st.sampled_from(sorted(fields.keys() - {"schema", "base_model_name", "vae"})), unique=True))
    values: dict[str, Any] = {"schema": 0, "base_model_name": draw(TEXTS)}
    for name in names:
        kind = str(fields[name].type)
        usual = (
            st.booleans()
            if "bool" in kind
            else INTEGERS
            if "int" in kind
            else NUMBERS
            if "float" in kind
            else TEXTS | st.just("")
        )
        values[name] = draw(SPECIAL.get(name, usual))
    if draw(st.booleans()):
        values["vae.model_name"] = draw(TEXTS)
    lines: list[str] = []
    comments: list[str] = []
    for number, name in enumerate(draw(st.permutations(sorted(values)))):
        above = [text and f"{text} {number}.{n}." for n, text in enumerate(draw(COMMENTS))]
        behind = draw(st.just("") | st.just(f" # x {number}."))
        comments += [*filter(None, above), *filter(None, [behind.strip()])]
        lines += [*above, f"{name} = {inline(values[name])}{behind}"]
    below = draw(COMMENTS)
    return "\n".join([*lines, *below]) + "\n", values, [*comments, *filter(None, below)]


def expected(name: str, value: Any) -> Any:
    """What a value of schema 0 is in schema 1."""
    if name in ("srpo_discount_inv", "srpo_discount_pos", "srpo_train_timestep"):
        return [(int if "time" in name else float)(one) for one in value.split()]
    if name == "srpo_extra_args":
        return value.split()
    if name == "srpo_extra_env":
        return dict(line.split("=") for line in value.split("\n"))
    words = {"FLUX_SRPO_DEV": "flux-dev-srpo", "FINE_TUNE": "full-finetune"}
    if name == "srpo_force_refresh":
        return "always" if value else "if-missing"
    return words.get(value, value) if isinstance(value, str) else value


@given(manifests())
def test_whatever_is_written_arrives_and_validates(tmp_path_factory: pytest.TempPathFactory, written: tuple[str, dict[str, Any], list[str]]):  # fmt: skip
    """Each value at its new key or as a comment, each comment, a good manifest, and the house form."""
    text, values, comments = written
    file = str(tmp_path_factory.getbasetemp() / "some" / FILE)
    Path(file).parent.mkdir(exist_ok=True)
    done = whole(Source(file=file, data=text.encode()))
    assert done.after is not None
    assert formatted(Source(file=file, data=done.after)) == done.after
    assert [one for one in findings(Said(manifest=file), done.after) if one.level == "deny"] == []
    new = tomllib.loads(done.after.decode())
    after = done.after.decode()
    left = {old for old, key in done.moved if not key}
    assert [text for text in comments if text not in after] == []
    for name, value in values.items():
        if name in ("schema", *left):
            assert name == "schema" or f"# {name} = " in after
            continue
        found: Any = new
        for part in (MOVED.get(name) or f"entry.set.{name.removeprefix('srpo_')}").split("."):
            found = found[part]
        assert found == expected(name, value)
    assert left <= {name for name, value in values.items() if value == "" or name in UNKNOWN or "guidence" in name}


def test_the_docs_tell_what_each_key_becomes(root: Path, golden):
    """The table at the end of the page; what stands above it is written by hand."""
    page = root / "docs/fmt-and-migrate.md"
    head = page.read_text(encoding="utf-8").partition("| schema 0 |")[0]
    rows = [f"| `{old}` | `{new}` |" for old, new in MOVED.items()]
    rows += [f"| `{old}` | not carried over: {why} |" for old, why in UNKNOWN.items()]
    golden(page, "\n".join([f"{head}| schema 0 | schema 1 |", "|---|---|", *rows]) + "\n")
