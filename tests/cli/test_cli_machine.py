"""Traps of the machine and of the training environment, planted on a target that has everything else."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess

import pytest
from upstream_target import GPUS, packages

OWN = """schema = 1
name = "own"
[repo]
url = "own"
ref = "main"
[model]
type = "generic"
[entry]
script = "run.sh"
"""


def codes(said, key="refusals"):
    return [finding["code"] for finding in said.json[key]]


@pytest.fixture
def own(place):
    """Plan the script `run.sh` of a repository with these files."""

    def plan(files: dict[str, str], *arguments: str):
        folder = place.folder / "own"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
        for words in (
            ("init", "-q", "-b", "main", "."),
            ("add", "-A"),
            ("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x"),
        ):
            subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)
        place.write("srpo.toml", OWN)
        return place.run(*(arguments or ("plan", "--json")))

    return plan


@pytest.mark.trap(3, "index-range")
def test_a_rank_that_no_node_of_the_plan_has(flux):
    """Torchrun would hang for ever, without a word; the node's own number may be said."""
    assert codes(flux("--set", 'env.INDEX="1"')) == ["index-range"]
    assert flux("--set", 'env.INDEX="0"').status == 0


@pytest.mark.trap(5, "platform-contradicts")
def test_counts_that_contradict_the_plan(flux):
    """Of nodes and of GPUs."""
    said = flux("--set", 'env.HOST_NUM="2"', "--set", 'env.HOST_GPU_NUM="4"')
    assert codes(said) == ["platform-contradicts"] * 2


@pytest.mark.trap(5, "chief-foreign")
def test_a_chief_that_is_another_host(flux):
    """Asked of the target by binding; an address of its own is good."""
    said = flux("--set", 'env.CHIEF_IP="192.0.2.1"')
    assert codes(said) == ["chief-foreign"]
    assert "an address of another host: 192.0.2.1" in said.json["refusals"][0]["message"]
    assert flux("--set", 'env.CHIEF_IP="127.0.0.1"').status == 0


