from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from srpo_manifest.errors import ManifestError
from srpo_manifest.reading.manifest import Named, read_manifest, remembered
from srpo_manifest.values.manifest import (
    Backend,
    DirectOptions,
    Done,
    End,
    Entry,
    Model,
    Outputs,
    Paths,
    Python,
    Reference,
    Repo,
    RequiredFile,
    Resources,
    Stop,
)

FULL = (Path(__file__).parent / "full.toml").read_text("utf-8")


def test_the_full_manifest_decodes_to_what_it_says(reading) -> None:
    """Every key arrives, typed."""
    manifest = reading.read(FULL).manifest
    transport = manifest.backend.transport
    assert (transport.kind, transport.host, transport.bash) == ("ssh", "gpu-1", "/usr/bin/bash")
    assert manifest == type(manifest)(
        schema=1,
        name="flux-hps",
        plugins=("notify",),
        repo=Repo(url="git@example.org:team/SRPO.git", ref="main", path="vendor/srpo", refresh="always"),
        paths=Paths(workspace="~/srpo", working_dir="~/srpo/flux", cache_dir="cache", concept_file="concepts.json"),
        model=Model(
            type="flux-dev-srpo", base="hf:black-forest-labs/FLUX.1-dev@main", vae="data/flux", lora="data/lora"
        ),
        entry=Entry(
            script="scripts/finetune/SRPO_training_hpsv2.sh",
            mode="shim",
            launch="SRPO.py",
            args_file="args.json",
            extra_args=("--seed", "7"),
            unset=("allow_tf32",),
            set={
                "max_train_steps": 20,
                "learning_rate": 5e-6,
                "use_ema": True,
                "reward_model": "HPS",
                "discount_pos": (0.1, 0.25),
            },
        ),
        env={
            "WANDB_MODE": "offline",
            "HF_TOKEN": Reference(env="HF_TOKEN"),
            "API_KEY": Reference(file="key.txt"),
            "OTHER_KEY": Reference(target_file="secrets/key"),
        },
        python=Python(kind="venv", path="venv", requirements="requirements.txt", setup=("module load cuda",)),
        resources=Resources(nodes=2, gpus_per_node=8, port=29601, memory_gib=420, cpus=64),
        files=(RequiredFile(path="hps_ckpt/HPS_v2.1_compressed.pt", sha256="0" * 64), RequiredFile(path="data/clip")),
        done=Done(checkpoints=1, images=8, files=("output/**/config.json",)),
        stop=Stop(grace_seconds=60, checkpoint_seconds=600, max_hours=12.0, stall_minutes=15.5),
        outputs=Outputs(per_run=False, fetch=("images", "last-checkpoint"), to="results"),
        end=End(command=("sudo", "-n", "poweroff"), when="fetched", wait_hours=2.5),
        lints={"gpu-count": "warn"},
        backend=Backend(transport=transport, launcher=DirectOptions(kind="direct")),
    )


def test_a_profile_changes_what_it_says_and_nothing_else(reading) -> None:
    """`--profile smoke` drops the port and trains two steps."""
    plain_, smoke = reading.read(FULL).manifest, reading.read(FULL, profiles=["smoke"]).manifest
    assert smoke.entry.set == plain_.entry.set | {"max_train_steps": 2}
    assert asdict(smoke.resources) == asdict(plain_.resources) | {"port": None}
    assert {name for name, value in asdict(smoke).items() if value != asdict(plain_)[name]} == {"entry", "resources"}


def test_the_smallest_manifest_runs_here(reading) -> None:
    """Absent tables mean this machine and the plain launcher."""
    wanted = reading.read(reading.base)
    assert wanted.manifest.backend.transport.kind == "local"
    assert wanted.manifest.backend.launcher.kind == "direct"
    assert set(wanted.origins) == {"schema", "name", "model", "model.type"}


