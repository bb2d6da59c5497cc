"""What is taken for a whole artifact of this run, look by look; files are real, and nothing waits."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + b"1234"
RULES: dict[str, Any] = {
    "done": {"checkpoints": 1, "images": 1},
    "artifacts": {
        "checkpoints": "out/checkpoint-*",
        "marker": "config.json",
        "weights": "*.safetensors",
        "images": "pictures/*.png",
        "collect_images": True,
    },
}


def png(shade: int, width: int = 8) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes([shade]) * width)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Watched:
    """A working directory and who looks at it."""

    def __init__(self, folder: Path, supervise: SimpleNamespace) -> None:
        self.supervise, self.rules = supervise, json.loads(json.dumps(RULES)) | {"cwd": str(folder / "cwd")}
        self.out, self.pictures = folder / "cwd" / "out", folder / "cwd" / "pictures"
        for made in (self.out, self.pictures, folder / "run" / "attempt-1" / "node-0"):
            made.mkdir(parents=True)
        self.node = supervise.Node(str(folder / "run" / "attempt-1" / "node-0"))

    def begin(self) -> None:
        """The run starts: what lies there is from before; or its other supervisor takes over."""
        self.artifacts = self.supervise.Artifacts(self.node, self.rules, {})
        self.events = self.supervise.Events(self.node)
        self.story = self.supervise.Story(self.node.path("events.jsonl"))
        self.artifacts.images = dict.fromkeys(self.story.images)

    def look(self, times: int = 2, *, last: bool = False) -> list[str]:
        """Names of whole checkpoints after some looks."""
        for _ in range(times):
            self.artifacts.look(self.events, self.story, last)
        return [Path(path).name for path in self.artifacts.whole]

    def flaws(self) -> list[str]:
        return [flaw for _, flaw in self.artifacts.partial.values()]

    def checkpoint(self, name: str, *files: str) -> Path:
        """Files in order; by default weights, then the marker."""
        made = self.out / name
        made.mkdir(exist_ok=True)
        for file in files or ("w.safetensors", "config.json"):
            (made / file).write_bytes(WEIGHTS if file.endswith(".safetensors") else b"{}")
        return made

    def copies(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(Path(self.node.path("images")).glob("*.png"))]

    def told(self, event: str) -> int:
        return Path(self.node.path("events.jsonl")).read_text().count(f'"{event}"')


@pytest.fixture
def watched(tmp_path: Path, supervise: SimpleNamespace) -> Watched:
    return Watched(tmp_path, supervise)


def test_an_older_checkpoint_under_a_new_name_is_none(watched):
    """Whoever moves or links an older run's checkpoint aside makes no new one."""
    moved, linked = watched.checkpoint("checkpoint-1"), watched.checkpoint("checkpoint-2")
    watched.begin()
    moved.rename(watched.out / "checkpoint-1-old")
    (watched.out / "checkpoint-3").mkdir()
    os.link(linked / "w.safetensors", watched.out / "checkpoint-3" / "w.safetensors")
    (watched.out / "checkpoint-3" / "config.json").write_text("{}")
    assert watched.look() == []
    assert watched.flaws() == ["the run wrote no `*.safetensors`"]
    assert watched.look(1, last=True) == []


def test_an_older_checkpoint_that_loses_a_file_is_none(watched):
    """Who tidies up makes nothing new."""
    made = watched.checkpoint("checkpoint-1", "a.safetensors", "b.safetensors", "config.json")
    watched.begin()
    (made / "b.safetensors").unlink()
    assert watched.look(1, last=True) == []
    assert watched.flaws() == []


def test_a_folder_that_is_renamed_into_place_counts(watched):
    """A careful trainer writes aside and renames."""
    watched.begin()
    watched.checkpoint("tmp-1").rename(watched.out / "checkpoint-1")
    assert watched.look() == ["checkpoint-1"]


