"""Checkpoints and pictures: which there are, which are new, which are whole."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import time
import zlib
from typing import Any, Optional

from .files import FORMAT, Node, Record, opened
from .listings import Listing, changed, identities, inside, is_coarse, listing, size_of
from .story import Events, Story
from .weights import ends_well, intact, shards
from .words import expand

COARSE_SECONDS = 2.5
"""How long files must rest that tell little: times in whole seconds, or no marker that was written after the weights."""
TORN_SECONDS = 10.0
"""How long a checkpoint that is not whole must rest, while the trainer goes on, before that is told."""
PICTURE_BYTES = 32 << 20
"""A picture that is larger is told of, not copied."""


class Artifacts:
    """Checkpoints, pictures and other files that are wanted and were not there, as they are, before the run."""

    def __init__(self, node: Node, rules: Record, words: dict[str, str]) -> None:
        given, done = rules["artifacts"], rules["done"]
        self.folder = node.path("images") if given.get("collect_images") else None
        self.wanted = {"checkpoint": done.get("checkpoints") or 0, "image": done.get("images") or 0}
        self.wanted_files = tuple(done.get("files") or ())
        self.exit_zero = done.get("exit_zero") or not (any(self.wanted.values()) or self.wanted_files)
        self.marker, self.weights = given.get("marker"), given.get("weights") or "*"
        at = glob.escape(expand(rules["cwd"], words))
        spelled: dict[object, Any] = {"checkpoint": given.get("checkpoints"), "image": given.get("images")}
        spelled.update({("file", name): name for name in self.wanted_files})
        self.globs = {
            kind: os.path.join(at, expand(pattern, words, glob.escape)) for kind, pattern in spelled.items() if pattern
        }
        found = self._scan()
        self.before = {path: files for paths in found.values() for path, files in paths.items()}
        """What is there before the run. Compared with that, no clock can make a file look older or newer."""
        self.older = {one for path, files in found.get("checkpoint", {}).items() for one in identities(path, files)}
        """Files of checkpoints that are there before the run, under whatever name they lie later."""
        self.last: dict[str, Listing] = {}
        self.rested: dict[str, float] = {}
        """Since when what lies there looks as it does, on the monotonic clock."""
        self.whole: dict[str, int] = {}
        self.partial: dict[str, tuple[bool, str]] = {}
        """Unfinished checkpoints, the newest last: whether one seems to be written, and what it lacks."""
        self.images: dict[str, Optional[Listing]] = {}
        """Pictures that were told of; None for one whose copy may be an older one."""
        self.shown: dict[str, int] = {}
        """Checksums of the pictures that were told of last."""
        self.files: dict[str, dict[str, int]] = {name: {} for name in self.wanted_files}
        """Sizes by path of what there is for each wanted pattern."""
        self.fault: Optional[OSError] = None
        """Why a picture could not be copied at the last look; the next one tries again."""

    def remembered(self) -> Record:
        """What there is before the run, for supervisors that come later."""
        return {"format": FORMAT, "before": self.before, "older": sorted(self.older)}

    def recall(self, found: Optional[Record], told: Story) -> None:
        """Go on from that; where it is lost, nothing that lies there now counts but what events told of."""
        if found:
            self.before = {
                path: {name: (size, moment) for name, (size, moment) in files.items()}
                for path, files in found["before"].items()
            }
            self.older = {(device, inode, size, moment) for device, inode, size, moment in found["older"]}
            return
        mine = {*told.checkpoints, *told.images}
        self.before = {path: files for path, files in self.before.items() if path not in mine}
        self.older = {one for path, files in self.before.items() for one in identities(path, files)}

    def look(self, events: Events, told: Story, last: bool) -> bool:
        """Tell of what became whole since the look before; at the *last* look nothing is being written any more.

        Returns: whether anything moved.
        """
        fresh = {
            kind: {path: files for path, files in found.items() if files != self.before.get(path)}
            for kind, found in self._scan().items()
        }
        every = {path: files for found in fresh.values() for path, files in found.items()}
        moment = time.monotonic()
        self.rested = {
            path: self.rested[path] if files == self.last.get(path) else moment for path, files in every.items()
        }
        settled = {path for path, since in self.rested.items() if last or since < moment}
        moved, self.last = every != self.last, every
        self.files = {
            name: {path: size_of(files) for path, files in fresh["file", name].items() if path in settled}
            for name in self.wanted_files
        }
        self._checkpoints(fresh.get("checkpoint", {}), settled, last, events, told)
        self.fault = None
        for path, files in fresh.get("image", {}).items():
            try:
                self._image(path, files, path in settled, events)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.fault, self.images[path] = error, None
        return moved

    def lacking(self, status: Optional[int]) -> list[str]:
        """What of the done rule does not hold, in words; *status* is the leader's, if it ended."""
        have = {"checkpoint": len(self.whole), "image": len(self.images)}
        lacking = [
            f"{have[kind]} of {count} {kind}{'s' * (count > 1)}"
            for kind, count in self.wanted.items()
            if have[kind] < count
        ]
        lacking += [f"no new `{name}`" for name, found in self.files.items() if not found]
        if self.exit_zero and status != 0:
            lacking.append("no end with status 0")
        return lacking

    def writing(self) -> bool:
        """Whether a checkpoint seems to be written just now: only the newest can be."""
        return bool(self.partial) and list(self.partial.values())[-1][0]

    def torn(self, stepped: float) -> list[str]:
        """Unfinished checkpoints that rest though the trainer went on: to a step at *stepped*, or to other artifacts."""
        went_on = max(stepped, *self.rested.values()) if self.partial else 0.0
        return [
            path
            for path in self.partial
            if time.monotonic() - self.rested[path] >= TORN_SECONDS and went_on - self.rested[path] >= COARSE_SECONDS
        ]

    def _checkpoints(
        self, fresh: dict[str, Listing], settled: set[str], last: bool, events: Events, told: Story
    ) -> None:
        before, self.whole, self.partial = self.whole, {}, {}
        places = {os.path.realpath(path) for path in fresh if not os.path.islink(path)}
        for path, files in sorted(fresh.items(), key=lambda item: changed(*item)):
            if os.path.islink(path) and os.path.realpath(path) in places:
                continue
            if (same_as := identities(path, files)) and same_as <= self.older:
                continue
            if not (path in settled and (last or self._is_settled(path, files))):
                self.partial[path] = (True, "it was being written")
            elif path not in before and (flaw := self._flaw(path, files)):
                self.partial[path] = (not self._is_marked(path, files), flaw)
            else:
                self.whole[path] = size_of(files)
                if told.checkpoints.get(path) != size_of(files):
                    told.checkpoints[path] = size_of(files)
                    events.append("checkpoint.written", path=path, bytes=size_of(files))

    def _is_settled(self, path: str, files: Listing) -> bool:
        """Whether files that stood still between two looks may be taken to be finished."""
        marked = files.get(self.marker or "", (0, 0))[1] >= max((moment for _, moment in files.values()), default=0)
        telling = marked and not is_coarse(files)
        return telling or time.monotonic() - self.rested[path] >= COARSE_SECONDS

    def _is_new(self, path: str, files: Listing, name: str) -> bool:
        changed_here = files[name] != self.before.get(path, {}).get(name)
        return changed_here and identities(path, [name]).isdisjoint(self.older)

    def _weights(self, files: Listing) -> list[str]:
        return [name for name in files if not name or fnmatch.fnmatch(name, self.weights)]

    def _is_marked(self, path: str, files: Listing) -> bool:
        """Whether the run wrote the marker; without one, whether it wrote all of the weights."""
        if "" in files:
            return True
        if not self.marker:
            return all(self._is_new(path, files, name) for name in self._weights(files))
        return files.get(self.marker, (0, 0))[0] > 0 and self._is_new(path, files, self.marker)

    def _flaw(self, path: str, files: Listing) -> Optional[str]:
        """Why a checkpoint that is not being written is not whole; None where it is."""
        if os.path.islink(path):
            return f"it is a link to `{os.path.realpath(path)}`, which may be older than the run"
        if not self._is_marked(path, files):
            return f"the run wrote no `{self.marker}`" if self.marker else "some of its weights are from before the run"
        weights = [name for name in self._weights(files) if self._is_new(path, files, name)]
        if not weights:
            return f"the run wrote no `{self.weights}`"
        for name in files:
            if name.endswith(".index.json") and self._is_new(path, files, name):
                named = shards(inside(path, name))
                if named is None:
                    return f"`{name}` is cut"
                at = os.path.dirname(name)
                missing = sorted(shard for shard in named if os.path.join(at, shard) not in weights)
                if missing:
                    return f"`{missing[0]}`, which `{name}` names, is missing"
        cut = [name for name in weights if not intact(inside(path, name), files[name][0])]
        return f"`{cut[0] or os.path.basename(path)}` is cut" if cut else None

    def _image(self, path: str, files: Listing, settled: bool, events: Events) -> None:
        """Tell of a picture and keep it, as soon as what lies there is one and another one than before."""
        young = is_coarse(files) and time.monotonic() - self.rested[path] < COARSE_SECONDS
        if not size_of(files) or (self.images.get(path) == files and not young):
            return
        if path in self.images and self.images[path] is None and not self.folder:
            self.images[path] = files
            return
        with open(path, "rb", opener=opened) as file:
            data = file.read(PICTURE_BYTES + 1)
        large, kind = len(data) > PICTURE_BYTES, ends_well(data)
        if not (settled if large or kind is None else kind):
            return
        known, checksum = path in self.images, zlib.crc32(data)
        is_kept = self.images.get(path) is None and known and self.folder and is_copied(path, data, self.folder)
        if not is_kept and self.shown.get(path) != checksum:
            if self.folder and not large:
                collect(path, data, self.folder)
            events.append("image.written", path=path, bytes=size_of(files))
        self.images[path], self.shown[path] = files, checksum

    def _scan(self) -> dict[object, dict[str, Listing]]:
        """What each pattern matches; only a checkpoint may be a folder."""
        return {
            kind: {
                path: listing(path)
                for path in glob.glob(pattern, recursive=True)
                if kind == "checkpoint" or os.path.isfile(path)
            }
            for kind, pattern in self.globs.items()
        }


def is_copied(path: str, data: bytes, folder: str) -> bool:
    """Whether *folder* holds a copy of this version of a picture."""
    stem, ending = os.path.splitext(os.path.basename(path))
    for copy in glob.glob(os.path.join(glob.escape(folder), glob.escape(stem) + "*" + glob.escape(ending))):
        with open(copy, "rb", opener=opened) as file:
            if file.read() == data:
                return True
    return False


def collect(path: str, data: bytes, folder: str) -> None:
    """Keep a picture in *folder*; where the trainer wrote over an older one, it gets the next number."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    stem, ending = os.path.splitext(os.path.basename(path))
    number, name = 1, stem + ending
    while os.path.exists(os.path.join(folder, name)):
        number += 1
        name = f"{stem}-{number}{ending}"
    aside = os.path.join(folder, f".{stem}")
    try:
        with open(aside, "wb") as copy:
            copy.write(data)
        os.replace(aside, os.path.join(folder, name))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