@pytest.mark.trap(6, "port-taken")
def test_a_port_that_is_busy(flux):
    """Seen when it is planned; the supervisor looks again."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        assert codes(flux("--set", f"resources.port={port}")) == ["port-taken"]
    assert flux("--set", f"resources.port={port}").status == 0


@pytest.mark.trap(11, "variable-ignored")
def test_a_variable_that_the_script_sets_itself(flux):
    """With the line that sets it."""
    (warning,) = flux("--set", 'env.SP_SIZE="2"').json["warnings"]
    assert warning["code"] == "variable-ignored"
    assert "scripts/finetune/SRPO_training_hpsv2.sh` sets it itself in line 7" in warning["message"]


@pytest.mark.trap(12, "entry-missing")
def test_a_program_that_the_checkout_does_not_have(own):
    """What the script starts is looked for when it is read."""
    said = own({"run.sh": "python3 gone/train.py --x 1\n"})
    assert codes(said) == ["entry-missing"]
    assert "`gone/train.py`" in said.json["refusals"][0]["message"]


@pytest.mark.trap(13, "script-crlf")
def test_a_script_with_carriage_returns(own):
    """A code of its own, with the line and the way out."""
    said = own({"run.sh": "X=1\npython3 train.py --x 1\r\n", "train.py": ""})
    assert codes(said) == ["script-crlf"]
    assert "`run.sh` line 2" in said.json["refusals"][0]["message"]
    assert "eol=lf" in said.json["refusals"][0]["hints"][0]


def test_modules_are_missed_with_file_and_line(flux, place):
    """None of them is imported to see that: an import would end the interpreter."""
    site = packages(place, "hpsv2", "PIL")
    (site / "torch.py").write_text("raise SystemExit(1)")
    said = flux()
    assert codes(said) == ["package-missing"]
    assert (
        "lacks `PIL` (fastvideo/dataset/t2v_datasets.py:14; pip calls it Pillow), `hpsv2` (fastvideo/SRPO.py:53)"
        in said.json["refusals"][0]["message"]
    )


@pytest.mark.trap(46, "package-missing")
def test_a_python_without_tk(flux, place):
    """hpsv2 imports turtle."""
    # A Python that has it is told that it has not.
    (packages(place, "_tkinter") / "hide.pth").write_text('import sys; sys.modules["_tkinter"] = None\n')
    said = flux()
    assert codes(said) == ["package-missing"]
    assert "python3-tk" in said.json["refusals"][0]["message"]


@pytest.mark.trap(33, "package-foreign")
def test_a_package_that_would_replace_the_checkouts(flux, place):
    """A regular one wins over a folder without `__init__.py`, wherever the path leads first; a folder joins in."""
    folder = packages(place) / "fastvideo"
    folder.mkdir()
    assert flux().status == 0
    (folder / "__init__.py").touch()
    said = flux()
    assert codes(said) == ["package-foreign"]
    assert str(folder) in said.json["refusals"][0]["message"]


@pytest.mark.trap(37, "clip-h-offline")
def test_a_model_that_is_neither_in_the_cache_nor_to_be_fetched(flux, place):
    """Offline it refuses, else it warns; the manifest's variables count as the job's do."""
    shutil.rmtree(place.folder / "me/.cache")
    said = flux()
    assert (codes(said), codes(said, "warnings")) == ([], ["clip-h-missing"])
    assert codes(flux("--set", 'env.HF_HUB_OFFLINE="1"')) == ["clip-h-offline"]
    other = place.folder / "hub/models--laion--CLIP-ViT-H-14-laion2B-s32B-b79K/snapshots/x"
    other.mkdir(parents=True)
    (other / "open_clip_pytorch_model.bin").write_text("weights")
    said = flux("--set", 'env.HF_HUB_OFFLINE="1"', "--set", f'env.HF_HUB_CACHE="{place.folder}/hub"')
    assert (said.status, said.json["warnings"]) == (0, [])


@pytest.mark.trap(46, "bf16-missing")
def test_cards_without_bfloat16(flux, place):
    """Volta and Turing."""
    place.program("nvidia-smi", "#!/bin/bash\n[[ $* == *compute_cap* ]] && { echo 9.0; echo 7.5; exit; }\n" + GPUS.format(count=8, mib=81559).partition("\n")[2])  # fmt: skip
    said = flux()
    assert codes(said) == ["bf16-missing"]
    assert "compute capability 7.5" in said.json["refusals"][0]["message"]


@pytest.mark.trap(46, "package-version")
def test_versions_that_nobody_has_tried(flux, place):
    """Those that are known to work, with any local part, are silent."""
    site = packages(place)

    def install(name: str, version: str) -> None:
        for old in site.glob(f"{name}-*"):
            shutil.rmtree(old)
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    assert [check["state"] for check in flux().json["checks"] if check["code"] == "package-version"] == ["unknown"]
    install("torch", "2.6.0+cu124")
    install("transformers", "4.46.1")
    assert flux().json["warnings"] == []
    install("transformers", "5.0.0rc1")
    (warning,) = flux().json["warnings"]
    assert warning["code"] == "package-version"
    assert warning["message"].endswith("transformers 5.0.0rc1 (known to work: ==4.46.*)")


@pytest.mark.trap(46, "driver-old")
@pytest.mark.trap(46, "torch-cpu")
def test_a_torch_that_the_driver_cannot_serve(flux, place):
    """Read from its text; a torch for ROCm is not spoken of."""
    torch = packages(place, "torch") / "torch"
    torch.mkdir()
    (torch / "__init__.py").write_text("raise SystemExit(1)")
    place.program("nvidia-smi", "#!/bin/bash\n[[ $* == *driver_version* ]] && { echo 470.57.02; exit; }\n" + GPUS.format(count=8, mib=81559).partition("\n")[2])  # fmt: skip
    for text, expected in (
        ("cuda: Optional[str] = '12.4'\nhip: Optional[str] = None\n", ["driver-old"]),
        ("cuda: Optional[str] = '11.8'\nhip: Optional[str] = None\n", []),
        ("cuda = None\nhip = None\n", ["torch-cpu"]),
        ("cuda = None\nhip = '6.2'\n", []),
    ):
        (torch / "version.py").write_text(f"__version__ = '2.6.0'\n{text}")
        assert codes(flux()) == expected


def test_what_a_step_makes_is_asked_after_the_step(own, place):
    """The virtual environment is not there when it is planned; its trainer is not started without its modules."""
    place.write("part.toml", '[python]\nkind = "venv"\npath = "envs/one"\n')
    files = {
        "run.sh": "python3 train.py\n",
        "train.py": "import argparse, nowhere_to_be_found\nargparse.ArgumentParser().parse_args()\n",
    }
    said = own(files, "plan", "--with", "part.toml", "--json")
    assert [check["state"] for check in said.json["checks"] if check["code"] == "package-missing"] == ["unknown"]
    said = place.run("apply", "--with", "part.toml")
    assert said.status == 1
    log = place.run("logs", "last").out
    assert "error[package-missing]: " in log
    assert "lacks `nowhere_to_be_found` (train.py:1)" in log


@pytest.mark.trap(9, "workers-fixed")
def test_a_number_of_workers_that_is_written_into_the_script(make):
    """More than the target has GPUs, or another than the manifest says, or on one node of several."""
    from srpo_manifest.values.trainer import FORMAT, Trainer

    launcher = tuple(map(make.token, ("torchrun", "--nproc_per_node=8", "--master_port", "19002")))
    trainer = Trainer(format=FORMAT, name="t", title="t")
    gpus = [{"name": "a card", "memory_mib": 81559}]

    def told(count: int, **resources: int) -> list[str]:
        facts = make.facts(make.pin(launcher=launcher), target__gpus=gpus * count)
        planned = make.planned(make.wanted(trainer=trainer, resources=resources), facts)
        return [finding.message for finding in planned.findings if finding.code == "workers-fixed"]

    assert told(8) == []
    assert told(2) == ["`train.sh` line 3 starts 8 workers, one for each GPU, and the target shows 2 GPUs"]
    assert told(8, gpus_per_node=4) == ["`train.sh` line 3 starts 8 workers, and `resources.gpus_per_node` is 4"]
    assert told(8, nodes=2) == ["`train.sh` line 3 starts 8 workers on one node, whatever `resources.nodes` says"]


def test_the_answers_of_the_interpreter_are_bounded(flux, place):
    """One that is no Python is unknown, and says so on the target again."""
    (place.folder / "bin/python3").unlink()
    place.program("python3", '#!/bin/bash\n[[ $* == *find_spec* ]] && { echo "not json"; exit; }\nexec /usr/bin/env -u PYTHONPATH /usr/bin/python3 "$@"\n')  # fmt: skip
    states = {check["code"]: check["state"] for check in json.loads(flux().out)["checks"]}
    assert states["package-missing"] == "unknown"


@pytest.mark.trap(14, "torchrun-interpreter")
def test_a_conda_environment_and_its_torchrun_belong_together(flux, place):
    """Activated without a terminal, by the hook; a torchrun further up the path is another environment's."""
    place.program("conda", f"#!/bin/sh\necho 'conda() {{ export CONDA_PREFIX={place.folder} PATH={place.folder}/bin:$PATH; }}'\n")  # fmt: skip
    (place.folder / "bin/python").symlink_to(place.folder / "bin/python3")
    chosen = ("--set", 'python.kind="conda"', "--set", 'python.path="flux"')
    assert flux(*chosen).status == 0
    other = place.folder / "other"
    other.mkdir()
    (other / "python3").symlink_to((place.folder / "bin/python3").resolve())
    place.write("bin/torchrun", f"#!{other}/python3\n")
    assert codes(flux(*chosen)) == ["torchrun-interpreter"]


def test_nvidia_smi_of_wsl_is_found_outside_the_path(tmp_path):
    """In WSL it lies in a folder that no shell looks in; here the folder stands in for that."""
    from srpo_manifest.builtin.resources import gpu_probe, parse_gpus
    from srpo_manifest.ports.probes import Answer

    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 4090, 24564'\n")
    program.chmod(0o755)
    script = gpu_probe().script
    assert script.count("/usr/lib/wsl/lib") == 2
    said = subprocess.run(
        ["bash", "-c", script.replace("/usr/lib/wsl/lib", str(tmp_path))], capture_output=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )  # fmt: skip
    found = parse_gpus(Answer(status=said.returncode, output=said.stdout, error=said.stderr))
    assert found.value == [{"name": "NVIDIA GeForce RTX 4090", "memory_mib": 24564}]