def test_what_a_manifest_names_is_known_before_it_is_typed(reading) -> None:
    """Plugins, kinds, description and args file, overlays included; wrong types are left to typing."""
    assert reading.merged(FULL, sets=["backend.launcher.kind=slurm"]).named == Named(
        transport="ssh", launcher="slurm", plugins=("notify",), model="flux-dev-srpo", args_file="args.json"
    )
    assert reading.merged("schema = 1\nplugins = 1\nbackend = 2\nmodel = 3").named == Named()
    assert reading.merged(reading.base.replace("schema = 1", 'schema = 1\nextends = "a.toml"')).extends == "a.toml"


def test_a_saved_manifest_decodes_to_the_same(reading) -> None:
    """Its data alone, without any file, gives the same manifest and digest."""
    wanted = reading.read(FULL, profiles=["smoke"])
    again = read_manifest(
        remembered(wanted.data, "srpo.toml"),
        folder=wanted.folder,
        transports={"ssh": type(wanted.manifest.backend.transport)},
        launchers={"direct": DirectOptions},
    )
    assert (again.manifest, again.data) == (wanted.manifest, wanted.data)
    assert again.origins == {}


TAKES = (
    "hint: the manifest takes `schema`, `name`, `model`, `backend`, `extends`, `plugins`, `repo`, `paths`, `entry`, "
    "`env`, `python`, `resources`, `files`, `done`, `stop`, `outputs`, `end`, or `lints`"
)
FAULTS = {
    "[resource]\nnodes = 1": f"""\
error[unknown-key]: unknown key `resource` in the manifest
  --> srpo.toml:4:2
  |
4 | [resource]
  |  ^^^^^^^^
hint: did you mean `resources`?
{TAKES}""",
    "[repo]\nURL = 'x'": """\
error[unknown-key]: unknown key `URL` in `repo`
  --> srpo.toml:5:1
  |
5 | URL = 'x'
  | ^^^
hint: did you mean `url`?
hint: `repo` takes `url`, `ref`, `path`, or `refresh`""",
    "[entry]\ngrace_seconds = 5": """\
error[unknown-key]: unknown key `grace_seconds` in `entry`
  --> srpo.toml:5:1
  |
5 | grace_seconds = 5
  | ^^^^^^^^^^^^^
hint: `grace_seconds` belongs to `[stop]`
hint: `entry` takes `script`, `command`, `mode`, `launch`, `args_file`, `extra_args`, `unset`, or `set`""",
    "[backend.transport]\nkind = 'ssh'\nhostt = 'gpu-1'": """\
error[unknown-key]: unknown key `hostt` in `backend.transport`
  --> srpo.toml:6:1
  |
6 | hostt = 'gpu-1'
  | ^^^^^
hint: did you mean `host`?
hint: transport `ssh` takes `bash`, `host`, or `port`""",
    "[backend.transport]\nkind = 'ssh'": """\
error[missing-key]: `backend.transport` needs `host`
  --> srpo.toml:4:10
  |
4 | [backend.transport]
  |          ^^^^^^^^^
hint: write `host = …`""",
    "[backend.transport]\nbash = '/bin/bash'": """\
error[missing-key]: `backend.transport` needs `kind`
  --> srpo.toml:4:10
  |
4 | [backend.transport]
  |          ^^^^^^^^^
hint: write `kind = …`""",
    "[backend.transport]\nkind = 'shh'": """\
error[unknown-kind]: there is no transport of kind `shh` here
  --> srpo.toml:5:8
  |
5 | kind = 'shh'
  |        ^^^^^
hint: did you mean `ssh`?
hint: there is `local` and `ssh`; others come with a plugin of that name""",
    "[[files]]\npath = 'a'\n[[files]]\nsha256 = 'x'": """\
error[missing-key]: `files.1` needs `path`
  --> srpo.toml:6:3
  |
6 | [[files]]
  |   ^^^^^
hint: write `path = …`: in the working directory

error[invalid-value]: `files.1.sha256` is `x`, expected text that matches `[0-9a-f]{64}`
  --> srpo.toml:7:10
  |
7 | sha256 = 'x'
  |          ^^^
hint: give 64 lower-case hex digits""",
    "[[files]]\npath = 'a'\n[[files]]": """\
error[missing-key]: `files.1` needs `path`
  --> srpo.toml:6:3
  |
6 | [[files]]
  |   ^^^^^
hint: write `path = …`: in the working directory""",
    "[repo]\nrefresh = 'alway'": """\
error[invalid-value]: `repo.refresh` is `alway`, expected `always` or `if-missing`
  --> srpo.toml:5:11
  |
5 | refresh = 'alway'
  |           ^^^^^^^
hint: did you mean `always`?""",
    "[resources]\nnodes = '8'": """\
error[wrong-type]: `resources.nodes` is a string, expected an integer
  --> srpo.toml:5:9
  |
5 | nodes = '8'
  |         ^^^
hint: take the quotes away""",
    "[resources]\nnodes = true": """\
error[wrong-type]: `resources.nodes` is a boolean, expected an integer
  --> srpo.toml:5:9
  |
5 | nodes = true
  |         ^^^^""",
    "[resources]\nport = 0": """\
error[invalid-value]: `resources.port` is `0`, expected an integer from 1 to 65,535
  --> srpo.toml:5:8
  |
5 | port = 0
  |        ^""",
    "[stop]\nmax_hours = 0": """\
error[invalid-value]: `stop.max_hours` is `0`, expected a number above 0, up to 8,760
  --> srpo.toml:5:13
  |
5 | max_hours = 0
  |             ^""",
    "[stop]\nmax_hours = inf": """\
error[invalid-value]: `stop.max_hours` is inf, expected a finite number
  --> srpo.toml:5:13
  |
5 | max_hours = inf
  |             ^^^""",
    "[paths]\ncache_dir = 2020-01-01": """\
error[wrong-type]: `paths.cache_dir` is a date or time, expected a string
  --> srpo.toml:5:13
  |
5 | cache_dir = 2020-01-01
  |             ^^^^^^^^^^
hint: put it in quotes""",
    "[entry]\ncommand = []": """\
error[invalid-value]: `entry.command` is 0 items, expected 1 to 1,000
  --> srpo.toml:5:11
  |
5 | command = []
  |           ^^""",
    "[entry]\nextra_args = '--seed'": """\
error[wrong-type]: `entry.extra_args` is a string, expected an array
  --> srpo.toml:5:14
  |
5 | extra_args = '--seed'
  |              ^^^^^^^^
hint: put it in brackets: `[…]`""",
    "[entry]\nextra_args = ['--seed', 7]": """\
error[wrong-type]: `entry.extra_args.1` is an integer, expected a string
  --> srpo.toml:5:25
  |
5 | extra_args = ['--seed', 7]
  |                         ^
hint: put it in quotes""",
    "[entry.set]\nok = 1\n'漢字' = 2": """\
error[invalid-value]: `漢字` cannot stand in `entry.set`, expected text that matches `[A-Za-z0-9_][A-Za-z0-9_.-]*`, up to 128
  --> srpo.toml:6:1
  |
6 | '漢字' = 2
  | ^^^^^^
hint: give a flag's full name, no dashes in front""",
    "[entry.set]\na = 1\nb = ['🦊', {}]": """\
error[wrong-type]: `entry.set.b.1` is a table, expected a boolean, an integer, a number or a string
  --> srpo.toml:6:11
  |
6 | b = ['🦊', {}]
  |            ^^""",
    "[entry]\nscript = 'a'\ncommand = ['b']": """\
error[impossible-combination]: in `entry`, `command` cannot stand beside `script`
  --> srpo.toml:6:1
  |
6 | command = ['b']
  | ^^^^^^^""",
    "[entry]\nlaunch = 3\ncommand = ['b']": """\
error[impossible-combination]: in `entry`, `command` cannot stand beside `launch`, which names one of a script's
  --> srpo.toml:6:1
  |
6 | command = ['b']
  | ^^^^^^^""",
    "[done]\nimages = 1\nexit_zero = true": """\
error[impossible-combination]: in `done`, `exit_zero` is the whole rule and cannot stand beside `checkpoints`, `images`, or `files`
  --> srpo.toml:6:1
  |
6 | exit_zero = true
  | ^^^^^^^^^""",
    "[env]\nA = 1": """\
error[wrong-type]: `env.A` is an integer, expected a string or a table
  --> srpo.toml:5:1
  |
5 | A = …
  | ^
hint: put it in quotes""",
    "[env]\nA = 'x'\nB = { emv = 'planted' }": """\
error[unknown-key]: unknown key `emv` in `env.B`
  --> srpo.toml:6:7
hint: did you mean `env`?
hint: `env.B` takes `env`, `file`, or `target_file`""",
    "[env]\nB = { env = 'planted secret' }": """\
error[invalid-value]: `env.B.env` is a text of 14 characters, expected text that matches `[A-Za-z_][A-Za-z0-9_]*`, up to 256
  --> srpo.toml:5:7
hint: give a variable's name""",
    "[env]\nA = {}": """\
error[impossible-combination]: in `env.A`, a reference has exactly one of `env`, `file`, or `target_file`
  --> srpo.toml:5:1
  |
5 | A = …
  | ^""",
    "[env]\nA = 'planted\\u0000'\nB = \"planted\\u0000\"": """\
error[invalid-value]: `env.B` holds the control character U+0000
  --> srpo.toml:6:1
  |
6 | B = …
  | ^
hint: take it out: no argument, variable or path of ours holds one""",
    "[entry.set]\nx = 99999999999999999999": """\
error[invalid-value]: `entry.set.x` needs more than 64 bits
  --> srpo.toml:5:5
  |
5 | x = 99999999999999999999
  |     ^^^^^^^^^^^^^^^^^^^^
hint: write a smaller integer""",
    "[lints]\nGPU = 'warn'": """\
error[invalid-value]: `GPU` cannot stand in `lints`, expected text that matches `[a-z][a-z0-9]*(-[a-z0-9]+)*`
  --> srpo.toml:5:1
  |
5 | GPU = 'warn'
  | ^^^
hint: give a kebab-case word""",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_wrong_manifest_is_told_with_place_and_way_out(reading, text: str) -> None:
    """The whole finding, as people see it."""
    assert reading.fault(reading.base + text) == FAULTS[text]


TOPS = {
    "schema = 2\nname = 'a'\nnonsense = 1": """\
error[schema-newer]: this file needs a srpo-manifest that knows schema 2; this one knows 1
  --> srpo.toml:1:10
  |
1 | schema = 2
  |          ^
hint: update srpo-manifest: `pip install -U srpo-manifest`""",
    "name = 'a'": """\
error[missing-key]: the manifest needs `schema`
  --> srpo.toml
hint: begin the file with `schema = 1`

error[missing-key]: the manifest needs `model`
hint: write `[model]`: what is trained""",
    "schema = true": """\
error[wrong-type]: `schema` is not an integer
  --> srpo.toml:1:10
  |
1 | schema = true
  |          ^^^^
hint: write `schema = 1`

error[missing-key]: the manifest needs `name`
hint: write `name = …`: names runs: up to 40 lower-case letters, digits and dashes

error[missing-key]: the manifest needs `model`
hint: write `[model]`: what is trained""",
    "schema = -1": """\
error[invalid-value]: there was never a schema -1
  --> srpo.toml:1:10
  |
1 | schema = -1
  |          ^^
hint: write `schema = 1`

error[missing-key]: the manifest needs `name`
hint: write `name = …`: names runs: up to 40 lower-case letters, digits and dashes

error[missing-key]: the manifest needs `model`
hint: write `[model]`: what is trained""",
    "schema = 0\nfoo = 1": """\
error[schema-older]: this file has schema 0; this srpo-manifest reads schema 1
  --> srpo.toml:1:10
  |
1 | schema = 0
  |          ^
hint: run `srpo-manifest migrate srpo.toml`: it rewrites the file, and tells what it does""",
    "schema = 1\nmodel.type = 'generic'": """\
error[missing-key]: the manifest needs `name`
  --> srpo.toml (name)
hint: write `name = …`: names runs: up to 40 lower-case letters, digits and dashes""",
    "schema = 1\nname = 'a'": """\
error[missing-key]: the manifest needs `model`
  --> srpo.toml (model)
hint: write `[model]`: what is trained""",
    "schema = 1\nname = 'A b'\nmodel.type = 'generic'": """\
error[invalid-value]: `name` is `A b`, expected text that matches `[a-z0-9-]{1,40}`
  --> srpo.toml:2:8
  |
2 | name = 'A b'
  |        ^^^^^
hint: `a-b` would do""",
}


@pytest.mark.parametrize("text", TOPS)
def test_the_top_of_a_manifest_has_its_own_errors(reading, text: str) -> None:
    """A newer schema is exactly one error, before any other."""
    assert reading.fault(text) == TOPS[text]


@given(
    st.sampled_from(
        [
            ("env", "1", "wrong-type"),
            ("env", '{ en = "x" }', "unknown-key"),
            ("lints", '"dney"', "invalid-value"),
            ("entry.set", "{}", "wrong-type"),
        ]
    ),
    st.lists(st.from_regex(r"\A[a-z]{1,3}\Z"), unique=True, min_size=1, max_size=30),
    st.data(),
)
def test_the_wrong_one_among_many_names_is_found(reading, case, names, data) -> None:
    """The verdict leaves the names of a free table out: the place is right all the same."""
    table, bad, code = case
    culprit = data.draw(st.sampled_from(names))
    good = '"deny"' if table == "lints" else '"x"'
    lines = [f"{name} = {bad if name == culprit else good}" for name in names]
    with pytest.raises(ManifestError) as caught:
        reading.read(f"{reading.base}[{table}]\n" + "\n".join(lines))
    where = caught.value.findings[0].where
    assert caught.value.code == code
    assert where is not None
    assert where.line == 5 + names.index(culprit)


@pytest.mark.parametrize(
    "name", ["x` - at `$.env", "x` - at `$.entry.set[...]", "x - at `$.repo", "`", " - at `key` in `$.lints`"]
)
def test_a_key_that_looks_like_a_verdict_fools_nobody(reading, name: str) -> None:
    """The key is found in the data, not in msgspec's words."""
    lines = reading.fault(reading.base + f"[repo]\n'{name}' = 1").splitlines()
    assert lines[:2] == [f"error[unknown-key]: unknown key `{name}` in `repo`", "  --> srpo.toml:5:1"]
    value = f"{name}` - at `$.env`".replace("'", "")
    lines = reading.fault(reading.base + f"[repo]\nrefresh = '{value}'").splitlines()
    assert lines[1] == "  --> srpo.toml:5:11"


def test_reading_a_good_manifest_imports_nothing_that_explains_a_bad_one() -> None:
    """Validation in CI is paid for by the file."""
    program = """
import sys
from srpo_manifest.reading.manifest import *
from srpo_manifest.values.manifest import DirectOptions, LocalOptions
document = with_overlays(parse_manifest(Source(file="a", data=b'schema=1\\nname="a"\\nmodel.type="g"\\n')))
read_manifest(document, folder="/", transports={"local": LocalOptions}, launchers={"direct": DirectOptions})
print([name for name in ("click", "pluggy", "rich", "structlog", "difflib", "srpo_manifest.reading.violations") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