def test_a_name_is_used_again_by_this_run(watched):
    """Weights beside the older run's marker are unfinished; with a marker of its own the checkpoint is whole."""
    made = watched.checkpoint("checkpoint-1")
    watched.begin()
    (made / "w.safetensors").write_bytes(WEIGHTS)
    assert watched.look(3) == []
    assert watched.artifacts.writing()
    assert watched.look(1, last=True) == []
    assert watched.flaws() == ["the run wrote no `config.json`"]
    (made / "config.json").write_text("{ }")
    assert watched.look() == ["checkpoint-1"]


def test_without_a_marker_every_weight_file_is_of_the_run(watched):
    """The first of several is no checkpoint; nor is it at the end."""
    watched.rules["artifacts"]["marker"] = None
    made = watched.checkpoint("checkpoint-1", "a.safetensors", "b.safetensors")
    watched.begin()
    (made / "a.safetensors").write_bytes(WEIGHTS)
    assert watched.look(1, last=True) == []
    assert watched.flaws() == ["some of its weights are from before the run"]
    (made / "b.safetensors").write_bytes(WEIGHTS)
    assert watched.look(1, last=True) == ["checkpoint-1"]


def test_a_marker_that_came_first_proves_little(watched):
    """Between two looks weights of full length may still be filled: they must rest for longer."""
    watched.begin()
    made = watched.checkpoint("checkpoint-1", "config.json", "w.safetensors")
    os.utime(made / "w.safetensors", ns=(10**18 + 2, 10**18 + 2))
    os.utime(made / "config.json", ns=(10**18 + 1, 10**18 + 1))
    assert watched.look(3) == []
    assert watched.artifacts.writing()
    os.utime(made / "config.json", ns=(10**18 + 3, 10**18 + 3))
    assert watched.look() == ["checkpoint-1"]


def test_times_in_whole_seconds_prove_little(watched):
    """A file system that tells no fraction hides writes within a second."""
    watched.begin()
    made = watched.checkpoint("checkpoint-1")
    for path in made.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    assert watched.look(3) == []
    watched.artifacts.rested = {path: since - 10 for path, since in watched.artifacts.rested.items()}
    assert watched.look(1) == ["checkpoint-1"]


def test_an_index_names_the_files_that_must_be_there(watched):
    """Weights in several files are whole when all of them are."""
    watched.begin()
    made = watched.checkpoint("checkpoint-1", "w-1.safetensors", "w.safetensors.index.json", "config.json")
    index = made / "w.safetensors.index.json"
    watched.look(1, last=True)
    assert watched.flaws() == ["`w.safetensors.index.json` is cut"]
    index.write_text(json.dumps({"weight_map": {"a": "w-1.safetensors", "b": "w-2.safetensors"}}))
    watched.look(1, last=True)
    assert watched.flaws() == ["`w-2.safetensors`, which `w.safetensors.index.json` names, is missing"]
    (made / "w-2.safetensors").write_bytes(WEIGHTS[:-1])
    watched.look(1, last=True)
    assert watched.flaws() == ["`w-2.safetensors` is cut"]
    (made / "w-2.safetensors").write_bytes(WEIGHTS)
    assert watched.look(1, last=True) == ["checkpoint-1"]


def test_links_are_no_checkpoints_of_their_own(watched, tmp_path):
    """An alias is passed over; a link to elsewhere, which may be old, is told not to count; nor does one to nothing."""
    watched.begin()
    watched.checkpoint("checkpoint-1")
    (watched.out / "checkpoint-last").symlink_to("checkpoint-1")
    assert watched.look() == ["checkpoint-1"]
    assert watched.flaws() == []
    shutil.copytree(watched.out / "checkpoint-1", tmp_path / "elsewhere")
    (watched.out / "checkpoint-2").symlink_to(tmp_path / "elsewhere")
    assert watched.look(1, last=True) == ["checkpoint-1"]
    assert watched.flaws() == [f"it is a link to `{tmp_path}/elsewhere`, which may be older than the run"]
    (watched.out / "checkpoint-2").unlink()
    made = watched.checkpoint("checkpoint-3")
    (made / "x.safetensors").symlink_to("nowhere")
    assert watched.look(1, last=True) == ["checkpoint-1"]
    assert watched.flaws() == ["`x.safetensors` is cut"]


