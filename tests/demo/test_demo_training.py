"""What a run of the demo's trainer does, says and leaves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import signal
import socket
import struct
import tomllib
import zlib
from pathlib import Path

from srpo_manifest import upstream

WEIGHTS = "diffusion_pytorch_model.safetensors"


def decode_png(path: Path) -> tuple[int, int, list[float]]:
    """Width, height, and the shades, 0 to 1, of an RGB picture without filters; every checksum is looked at."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        chunks[kind] = body
        at += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (rest, list(chunks)) == ([8, 2, 0, 0, 0], [b"IHDR", b"IDAT", b"IEND"])
    rows = zlib.decompress(chunks[b"IDAT"])
    stride = 3 * width + 1
    assert len(rows) == stride * height
    assert not any(rows[::stride])
    return (
        width,
        height,
        [shade / 255 for row in range(height) for shade in rows[row * stride + 1 : (row + 1) * stride]],
    )


def read_safetensors(path: Path) -> dict[str, dict]:
    """The header's tensors, after a look at the file's length."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert len(data) == 8 + length + max(tensor["data_offsets"][1] for tensor in header.values())
    return header


def test_the_loss_falls(learned):
    """It learns in 19 updates, on the whole without a way back."""
    losses = learned.losses
    assert len(losses) == 19
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert all(later < 1.3 * earlier for earlier, later in zip(losses, losses[2:], strict=False))


def test_previews_come_nearer_to_the_sunset(learned):
    """What is learned can be seen."""
    sunset = runpy.run_path(str(learned.folder / "minisrpo/rewards.py"))["sunset"](192, 192)
    distances = []
    for step in (1, 6, 11, 16, 20):
        width, height, shades = decode_png(learned.folder / f"images/minisrpo/{step}_0.png")
        assert (width, height) == (192, 192)
        distances.append(sum((shade - ideal) ** 2 for shade, ideal in zip(shades, sunset, strict=True)) / len(sunset))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.15 * distances[0]


def test_it_speaks_as_upstream_does(learned):
    """Every line that tells of upstream's progress or phases is found in the demo's output, in upstream's order."""
    description = Path(upstream.__file__).parent / "trainers/flux-dev-srpo.toml"
    rules = [rule for rule in tomllib.loads(description.read_text())["log"] if rule["event"] != "warning.raised"]
    phases = [re.search(rule["pattern"], learned.out) for rule in rules if rule["event"] == "phase.started"]
    places = [found.start() for found in phases if found]
    assert len(places) == len(phases) == 6
    assert places == sorted(places)
    [progress] = [re.compile(rule["pattern"]) for rule in rules if rule["event"] == "progress.made"]
    steps = [found["step"] for found in progress.finditer(learned.err)]
    assert steps == [str(step) for step in range(1, 20)]
    assert "\rSteps:   0%|          | 19/100000 [" in learned.err
    assert (learned.folder / "output/demo/train.log").read_text().count("Progress: ") == 19


def test_the_checkpoint_is_whole_and_its_marker_is_last(learned):
    """The weights are a safetensors file of the length that its header says; `config.json` is newer."""
    folder = learned.folder / "output/demo/checkpoint-20-0"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS]
    header = read_safetensors(folder / WEIGHTS)
    assert list(header) == ["bias", *(f"plane.{number}" for number in range(8))]
    assert all(tensor["dtype"] == "F32" and tensor["shape"] == [48, 48, 3] for tensor in header.values())
    assert json.loads((folder / "config.json").read_text()) == {
        "_class_name": "MiniGenerator", "height": 48, "width": 48,
    }  # fmt: skip
    assert (folder / "config.json").stat().st_mtime_ns > (folder / WEIGHTS).stat().st_mtime_ns


def test_it_only_makes_pictures_after_its_checkpoint_and_never_ends(learned):
    """One checkpoint, then pictures of a model that no longer changes."""
    images = learned.folder / "images/minisrpo"
    assert [path.name for path in (learned.folder / "output/demo").glob("checkpoint-*")] == ["checkpoint-20-0"]
    assert {f"{step}_0.png" for step in (1, 6, 11, 16, 20, 21, 22, 23)} <= {path.name for path in images.iterdir()}
    assert decode_png(images / "22_0.png")[2] == decode_png(images / "20_0.png")[2]
    assert learned.process.returncode == -signal.SIGKILL


