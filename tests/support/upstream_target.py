"""A target that has all that upstream's trainer needs, as small as it can be: files of the right shapes, programs first on PATH."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent.parent / "manifests"
GPUS = """#!/bin/bash
case $* in *name,*) line='NVIDIA H100 80GB HBM3, {mib}' ;; *) line={mib} ;; esac
for _ in $(seq {count}); do echo "$line"; done
"""
SHAPES = {"prompt_embed": (512, 4096), "pooled_prompt_embeds": (768,), "text_ids": (3,)}


class _Storage:
    """What torch keeps outside the pickle."""


class _Pickler(pickle.Pickler):
    """Writes the reference to a storage as torch does."""

    def persistent_id(self, found: Any) -> Any:
        return ("storage", "BFloat16Storage", "0", "cpu", 1) if isinstance(found, _Storage) else None


class _Tensor:
    """Pickles as a tensor of torch: a call of `torch._utils._rebuild_tensor_v2`, which need not be installed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __reduce__(self) -> Any:
        return _rebuild_tensor_v2, (_Storage(), 0, self.shape, (1,) * len(self.shape), False, None)


def _rebuild_tensor_v2(*_given: Any) -> None:
    """Stands for torch's function of that name."""


def tensor_file(shape: tuple[int, ...]) -> bytes:
    """What `torch.save` writes for a tensor of that shape, without its numbers."""
    pickled = io.BytesIO()
    _Pickler(pickled, protocol=2).dump(_Tensor(shape))
    named = pickled.getvalue().replace(f"c{__name__}\n".encode(), b"ctorch._utils\n")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", named)
    return made.getvalue()


def entry(number: int) -> dict[str, str]:
    """An entry of the index of embeddings."""
    name = f"{number}.pt"
    return {"prompt_embed_path": name, "text_ids": name, "pooled_prompt_embeds_path": name, "caption": "a cat"}


def packages(place: Any, *missing: str) -> Path:
    """Make `bin/python3` an environment with empty modules of the names that the lock tells. Returns: its site-packages."""
    entries = tomllib.loads((SHIPPED / "srpo.lock").read_text())["pins"][0]["entries"]
    names = {name for entry in entries.values() for name, one in entry["imports"].items() if not one.get("own")}
    site = place.folder / "lib/python{}.{}/site-packages".format(*sys.version_info[:2])
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    for name in ((names - sys.stdlib_module_names) | {"_tkinter"}) - set(missing):
        (site / f"{name}.py").touch()
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    place.write("pyvenv.cfg", f"home = {base.parent}\ninclude-system-site-packages = false\n")
    program = place.folder / "bin/python3"
    program.parent.mkdir(exist_ok=True)
    program.unlink(missing_ok=True)
    program.symlink_to(base)
    return site


def settle(place: Any) -> Path:
    """Put the shipped manifests and everything around them in place. Returns: the working directory."""
    for name in ("flux.toml", "srpo.lock"):
        place.write(f"manifests/{name}", (SHIPPED / name).read_text())
    # This machine has neither such memory nor such a disk.
    with (place.folder / "manifests/flux.toml").open("a") as manifest:
        manifest.write('\n[lints]\nhost-memory = "allow"\ndisk-full = "allow"\n')
    home = place.folder / "me"
    work = home / "srpo/flux"
    for path in (
        "data/flux/transformer",
        "data/flux/vae",
        "hps_ckpt",
        *(f"data/rl_embeddings/{one}" for one in SHAPES),
    ):
        (work / path).mkdir(parents=True)
    for path in (
        "data/flux/transformer/config.json",
        "data/flux/transformer/a.safetensors",
        "hps_ckpt/HPS_v2.1_compressed.pt",
    ):
        (work / path).write_text("weights")
    for folder, shape in SHAPES.items():
        (work / f"data/rl_embeddings/{folder}/0.pt").write_bytes(tensor_file(shape))
    (work / "data/rl_embeddings/videos2caption2.json").write_text(json.dumps([entry(0)]))
    clip = home / ".cache/huggingface/hub/models--laion--CLIP-ViT-H-14-laion2B-s32B-b79K/snapshots/x"
    clip.mkdir(parents=True)
    (clip / "open_clip_pytorch_model.bin").write_text("weights")
    place.program("torchrun", f"#!{place.folder}/bin/python3\n")
    place.program("nvidia-smi", GPUS.format(count=8, mib=81559))
    packages(place)
    kept = {name: value for name, value in place.env.items() if not name.startswith(("HF_", "HUGGINGFACE_", "XDG_"))}
    place.env.clear()
    place.env |= kept | {"HOME": str(home), "PATH": f"{place.folder / 'bin'}:{kept['PATH']}"}
    return work
