"""Outputs come home over ssh."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path


def home_of(desk) -> Path:
    (found,) = (desk.folder / "runs").iterdir()
    return found


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_what_the_manifest_wants_is_home_when_the_run_has_ended(desk):
    """Images and logs, byte for byte; `fetch` brings checkpoints, and sends nothing twice."""
    desk.demo()
    said = desk.say("apply")
    assert said.status == 0, said.err
    home, node = home_of(desk), desk.node()
    assert f"to {home}" in said.err
    there = digests(node)
    here = digests(home)
    assert {"log", "events.jsonl", "result.json"} < {*here}
    assert any(name.startswith("images/") for name in here)
    assert here == {name: there[name] for name in here}
    assert {name for name in there if name.startswith("images/")} < {*here}
    fetched = desk.say("fetch", "--checkpoints", "all", "--json").json
    assert fetched["complete"]
    whole = [Path(found["path"]) for found in desk.say("status", "--json").json["checkpoints"] if found["whole"]]
    for checkpoint in whole:
        assert digests(home / "checkpoints" / checkpoint.name) == digests(checkpoint)
    commands = desk.sshd.commands
    again = desk.say("fetch", "--checkpoints", "all", "--json").json
    assert not any(file["new"] for file in again["files"])
    assert [file["path"] for file in again["files"]] == [file["path"] for file in fetched["files"]]
    assert desk.sshd.commands - commands < 20
    last = desk.say("fetch", "last", "--checkpoints", "last", "--to", "elsewhere")
    assert last.status == 0
    assert Path(last.out.strip()) == desk.folder / "elsewhere" / home.name
    assert [one.name for one in (desk.folder / "elsewhere" / home.name / "checkpoints").iterdir()] == [whole[-1].name]


def test_outputs_come_while_the_run_goes_on(desk):
    """The log grows here as it does there, and is right in the end."""
    desk.command("bash", "-c", "for i in $(seq 1 150); do echo line $i; sleep 0.1; done")
    assert desk.say("apply", "--detach").status == 0
    desk.sshd.until(lambda: "line 3" in desk.say("logs", "--raw").out)
    early = desk.say("fetch", "--json").json
    assert not early["complete"]
    log = home_of(desk) / "log"
    assert log.read_text().startswith("line 1\nline 2\n")
    size = log.stat().st_size
    late = desk.say("fetch", "--follow", "--json").json
    assert late["complete"]
    assert log.stat().st_size > size
    assert log.read_bytes() == (desk.node() / "log").read_bytes()


def large(desk, megabytes: int) -> Path:
    """A picture of that size, of a run that has ended."""
    desk.command(
        "bash",
        "-c",
        f"mkdir -p $SRPO_RUN_DIR/images && head -c {megabytes << 20} /dev/urandom >$SRPO_RUN_DIR/images/big.bin",
    )
    said = desk.say("apply", "--detach")
    assert said.status == 0, said.err
    assert desk.say("wait").status == 0
    return desk.node() / "images/big.bin"


def test_a_link_that_is_cut_costs_what_was_on_its_way(desk):
    """Again and again: what came stays, and the digest is right in the end."""
    there = large(desk, 96)
    client = desk.start("fetch", "--json")
    for _ in range(3):
        time.sleep(0.5)
        desk.sshd.cut()
    out, err = client.communicate(timeout=90)
    assert client.returncode == 0, err
    assert json.loads(out)["complete"]
    assert (home_of(desk) / "images/big.bin").read_bytes() == there.read_bytes()


def test_a_fetch_that_was_killed_goes_on_where_it_was(desk):
    """Nothing has its last name before it is whole."""
    there = large(desk, 64)
    client = desk.start("fetch")
    part = lambda: [*desk.folder.glob("runs/*/images/.*.part")]  # noqa: E731
    desk.sshd.until(lambda: part() and part()[0].stat().st_size >= 16 << 20)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    kept = part()[0].stat().st_size
    assert not (home_of(desk) / "images/big.bin").exists()
    with part()[0].open("ab") as file:
        file.truncate(kept - 5)
    assert desk.say("fetch").status == 0
    assert (home_of(desk) / "images/big.bin").read_bytes() == there.read_bytes()
    assert part() == []


def test_what_is_wrong_here_is_sent_anew(desk):
    """A rest of something else, and a log that was written to."""
    there = large(desk, 1)
    assert desk.say("fetch").status == 0
    home = home_of(desk)
    (home / "images/big.bin").unlink()
    (home / "images/.*.part").write_bytes(b"something else")
    (home / "log").write_bytes(b"written here\n" * 50)
    assert desk.say("fetch").status == 0
    assert (home / "images/big.bin").read_bytes() == there.read_bytes()
    assert (home / "log").read_bytes() == (desk.node() / "log").read_bytes()


def test_names_and_links_of_the_target_lead_nowhere(desk):
    """Links are not followed, odd names are told, and all others come."""
    secret = desk.sshd.folder / "secret"
    secret.write_text("not yours")
    desk.command(
        "bash", "-c", f"cd $SRPO_RUN_DIR; mkdir -p images/a; ln -s {secret} images/link; ln -s / images/root; echo x >images/a/good.png; echo x >$'images/odd\\nname'; echo x >'images/C:x'; echo x >$'images/\\xff'"
    )  # fmt: skip
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    said = desk.say("fetch", "--json")
    assert said.status == 5
    assert said.err.count("error[unsafe-name]") == 3
    assert not said.json["complete"]
    assert [path.name for path in (home_of(desk) / "images").rglob("*") if path.is_file()] == ["good.png"]
    assert (home_of(desk) / "log").exists()


def test_a_checkpoint_that_is_gone_keeps_no_other_from_coming(desk):
    """It is told; `[end]` waits for what the manifest wants, and for nothing that cannot come."""
    desk.demo(
        more='[outputs]\nfetch = ["logs", "checkpoints"]\n[end]\ncommand = ["true"]\nwhen = "fetched"\nwait_hours = 1\n'
    )
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    first, *others = [
        Path(found["path"]) for found in desk.say("status", "--json").json["checkpoints"] if found["whole"]
    ]
    assert desk.say("fetch", "--checkpoints", "none").status == 0
    assert desk.say("status", "--json").json["end"]["state"] == "waiting"
    first.rename(first.with_name("away"))
    said = desk.say("fetch")
    assert (said.status, said.err.count("warning[checkpoint-torn]")) == (0, 1)
    assert {one.name for one in (home_of(desk) / "checkpoints").glob("*")} == {one.name for one in others}
    desk.sshd.until(lambda: desk.say("status", "--json").json["end"]["state"] == "ended")


def test_what_changed_there_at_the_same_size_is_sent_again(desk):
    """And what was changed here is mended."""
    there = large(desk, 1)
    assert desk.say("fetch").status == 0
    home = home_of(desk) / "images/big.bin"
    there.write_bytes(b"y" * there.stat().st_size)
    assert desk.say("fetch").status == 0
    assert home.read_bytes() == there.read_bytes()
    home.write_bytes(b"x" * home.stat().st_size)
    assert desk.say("fetch").status == 0
    assert home.read_bytes() == there.read_bytes()


def test_many_small_files_come_together(desk):
    """Not a command for each."""
    desk.command(
        "bash",
        "-c",
        "mkdir -p $SRPO_RUN_DIR/images; cd $SRPO_RUN_DIR/images; for i in $(seq 500); do echo $i >$i.png; done",
    )
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    commands = desk.sshd.commands
    assert desk.say("fetch").status == 0
    assert desk.sshd.commands - commands < 40
    assert digests(home_of(desk) / "images") == digests(desk.node() / "images")


def test_a_machine_that_lacks_a_tool_is_not_called_done(desk):
    """Neither without find nor without sha256sum; what was here stays."""
    large(desk, 1)
    text = '[end]\ncommand = ["touch", "off"]\nwhen = "fetched"\nwait_hours = 1\n'
    desk.command("bash", "-c", "echo done", more=text)
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    bin_folder = desk.sshd.home / "bin"
    bin_folder.mkdir()
    (desk.sshd.home / ".bashrc").write_text(f"PATH={bin_folder}:$PATH\n")
    for tool in ("find", "sha256sum"):
        (bin_folder / tool).write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
        (bin_folder / tool).chmod(0o755)
        said = desk.say("fetch", "--json")
        assert (said.status, said.json["complete"]) == (5, False)
        assert "error[outputs-unreadable]" in said.err
        assert "out of order" in said.err
        (bin_folder / tool).unlink()
    assert desk.say("status", "--json").json["end"]["state"] == "waiting"
    assert desk.say("fetch").status == 0


def test_links_of_a_checkpoint_are_files_of_it(desk):
    """As caches of models lay them out."""
    desk.demo()
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    whole = [Path(found["path"]) for found in desk.say("status", "--json").json["checkpoints"] if found["whole"]]
    weights = next(whole[-1].glob("*.safetensors"))
    blob = desk.sshd.home / "blob"
    weights.rename(blob)
    weights.symlink_to(blob)
    assert desk.say("fetch", "--checkpoints", "last").status == 0
    assert (home_of(desk) / "checkpoints" / whole[-1].name / weights.name).read_bytes() == blob.read_bytes()


def test_a_disk_here_that_is_full(desk, mounts):
    """It is told, and the next fetch goes on."""
    large(desk, 6)
    full = desk.folder / "runs"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", full], check=True)
    try:
        said = desk.say("fetch")
        assert said.status == 5
        assert "error[fetch-unwritable]" in said.err
        assert "No space left on device" in said.err
        subprocess.run(["mount", "-o", "remount,size=20m", full], check=True)
        assert desk.say("fetch").status == 0
    finally:
        subprocess.run(["umount", full], check=True)


def test_the_machine_may_turn_off_once_everything_is_home(desk):
    """`[end]` waits for the fetch, not for its hours."""
    text = '[end]\ncommand = ["touch", "off"]\nwhen = "fetched"\nwait_hours = 1\n'
    desk.command("bash", "-c", "echo done", more=text)
    assert desk.say("apply", "--detach").status == 0
    assert desk.say("wait").status == 0
    assert desk.say("status", "--json").json["end"]["state"] == "waiting"
    assert desk.say("fetch").status == 0
    desk.sshd.until(lambda: desk.say("status", "--json").json["end"]["state"] == "ended")
    assert [*desk.sshd.home.rglob("off")]