def test_each_epoch_saves_where_steps_end_at_the_checkpoint(start):
    """`max_train_steps = checkpointing_steps` is the usable pattern: a checkpoint an epoch, and pictures overwritten."""
    run = start("--max_train_steps 3 --checkpointing_steps 3")
    run.until((run.folder / "output/demo/checkpoint-3-2/config.json").exists)
    assert {path.name for path in (run.folder / "images/minisrpo").iterdir()} == {"1_0.png", "3_0.png"}
    assert run.process.poll() is None


def test_the_script_fails_without_the_four_variables(start):
    """Their words vanish, and argparse says what it misses."""
    run = start(HOST_NUM="", HOST_GPU_NUM="", INDEX="", CHIEF_IP="")
    assert run.wait() == 2
    assert "argument --nnodes: expected one argument" in run.err


def test_no_workers_are_no_success(start):
    """`HOST_GPU_NUM=0` is refused."""
    run = start(HOST_GPU_NUM="0")
    assert run.wait() == 1
    assert "must be at least 1" in run.err


def test_a_float_for_an_integer_flag_is_refused(start):
    """The default of `train_guidence` cannot be given."""
    run = start("--train_guidence 3.5")
    assert run.wait() == 2
    assert "argument --train_guidence: invalid int value: '3.5'" in run.err


def test_every_worker_makes_pictures_of_its_own(start):
    """Ranks are numbered, and the first one alone logs and saves."""
    run = start(HOST_GPU_NUM="2")
    run.until(lambda: all((run.folder / f"images/minisrpo/6_{rank}.png").exists() for rank in range(2)))
    assert len(run.workers()) == 2
    assert len(run.losses) == 4
    assert {os.getsid(pid) for pid in run.workers()} == {os.getsid(run.agent)}


def test_term_ends_agent_and_workers_at_once(start):
    """A stop needs no patience when nobody asked for a fault."""
    run = start(HOST_GPU_NUM="2")
    run.until(lambda: run.losses)
    os.kill(run.agent, signal.SIGTERM)
    assert run.wait(10) == 128 + signal.SIGTERM
    assert not run.processes()


def test_nodes_of_one_run_meet_at_the_chief(start):
    """A second node waits in silence for the first, and then both train under their own ranks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = f"--master_port {port}"
    second = start(flags, HOST_NUM="2", INDEX="1")
    second.until(lambda: "node 1 of 2" in second.out)
    assert second.process.poll() is None
    first = start(flags, HOST_NUM="2")
    first.until((first.folder / "images/minisrpo/5_1.png").exists)
    first.until((first.folder / "images/minisrpo/5_0.png").exists)


def test_a_node_of_another_run_is_turned_away(start):
    """Two runs on one port do not mix."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    first = start(f"--master_port {port}", HOST_NUM="2")
    stranger = start(f"--master_port {port} --rdzv_id other", HOST_NUM="2", INDEX="1")
    assert stranger.wait() == 1
    assert f"node 0 at 127.0.0.1:{port} does not run other" in stranger.err
    assert first.process.poll() is None


def test_a_stranger_that_says_nothing_holds_nobody_up(start):
    """As a program that looks for open ports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    first = start(f"--master_port {port}", HOST_NUM="2")

    def listens() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            silent.append(socket.create_connection(("127.0.0.1", port)))
        return bool(silent)

    silent: list[socket.socket] = []
    first.until(listens)
    start(f"--master_port {port}", HOST_NUM="2", INDEX="1")
    first.until((first.folder / "images/minisrpo/5_0.png").exists)
    silent[0].close()


def test_training_goes_on_from_a_checkpoint(start, tmp_path: Path):
    """A checkpoint's folder serves as the base model, of the same size alone."""
    first = start("--checkpointing_steps 8")
    checkpoint = tmp_path / "output/demo/checkpoint-8-0"
    first.until((checkpoint / "config.json").exists)
    first.sweep()
    second = start(f"--pretrained_model_name_or_path {checkpoint}")
    second.until(lambda: second.losses)
    assert second.losses[0] < first.losses[0]
    third = start(f"--pretrained_model_name_or_path {checkpoint} --h 20")
    assert third.wait() == 1
    assert "--w 16 --h 20: the model is 16 by 16" in third.err


def test_captions_are_read_where_it_was_started(start, tmp_path: Path):
    """`data_json_path` is relative, and its absence is found out late."""
    missing = start("--data_json_path data/captions.json")
    assert missing.wait() == 1
    assert "--> model loaded" in missing.out
    assert "FileNotFoundError" in missing.err
    (tmp_path / "data").mkdir()
    (tmp_path / "data/captions.json").write_text(json.dumps([{"caption": "dämmerung"}]), encoding="utf-8")
    present = start("--data_json_path data/captions.json")
    present.until(lambda: present.losses)
    assert "Num examples = 1\n" in present.out
