"""`doctor` with the real program, on targets made of small programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import upstream_target

QUIET = """#!/bin/bash
case $* in
  *name,*) line='NVIDIA H100 80GB HBM3, 81559' ;;
  *memory.total*) line=81559 ;;
  *memory.used*) line={used} ;;
  *driver_version*) line=550.54.15 ;;
  *compute_cap*) line=9.0 ;;
esac
for _ in {{1..8}}; do echo "$line"; done
"""


@pytest.fixture
def doctor(place):
    """Ask about the shipped manifest on a target that has everything."""
    upstream_target.settle(place)
    place.program("nvidia-smi", QUIET.format(used=4))
    # The speed of this machine's disk and its limits are nobody's fault.
    with (place.folder / "manifests/flux.toml").open("a") as manifest:
        manifest.write('disk-slow = "allow"\nshm-small = "allow"\nlimit-files = "allow"\nlimit-processes = "allow"\n')

    def ask(*arguments: str):
        return place.run("doctor", "--offline", "--json", "manifests/flux.toml", *arguments)

    return ask


def rows(said, *states: str):
    return {row["name"]: row["found"] for row in said.json["rows"] if row["state"] in (states or ("fail", "warn"))}


def test_nothing_is_wrong_with_a_whole_target(doctor, place):
    """Exit 0; GPUs, driver, disk, clock and packages are told, and the licences noted."""
    said = doctor()
    assert (said.status, rows(said)) == (0, {})
    found = rows(said, "ok")
    assert found["GPUs"] == "8 x NVIDIA H100 80GB HBM3 (81559 MiB)"
    assert found["driver"] == "550.54.15"
    assert found["disk speed"].endswith(" a second")
    assert found["clock"] == "as this machine's"
    assert {
        "bash",
        "tar",
        "supervisor",
        "memory",
        "disk",
        "port",
        "git",
        "cache",
        "lock",
        "python",
        "launcher",
        "package-missing",
    } <= set(found)
    assert [row["found"].partition(":")[0] for row in said.json["rows"] if row["name"] == "licence"] == [
        "FLUX.1 [dev]", "SRPO, its code and weights", "HPSv2",
    ]  # fmt: skip
    assert not list((place.folder / "me").rglob(".srpo-doctor*"))
    assert not (place.folder / "me/srpo/flux/output").exists()


def test_findings_are_told_with_their_fixes(doctor, place):
    """The plan's and the doctor's own, in a table for people; exit 4."""
    upstream_target.packages(place, "hpsv2")
    place.program("nvidia-smi", QUIET.format(used=70_000))
    place.program("date", '#!/bin/bash\n[ "$*" = +%s ] && echo 1000000000 || exec /bin/date "$@"\n')
    said = doctor()
    assert said.status == 4
    assert set(rows(said)) == {"package-missing", "gpu-busy", "clock-skew"}
    assert said.json["findings"] == 3
    table = place.run("doctor", "--offline", "manifests/flux.toml").out
    assert table.startswith("target\n  warn     ")
    assert "somebody else holds 70000 MiB on a GPU of the target" in table
    assert "fix: let an NTP service set the target's clock" in table
    assert table.endswith("3 findings\n")


@pytest.mark.trap(46, "output-unwritable")
def test_a_place_that_takes_no_file(doctor):
    """Asked by writing one: on NFS the permission bits do not tell root."""
    said = doctor("--set", 'entry.set.output_dir="/proc/output"')
    assert "output-unwritable" in rows(said, "fail")
    assert "disk speed" in rows(said, "unknown")


@pytest.mark.trap(45, "disk-slow")
def test_a_disk_that_is_too_slow_for_a_checkpoint(doctor, place):
    """A dd that takes its time."""
    place.program("dd", '#!/bin/bash\n/bin/dd "${@/count=*/count=1}"\nsleep 0.2\n')
    assert "disk-slow" in rows(doctor("--warn", "disk-slow"), "warn")


def test_no_gpu_is_said_and_nothing_is_guessed(doctor, place):
    """A trainer that needs one fails; memory and count of what is not there are not told as good."""
    (place.folder / "bin/nvidia-smi").unlink()
    said = doctor()
    assert rows(said, "fail") == {"gpu-missing": "the target shows no GPU: nvidia-smi is not there"}
    assert rows(said, "unknown")["GPUs"] == "nvidia-smi is not there"
    assert not {"gpu-memory", "gpu-count", "bf16-missing"} & set(rows(said, "ok"))


def test_a_target_without_tar_and_python(doctor, place):
    """Links to what bash and the probes need, and nothing else."""
    bare = place.folder / "bare"
    bare.mkdir()
    for name in (
        "bash",
        "sh",
        "cat",
        "wc",
        "mktemp",
        "rm",
        "dirname",
        "df",
        "tail",
        "head",
        "tr",
        "awk",
        "date",
        "stat",
        "dd",
        "timeout",
        "uname",
        "sort",
        "cut",
        "ls",
        "readlink",
        "git",
    ):
        (bare / name).symlink_to(next(path for path in (f"/bin/{name}", f"/usr/bin/{name}") if Path(path).exists()))
    place.env["PATH"] = str(bare)
    said = doctor()
    assert {"tar-missing", "python-missing", "launcher-missing"} <= set(rows(said, "fail"))


def test_a_target_out_of_reach_is_told_once(doctor):
    """This machine is asked all the same."""
    said = doctor("--bash", "/nowhere/bash")
    assert said.status == 4
    assert [row["name"] for row in said.json["rows"] if row["group"] == "target"] == ["no-bash"]
    assert "git" in rows(said, "ok")


def test_a_repository_that_is_reached_by_ssh_needs_a_key(place):
    """In an agent, or in ~/.ssh."""
    place.write(
        "srpo.toml", 'schema = 1\nname = "x"\n[repo]\nurl = "git@example.org:a/b.git"\n[model]\ntype = "generic"\n'
    )
    place.program("ssh-add", "#!/bin/sh\nexit 2\n")
    place.env |= {"HOME": str(place.folder), "PATH": f"{place.folder / 'bin'}:{place.env['PATH']}"}
    assert {"ssh-key-missing"} <= set(rows(place.run("doctor", "--offline", "--json"), "warn"))
    place.write(".ssh/id_ed25519", "")
    assert "ssh-key-missing" not in rows(place.run("doctor", "--offline", "--json"))


@pytest.mark.fault(2, "git-unpatched")
def test_a_git_of_another_age(place):
    """Too old is a finding. Not mended by upstream is a note: distributions mend theirs under the old number."""
    (place.folder / "srpo.toml").unlink()
    for version, old, unpatched in (
        ("2.29.3", True, True),
        ("2.45.3", False, True),
        ("2.51.0.windows.1", False, False),
    ):
        place.program("git", f'#!/bin/bash\necho "git version {version}"\n')
        said = place.run("doctor", "--json", PATH=f"{place.folder}/bin:{os.environ['PATH']}")
        assert ("git-old" in rows(said, "fail"), "git-unpatched" in rows(said, "note")) == (old, unpatched)


def test_without_a_manifest_this_machine_is_asked(place):
    """Neither a repository nor a network is needed."""
    (place.folder / "srpo.toml").unlink()
    said = place.run("doctor", "--json")
    assert said.json["manifest"] is None
    assert {row["group"] for row in said.json["rows"]} == {"target", "controller"}
    assert "GPUs" in {row["name"] for row in said.json["rows"]}
    assert not list(place.folder.glob(".srpo*"))


def test_folders_of_ours_that_cannot_be_written(place):
    """A file stands in the way."""
    place.write("file", "")
    said = place.run(
        "doctor",
        "--json",
        SRPO_MANIFEST_CACHE=f"{place.folder}/file/cache",
        SRPO_MANIFEST_HOME=f"{place.folder}/file/home",
    )
    assert {"cache-unwritable", "state-unwritable"} <= set(rows(said, "fail"))