def test_an_archive_of_torch_has_its_end(watched):
    """What `torch.save` writes is a zip archive: cut, it has no directory."""
    watched.rules["artifacts"] |= {"weights": "*.pt", "checkpoints": "out/*.pt", "marker": None}
    watched.begin()
    archive = watched.out / "1.pt"
    archive.write_bytes(b"PK\x03\x04 cut")
    watched.look(1, last=True)
    assert watched.flaws() == ["`1.pt` is cut"]
    archive.write_bytes(b"PK\x03\x04" + b"\0" * 26 + b"PK\x05\x06" + b"\0" * 18)
    assert watched.look(1, last=True) == ["1.pt"]


def test_a_checkpoint_that_is_written_again_is_told_again(watched):
    """Its size is that of what lies there."""
    watched.begin()
    made = watched.checkpoint("checkpoint-1")
    watched.look()
    (made / "config.json").write_text('{"more": 1}')
    assert watched.look() == ["checkpoint-1"]
    assert watched.told("checkpoint.written") == 2
    assert list(watched.story.checkpoints.values()) == [len(WEIGHTS) + 11]


def test_a_picture_is_kept_as_soon_as_it_is_one(watched):
    """One look is enough for a complete PNG, however soon it is written over; the half of one is none."""
    watched.begin()
    picture = watched.pictures / "1_0.png"
    for shade in range(4):
        picture.write_bytes(png(shade))
        watched.look(1)
    picture.write_bytes(png(4)[:-5])
    watched.look(3, last=True)
    damaged = bytearray(png(5))
    damaged[-20] ^= 1
    picture.write_bytes(damaged)
    watched.look(3, last=True)
    assert sorted(watched.copies()) == sorted(map(png, range(4)))
    assert watched.told("image.written") == 4


def test_a_picture_that_is_the_same_is_kept_once(watched):
    """Written again with the same content, or seen by the other supervisor; another content is another picture."""
    watched.begin()
    picture = watched.pictures / "1_0.png"
    picture.write_bytes(png(1))
    watched.look()
    picture.write_bytes(png(1))
    os.utime(picture, (1, 1))
    watched.look()
    watched.begin()
    watched.artifacts.before.clear()
    watched.look()
    assert watched.told("image.written") == 1
    picture.write_bytes(png(2))
    watched.begin()
    watched.artifacts.before.clear()
    watched.look()
    assert watched.copies() == [png(2), png(1)]
    assert watched.told("image.written") == 2


def test_a_change_within_a_second_is_seen(watched):
    """Same size and same coarse time: the content tells."""
    watched.begin()
    picture = watched.pictures / "1_0.png"
    for shade in (1, 2):
        picture.write_bytes(png(shade))
        os.utime(picture, ns=(10**18, 10**18))
        watched.look(1)
    assert sorted(watched.copies()) == sorted([png(1), png(2)])


def test_a_copy_that_fails_spoils_nothing_and_is_made_later(watched):
    """The other pictures are kept, and it counts."""
    watched.begin()
    images = Path(watched.node.path("images"))
    (images / ".a").mkdir(parents=True)
    for name in ("a", "b"):
        (watched.pictures / f"{name}.png").write_bytes(png(ord(name)))
    watched.look(1)
    assert isinstance(watched.artifacts.fault, IsADirectoryError)
    assert watched.copies() == [png(ord("b"))]
    assert len(watched.artifacts.images) == 2
    (images / ".a").rmdir()
    watched.look(1)
    assert watched.artifacts.fault is None
    assert watched.copies() == [png(ord("a")), png(ord("b"))]
    assert watched.told("image.written") == 2
